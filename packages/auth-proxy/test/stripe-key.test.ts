import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  AuthProxyError,
  stripeKey,
  type StripeKeyAuthenticator,
  type StripeKeyOptions,
} from '../src/index.ts';
import { basic, KEY, openDoor, OTHER_KEY, send, tempDir, until, upstreamServer } from './kit.ts';
import { fakeStripe } from './stripe.ts';

const HOUR = 3_600_000;

function openKey(options: Partial<StripeKeyOptions>): StripeKeyAuthenticator {
  const key = stripeKey({ key: KEY, idleCheckMs: 0, ...options });
  onTestFinished(() => key.close?.());
  return key;
}

describe('what Stripe’s answers mean', () => {
  test.each([
    ['200', 200, 'live'],
    ['403 (the key may not read the account)', 403, 'live'],
    ['404', 404, 'live'],
    ['400', 400, 'live'],
    ['402', 402, 'live'],
    ['429 (no refusal: the owner was locked out by one)', 429, 'live'],
    ['401', 401, 'refused'],
    ['500', 500, 'unknown'],
    ['503', 503, 'unknown'],
    ['302', 302, 'unknown'],
  ] as const)('%s', async (_name, status, state) => {
    const stripe = await fakeStripe(() => (status === 200 ? {} : status));
    expect((await openKey({ apiBase: stripe.url }).check()).state).toBe(state);
  });

  test.each([
    ['a connection that breaks', 'reset'],
    ['no answer in time', 'hang'],
  ] as const)('%s is unknown', async (_name, answer) => {
    const stripe = await fakeStripe(() => answer);
    const verdict = await openKey({ apiBase: stripe.url, timeoutMs: 200 }).check();
    expect(verdict.state).toBe('unknown');
    expect(verdict.unreachable).toBeDefined();
  });
});

test('refuses at the start what is no secret key, without showing it', () => {
  for (const key of [
    '',
    'pk_test_publishable0001',
    'sk_test_',
    'sk_test_with space',
    'whsec_x',
    'sk_prod_x',
  ]) {
    expect(() => stripeKey({ key })).toThrow(AuthProxyError);
    if (key !== '') expect(() => stripeKey({ key })).not.toThrow(key);
  }
});

test('network lost for an hour: the last verdict stands; after 24 hours the door answers 503', async () => {
  const stripe = await fakeStripe();
  const upstream = await upstreamServer();
  let clock = Date.now();
  const key = openKey({ apiBase: stripe.url, now: () => clock });
  const { url } = await openDoor({ upstream: upstream.url, authenticators: [key] });
  const get = (secret = KEY): ReturnType<typeof send> => send(url, { headers: basic(secret) });
  expect((await get()).status).toBe(200);
  await stripe.stop();
  for (let minute = 0; minute < 60; minute++) {
    clock += 60_000;
    expect((await get()).status).toBe(200);
    if (minute % 20 === 0) expect((await get(OTHER_KEY)).status).toBe(401);
  }
  expect(key.verdict()).toMatchObject({
    state: 'live',
    unreachable: expect.stringContaining('reached') as string,
  });
  clock += 24 * HOUR;
  const closed = await get();
  expect([closed.status, closed.headers['retry-after']]).toEqual([503, '5']);
  expect(closed.headers['tabledog-auth-error']).toContain('Stripe is not reachable');
});

test('a verdict of refused stands too while Stripe is out of reach', async () => {
  const stripe = await fakeStripe(() => 401);
  const upstream = await upstreamServer();
  let clock = Date.now();
  const key = openKey({ apiBase: stripe.url, now: () => clock });
  const { url } = await openDoor({ upstream: upstream.url, authenticators: [key] });
  expect((await send(url, { headers: basic(KEY) })).status).toBe(401);
  await stripe.stop();
  clock += HOUR;
  const refused = await send(url, { headers: basic(KEY) });
  expect([refused.status, refused.headers['tabledog-auth-error']]).toEqual([
    401,
    expect.stringContaining('Expired API Key'),
  ]);
});

test('never asked and out of reach: 503 with Retry-After, not 401', async () => {
  const stripe = await fakeStripe();
  await stripe.stop();
  const upstream = await upstreamServer();
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [openKey({ apiBase: stripe.url })],
  });
  expect((await send(url, { headers: basic(KEY) })).status).toBe(503);
  expect((await send(url, { headers: basic(OTHER_KEY) })).status).toBe(401);
});

