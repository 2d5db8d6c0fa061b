import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { basic, connect, downloaded, type App } from '../support/app.ts';
import { command, succeed, type Ran } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { startStack, type Stack } from '../support/stack.ts';
import { emulatorKey, startEmulator } from '../support/stripe-side.ts';

const image = inject('image');
const folders: string[] = [];
const volumes: string[] = [];
let stack: Stack;

beforeAll(async () => {
  stack = await startStack(image);
});

afterEach(async () => {
  for (const volume of volumes.splice(0)) await command('docker', ['volume', 'rm', '--force', volume]);
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

afterAll(async () => stack?.[Symbol.asyncDispose]());

async function hostFolder(): Promise<string> {
  const parent = await mkdtemp(path.join(tmpdir(), 'e2e-life-'));
  folders.push(parent);
  // Docker's own user must reach it, whatever the umask.
  await chmod(parent, 0o755);
  const folder = path.join(parent, 'data');
  await mkdir(folder);
  return folder;
}

async function volume(): Promise<string> {
  const name = (await succeed('docker', ['volume', 'create'])).trim();
  volumes.push(name);
  return name;
}

/** Runs the image until it ends by itself. */
function once(env: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<Ran> {
  const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  return command('docker', ['run', '--rm', ...variables, ...args, image]);
}

/** `docker stop` with its default of 10 s before the kill. */
async function stop(
  app: App,
): Promise<{ readonly code: number; readonly killed: boolean; readonly ms: number }> {
  const id = app.container.getId();
  const start = Date.now();
  await succeed('docker', ['stop', id]);
  const ms = Date.now() - start;
  const state = JSON.parse(await succeed('docker', ['inspect', '--format', '{{json .State}}', id])) as {
    ExitCode: number;
    OOMKilled: boolean;
  };
  return { code: state.ExitCode, killed: state.OOMKilled || state.ExitCode === 137, ms };
}

/** What SQLite's own tool says of the file in a volume or folder that no container uses. */
async function integrity(data: string): Promise<string> {
  const sql = 'pragma integrity_check; select count(*) > 0 from customers;';
  return succeed('docker', [
    'run',
    '--rm',
    '--volume',
    `${data}:/data`,
    image,
    'sqlite3',
    '/data/stripe.sqlite',
    sql,
  ]);
}

const rows = async (app: App, sql: string) => (await app.sql(sql))[0];

describe('the data folder', () => {
  test('a bind-mounted folder that root has just made is handed over', async () => {
    const data = await hostFolder();
    await chown(data, 0, 0);
    await chmod(data, 0o700);
    const app = await stack.startDownloaded({ data });
    expect((await stat(path.join(data, 'stripe.sqlite'))).uid).toBe(1000);
    expect((await app.get('/stripe/customers.json?_size=1')).status).toBe(200);
    await stop(app);
  });

  test('with --user and --cap-drop ALL on a writable folder', async () => {
    const data = await hostFolder();
    await chown(data, 4321, 4321);
    const app = await stack.startDownloaded({
      data,
      configure: (container) =>
        container.withUser('4321:4321').withDroppedCapabilities('ALL').withSecurityOpt('no-new-privileges'),
    });
    expect((await stat(path.join(data, 'stripe.sqlite'))).uid).toBe(4321);
    expect(await stop(app)).toMatchObject({ code: 0 });
  });

  test('with --user on a folder that is not writable: one line with the cure', async () => {
    const data = await hostFolder();
    await chown(data, 0, 0);
    const ran = await once(stack.stripe.env, [
      '--user',
      '4321:4321',
      '--cap-drop',
      'ALL',
      '--volume',
      `${data}:/data`,
    ]);
    expect(ran.code).toBe(2);
    expect(ran.output.trim().split('\n')).toEqual([expect.stringMatching(/DATA_DIR.*chown 4321:4321/)]);
    expect(await readdir(data)).toEqual([]);
  });

  test('mounted read only: one line, exit code 2', async () => {
    const data = await hostFolder();
    const ran = await once(stack.stripe.env, ['--volume', `${data}:/data:ro`]);
    expect(ran).toMatchObject({ code: 2, output: expect.stringMatching(/^.*DATA_DIR.*\n$/) as string });
  });
});

describe('stop and restart', () => {
  test('docker stop ends within 10 s with exit code 0, the file whole; the next start goes on', async () => {
    const data = await volume();
    const first = await stack.startDownloaded({ data });
    const before = await rows(
      first,
      'select max(finished_ts) as finished, count(*) as tables from td_progress',
    );
    const stopped = await stop(first);
    expect(stopped).toMatchObject({ code: 0, killed: false });
    expect(stopped.ms).toBeLessThan(10_000);
    expect(await integrity(data)).toBe('ok\n1\n');

    const second = await stack.startDownloaded({ data });
    // No table was downloaded anew: each has the time at which the first container finished it.
    expect(
      await rows(second, 'select max(finished_ts) as finished, count(*) as tables from td_progress'),
    ).toEqual(before);
    await stop(second);
  });

  test('a stop in the middle of the download leaves a whole file, and the next start finishes it', async () => {
    const data = await volume();
    const first = await stack.start({ data, env: { TDOG_MAX_REQUESTS_PER_SECOND: '2' } });
    await eventually('some table has rows', async () => {
      const { tables } = (await first.json('/tdog/progress.json')) as { tables: readonly { rows: number }[] };
      return tables.some((table) => table.rows > 0) || undefined;
    });
    expect(await stop(first)).toMatchObject({ code: 0 });
    expect(
      await succeed('docker', [
        'run',
        '--rm',
        '--volume',
        `${data}:/data`,
        image,
        'sqlite3',
        '/data/stripe.sqlite',
        'pragma integrity_check',
      ]),
    ).toBe('ok\n');
    await stop(await stack.startDownloaded({ data }));
  });

  test('a kill loses nothing that was there', async () => {
    const data = await volume();
    const first = await stack.startDownloaded({ data });
    const count = await rows(first, 'select count(*) as n from customers');
    await succeed('docker', ['kill', first.container.getId()]);
    const second = await stack.startDownloaded({ data });
    expect(await rows(second, 'select count(*) as n from customers')).toEqual(count);
    await stop(second);
  });

  test('docker restart keeps data and session secrets', async () => {
    const app = await stack.startDownloaded();
    await app.container.restart();
    const again = connect(app.container, stack.stripe.key);
    await downloaded(again);
    expect((await again.get('/stripe.json')).status).toBe(200);
  });

  test('a child that is killed comes back, and the site with it', async () => {
    const app = await stack.startDownloaded();
    const killed = await app.exec(
      "for dir in /proc/[0-9]*; do grep -qsz -e '^serve$' $dir/cmdline && kill -9 ${dir#/proc/} && echo killed; done; true",
    );
    expect(killed).toContain('killed');
    await eventually('Datasette answers again', async () => (await app.get('/stripe.json')).ok || undefined);
  });
});

describe('what is refused at the start', () => {
  const key = (kind: string): string => [...kind.split('_'), 'refusedRefusedRefused0001'].join('_');

  test.each([
    ['no key', {}, /STRIPE_SECRET_KEY/],
    ['a publishable key', { STRIPE_SECRET_KEY: key('pk_test') }, /STRIPE_SECRET_KEY.*publishable/],
    ['a malformed key', { STRIPE_SECRET_KEY: 'secret' }, /STRIPE_SECRET_KEY/],
    ['a wrong port', { DEMO: '1', PORT: 'http' }, /PORT/],
    [
      'sign-in off for a real account',
      { STRIPE_SECRET_KEY: key('sk_test'), HTTP_BASIC_AUTH_ENABLED: '0' },
      /HTTP_BASIC_AUTH_ENABLED/,
    ],
    [
      'a live key over http',
      { STRIPE_SECRET_KEY: key('sk_live'), STRIPE_API_BASE: 'http://stripe:1' },
      /STRIPE_API_BASE/,
    ],
  ])('%s: one line, exit code 2', async (_name, env, line) => {
    const ran = await once(env);
    expect(ran.output.trim().split('\n')).toEqual([expect.stringMatching(line)]);
    expect(ran.code).toBe(2);
    expect(ran.output).not.toContain('refusedRefusedRefused');
  });

  test('a key that Stripe refuses: one line, exit code 3, nothing is written over', async () => {
    const network = stack.network.getName();
    const env = { ...stack.stripe.env, NODE_ENV: 'development', STRIPE_SECRET_KEY: key('sk_test') };
    const ran = await once(env, ['--network', network]);
    expect(ran.code).toBe(3);
    expect(ran.output).toMatch(/STRIPE_SECRET_KEY/);
    expect(ran.output).not.toContain('refusedRefusedRefused');
  });

  test("another account's file: exit code 4, the file as it was", async () => {
    const data = await volume();
    await stop(await stack.startDownloaded({ data }));
    const other = await startEmulator(image, stack.network, {
      alias: 'other',
      accountId: 'acct_other',
    });
    try {
      const ran = await once({ ...other.env, NODE_ENV: 'development' }, [
        '--network',
        stack.network.getName(),
        '--volume',
        `${data}:/data`,
      ]);
      expect(ran.code).toBe(4);
      expect(ran.output).toMatch(/acct_other|another account/);
      expect(await integrity(data)).toBe('ok\n1\n');
    } finally {
      await other.close();
    }
  });
});

describe('production', () => {
  test('the key is taken over TLS only, probes over http too', async () => {
    const app = await stack.start({ env: { NODE_ENV: 'production', TRUSTED_PROXIES: 'private' } });
    const headers = { authorization: basic(stack.stripe.key), 'x-forwarded-proto': 'https' };
    expect((await app.get('/stripe.json')).status).not.toBe(200);
    for (const probe of ['/tdog/live', '/tdog/ready', '/tdog/health.json']) {
      await eventually(probe, async () => (await app.anonymous(probe)).ok || undefined);
    }
    await eventually(
      'the site',
      async () => (await app.anonymous('/stripe.json', { headers })).ok || undefined,
    );
    await stop(app);
  });

  test('Stripe out of reach at the start is no exit: 503 with Retry-After, then open', async () => {
    const env = { STRIPE_SECRET_KEY: emulatorKey, STRIPE_API_BASE: 'http://late:12111' };
    const app = await stack.start({ env, key: emulatorKey });
    const response = await app.get('/stripe.json');
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    const late = await startEmulator(image, stack.network, { alias: 'late' });
    try {
      await downloaded(app);
      expect((await app.get('/stripe.json')).status).toBe(200);
      await stop(app);
    } finally {
      await late.close();
    }
  });
});

describe('demo', () => {
  test('runs in 512 MB, prints its key, and keeps account and key over a restart', async () => {
    const app = await stack.start({
      env: { DEMO: '1', STRIPE_SECRET_KEY: '', STRIPE_API_BASE: '' },
      configure: (container) => container.withResourcesQuota({ memory: 0.5 }),
    });
    const demoKey = async () =>
      eventually('the key is printed', async () => /\bsk_test_demo\w+/.exec(await app.logs())?.[0]);
    const key = await demoKey();
    const demo = connect(app.container, key);
    await downloaded(demo);
    const [customers] = await demo.sql('select count(*) as n from customers');
    expect(customers?.n).toBeGreaterThanOrEqual(50);
    const [events] = await demo.sql('select count(*) as n from events');
    await eventually(
      'the company goes on living',
      async () =>
        Number((await demo.sql('select count(*) as n from events'))[0]?.n) > Number(events?.n) || undefined,
      30_000,
    );
    const [account] = await demo.sql('select stripe_account_id from td_metadata');
    await app.container.restart();
    const again = connect(app.container, key);
    await downloaded(again);
    expect((await again.sql('select stripe_account_id from td_metadata'))[0]).toEqual(account);
    expect(await stop(again)).toMatchObject({ code: 0 });
  });
});
