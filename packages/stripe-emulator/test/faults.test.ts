import { afterEach, describe, expect, test } from 'vitest';
import type { FaultSettings } from '../src/index.ts';
import { running, walk, type Running } from './support.ts';

let now = Date.UTC(2026, 5, 15, 12);
let at: Running | undefined;
const start = async (faults: FaultSettings = {}): Promise<Running> => {
  now = Date.UTC(2026, 5, 15, 12);
  at = await running({ source: { synthetic: 30 }, faults, now: () => now });
  return at;
};
afterEach(async () => {
  await at?.emulator.close();
  at = undefined;
});

describe('429', () => {
  test.each([
    ['global-rate', { requestsPerSecond: 2 }],
    ['endpoint-rate', { requestsPerSecondPerEndpoint: 2 }],
  ] as const)(
    '%s: the third request of a second is too many, the next second is not',
    async (reason, faults) => {
      const on = await start({ ...faults, retryAfterSeconds: 1 });
      expect((await on.get('/v1/customers')).status).toBe(200);
      expect((await on.get('/v1/customers')).status).toBe(200);
      const third = await on.get('/v1/customers');
      expect(third.status).toBe(429);
      expect(third.headers.get('stripe-rate-limited-reason')).toBe(reason);
      expect(third.headers.get('retry-after')).toBe('1');
      expect(third.body.error.code).toBe('rate_limit');
      expect((await on.get('/v1/charges')).status).toBe(reason === 'global-rate' ? 429 : 200);
      now += 1000;
      expect((await on.get('/v1/customers')).status).toBe(200);
    },
  );

  test.each([
    ['global-concurrency', { concurrency: 2 }],
    ['endpoint-concurrency', { concurrencyPerEndpoint: 2 }],
  ] as const)('%s: more than two at once are too many', async (reason, faults) => {
    const on = await start({ ...faults, latencyMs: 30 });
    const answers = await Promise.all([1, 2, 3, 4].map(() => on.get('/v1/customers')));
    const refused = answers.filter((one) => one.status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('stripe-rate-limited-reason')).toBe(reason);
    expect((await on.get('/v1/customers')).status).toBe(200);
  });

  test.each(['resource-specific', 'lock_timeout'] as const)(
    '%s by chance, a number of times',
    async (reason) => {
      const on = await start({ rateLimited: { rate: 1, reason }, times: 2, paths: ['/v1/charges'] });
      expect((await on.get('/v1/customers')).status).toBe(200);
      const first = await on.get('/v1/charges');
      expect(first.status).toBe(429);
      expect(first.headers.get('stripe-rate-limited-reason')).toBe(reason === 'lock_timeout' ? null : reason);
      if (reason === 'lock_timeout') expect(first.body.error.code).toBe('lock_timeout');
      expect((await on.get('/v1/charges')).status).toBe(429);
      expect((await on.get('/v1/charges')).status).toBe(200);
    },
  );
});

test('5xx, with Stripe-Should-Retry', async () => {
  const on = await start({ serverError: { rate: 1, status: 503, shouldRetry: true } });
  const got = await on.get('/v1/customers');
  expect([got.status, got.body.error.type, got.headers.get('stripe-should-retry')]).toEqual([
    503,
    'api_error',
    'true',
  ]);
});

test('the connection is reset in the middle of the body', async () => {
  const on = await start({ resetMidBody: 1, times: 1 });
  await expect(on.get('/v1/customers?limit=100')).rejects.toThrow();
  expect((await on.get('/v1/customers?limit=100')).status).toBe(200);
});

test('a slow body is a whole body', async () => {
  const on = await start({ bytesPerSecond: 20_000 });
  expect((await on.get('/v1/customers?limit=5')).body.data.length).toBe(5);
});

test('a revoked key, and one that is accepted again', async () => {
  const on = await start({ keyRevoked: true });
  const got = await on.get('/v1/account');
  expect([got.status, got.body.error.code]).toEqual([401, 'api_key_expired']);
  on.emulator.setFaults({});
  expect((await on.get('/v1/account')).status).toBe(200);
});

test('a restricted key: by table, by path, by what it expands', async () => {
  const on = await start({ forbidden: ['subscriptions', '/v1/account', 'payment_method'] });
  const got = await on.get('/v1/subscriptions?status=all');
  expect(got.status).toBe(403);
  expect(got.body.error.message).toContain("Having the 'rak_subscription_read' permission");
  expect(got.body.error.message).toContain(on.emulator.accountId);
  expect((await on.get('/v1/account')).status).toBe(403);
  expect((await on.get('/v1/payment_intents?expand[]=data.payment_method')).status).toBe(403);
  expect((await on.get('/v1/payment_intents')).status).toBe(200);
});

describe('events', () => {
  const change = async (on: Running, times: number): Promise<void> => {
    for (let n = 0; n < times; n++) await on.post('/v1/customers', { name: `New ${n}` });
  };
  const created = async (on: Running): Promise<string[]> =>
    (await walk(on, '/v1/events?type=customer.created')).map((event) => event.id);

  test('lost ones never show up', async () => {
    const on = await start();
    const before = (await created(on)).length;
    on.emulator.setFaults({ loseEvents: 1 });
    await change(on, 3);
    expect((await created(on)).length).toBe(before);
    expect((await walk(on, '/v1/customers')).length).toBe(33);
  });

  test('doubled ones have two ids', async () => {
    const on = await start();
    const before = (await created(on)).length;
    on.emulator.setFaults({ duplicateEvents: 1 });
    await change(on, 2);
    expect((await created(on)).length).toBe(before + 4);
  });

  test('delayed ones come later', async () => {
    const on = await start();
    const before = (await created(on)).length;
    on.emulator.setFaults({ delayEventsMs: 100 });
    await change(on, 2);
    expect((await created(on)).length).toBe(before);
    await expect.poll(() => created(on), { timeout: 10_000 }).toHaveLength(before + 2);
  });

  test('reordered ones show up behind newer ones', async () => {
    const on = await start({ reorderEvents: true });
    await change(on, 30);
    const order = (await walk(on, '/v1/events?type=customer.created'))
      .map((event) => (event['data'] as { object: { name: string } }).object.name)
      .filter((name) => /^New \d+$/.test(name));
    expect(order.length).toBe(30);
    expect(order).not.toEqual(order.toSorted((a, b) => Number(b.slice(4)) - Number(a.slice(4))));
  });

  test('expired ones are gone, also as a cursor', async () => {
    const on = await start();
    const [newest] = (await on.get('/v1/events?limit=1')).body.data;
    now += 3_600_000;
    on.emulator.setFaults({ expireEventsAfterSeconds: 60 });
    expect((await on.get('/v1/events')).body.data).toEqual([]);
    const got = await on.get(`/v1/events?ending_before=${newest?.id}`);
    expect([got.status, got.body.error.code]).toEqual([400, 'resource_missing']);
  });

  test('after 30 days they are gone without any fault', async () => {
    const on = await start();
    expect((await on.get('/v1/events')).body.data.length).toBeGreaterThan(0);
    now += 31 * 86_400_000;
    expect((await on.get('/v1/events')).body.data).toEqual([]);
  });
});

test('deleted test data: everything is gone, nothing tells', async () => {
  const on = await start();
  on.emulator.setFaults({ deleteTestData: true });
  for (const path of ['/v1/customers', '/v1/charges', '/v1/events', '/v1/products']) {
    expect((await on.get(path)).body.data, path).toEqual([]);
  }
  expect((await on.get('/v1/account')).body['id']).toBe(on.emulator.accountId);
});
