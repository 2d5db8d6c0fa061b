import { createEmulator, type Emulator } from '@datasette-stripe/stripe-emulator';
import { expect, onTestFinished, test } from 'vitest';
import { stripeAccount, stripeKey } from '../src/index.ts';
import { basic, openDoor, send, upstreamServer } from './kit.ts';

/** A door on a stateful Stripe with some customers, for the owner and for teammates. */
async function openDoorOnEmulator(): Promise<{
  emulator: Emulator;
  get: (key: string) => ReturnType<typeof send>;
  later: (seconds: number) => void;
}> {
  const emulator = createEmulator({ source: { synthetic: 5 } });
  onTestFinished(() => emulator.close());
  const { url: apiBase, key } = await emulator.listen();
  const list = await fetch(`${apiBase}/v1/customers?limit=1`, { headers: basic(key) });
  const id = ((await list.json()) as { data: { id: string }[] }).data[0]?.id ?? '';
  let clock = Date.now();
  const now = (): number => clock;
  const upstream = await upstreamServer();
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [
      stripeKey({ key, apiBase, now, idleCheckMs: 0 }),
      stripeAccount({ livemode: false, apiBase, now, samples: () => [{ id, path: `/v1/customers/${id}` }] }),
    ],
  });
  return {
    emulator,
    get: (secret) => send(url, { headers: basic(secret) }),
    later: (seconds) => (clock += seconds * 1000),
  };
}

const teammate = ['rk', 'test', 'teammateOfTheEmulator1'].join('_');

test('the owner and a teammate of the account get in; each loses the door when Stripe revokes', async () => {
  const { emulator, get, later } = await openDoorOnEmulator();
  expect((await get(emulator.key)).status).toBe(200);
  expect((await get(teammate)).status).toBe(200);
  emulator.setFaults({ keyRevoked: true });
  expect((await get(emulator.key)).status).toBe(200);
  later(31);
  const refused = await get(emulator.key);
  expect([refused.status, refused.headers['tabledog-auth-error']]).toEqual([
    401,
    expect.stringMatching(/refused by Stripe/),
  ]);
  expect((await get(teammate)).status).toBe(401);
  emulator.setFaults({});
  later(31);
  expect((await get(emulator.key)).status).toBe(200);
  expect((await get(teammate)).status).toBe(200);
});

test('rate limits, errors and a lost network at Stripe leave the door open', async () => {
  const { emulator, get, later } = await openDoorOnEmulator();
  expect((await get(emulator.key)).status).toBe(200);
  expect((await get(teammate)).status).toBe(200);
  for (const fault of [{ rateLimited: { rate: 1 } }, { serverError: { rate: 1 } }, { resetMidBody: 1 }]) {
    emulator.setFaults(fault);
    later(31);
    expect([fault, (await get(emulator.key)).status]).toEqual([fault, 200]);
    expect([fault, (await get(teammate)).status]).toEqual([fault, 200]);
  }
});

test('a key that may not read a table of the mirror is told the permission', async () => {
  const { emulator, get } = await openDoorOnEmulator();
  emulator.setFaults({ forbidden: ['charges'] });
  const denied = await get(teammate);
  expect([denied.status, denied.headers['tabledog-auth-error']]).toEqual([
    403,
    expect.stringMatching(/^The key may not read \/v1\/charges \(permission rak_\w+\)$/),
  ]);
  expect((await get(emulator.key)).status).toBe(200);
});
