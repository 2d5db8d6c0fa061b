import { afterEach, expect, test } from 'vitest';

import { copyFile, createKit, dump, mulberry, query, until, type Kit } from './kit.ts';
import { expectState } from './state.ts';

// The same account twice: one file has seen nothing but events since there was nothing, the other one is downloaded at the end.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
afterEach(() => kit.close());

const DAY = 86_400;

/** What anybody can do to the account by its API; each call is one or more events. */
function client(random: () => number): Client {
  const call = async (
    method: string,
    path: string,
    params: Readonly<Record<string, string | number>> = {},
  ): Promise<Stripe> => {
    const answer = await fetch(`${kit.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${kit.key}` },
      ...(method === 'POST'
        ? { body: new URLSearchParams(Object.entries(params).map(([key, value]) => [key, String(value)])) }
        : {}),
    });
    const body = (await answer.json()) as Stripe;
    // A declined card is a part of life, with events of its own; anything else is a wrong test.
    if (answer.status !== 200 && answer.status !== 402)
      throw new Error(`${method} ${path}: ${JSON.stringify(body)}`);
    return body;
  };
  return {
    post: (path, params) => call('POST', path, params),
    get: (path) => call('GET', path),
    remove: (path) => call('DELETE', path),
    chance: (share) => random() < share,
    pick: (list) => list[Math.floor(random() * list.length)] as (typeof list)[number],
  };
}
interface Client {
  readonly post: (path: string, params?: Readonly<Record<string, string | number>>) => Promise<Stripe>;
  readonly get: (path: string) => Promise<Stripe>;
  readonly remove: (path: string) => Promise<Stripe>;
  readonly chance: (share: number) => boolean;
  readonly pick: <T>(list: readonly T[]) => T;
}

interface Catalogue {
  readonly monthly: readonly Stripe[];
  readonly once: Stripe;
  readonly coupons: readonly Stripe[];
  readonly rate: Stripe;
}

async function makeCatalogue(api: Client): Promise<Catalogue> {
  const product = await api.post('/v1/products', { name: 'Plan' });
  const price = (amount: number, interval: string): Promise<Stripe> =>
    api.post('/v1/prices', {
      product: product.id,
      currency: 'eur',
      unit_amount: amount,
      'recurring[interval]': interval,
    });
  const monthly = [await price(1_900, 'month'), await price(4_900, 'month'), await price(700, 'week')];
  const once = await api.post('/v1/prices', { product: product.id, currency: 'eur', unit_amount: 9_900 });
  const coupons = [
    await api.post('/v1/coupons', { percent_off: 20, duration: 'repeating', duration_in_months: 2 }),
    await api.post('/v1/coupons', { amount_off: 500, currency: 'eur', duration: 'once' }),
    await api.post('/v1/coupons', { percent_off: 10, duration: 'forever' }),
  ];
  await api.post('/v1/promotion_codes', {
    'promotion[type]': 'coupon',
    'promotion[coupon]': coupons[0]?.id ?? '',
    code: 'TWENTY',
  });
  const rate = await api.post('/v1/tax_rates', { display_name: 'VAT', percentage: 20, inclusive: 'false' });
  await api.post('/v1/shipping_rates', {
    display_name: 'Post',
    type: 'fixed_amount',
    'fixed_amount[amount]': 500,
    'fixed_amount[currency]': 'eur',
  });
  // Some of it goes again.
  const gone = await api.post('/v1/products', { name: 'Short-lived' });
  await api.remove(`/v1/products/${gone.id}`);
  await api.post(`/v1/products/${product.id}`, { 'metadata[stage]': 'sold' });
  await api.post(`/v1/prices/${(monthly[2] as Stripe).id}`, { active: 'false' });
  return { monthly, once, coupons, rate };
}

const GOOD = [
  'pm_card_visa',
  'pm_card_mastercard',
  'pm_card_amex',
  'pm_card_gb',
  'pm_card_visa_debit',
] as const;
const BAD = ['pm_card_chargeCustomerFail'] as const;

