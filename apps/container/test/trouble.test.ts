import { rmSync } from 'node:fs';
import { createEmulator } from '@datasette-stripe/stripe-emulator';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '../src/server.ts';
import { descendants, isAlive, startSystem, temporaryFolder, until, type System } from './system.ts';

const timeout = 120_000;
const key = ['sk', 'test', 'troubleEmulator1'].join('_');
let data: string;
let system: System;

beforeEach(() => {
  data = temporaryFolder();
});
afterEach(async () => {
  if (system.process.exitCode === null && system.process.signalCode === null) await system.stop();
  rmSync(data, { recursive: true });
}, timeout);

const datasettes = (): ReturnType<typeof descendants> =>
  descendants(system.pid).filter(({ cmdline }) => cmdline.includes('datasette serve'));
const status = async (path: string, credentials?: string): Promise<number> =>
  (await system.get(path, credentials)).status;

test(
  'Stripe out of reach at the start is no end: closed with 503 until it answers, then everything goes on',
  { timeout },
  async () => {
    const port = await freePort();
    const env = { DATA_DIR: data, STRIPE_SECRET_KEY: key, STRIPE_API_BASE: `http://127.0.0.1:${port}` };
    system = startSystem(env);
    const closed = await system.get('/stripe/customers.json');
    expect(closed.status).toBe(503);
    expect(Number(closed.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await status('/tdog/live')).toBe(200);
    expect(system.stderr()).toMatch(/Stripe cannot be reached/);

    const stripe = createEmulator({ source: { synthetic: 3 }, key, port });
    await stripe.listen();
    await until(async () => (await status('/stripe/customers.json')) === 200, 'the open door');
    await until(async () => {
      const response = await system.get('/stripe/customers.json?_shape=array');
      return response.ok && ((await response.json()) as unknown[]).length === 3;
    }, 'the rows');

    // Known to be live, it is served without Stripe, also by the next process.
    await stripe.close();
    expect(await system.stop()).toBe(0);
    system = startSystem(env);
    await until(
      async () => (await status('/stripe/customers.json')) === 200,
      'service by the last word on the key',
    );
    expect(await status('/stripe/customers.json', `${key}x`)).toBe(401);
  },
);

test(
  'Datasette is started again when it is killed; when main is killed its children end, and the next start goes on',
  { timeout },
  async () => {
    const stripe = createEmulator({ source: { synthetic: 3 }, key });
    const { url } = await stripe.listen();
    const env = {
      DATA_DIR: data,
      STRIPE_SECRET_KEY: key,
      STRIPE_API_BASE: url,
      DATASETTE_PROCESSES: '1',
    };
    system = startSystem(env);
    await until(async () => (await status('/tdog/ready')) === 200, 'readiness');
    const [datasette, ...more] = datasettes();
    expect(more).toEqual([]);
    process.kill(datasette?.pid ?? 0, 'SIGKILL');
    await until(async () => (await status('/')) >= 500, 'the gap');
    await until(async () => (await status('/')) === 200, 'Datasette again');

    const children = descendants(system.pid).map(({ pid }) => pid);
    expect(children.length).toBeGreaterThanOrEqual(2);
    system.process.kill('SIGKILL');
    await system.exitCode();
    await until(() => children.every((pid) => !isAlive(pid)), 'the end of the children');
    system = startSystem(env);
    await until(async () => (await status('/stripe/customers.json')) === 200, 'service after the kill');
    await system.stop();
    await stripe.close();
  },
);

test('of two Datasettes one answers while the other, killed, is started again', { timeout }, async () => {
  const stripe = createEmulator({ source: { synthetic: 3 }, key });
  const { url } = await stripe.listen();
  system = startSystem({
    DATA_DIR: data,
    STRIPE_SECRET_KEY: key,
    STRIPE_API_BASE: url,
    DATASETTE_PROCESSES: '2',
  });
  await until(async () => (await status('/tdog/ready')) === 200, 'readiness');
  const health = async (): Promise<string> => {
    const report = (await (await system.get('/tdog/health.json')).json()) as {
      items: Record<string, { status: string }>;
    };
    return report.items['datasette_server']?.status ?? '';
  };
  expect(datasettes()).toHaveLength(2);
  for (const { pid } of datasettes()) {
    await until(async () => (await health()) === 'pass', 'both are well');
    process.kill(pid, 'SIGKILL');
    await until(async () => {
      // A new address each time, so that it is no answer from memory.
      expect(await status(`/stripe/customers.json?name__not=${performance.now()}`)).toBe(200);
      expect(await status('/')).toBe(200);
      expect(await status('/tdog/ready')).toBe(200);
      return (await health()) === 'warn';
    }, 'the loss is told');
    await until(() => datasettes().length === 2, 'the next process');
  }
  expect(await system.stop()).toBe(0);
  await stripe.close();
});

test('a stop while nothing is ready yet ends with 0', { timeout }, async () => {
  system = startSystem({ DATA_DIR: data });
  await until(() => descendants(system.pid).length > 0, 'the first child');
  expect(await system.stop()).toBe(0);
});

test('a demo may be open to everybody; a second system on its folder is refused', { timeout }, async () => {
  system = startSystem({ DATA_DIR: data, DEMO: '1', HTTP_BASIC_AUTH_ENABLED: '0' });
  await system.url();
  expect(await status('/stripe/customers.json', '')).toBe(200);
  const second = startSystem({ DATA_DIR: data });
  expect(await second.exitCode()).toBe(2);
  expect(second.stderr()).toMatch(/^datasette-stripe: DATA_DIR: .* is in use by another datasette-stripe/m);
  expect(await system.stop()).toBe(0);
});