test('a verdict is at most 30 s old when a request is served, and steady use waits for nobody', async () => {
  const stripe = await fakeStripe();
  let clock = 1_000_000;
  const key = openKey({ apiBase: stripe.url, now: () => clock });
  expect(await key.gate?.()).toEqual({ open: true });
  clock += 14_000;
  expect(key.gate?.()).toEqual({ open: true });
  expect(stripe.asked).toHaveLength(1);
  // Half the time is over: renewed in the background.
  clock += 2_000;
  expect(key.gate?.()).toEqual({ open: true });
  await until(() => key.verdict().at === clock, 'the verdict is renewed');
  expect(stripe.asked).toHaveLength(2);
  clock += 31_000;
  expect(key.gate?.()).toBeInstanceOf(Promise);
  await until(() => key.verdict().at === clock, 'the verdict is renewed');
});

test('while another part feeds the verdict, Stripe is not asked', async () => {
  const stripe = await fakeStripe();
  let clock = 1_000_000;
  const key = openKey({ apiBase: stripe.url, now: () => clock });
  for (let i = 0; i < 20; i++) {
    key.feed('live');
    expect(key.gate?.()).toEqual({ open: true });
    clock += 10_000;
  }
  expect(stripe.asked).toHaveLength(0);
  const seen: string[] = [];
  const stop = key.onChange(({ state }) => seen.push(state));
  key.feed('refused');
  // A late message about an earlier time changes nothing.
  key.feed('live', clock - 5_000);
  expect(key.verdict().state).toBe('refused');
  key.feed('live');
  stop();
  key.feed('refused');
  expect(seen).toEqual(['refused', 'live']);
});

test('an idle site asks every 10 minutes', async () => {
  const stripe = await fakeStripe();
  const key = openKey({ apiBase: stripe.url, idleCheckMs: 20 });
  await until(() => stripe.asked.length >= 2, 'Stripe is asked twice');
  expect(key.verdict().state).toBe('live');
});

test('the verdict survives a restart as a salted hash of the key, and means nothing for another key', async () => {
  const stripe = await fakeStripe(() => 401);
  const stateDir = tempDir();
  const first = openKey({ apiBase: stripe.url, stateDir });
  await first.check();
  await first.close?.();
  const file = join(stateDir, 'stripe-key.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain(KEY.slice(8));
  expect(openKey({ apiBase: stripe.url, stateDir }).verdict().state).toBe('refused');
  expect(openKey({ apiBase: stripe.url, stateDir, key: OTHER_KEY }).verdict().state).toBe('unknown');
  writeFileSync(file, '{"salt":');
  expect(openKey({ apiBase: stripe.url, stateDir }).verdict().state).toBe('unknown');
});

test('key revoked while a browser session is open: the session ends with it', async () => {
  const stripe = await fakeStripe();
  const upstream = await upstreamServer();
  const key = openKey({ apiBase: stripe.url });
  const { url, door } = await openDoor({ upstream: upstream.url, authenticators: [key] });
  const signedIn = await send(url, {
    path: '/tdog/sign-in',
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `secret=${KEY}&next=/`,
  });
  const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  expect((await send(url, { headers: { cookie } })).status).toBe(200);
  key.feed('refused');
  const closed = await send(url, { headers: { cookie, accept: 'text/html' } });
  expect(closed.status).toBe(401);
  expect(closed.headers['tabledog-auth-error']).toContain('refused by Stripe');
  expect(closed.body).toContain('role="alert"');
  expect(door.counters().sessions).toBe(0);
  key.feed('live');
  expect((await send(url, { headers: { cookie } })).status).toBe(401);
  expect(upstream.seen).toHaveLength(1);
});

test('no log line holds a key, a session or a link, at any level', async () => {
  const stripe = await fakeStripe((key) => (key === KEY ? {} : 401));
  const upstream = await upstreamServer();
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [openKey({ apiBase: stripe.url, logger })],
    logger,
  });
  const signIn = (secret: string): ReturnType<typeof send> =>
    send(url, {
      path: '/tdog/sign-in?_share=abcdef.ghi',
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `secret=${secret}&next=/`,
    });
  await send(url, { headers: basic(KEY) });
  await send(url, { headers: basic(OTHER_KEY) });
  await send(url, { headers: basic('', KEY) });
  await send(url, { headers: { authorization: `Bearer ${KEY}` } });
  const cookie = (await signIn(KEY)).headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  await signIn(OTHER_KEY);
  await send(url, { headers: { cookie } });
  await until(
    () => lines.filter((line) => line.includes('"access"')).length === 7,
    'all requests are logged',
  );
  const log = lines.join('');
  for (const secret of [
    KEY,
    OTHER_KEY,
    cookie.split('=')[1] ?? '',
    'abcdef.ghi',
    basic(KEY).authorization.slice(6),
  ]) {
    expect(log).not.toContain(secret);
  }
  expect(log).toContain('"who":"sk_test_...0001"');
  expect(log).toMatch(/"requestId":"[0-9a-f]{12}-0"/);
});
