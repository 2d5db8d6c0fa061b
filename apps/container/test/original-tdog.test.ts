import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createEmulator, type Emulator } from '@datasette-stripe/stripe-emulator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { descendants, startSystem, temporaryFolder, until, type System } from './system.ts';

const timeout = 120_000;
const key = ['sk', 'test', 'originalTdog1'].join('_');
const data = temporaryFolder();
let stripe: Emulator;
let system: System;

beforeAll(async () => {
  // Only the door asks it whether the key is live.
  stripe = createEmulator({ key });
  system = startSystem({
    DATA_DIR: data,
    STRIPE_SECRET_KEY: key,
    STRIPE_API_BASE: (await stripe.listen()).url,
    TDOG_BIN: join(import.meta.dirname, 'fixtures', 'original-tdog.mjs'),
    TDOG_LICENSE: 'licence-1',
    TDOG_POLL_FREQ_MS: '700',
  });
}, timeout);
afterAll(async () => {
  await system.stop();
  await stripe.close();
  rmSync(data, { recursive: true });
}, timeout);

test(
  "the original tdog's file is served under the name stripe, and can be searched",
  { timeout },
  async () => {
    const names = async (path: string): Promise<string> => {
      const response = await system.get(path);
      const rows: unknown = response.ok ? await response.json() : [];
      return Array.isArray(rows) ? rows.map((row: Record<string, unknown>) => String(row.name)).join() : '';
    };
    const wanted = 'Ada Original';
    await until(async () => (await names('/stripe/customers.json?_shape=array')) === wanted, 'the row');
    await until(
      async () => (await names('/stripe/customers.json?_shape=array&_search=original')) === wanted,
      'the hit',
    );
    expect(existsSync(join(data, 'stripe.tdog07.sqlite'))).toBe(true);
    expect(existsSync(join(data, 'stripe.sqlite'))).toBe(false);
  },
);

test(
  'it gets its configuration in a file that only this user can read and that is gone soon',
  { timeout },
  async () => {
    const log = (): string => readFileSync(join(data, 'logs', 'engine.log'), 'utf8');
    await until(() => log().includes('key length'), 'its log');
    expect(log()).toContain('--json-file mode=600 fn=download watch=true poll=700 license=licence-1');
    expect(log()).toContain(`key length ${key.length}`);
    const engine = descendants(system.pid).find(({ cmdline }) => cmdline.includes('original-tdog'));
    const configFile = / (\S+tdog\.json)/.exec(engine?.cmdline ?? '')?.[1];
    if (engine === undefined || configFile === undefined)
      throw new Error('no configuration on the command line');
    await until(() => !existsSync(configFile), 'the end of the configuration file');
    expect(engine.cmdline + engine.environ).not.toContain(key);
  },
);

test('health and log work with it', { timeout }, async () => {
  await until(
    async () => ((await (await system.get('/tdog/health.json')).json()) as { ok: boolean }).ok,
    'health',
  );
  expect(await (await system.get('/tdog/cli_log.txt')).text()).toContain('--json-file');
});
