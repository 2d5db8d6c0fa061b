import Stripe from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEmulator, type Emulator } from '../src/index.ts';

let emulator: Emulator;
let stripe: Stripe;
let month: Stripe.Price;
let bigger: Stripe.Price;
let year: Stripe.Price;

beforeAll(async () => {
  emulator = createEmulator();
  const { url, key } = await emulator.listen();
  const { hostname, port } = new URL(url);
  stripe = new Stripe(key, { host: hostname, port: Number(port), protocol: 'http' });
  const product = await stripe.products.create({ name: 'Plan' });
  const price = (unit: number, interval: 'month' | 'year'): Promise<Stripe.Price> =>
    stripe.prices.create({
      product: product.id,
      currency: 'usd',
      unit_amount: unit,
      recurring: { interval },
    });
  [month, bigger, year] = await Promise.all([
    price(3000, 'month'),
    price(9000, 'month'),
    price(30_000, 'year'),
  ]);
});
afterAll(() => emulator.close());

const customer = async (card: string, clock?: string): Promise<Stripe.Customer> => {
  const made = await stripe.customers.create(clock === undefined ? {} : { test_clock: clock });
  const method = await stripe.paymentMethods.attach(card, { customer: made.id });
  return stripe.customers.update(made.id, { invoice_settings: { default_payment_method: method.id } });
};
const clockAt = (...when: [number, number, number]): Promise<Stripe.TestHelpers.TestClock> =>
  stripe.testHelpers.testClocks.create({ frozen_time: Date.UTC(...when) / 1000 });
const advance = (clock: string, ...to: [number, number, number]): Promise<Stripe.TestHelpers.TestClock> =>
  stripe.testHelpers.testClocks.advance(clock, { frozen_time: Date.UTC(...to) / 1000 });
const endOf = (subscription: Stripe.Subscription): string =>
  new Date((subscription.items.data[0]?.current_period_end ?? 0) * 1000).toISOString().slice(0, 10);

test('a declined first payment leaves it incomplete; paying the intent makes it active', async () => {
  const payer = await customer('pm_card_chargeCustomerFail');
  const subscription = await stripe.subscriptions.create({
    customer: payer.id,
    items: [{ price: month.id }],
  });
  expect(subscription.status).toBe('incomplete');
  const payments = await stripe.invoicePayments.list({ invoice: subscription.latest_invoice as string });
  const intent = payments.data[0]?.payment.payment_intent as string;
  await stripe.paymentIntents.confirm(intent, { payment_method: 'pm_card_visa' });
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active');
  expect((await stripe.invoices.retrieve(subscription.latest_invoice as string)).status).toBe('paid');
});

test('error_if_incomplete makes none; default_incomplete waits; nobody to charge is refused', async () => {
  const payer = await customer('pm_card_chargeCustomerFail');
  const items = [{ price: month.id }];
  await expect(
    stripe.subscriptions.create({ customer: payer.id, items, payment_behavior: 'error_if_incomplete' }),
  ).rejects.toMatchObject({ code: 'card_declined', statusCode: 402 });
  expect((await stripe.subscriptions.list({ customer: payer.id, status: 'all' })).data).toEqual([]);
  const waiting = await stripe.subscriptions.create({
    customer: payer.id,
    items,
    payment_behavior: 'default_incomplete',
  });
  expect(waiting.status).toBe('incomplete');
  const poor = await stripe.customers.create({});
  await expect(stripe.subscriptions.create({ customer: poor.id, items })).rejects.toMatchObject({
    statusCode: 400,
  });
});

