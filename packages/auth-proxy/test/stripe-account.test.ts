import { expect, onTestFinished, test } from 'vitest';
import { stripeAccount, stripeKey, type Authenticator, type StripeAccountOptions } from '../src/index.ts';
import { basic, KEY, openDoor, send, upstreamServer } from './kit.ts';
import { fakeStripe, type FakeStripe } from './stripe.ts';

const MEMBER = ['rk', 'test', 'teammateKey0001'].join('_');
const STRANGER = ['sk', 'test', 'strangerKey0001'].join('_');
const sample = { id: 'cus_1', path: '/v1/customers/cus_1' };

/** The teammate's key sees cus_1; any other valid key is of another account. */
function account(key: string, path: string): number | object {
  if (key === KEY) return {};
  if (key !== MEMBER && key !== STRANGER) return 401;
  if (path === sample.path) return key === MEMBER ? { id: 'cus_1' } : 404;
  return { object: 'list', data: [] };
}

async function openTeamDoor(
  stripe: FakeStripe,
  options: Partial<StripeAccountOptions> = {},
): Promise<{ get: (key: string) => ReturnType<typeof send>; url: string; upstream: { seen: unknown[] } }> {
  const upstream = await upstreamServer();
  const own = stripeKey({ key: KEY, apiBase: stripe.url, idleCheckMs: 0 });
  const team: Authenticator = stripeAccount({
    livemode: false,
    samples: () => [sample],
    apiBase: stripe.url,
    ...options,
  });
  onTestFinished(() => team.close?.());
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [own, team],
    guessLimits: { perDay: 5 },
  });
  return { url, upstream, get: (key) => send(url, { headers: basic(key) }) };
}

test('lets in a teammate’s key of the same account, and no key of another', async () => {
  const stripe = await fakeStripe(account);
  const { get, upstream } = await openTeamDoor(stripe);
  expect((await get(MEMBER)).status).toBe(200);
  expect((await get(KEY)).status).toBe(200);
  const stranger = await get(STRANGER);
  expect([stranger.status, stranger.headers['tabledog-auth-error']]).toEqual([
    401,
    'The key is of another Stripe account',
  ]);
  const unknown = await get('sk_test_neverSeenByStripe1');
  expect([unknown.status, unknown.headers['tabledog-auth-error']]).toEqual([
    401,
    'Stripe does not accept this key',
  ]);
  expect(upstream.seen).toHaveLength(2);
});

test('never takes a publishable key or one of the other mode, and does not ask Stripe about them', async () => {
  const stripe = await fakeStripe(() => ({ id: 'cus_1' }));
  const { get } = await openTeamDoor(stripe);
  for (const key of [
    'pk_test_publishable0001',
    'sk_live_anotherMode0001',
    'rk_live_anotherMode0001',
    'sk_test_../../x',
  ]) {
    expect((await get(key)).status).toBe(401);
  }
  expect(stripe.asked.filter(({ key }) => key !== KEY)).toEqual([]);
});

test('a key that may not read what the mirror shows is told which permission is missing', async () => {
  const stripe = await fakeStripe((key, path) =>
    path.startsWith('/v1/customers?') ? 403 : account(key, path),
  );
  const { get } = await openTeamDoor(stripe);
  const denied = await get(MEMBER);
  expect(denied.status).toBe(403);
  expect(denied.headers['tabledog-auth-error']).toBe(
    'The key may not read /v1/customers (permission rak_customer_read)',
  );
  stripe.answer = (key, path) => (path === sample.path ? 403 : account(key, path));
});

test('unknown keys cost a guess before Stripe is asked: a flood asks Stripe no more than the budget', async () => {
  const stripe = await fakeStripe(account);
  const { get } = await openTeamDoor(stripe);
  const statuses: number[] = [];
  for (let i = 0; i < 40; i++)
    statuses.push((await get(`sk_test_flood${String(i).padStart(6, '0')}`)).status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(5);
  expect(statuses.slice(5).every((status) => status === 429)).toBe(true);
  expect(stripe.asked.filter(({ key }) => key !== KEY)).toHaveLength(5);
  expect((await get(KEY)).status).toBe(200);
});

test('a right key gets its guess back, and passes later however many wrong ones came from its address', async () => {
  const stripe = await fakeStripe(account);
  const { get } = await openTeamDoor(stripe, { maxAgeMs: 0 });
  for (let i = 0; i < 10; i++) expect((await get(MEMBER)).status).toBe(200);
  for (let i = 0; i < 10; i++) await get(`sk_test_flood${String(i).padStart(6, '0')}`);
  expect((await get(MEMBER)).status).toBe(200);
});

test('a revoked key is out within 30 s, also from a session', async () => {
  const stripe = await fakeStripe(account);
  let clock = Date.now();
  const { get, url } = await openTeamDoor(stripe, { now: () => clock });
  const signedIn = await send(url, {
    path: '/tdog/sign-in',
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `secret=${MEMBER}&next=/`,
  });
  const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const bySession = async (): Promise<number> => (await send(url, { headers: { cookie } })).status;
  expect(await bySession()).toBe(200);
  stripe.answer = (key, path) => (key === MEMBER ? 401 : account(key, path));
  expect(await bySession()).toBe(200);
  clock += 31_000;
  expect(await bySession()).toBe(401);
  expect((await get(MEMBER)).status).toBe(401);
  stripe.answer = account;
  expect(await bySession()).toBe(401);
});

test('while Stripe is out of reach, who was in stays in and others get 503', async () => {
  const stripe = await fakeStripe(account);
  let clock = Date.now();
  const { get } = await openTeamDoor(stripe, { now: () => clock });
  expect((await get(MEMBER)).status).toBe(200);
  stripe.answer = (key, path) => (key === KEY ? account(key, path) : 500);
  clock += 3_600_000;
  expect((await get(MEMBER)).status).toBe(200);
  expect((await get('rk_test_newTeammate01')).status).toBe(503);
  clock += 25 * 3_600_000;
  expect((await get(MEMBER)).status).toBe(503);
});

test('without anything mirrored nobody is let in this way', async () => {
  const stripe = await fakeStripe(account);
  const { get } = await openTeamDoor(stripe, { samples: () => [] });
  expect((await get(MEMBER)).status).toBe(503);
  expect((await get(KEY)).status).toBe(200);
});
