import { randomBytes } from 'node:crypto';
import Stripe from 'stripe';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { App } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { startStack, type Stack } from '../support/stack.ts';

const secret = `whsec_${randomBytes(16).toString('hex')}`;
let stack: Stack;
let app: App;

beforeAll(async () => {
  stack = await startStack(inject('image'));
  // The engine asks once an hour: what arrives within seconds has come by the webhook.
  app = await stack.startDownloaded({
    env: { STRIPE_WEBHOOK_SECRET: secret, TDOG_POLL_FREQ_MS: '3600000' },
  });
});

afterAll(async () => stack?.[Symbol.asyncDispose]());

function post(payload: string, signedWith = secret, timestamp = Math.floor(Date.now() / 1000)) {
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: signedWith, timestamp });
  return app.anonymous('/tdog/webhook', {
    method: 'POST',
    headers: { 'stripe-signature': signature, 'content-type': 'application/json' },
    body: payload,
  });
}

test('a signed event is a changed row at once', async () => {
  const { client, runId } = stack.stripe;
  const { id } = await stack.stripe.customer({ name: `Hook ${runId}` });
  const event = await eventually('Stripe tells the event', async () => {
    const { data } = await client.events.list({ type: 'customer.created', limit: 20 });
    return data.find(({ data: { object } }) => 'id' in object && object.id === id);
  });
  const payload = JSON.stringify(event);
  expect((await post(payload)).status).toBe(200);
  await eventually(
    'the row',
    async () => (await app.sql(`select name from customers where id = '${id}'`))[0],
    5_000,
  );
  expect((await post(payload)).status).toBe(200);
});

test.each([
  ['a wrong signature', () => post('{"id":"evt_1","object":"event"}', 'whsec_wrong')],
  [
    'an old signature',
    () => post('{"id":"evt_1","object":"event"}', secret, Math.floor(Date.now() / 1000) - 301),
  ],
  ['no signature', () => app.anonymous('/tdog/webhook', { method: 'POST', body: '{}' })],
])('%s is refused', async (_name, send) => {
  expect((await send()).status).toBe(400);
});
