import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StripeEvent } from '@datasette-stripe/tdog';
import { pino } from 'pino';
import Stripe from 'stripe';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { webhookHandler, type WebhookOptions } from './webhook.ts';

const secret = 'whsec_test';
const account = { id: 'acct_1', livemode: false };
let delivered: StripeEvent[] = [];
let engineRuns = true;
let clock = Date.now();
let server: Server;

beforeEach(async () => {
  delivered = [];
  engineRuns = true;
  clock = Date.now();
  await serve({});
});
afterEach(() => close());

async function serve(options: Partial<WebhookOptions>): Promise<void> {
  const handler = webhookHandler({
    secret,
    livemode: false,
    account: () => account,
    deliver: (event) => {
      if (engineRuns) delivered.push(event);
      return engineRuns;
    },
    logger: pino({ enabled: false }),
    now: () => clock,
    ...options,
  });
  server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

async function close(): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function event(id: string, more: object = {}): object {
  return {
    id,
    object: 'event',
    type: 'customer.updated',
    created: 1,
    livemode: false,
    api_version: null,
    data: { object: { id: 'cus_1', object: 'customer' } },
    ...more,
  };
}

function sign(payload: string, withSecret = secret, at = clock): string {
  return Stripe.webhooks.generateTestHeaderString({
    payload,
    secret: withSecret,
    timestamp: Math.floor(at / 1000),
  });
}

async function post(body: string, signature?: string): Promise<number> {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/tdog/webhook`, {
    method: 'POST',
    body,
    headers: signature === undefined ? {} : { 'Stripe-Signature': signature },
  });
  await response.arrayBuffer();
  return response.status;
}

test('a signed event reaches the engine', async () => {
  const body = JSON.stringify(event('evt_1'));
  expect(await post(body, sign(body))).toBe(200);
  expect(delivered).toEqual([event('evt_1')]);
});

test('the same event again reaches it once', async () => {
  const body = JSON.stringify(event('evt_1'));
  expect([await post(body, sign(body)), await post(body, sign(body))]).toEqual([200, 200]);
  expect(delivered).toHaveLength(1);
});

test('an event that found no engine is asked for again, and then not taken for a repeat', async () => {
  const body = JSON.stringify(event('evt_1'));
  engineRuns = false;
  expect(await post(body, sign(body))).toBe(503);
  engineRuns = true;
  expect(await post(body, sign(body))).toBe(200);
  expect(delivered).toHaveLength(1);
});

const plain = JSON.stringify(event('evt_1'));
const refused: readonly (readonly [
  name: string,
  body: string,
  signature: () => string | undefined,
  status: number,
])[] = [
  ['no signature', plain, () => undefined, 400],
  ['an empty signature', plain, () => '', 400],
  ['a signature that is none', plain, () => 't=1,v1=abc', 400],
  ["another endpoint's signature", plain, () => sign(plain, 'whsec_other'), 400],
  ['the signature of another body', plain, () => sign(`${plain} `), 400],
  ['a signature 301 s old', plain, () => sign(plain, secret, clock - 301_000), 400],
  ['a signed text that is no JSON', 'hello', () => sign('hello'), 400],
  [
    'a signed object that is no event',
    '{"id":"cus_1","object":"customer"}',
    () => sign('{"id":"cus_1","object":"customer"}'),
    400,
  ],
  ['a signed null', 'null', () => sign('null'), 400],
];

test.each(refused)('refuses %s', async (_name, body, signature, status) => {
  expect(await post(body, signature())).toBe(status);
  expect(delivered).toEqual([]);
});

test('a signature 299 s old is good', async () => {
  expect(await post(plain, sign(plain, secret, clock - 299_000))).toBe(200);
});

test('an event of the other mode is refused', async () => {
  const body = JSON.stringify(event('evt_1', { livemode: true }));
  expect(await post(body, sign(body))).toBe(400);
  expect(delivered).toEqual([]);
});

test("with an organisation's key the mirror says the mode", async () => {
  await close();
  await serve({ livemode: undefined, account: () => ({ id: 'acct_1', livemode: true }) });
  expect(await post(plain, sign(plain))).toBe(400);
});

test('an event of a connected account is accepted and left alone', async () => {
  const foreign = JSON.stringify(event('evt_1', { account: 'acct_2' }));
  const own = JSON.stringify(event('evt_2', { account: 'acct_1' }));
  expect([await post(foreign, sign(foreign)), await post(own, sign(own))]).toEqual([200, 200]);
  expect(delivered.map(({ id }) => id)).toEqual(['evt_2']);
});

test('a body over 1 MiB is refused, with a length or without', async () => {
  const body = JSON.stringify(event('evt_1', { padding: 'x'.repeat(1024 * 1024) }));
  expect(await post(body, sign(body))).toBe(413);
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { 'Stripe-Signature': sign(body) },
    body: new Blob([body]).stream(),
    duplex: 'half',
  }).catch(() => undefined);
  // The server may cut the connection while the body is still coming.
  expect([413, undefined]).toContain(response?.status);
  expect(delivered).toEqual([]);
});

test('a body just under 1 MiB is taken', async () => {
  const body = JSON.stringify(event('evt_1', { padding: 'x'.repeat(1024 * 1024 - 400) }));
  expect(await post(body, sign(body))).toBe(200);
});
