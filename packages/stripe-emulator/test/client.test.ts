import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEmulator, type Emulator } from '../src/index.ts';

/**
 * The official client, unchanged. With STRIPE_TEST_SECRET_KEY the same calls go to Stripe's test mode: whatever the
 * emulator answers must be what Stripe answers. What is made there carries the run's id and is deleted again.
 */
const realKey = process.env['STRIPE_TEST_SECRET_KEY'];
if (realKey !== undefined && !/^(sk|rk)_test_/.test(realKey)) {
  throw new Error('STRIPE_TEST_SECRET_KEY must be a test key: nothing is sent to a live account');
}
const run = `run-${Date.now().toString(36)}`;

describe(`the official client against ${realKey === undefined ? 'the emulator' : 'test mode'}`, () => {
  let emulator: Emulator | undefined;
  let stripe: Stripe;
  const deliveries: { body: string; signature: string }[] = [];
  let receiver: Server | undefined;
  let secret = '';

  beforeAll(async () => {
    if (realKey !== undefined) {
      stripe = new Stripe(realKey);
      return;
    }
    emulator = createEmulator({ webhookRetryDelaysMs: [20, 20, 20] });
    const { url, key } = await emulator.listen();
    const { hostname, port } = new URL(url);
    stripe = new Stripe(key, { host: hostname, port: Number(port), protocol: 'http' });
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const signature = String(request.headers['stripe-signature']);
        deliveries.push({ body: Buffer.concat(chunks).toString('utf8'), signature });
        response.writeHead(deliveries.length === 1 ? 500 : 200).end();
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const endpoint = await stripe.webhookEndpoints.create({
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
      enabled_events: ['*'],
    });
    secret = endpoint.secret ?? '';
  });

  afterAll(async () => {
    await emulator?.close();
    receiver?.closeAllConnections();
    receiver?.close();
  });

  test('customer → subscription → pay → refund → list → events', async () => {
    const customer = await stripe.customers.create({
      email: 'zoë@example.com',
      name: 'Zoë Núñez',
      metadata: { run },
      payment_method: 'pm_card_visa',
      invoice_settings: { default_payment_method: 'pm_card_visa' },
    });
    expect(customer.email).toBe('zoë@example.com');
    expect(customer.metadata['run']).toBe(run);

    const product = await stripe.products.create({ name: `Plan ${run}`, metadata: { run } });
    const price = await stripe.prices.create({
      product: product.id,
      currency: 'usd',
      unit_amount: 2900,
      recurring: { interval: 'month' },
    });
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id, quantity: 2 }],
      metadata: { run },
      expand: ['latest_invoice.payments'],
    });
    expect(subscription.status).toBe('active');
    const invoice = subscription.latest_invoice as Stripe.Invoice;
    expect(invoice.status).toBe('paid');
    expect(invoice.total).toBe(5800);
    expect(invoice.lines.data[0]?.amount).toBe(5800);
    const payment = invoice.payments?.data[0];
    const intent = await stripe.paymentIntents.retrieve(payment?.payment.payment_intent as string, {
      expand: ['latest_charge.balance_transaction'],
    });
    const charge = intent.latest_charge as Stripe.Charge;
    expect(charge.paid).toBe(true);
    const movement = charge.balance_transaction as Stripe.BalanceTransaction;
    expect(movement.net).toBe(movement.amount - movement.fee);

    const refund = await stripe.refunds.create({ charge: charge.id, amount: 1000, metadata: { run } });
    expect(refund.status).toBe('succeeded');
    const refunded = await stripe.charges.retrieve(charge.id, { expand: ['refunds'] });
    expect(refunded.amount_refunded).toBe(1000);
    expect(refunded.refunded).toBe(false);
    expect(refunded.refunds?.data.map((one) => one.id)).toEqual([refund.id]);

    const listed: string[] = [];
    for await (const one of stripe.charges.list({ customer: customer.id, limit: 1 })) listed.push(one.id);
    expect(listed).toEqual([charge.id]);

    const types = new Set<string>();
    for await (const event of stripe.events.list({ limit: 100 })) {
      if (JSON.stringify(event.data.object).includes(customer.id)) types.add(event.type);
      if (event.created < customer.created - 60) break;
    }
    for (const type of [
      'customer.created',
      'payment_method.attached',
      'customer.subscription.created',
      'invoice.created',
      'invoice.finalized',
      'invoice.paid',
      'invoice.payment_succeeded',
      'payment_intent.succeeded',
      'charge.succeeded',
      'charge.refunded',
    ]) {
      expect(types, type).toContain(type);
    }

    const canceled = await stripe.subscriptions.cancel(subscription.id);
    expect(canceled.status).toBe('canceled');
    const gone = await stripe.customers.del(customer.id);
    expect(gone.deleted).toBe(true);
    const stub = await stripe.customers.retrieve(customer.id);
    expect(stub.deleted).toBe(true);
    await stripe.prices.update(price.id, { active: false });
    await stripe.products.update(product.id, { active: false });
  }, 60_000);

  test.each([
    ['pm_card_chargeCustomerFail', 'card_declined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', undefined],
  ])('a payment with %s is declined with %s', async (method, code, declineCode) => {
    const error = await stripe.paymentIntents
      .create({
        amount: 1234,
        currency: 'eur',
        payment_method: method,
        confirm: true,
        automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
        metadata: { run },
      })
      .then(
        () => undefined,
        (thrown: unknown) => thrown as Stripe.errors.StripeCardError,
      );
    expect(error?.statusCode).toBe(402);
    expect(error?.code).toBe(code);
    if (declineCode !== undefined) expect(error?.decline_code).toBe(declineCode);
    expect(error?.payment_intent?.status).toBe('requires_payment_method');
  });

  test('reserves, captures and cancels', async () => {
    const values = {
      amount: 5000,
      currency: 'gbp',
      payment_method: 'pm_card_mastercard',
      confirm: true,
      capture_method: 'manual',
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      metadata: { run },
    } as const;
    const reserved = await stripe.paymentIntents.create(values);
    expect([reserved.status, reserved.amount_capturable]).toEqual(['requires_capture', 5000]);
    const captured = await stripe.paymentIntents.capture(reserved.id, { amount_to_capture: 3000 });
    expect([captured.status, captured.amount_received]).toEqual(['succeeded', 3000]);
    const other = await stripe.paymentIntents.create(values);
    expect((await stripe.paymentIntents.cancel(other.id)).status).toBe('canceled');
  });

  test('a repeated idempotency key is answered with the first answer', async () => {
    const idempotencyKey = `${run}-once`;
    const first = await stripe.customers.create({ name: 'Once', metadata: { run } }, { idempotencyKey });
    const second = await stripe.customers.create({ name: 'Once', metadata: { run } }, { idempotencyKey });
    expect(second.id).toBe(first.id);
    await expect(stripe.customers.create({ name: 'Twice' }, { idempotencyKey })).rejects.toMatchObject({
      type: 'StripeIdempotencyError',
    });
    await stripe.customers.del(first.id);
  });

  test('refuses as Stripe refuses', async () => {
    await expect(stripe.customers.retrieve('cus_nobody')).rejects.toMatchObject({
      statusCode: 404,
      code: 'resource_missing',
    });
    await expect(
      stripe.customers.list({ shoeSize: 43 } as unknown as Stripe.CustomerListParams),
    ).rejects.toMatchObject({ statusCode: 400, code: 'parameter_unknown' });
    await expect(stripe.customers.list({ limit: 101 })).rejects.toMatchObject({ statusCode: 400 });
    await expect(stripe.charges.list({ starting_after: 'ch_nobody' })).rejects.toMatchObject({
      code: 'resource_missing',
    });
  });

  test('invoices: items, draft, finalize, pay outside, void', async () => {
    const customer = await stripe.customers.create({
      name: 'By invoice',
      email: 'pay@example.com',
      metadata: { run },
    });
    await stripe.invoiceItems.create({
      customer: customer.id,
      amount: 1500,
      currency: 'usd',
      description: 'Advice',
    });
    const draft = await stripe.invoices.create({
      customer: customer.id,
      collection_method: 'send_invoice',
      days_until_due: 14,
      pending_invoice_items_behavior: 'include',
    });
    expect([draft.status, draft.total, draft.lines.data.length]).toEqual(['draft', 1500, 1]);
    const open = await stripe.invoices.finalizeInvoice(String(draft.id));
    expect(open.status).toBe('open');
    expect(open.number).not.toBeNull();
    const paid = await stripe.invoices.pay(String(draft.id), { paid_out_of_band: true });
    expect(paid.status).toBe('paid');
    const second = await stripe.invoices.create({ customer: customer.id, auto_advance: false });
    await stripe.invoiceItems.create({
      customer: customer.id,
      invoice: String(second.id),
      amount: 700,
      currency: 'usd',
    });
    await stripe.invoices.finalizeInvoice(String(second.id));
    expect((await stripe.invoices.voidInvoice(String(second.id))).status).toBe('void');
    await stripe.customers.del(customer.id);
  }, 60_000);

  test('a test clock renews, and a declined card makes it past due', async () => {
    const start = Math.floor(Date.UTC(2026, 0, 31) / 1000);
    const clock = await stripe.testHelpers.testClocks.create({ frozen_time: start, name: run });
    const customer = await stripe.customers.create({ test_clock: clock.id, metadata: { run } });
    const good = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id });
    const product = await stripe.products.create({ name: `Clock ${run}` });
    const price = await stripe.prices.create({
      product: product.id,
      currency: 'eur',
      unit_amount: 1000,
      recurring: { interval: 'month' },
    });
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_payment_method: good.id,
    });
    const settle = async (to: number): Promise<void> => {
      await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: to });
      for (let n = 0; n < 60; n++) {
        if ((await stripe.testHelpers.testClocks.retrieve(clock.id)).status === 'ready') return;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      throw new Error('the clock did not come to rest');
    };
    await settle(Math.floor(Date.UTC(2026, 2, 1) / 1000));
    const invoices = await stripe.invoices.list({ subscription: subscription.id });
    expect(invoices.data.map((one) => [one.billing_reason, one.status])).toEqual([
      ['subscription_cycle', 'paid'],
      ['subscription_create', 'paid'],
    ]);
    const bad = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: customer.id });
    await stripe.subscriptions.update(subscription.id, { default_payment_method: bad.id });
    await settle(Math.floor(Date.UTC(2026, 3, 1) / 1000));
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('past_due');
    const hidden = await stripe.customers.list({ limit: 100 });
    expect(hidden.data.map((one) => one.id)).not.toContain(customer.id);
    const shown = await stripe.customers.list({ test_clock: clock.id });
    expect(shown.data.map((one) => one.id)).toEqual([customer.id]);
    await stripe.testHelpers.testClocks.del(clock.id);
    await stripe.products.update(product.id, { active: false });
  }, 180_000);

  test('an event that was listed passes the signature check, a changed one does not', async () => {
    const [event] = (await stripe.events.list({ limit: 1 })).data;
    const payload = JSON.stringify(event);
    const signed = { payload, secret: ['whsec', 'ofThisTest'].join('_') };
    const header = stripe.webhooks.generateTestHeaderString(signed);
    expect(stripe.webhooks.constructEvent(payload, header, signed.secret).id).toBe(event?.id);
    expect(() => stripe.webhooks.constructEvent(`${payload} `, header, signed.secret)).toThrow();
  });

  const webhooks = async (): Promise<void> => {
    const customer = await stripe.customers.create({ name: 'Hooked' });
    await expect
      .poll(() => deliveries.some((one) => one.body.includes(customer.id)), { timeout: 20_000 })
      .toBe(true);
    const first = deliveries[0];
    await expect
      .poll(() => deliveries.filter((one) => one.body === first?.body).length, { timeout: 20_000 })
      .toBeGreaterThan(1);
    const delivery = deliveries.find((one) => one.body.includes(customer.id));
    const event = stripe.webhooks.constructEvent(delivery?.body ?? '', delivery?.signature ?? '', secret);
    expect(event.type).toBe('customer.created');
    expect(() =>
      stripe.webhooks.constructEvent(`${delivery?.body} `, delivery?.signature ?? '', secret),
    ).toThrow();
    await expect
      .poll(async () => (await stripe.events.retrieve(event.id)).pending_webhooks, { timeout: 20_000 })
      .toBe(0);
  };
  // Stripe cannot reach this machine; its side of the contract is the signature that constructEvent checks.
  if (realKey === undefined) test('webhooks are signed, and come again when they are not taken', webhooks);
});
