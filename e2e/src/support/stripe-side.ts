import { randomBytes } from 'node:crypto';
import Stripe from 'stripe';
import { GenericContainer, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';

/** Who plays Stripe in a spec: the emulator, or Stripe itself in test mode. */
export interface StripeSide {
  readonly kind: 'emulator' | 'stripe';
  readonly key: string;
  /** What the container under test gets in its environment to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** Stripe's own client. */
  readonly client: Stripe;
  /** Is in everything that the specs make. */
  readonly runId: string;
  /** Makes a customer, which is deleted at the end. */
  customer(params: Stripe.CustomerCreateParams): Promise<Stripe.Customer>;
  /** The emulator's own switches; throws when it is Stripe itself. */
  emulatorRequest(path: string, body: unknown): Promise<void>;
  close(): Promise<void>;
}

const adminToken = 'e2e-admin';
const port = 12111;

/** A key of the emulator's that looks as Stripe's do. */
export const emulatorKey = ['sk', 'test', 'emulatorE2E0000000000000001'].join('_');

/**
 * The key of STRIPE_TEST_SECRET_KEY, if the specs are to run against Stripe.
 * Checked before the first request: a live key must never make or delete anything.
 */
export function stripeTestKey(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const key = env.STRIPE_TEST_SECRET_KEY;
  if (key === undefined || key === '') return undefined;
  if (!/^(sk|rk)_test_\w+$/.test(key)) {
    throw new Error('STRIPE_TEST_SECRET_KEY is no test mode key (sk_test_… or rk_test_…); nothing was sent');
  }
  return key;
}

/** Stripe in test mode when STRIPE_TEST_SECRET_KEY is set, else the emulator out of the same image. */
export async function startStripeSide(image: string, network: StartedNetwork): Promise<StripeSide> {
  const key = stripeTestKey();
  if (key !== undefined) return stripeSide('stripe', key, new Stripe(key), {});
  return startEmulator(image, network);
}

export interface EmulatorSettings {
  /** Its name in the network. */
  readonly alias?: string;
  /** Not `acct_demo…`: the file of a demo's account is moved aside, not refused, when another account's key comes. */
  readonly accountId?: string;
}

/** The emulator in a container, which one key opens. */
export async function startEmulator(
  image: string,
  network: StartedNetwork,
  { alias = 'stripe', accountId = 'acct_e2e' }: EmulatorSettings = {},
): Promise<StripeSide> {
  const flags = ['--host', '0.0.0.0', '--port', String(port), '--admin-token', adminToken];
  const source = ['--synthetic', '60', '--seed', '7', '--account-id', accountId, '--key', emulatorKey];
  const container = await new GenericContainer(image)
    .withNetwork(network)
    .withNetworkAliases(alias)
    .withExposedPorts(port)
    .withCommand(['stripe-emulator', ...flags, ...source])
    .withWaitStrategy(Wait.forHttp('/v1/account', port).forStatusCode(401))
    .start();
  const host = container.getHost();
  const mapped = container.getMappedPort(port);
  const client = new Stripe(emulatorKey, { host, port: mapped, protocol: 'http', telemetry: false });
  const env = { STRIPE_API_BASE: `http://${alias}:${port}` };
  return stripeSide('emulator', emulatorKey, client, env, container);
}

function stripeSide(
  kind: StripeSide['kind'],
  key: string,
  client: Stripe,
  env: Readonly<Record<string, string>>,
  container?: StartedTestContainer,
): StripeSide {
  const runId = `e2e${randomBytes(6).toString('hex')}`;
  const made: string[] = [];
  return {
    kind,
    key,
    client,
    runId,
    env: { ...env, STRIPE_SECRET_KEY: key },
    async customer(params) {
      const customer = await client.customers.create({ ...params, metadata: { run_id: runId } });
      made.push(customer.id);
      return customer;
    },
    async emulatorRequest(path, body) {
      if (container === undefined) throw new Error('Stripe itself has no such switch');
      const url = `http://${container.getHost()}:${container.getMappedPort(port)}/_emulator${path}`;
      const response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    },
    async close() {
      if (kind === 'stripe') await deleteCustomers(client, made);
      await container?.stop();
    },
  };
}

/** A customer that a spec has deleted already is no fault; any other failure is, since it leaves something behind. */
async function deleteCustomers(client: Stripe, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const customer = await client.customers.retrieve(id);
    if (customer.deleted !== true) await client.customers.del(id);
  }
}