async function liveAsCustomer(api: Client, all: Catalogue, clock: Stripe | undefined): Promise<void> {
  const { post, pick, chance } = api;
  const customer = await post('/v1/customers', {
    name: 'Customer',
    email: 'someone@fernbrook.example',
    ...(clock === undefined ? {} : { test_clock: clock.id }),
  });
  const of = { customer: customer.id };
  const method = await post(`/v1/payment_methods/${pick(chance(0.15) ? BAD : GOOD)}/attach`, of);
  await post(`/v1/customers/${customer.id}`, { 'invoice_settings[default_payment_method]': method.id });
  if (chance(0.3))
    await post(`/v1/customers/${customer.id}/tax_ids`, { type: 'eu_vat', value: 'DE123456789' });
  if (chance(0.3))
    await post(`/v1/customers/${customer.id}/balance_transactions`, { amount: -700, currency: 'eur' });
  if (chance(0.3)) {
    const setup = await post('/v1/setup_intents', { ...of, 'payment_method_types[0]': 'card' });
    if (chance(0.5)) await post(`/v1/setup_intents/${setup.id}/confirm`, { payment_method: 'pm_card_visa' });
    else await post(`/v1/setup_intents/${setup.id}/cancel`);
  }
  const subscription = await post('/v1/subscriptions', {
    ...of,
    'items[0][price]': pick(all.monthly.slice(0, 2)).id,
    'items[0][quantity]': pick([1, 2, 5]),
    'default_tax_rates[0]': all.rate.id,
    ...(chance(0.4) ? { trial_period_days: 14 } : {}),
    ...(chance(0.4) ? { 'discounts[0][coupon]': pick(all.coupons).id } : {}),
  });
  if (chance(0.5)) await payOnce(api, customer);
  if (chance(0.4)) await invoiceByHand(api, all, customer);
  const items = subscription['items'] as { data: Stripe[] } | undefined;
  const item = items?.data[0];
  if (clock !== undefined) await advance(api, clock, 45);
  const lives = async (): Promise<boolean> =>
    !/canceled|incomplete/.test(String((await api.get(`/v1/subscriptions/${subscription.id}`))['status']));
  if (item !== undefined && chance(0.5) && (await lives()))
    await post(`/v1/subscriptions/${subscription.id}`, { 'items[0][id]': item.id, 'items[0][quantity]': 7 });
  if (clock !== undefined) await advance(api, clock, 95);
  if (chance(0.3)) {
    const other = await post(`/v1/payment_methods/${pick(GOOD)}/attach`, of);
    await post(`/v1/customers/${customer.id}`, { 'invoice_settings[default_payment_method]': other.id });
    await post(`/v1/payment_methods/${method.id}/detach`);
  }
  if (await lives()) {
    if (chance(0.3)) await post(`/v1/subscriptions/${subscription.id}`, { cancel_at_period_end: 'true' });
    else if (chance(0.4)) await api.remove(`/v1/subscriptions/${subscription.id}`);
  }
  if (clock !== undefined) await advance(api, clock, 40);
  await post(`/v1/customers/${customer.id}`, { 'metadata[seen]': 'to the end', phone: '+12025550100' });
  if (chance(0.2)) await api.remove(`/v1/customers/${customer.id}`);
}

async function payOnce(api: Client, customer: Stripe): Promise<void> {
  const { post, pick, chance } = api;
  const intent = await post('/v1/payment_intents', {
    amount: pick([1_000, 2_500, 12_000]),
    currency: 'eur',
    customer: customer.id,
    payment_method: pick(['pm_card_visa', 'pm_card_visa_chargeDeclined', 'pm_card_createDispute']),
    capture_method: chance(0.3) ? 'manual' : 'automatic',
    'payment_method_types[0]': 'card',
  });
  const confirmed = await post(`/v1/payment_intents/${intent.id}/confirm`);
  if (confirmed['status'] === 'requires_capture') {
    await post(`/v1/payment_intents/${intent.id}/${chance(0.5) ? 'capture' : 'cancel'}`);
    return;
  }
  if (confirmed['status'] !== 'succeeded') return;
  const charge = String(confirmed['latest_charge']);
  if (chance(0.5)) await post('/v1/refunds', { charge, amount: 300 });
  if (chance(0.3)) await post(`/v1/charges/${charge}`, { description: 'Looked at' });
}

