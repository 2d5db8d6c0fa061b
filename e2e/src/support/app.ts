import { GenericContainer, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import { command } from './command.ts';
import { eventually } from './eventually.ts';

const port = 3000;

/** The container under test, and how a spec talks to it. */
export interface App {
  readonly container: StartedTestContainer;
  readonly url: string;
  /** A request with the key, unless the headers say otherwise. */
  get(path: string, init?: RequestInit): Promise<Response>;
  /** A request without credentials. */
  anonymous(path: string, init?: RequestInit): Promise<Response>;
  /** The answer to a key holder's GET as JSON; throws unless it is 200. */
  json(path: string): Promise<unknown>;
  /** Rows of a query. */
  sql(query: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** What it has printed since it was made. */
  logs(): Promise<string>;
  /** Runs a command in the container as root, as who opens a console there would. */
  exec(script: string): Promise<string>;
}

export interface AppSettings {
  readonly image: string;
  readonly network?: StartedNetwork;
  readonly key: string;
  readonly env: Readonly<Record<string, string>>;
  /** A folder of the host's or a volume's name for /data. */
  readonly data?: string;
  /** For what a spec wants else of the container. */
  readonly configure?: (container: GenericContainer) => GenericContainer;
}

/** Starts the image; it answers when this resolves, though its download may still run. */
export async function startApp(settings: AppSettings): Promise<App> {
  let container = new GenericContainer(settings.image)
    .withExposedPorts(port)
    .withEnvironment({ NODE_ENV: 'development', LOG_LEVEL: 'debug', ...settings.env })
    .withWaitStrategy(Wait.forHttp('/tdog/live', port).forStatusCode(200))
    .withStartupTimeout(90_000);
  if (settings.network !== undefined) container = container.withNetwork(settings.network);
  if (settings.data !== undefined) {
    container = container.withBindMounts([{ source: settings.data, target: '/data', mode: 'rw' }]);
  }
  container = settings.configure?.(container) ?? container;
  return connect(await container.start(), settings.key);
}

/** The same container after a restart may have another port. */
export function connect(container: StartedTestContainer, key: string): App {
  const url = `http://${container.getHost()}:${container.getMappedPort(port)}`;
  const authorization = basic(key);
  const anonymous = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, { redirect: 'manual', ...init });
  const get = (path: string, init: RequestInit = {}): Promise<Response> =>
    anonymous(path, { ...init, headers: { authorization, ...(init.headers as Record<string, string>) } });
  const json = async (path: string): Promise<unknown> => {
    const response = await get(path);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text);
  };
  return {
    container,
    url,
    get,
    anonymous,
    json,
    sql: async (query) =>
      (await json(`/stripe.json?_shape=array&sql=${encodeURIComponent(query)}`)) as Record<string, unknown>[],
    logs: async () => (await command('docker', ['logs', container.getId()])).output,
    async exec(script) {
      const { output, exitCode } = await container.exec(['bash', '-c', script], { user: 'root' });
      if (exitCode !== 0) throw new Error(`${script}: ended with ${exitCode}:\n${output}`);
      return output;
    },
  };
}

/** Resolves when everything has been downloaded and the site answers; a failure shows what the container printed. */
export async function downloaded(app: App, timeoutMs = 100_000): Promise<void> {
  try {
    await eventually(
      'the download is done',
      async () => ((await app.json('/tdog/progress.json')) as { done: boolean }).done || undefined,
      timeoutMs,
    );
    await eventually('the site answers', async () => (await app.json('/stripe.json')) as object, timeoutMs);
  } catch (error) {
    throw new Error(`${(await app.logs()).slice(-4000)}`, { cause: error });
  }
}

/** HTTP Basic as Stripe's own API takes it: the key as user name, no password. */
export function basic(user: string, password = ''): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