test('a trial is free, ends by itself, or at once', async () => {
  const clock = await clockAt(2026, 0, 1);
  const payer = await customer('pm_card_visa', clock.id);
  const made = await stripe.subscriptions.create({
    customer: payer.id,
    items: [{ price: month.id }],
    trial_period_days: 14,
  });
  const other = await stripe.subscriptions.create({
    customer: payer.id,
    items: [{ price: month.id }],
    trial_period_days: 14,
  });
  expect([made.status, endOf(made)]).toEqual(['trialing', '2026-01-15']);
  expect((await stripe.invoices.retrieve(made.latest_invoice as string)).total).toBe(0);
  const now = await stripe.subscriptions.update(other.id, { trial_end: 'now' });
  expect([now.status, endOf(now)]).toEqual(['active', '2026-02-01']);
  expect((await stripe.invoices.retrieve(now.latest_invoice as string)).amount_paid).toBe(3000);
  const warnings = async (): Promise<string[]> =>
    (await stripe.events.list({ type: 'customer.subscription.trial_will_end' })).data.map(
      (event) => (event.data.object as Stripe.Subscription).id,
    );
  await advance(clock.id, 2026, 0, 11);
  expect(await warnings()).toEqual([]);
  await advance(clock.id, 2026, 0, 13);
  expect(await warnings()).toEqual([made.id]);
  await advance(clock.id, 2026, 0, 16);
  expect(await warnings()).toEqual([made.id]);
  const after = await stripe.subscriptions.retrieve(made.id);
  expect([after.status, endOf(after)]).toEqual(['active', '2026-02-15']);
  const invoice = await stripe.invoices.retrieve(after.latest_invoice as string);
  expect([invoice.billing_reason, invoice.status, invoice.amount_paid]).toEqual([
    'subscription_cycle',
    'paid',
    3000,
  ]);
});

test('an upgrade in the middle is prorated onto the next invoice; another interval is invoiced at once', async () => {
  const clock = await clockAt(2026, 3, 1);
  const payer = await customer('pm_card_visa', clock.id);
  const made = await stripe.subscriptions.create({ customer: payer.id, items: [{ price: month.id }] });
  await advance(clock.id, 2026, 3, 16);
  const item = made.items.data[0]?.id ?? '';
  const up = await stripe.subscriptions.update(made.id, { items: [{ id: item, price: bigger.id }] });
  expect(up.items.data[0]?.price.id).toBe(bigger.id);
  const pending = await stripe.invoiceItems.list({ customer: payer.id, pending: true });
  expect(pending.data.map((one) => one.amount).sort((a, b) => a - b)).toEqual([-1500, 4500]);
  await advance(clock.id, 2026, 4, 2);
  const next = await stripe.subscriptions.retrieve(made.id, { expand: ['latest_invoice'] });
  const invoice = next.latest_invoice as Stripe.Invoice;
  expect(invoice.lines.data.map((line) => line.amount).sort((a, b) => a - b)).toEqual([-1500, 4500, 9000]);
  expect([invoice.total, invoice.status]).toEqual([12_000, 'paid']);
  const yearly = await stripe.subscriptions.update(made.id, {
    items: [{ id: item, price: year.id }],
    expand: ['latest_invoice'],
  });
  expect(endOf(yearly)).toBe('2027-05-02');
  const atOnce = yearly.latest_invoice as Stripe.Invoice;
  expect(atOnce.billing_reason).toBe('subscription_update');
  expect(atOnce.lines.data.some((line) => line.amount === 30_000)).toBe(true);
  expect(atOnce.lines.data.some((line) => line.amount < 0)).toBe(true);
});

test('coupons and taxes: once, repeating, exclusive, inclusive, reverse charge', async () => {
  const clock = await clockAt(2026, 0, 10);
  const payer = await customer('pm_card_visa', clock.id);
  const [once, repeating] = await Promise.all([
    stripe.coupons.create({ percent_off: 50, duration: 'once' }),
    stripe.coupons.create({ amount_off: 500, currency: 'usd', duration: 'repeating', duration_in_months: 2 }),
  ]);
  const vat = await stripe.taxRates.create({ display_name: 'VAT', percentage: 20, inclusive: false });
  const included = await stripe.taxRates.create({ display_name: 'Tax', percentage: 10, inclusive: true });
  const total = async (subscription: Stripe.Subscription): Promise<[number, number]> => {
    const invoice = await stripe.invoices.retrieve(subscription.latest_invoice as string);
    return [invoice.total, (invoice.total_taxes ?? []).reduce((n, one) => n + one.amount, 0)];
  };
  const subscribe = (values: Partial<Stripe.SubscriptionCreateParams>): Promise<Stripe.Subscription> =>
    stripe.subscriptions.create({ customer: payer.id, items: [{ price: month.id }], ...values });
  const a = await subscribe({ discounts: [{ coupon: once.id }], default_tax_rates: [vat.id] });
  expect(await total(a)).toEqual([1800, 300]);
  expect((await stripe.subscriptions.retrieve(a.id)).discounts).toEqual([]);
  const b = await subscribe({ discounts: [{ coupon: repeating.id }] });
  expect(await total(b)).toEqual([2500, 0]);
  expect(await total(await subscribe({ default_tax_rates: [included.id] }))).toEqual([3000, 273]);
  await advance(clock.id, 2026, 1, 11);
  expect(await total(await stripe.subscriptions.retrieve(b.id))).toEqual([2500, 0]);
  await advance(clock.id, 2026, 2, 11);
  expect(await total(await stripe.subscriptions.retrieve(b.id))).toEqual([3000, 0]);
  await stripe.customers.update(payer.id, { tax_exempt: 'reverse' });
  expect(await total(await subscribe({ default_tax_rates: [vat.id] }))).toEqual([3000, 0]);
});

