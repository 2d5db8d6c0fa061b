import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEmulator } from '@datasette-stripe/stripe-emulator';
import { afterAll, describe, expect, test } from 'vitest';
import { startSystem, temporaryFolder, until, type System } from './system.ts';

const timeout = 120_000;
const data = temporaryFolder();
afterAll(() => rmSync(data, { recursive: true }));

const keyOf = (system: System): string => /key: (sk_test_\w+)/.exec(system.stdout())?.[1] ?? '';

async function rows(system: System, path: string, key: string): Promise<Record<string, unknown>[]> {
  const response = await system.get(path, key);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as Record<string, unknown>[];
}

describe('the demo', { timeout }, () => {
  let key = '';
  let account: unknown;
  let lastEvent = '';

  const newestEvents = '/stripe/events.json?_shape=array&_sort_desc=created&_size=1';

  test('prints URL and key, and all that a newcomer tries answers at once', async () => {
    const system = startSystem({ DATA_DIR: data });
    await system.url();
    key = keyOf(system);
    expect((await system.get('/stripe/customers.json', '')).status).toBe(401);
    const customers = await rows(system, '/stripe/customers.json?_shape=array&_size=max', key);
    expect(customers.length).toBeGreaterThanOrEqual(50);
    const [customer] = customers;
    for (const word of [customer?.id, customer?.email, customer?.name]) {
      const found = await system.get(`/-/search?q=${encodeURIComponent(String(word))}`, key);
      expect(await found.text()).toContain(String(customer?.id));
    }
    const accounts = await rows(system, '/stripe/own_account.json?_shape=array', key);
    account = accounts[0]?.id;
    expect(account).toMatch(/^acct_demo/);
    const page = await (await system.get('/', key)).text();
    expect(page).toContain('demo');

    const before = (await rows(system, newestEvents, key))[0]?.id;
    await until(async () => (await rows(system, newestEvents, key))[0]?.id !== before, 'a new event');
    expect(await system.stop()).toBe(0);
  });

  test('goes on after a restart, here in production with DEMO=1: TLS is required but for probes', async () => {
    const system = startSystem({
      DATA_DIR: data,
      NODE_ENV: 'production',
      DEMO: '1',
      TRUSTED_PROXIES: 'loopback',
    });
    const url = await system.url();
    expect(keyOf(system)).toBe(key);
    const status = async (path: string): Promise<number> => (await system.get(path, key)).status;
    expect(await Promise.all(['/', '/tdog/metrics', '/stripe.json'].map(status))).toEqual([403, 403, 403]);
    expect(await Promise.all(['/tdog/live', '/tdog/ready', '/tdog/health.json'].map(status))).toEqual([
      200, 200, 200,
    ]);
    const behindTls = async (path: string): Promise<Record<string, unknown>[]> => {
      const headers = {
        Authorization: `Bearer ${key}`,
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-For': '192.0.2.1',
      };
      return (await (await fetch(url + path, { headers })).json()) as Record<string, unknown>[];
    };
    const accounts = await behindTls('/stripe/own_account.json?_shape=array');
    expect(accounts.map(({ id }) => id)).toEqual([account]);
    lastEvent = String((await behindTls(newestEvents))[0]?.id);
    // Logs for machines, one object a line, but for what is said to whoever started it.
    const lines = system
      .stdout()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('  '));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow();
    expect(await system.stop()).toBe(0);
  });

  test('a history that this version cannot go on with is kept aside, and a new demo begins', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'demo'));
    const old = { key: ['sk', 'test', 'oldDemo1'].join('_'), accountId: 'acct_demoold' };
    writeFileSync(join(folder, 'demo', 'account.json'), JSON.stringify(old));
    writeFileSync(join(folder, 'demo', 'stripe.sqlite'), 'no history of any version\n'.repeat(100));
    const system = startSystem({ DATA_DIR: folder });
    await system.url();
    expect(keyOf(system)).not.toBe(old.key);
    expect(system.stderr()).toMatch(/moved aside and a new demo begins/);
    expect(system.stderr()).not.toMatch(/^ +at /m);
    expect(readdirSync(folder).some((name) => name.startsWith('demo.old-'))).toBe(true);
    expect(await system.stop()).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test("a real key moves the demo's file aside and begins its own", async () => {
    const stripe = createEmulator({ source: { synthetic: 2 }, accountId: 'acct_real' });
    const { url, key: realKey } = await stripe.listen();
    const system = startSystem({ DATA_DIR: data, STRIPE_SECRET_KEY: realKey, STRIPE_API_BASE: url });
    await until(async () => {
      const response = await system.get('/stripe/own_account.json?_shape=array');
      return response.ok && (await response.text()).includes('acct_real');
    }, "the real account's row");
    expect((await system.get('/', key)).status).toBe(401);
    expect(await rows(system, `/stripe/events.json?_shape=array&id=${lastEvent}`, realKey)).toEqual([]);
    expect(readdirSync(data).filter((name) => /^stripe\.demo-\w+\.sqlite$/.test(name))).toHaveLength(1);
    expect(await system.stop()).toBe(0);
    await stripe.close();
  });
});
