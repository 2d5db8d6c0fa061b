import { afterEach, expect, test } from 'vitest';
import { createEmulator, type EmulatorErrorCode, type EmulatorOptions } from '../src/index.ts';
import { emulatorErrorCodes } from '../src/index.ts';
import { running, type Running } from './support.ts';

let at: Running | undefined;
afterEach(async () => {
  await at?.emulator.close();
  at = undefined;
});

test('the status, as JSON and as a page', async () => {
  at = await running({ source: { synthetic: 20 } });
  await at.get('/v1/customers');
  const json = (await (await fetch(`${at.url}/_emulator`)).json()) as Record<string, Record<string, number>>;
  expect(json['account']).toBe(at.emulator.accountId);
  expect(json['objects']?.['customer']).toBe(20);
  expect(json['requests']?.['GET /v1/customers']).toBe(1);
  const page = await fetch(`${at.url}/`, { headers: { Accept: 'text/html' } });
  expect(page.headers.get('content-type')).toContain('text/html');
  const html = await page.text();
  expect(html).toContain(at.emulator.accountId);
  expect(html).toContain('<td>customer</td><td>20</td>');
});

test('faults by POST, and wrong ones refused by name', async () => {
  at = await running({ source: { synthetic: 20 } });
  const post = (body: string): Promise<Response> =>
    fetch(`${at?.url}/_emulator/faults`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
    });
  const wrong = await post('{"latencyMs":"fast","gremlins":true}');
  expect(wrong.status).toBe(400);
  expect(await wrong.text()).toMatch(/latencyMs.*gremlins/s);
  expect((await post('not json')).status).toBe(400);
  expect((await post('{"keyRevoked":true}')).status).toBe(200);
  expect((await at.get('/v1/customers')).status).toBe(401);
  expect((await post('{}')).status).toBe(200);
  expect((await at.get('/v1/customers')).status).toBe(200);
});

test('a page of another site may not use it, nor another name for this machine', async () => {
  at = await running({});
  const foreign = await fetch(`${at.url}/_emulator/faults`, {
    method: 'POST',
    body: '{"keyRevoked":true}',
    headers: { Origin: 'https://evil.example' },
  });
  expect(foreign.status).toBe(403);
  expect((await at.get('/v1/account')).status).toBe(200);
});

test('elsewhere than on loopback it needs the token', async () => {
  at = await running({ host: '0.0.0.0', adminToken: 'open-sesame' });
  const { port } = new URL(at.url);
  const url = `http://127.0.0.1:${port}/_emulator`;
  expect((await fetch(url)).status).toBe(403);
  expect((await fetch(url, { headers: { Authorization: 'Bearer wrong' } })).status).toBe(403);
  expect((await fetch(url, { headers: { Authorization: 'Bearer open-sesame' } })).status).toBe(200);
});

test('advance without a timeline is refused', async () => {
  at = await running({});
  const got = await fetch(`${at.url}/_emulator/advance`, { method: 'POST', body: '{"step":1}' });
  expect(got.status).toBe(400);
  expect(() => at?.emulator.advance(1)).toThrow(expect.objectContaining({ code: 'EMULATOR_STEP' }));
});

test.each<[string, EmulatorOptions, EmulatorErrorCode, RegExp]>([
  ['a port', { port: 70_000 }, 'EMULATOR_OPTION', /`port` .* 70000/],
  ['customers', { source: { synthetic: 0 } }, 'EMULATOR_OPTION', /source\.synthetic/],
  ['a key', { key: 'hello' }, 'EMULATOR_OPTION', /`key`/],
  ['faults', { faults: { loseEvents: 2 } }, 'EMULATOR_OPTION', /loseEvents/],
  ['a folder', { source: { timeline: '/nowhere' } }, 'EMULATOR_TIMELINE', /nowhere/],
  ['a state file', { stateFile: '/nowhere/state.sqlite' }, 'EMULATOR_STATE', /nowhere/],
])('refuses %s that cannot be, and says why', (_, options, code, message) => {
  expect(() => createEmulator(options)).toThrow(expect.objectContaining({ code }));
  expect(() => createEmulator(options)).toThrow(message);
  expect(emulatorErrorCodes).toHaveProperty(code);
});

test('a port that is in use; closed is closed; an aborted signal closes', async () => {
  at = await running({});
  const port = Number(new URL(at.url).port);
  const second = createEmulator({ port });
  await expect(second.listen()).rejects.toMatchObject({ code: 'EMULATOR_ADDRESS', message: /in use/ });
  await second.close();
  await expect(second.listen()).rejects.toMatchObject({ code: 'EMULATOR_CLOSED' });
  const controller = new AbortController();
  const third = createEmulator({ signal: controller.signal });
  const { url } = await third.listen();
  controller.abort();
  await third.close();
  await expect(fetch(url)).rejects.toThrow();
});