test('four failed attempts end it; cancelling at the period end waits for it', async () => {
  const clock = await clockAt(2026, 5, 1);
  const payer = await customer('pm_card_visa', clock.id);
  const failing = await stripe.subscriptions.create({ customer: payer.id, items: [{ price: month.id }] });
  const leaving = await stripe.subscriptions.create({ customer: payer.id, items: [{ price: month.id }] });
  const bad = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: payer.id });
  await stripe.subscriptions.update(failing.id, { default_payment_method: bad.id });
  const asked = await stripe.subscriptions.update(leaving.id, { cancel_at_period_end: true });
  expect([asked.status, asked.cancel_at]).toEqual(['active', asked.items.data[0]?.current_period_end]);
  await advance(clock.id, 2026, 6, 2);
  expect((await stripe.subscriptions.retrieve(failing.id)).status).toBe('past_due');
  expect((await stripe.customers.retrieve(payer.id)) as Stripe.Customer).toMatchObject({ delinquent: true });
  expect((await stripe.subscriptions.retrieve(leaving.id)).status).toBe('canceled');
  await advance(clock.id, 2026, 6, 25);
  const ended = await stripe.subscriptions.retrieve(failing.id, { expand: ['latest_invoice'] });
  expect([ended.status, ended.cancellation_details?.reason]).toEqual(['canceled', 'payment_failed']);
  const invoice = ended.latest_invoice as Stripe.Invoice;
  expect([invoice.status, invoice.attempt_count]).toEqual(['uncollectible', 4]);
});

test('credit pays first, and what is over is kept', async () => {
  const payer = await customer('pm_card_visa');
  await stripe.customers.createBalanceTransaction(payer.id, { amount: -5000, currency: 'usd' });
  const first = await stripe.subscriptions.create({ customer: payer.id, items: [{ price: month.id }] });
  const invoice = await stripe.invoices.retrieve(first.latest_invoice as string);
  expect([invoice.total, invoice.amount_due, invoice.status, invoice.ending_balance]).toEqual([
    3000,
    0,
    'paid',
    -2000,
  ]);
  expect(((await stripe.customers.retrieve(payer.id)) as Stripe.Customer).balance).toBe(-2000);
  const second = await stripe.subscriptions.create({ customer: payer.id, items: [{ price: month.id }] });
  const rest = await stripe.invoices.retrieve(second.latest_invoice as string);
  expect([rest.amount_due, rest.amount_paid, rest.ending_balance]).toEqual([1000, 1000, 0]);
});

test('a dispute by test card: the money goes, and comes back when it is won', async () => {
  const intent = await stripe.paymentIntents.create({
    amount: 4200,
    currency: 'usd',
    payment_method: 'pm_card_createDispute',
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  });
  const [dispute] = (await stripe.disputes.list({ payment_intent: intent.id })).data;
  expect([dispute?.status, dispute?.amount, dispute?.balance_transactions[0]?.net]).toEqual([
    'needs_response',
    4200,
    -5700,
  ]);
  const won = await stripe.disputes.update(dispute?.id ?? '', {
    evidence: { uncategorized_text: 'winning_evidence' },
    submit: true,
  });
  expect([won.status, won.balance_transactions.reduce((n, one) => n + one.amount, 0)]).toEqual(['won', 0]);
});

test('payouts take what is there and no more', async () => {
  await expect(stripe.payouts.create({ amount: 99_999_999, currency: 'usd' })).rejects.toMatchObject({
    code: 'balance_insufficient',
  });
});