async function invoiceByHand(api: Client, all: Catalogue, customer: Stripe): Promise<void> {
  const { post, chance } = api;
  const of = { customer: customer.id };
  const item = await post('/v1/invoiceitems', {
    ...of,
    amount: 4_000,
    currency: 'eur',
    description: 'By hand',
  });
  await post('/v1/invoiceitems', { ...of, 'pricing[price]': all.once.id });
  if (chance(0.3)) await api.remove(`/v1/invoiceitems/${item.id}`);
  const invoice = await post('/v1/invoices', {
    ...of,
    auto_advance: 'false',
    pending_invoice_items_behavior: 'include',
  });
  if (chance(0.2)) {
    await api.remove(`/v1/invoices/${invoice.id}`);
    return;
  }
  await post(`/v1/invoices/${invoice.id}/finalize`);
  if (chance(0.2)) await post(`/v1/invoices/${invoice.id}/void`);
  else if (chance(0.2)) await post(`/v1/invoices/${invoice.id}/mark_uncollectible`);
  else {
    const paid = await post(`/v1/invoices/${invoice.id}/pay`);
    if (paid['status'] === 'paid' && chance(0.5))
      await post('/v1/credit_notes', { invoice: invoice.id, amount: 100, refund_amount: 100 });
  }
}

async function advance(api: Client, clock: Stripe, days: number): Promise<void> {
  const now = await api.get(`/v1/test_helpers/test_clocks/${clock.id}`);
  const to = Number(now['frozen_time']) + days * DAY;
  await api.post(`/v1/test_helpers/test_clocks/${clock.id}/advance`, { frozen_time: to });
}

test('a mirror that has seen only events since the account was empty equals one that is downloaded at the end', async () => {
  kit = await createKit({ source: { empty: true } });
  await kit.watch({ tables: 'all' });
  const api = client(mulberry(11));
  const all = await makeCatalogue(api);
  for (let n = 0; n < 60; n += 1) {
    const clock =
      n % 3 === 0
        ? await api.post('/v1/test_helpers/test_clocks', { frozen_time: Math.floor(Date.now() / 1_000) })
        : undefined;
    await liveAsCustomer(api, all, clock);
    if (clock !== undefined && api.chance(0.2)) await api.remove(`/v1/test_helpers/test_clocks/${clock.id}`);
  }
  const events = kit.emulator.state.events();
  expect(events.length).toBeGreaterThan(2_000);
  expect(new Set(events.map((event) => event.type)).size).toBeGreaterThan(50);
  const ids = (file: string): unknown[] =>
    query(file, 'SELECT id FROM events ORDER BY id').map(({ id }) => id);
  await until(() => ids(kit.path()).length === events.length, 120_000);
  // The watching engine goes on as it likes; a copy of its file is brought to its end.
  const [kept, fresh] = [kit.path('kept.sqlite'), kit.path('fresh.sqlite')];
  copyFile(kit.path(), kept);
  await kit.run({ file: kept, tables: 'all' });
  await kit.run({ file: fresh, tables: 'all' });
  const [byEvents, byDownload] = [withoutCustomer(kept), dump(fresh)];
  for (const table of Object.keys(byDownload))
    expect({ table, rows: byEvents[table] }).toEqual({ table, rows: byDownload[table] });
  expect(ids(kept)).toEqual(ids(fresh));
  expectState(kit.emulator, byDownload);
});

/** The one thing that may differ: whose customer is gone, Stripe no longer lists; the file keeps what it was told. */
function withoutCustomer(file: string): ReturnType<typeof dump> {
  const rows = dump(file);
  const customers = new Set(rows['customers']?.map(({ id }) => id));
  const table = 'customer_balance_transactions';
  return { ...rows, [table]: rows[table]?.filter(({ customer }) => customers.has(customer)) ?? [] };
}
