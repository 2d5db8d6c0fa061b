import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StripeObject } from '../src/index.ts';
import { columnsOf, tables } from '../src/catalogue/catalogue.ts';
import { running, walk, type Running } from './support.ts';

const at = Date.UTC(2026, 5, 15, 12) / 1000;
let syn: Running;

beforeAll(async () => {
  syn = await running({ source: { synthetic: 150, seed: 4 }, now: () => at * 1000 });
});
afterAll(() => syn.emulator.close());

describe('lists', () => {
  test('newest first, page by page, each object once, in both directions', async () => {
    const forward = await walk(syn, '/v1/charges', 37);
    expect(forward.length).toBe(syn.emulator.state.count('charge'));
    expect(new Set(forward.map((one) => one.id)).size).toBe(forward.length);
    for (const [index, one] of forward.entries()) {
      const next = forward[index + 1];
      if (next) expect(Number(one['created'])).toBeGreaterThanOrEqual(Number(next['created']));
    }
    const back: string[] = [];
    let before = forward.at(-1)?.id ?? '';
    for (;;) {
      const page = await syn.get(`/v1/charges?limit=53&ending_before=${before}`);
      back.unshift(...page.body.data.map((one) => one.id));
      before = page.body.data[0]?.id ?? '';
      if (!page.body.has_more) break;
    }
    expect(back).toEqual(forward.slice(0, -1).map((one) => one.id));
  });

  test('windows of created meet without gaps', async () => {
    const all = await walk(syn, '/v1/invoices');
    const middle = Number(all[Math.floor(all.length / 2)]?.['created']);
    const newer = await walk(syn, `/v1/invoices?created[gte]=${middle}`);
    const older = await walk(syn, `/v1/invoices?created[lt]=${middle}`);
    expect([...newer, ...older].map((one) => one.id)).toEqual(all.map((one) => one.id));
  });

  test.each([
    ['limit 0', '/v1/customers?limit=0', 400, 'parameter_invalid_integer'],
    ['limit 101', '/v1/customers?limit=101', 400, 'parameter_invalid_integer'],
    ['an unknown parameter', '/v1/customers?color=blue', 400, 'parameter_unknown'],
    ['an unknown range', '/v1/customers?created[near]=1', 400, 'parameter_unknown'],
    ['a cursor that is not there', '/v1/customers?starting_after=cus_none', 400, 'resource_missing'],
    ['a list without its parent', '/v1/subscription_items', 400, 'parameter_missing'],
    ['limit where there is none', '/v1/reporting/report_types?limit=5', 400, 'parameter_unknown'],
    ['an id that is not there', '/v1/customers/cus_none', 404, 'resource_missing'],
    ['a path that is not there', '/v1/unicorns', 404, undefined],
    ['a search, which is not covered', '/v1/customers/search?query=x', 404, undefined],
    ['an API of the past', '/v1/skus', 404, undefined],
    ['an expansion of what is not there', '/v1/customers?expand[]=data.shoes', 400, undefined],
    ['an expansion five deep', '/v1/customers?expand[]=data.a.b.c.d.e', 400, undefined],
  ])('refuses %s', async (_, path, status, code) => {
    const got = await syn.get(path);
    expect(got.status).toBe(status);
    expect(got.body.error.code).toBe(code);
    expect(got.body.error.type).toBe('invalid_request_error');
    expect(got.headers.get('request-id')).toMatch(/^req_\w{14}$/);
  });

  test('both cursors at once are refused', async () => {
    const [one] = (await syn.get('/v1/customers?limit=1')).body.data;
    const got = await syn.get(`/v1/customers?starting_after=${one?.id}&ending_before=${one?.id}`);
    expect(got.status).toBe(400);
  });

  test('every list of the catalogue answers, and every object can be retrieved', async () => {
    for (const table of tables) {
      if (table.path === undefined || table.path.includes('{') || table.kind === 'singleton') continue;
      if ((table.required ?? []).length > 0) continue;
      const page = await syn.get(table.path);
      expect(page.status, table.path).toBe(200);
      expect(page.body['object'], table.path).toBe('list');
      for (const one of page.body.data) {
        for (const column of columnsOf(table)) {
          if (!column.nullable)
            expect(one[column.name] ?? null, `${table.path} ${column.name}`).not.toBeNull();
        }
      }
      const first = page.body.data[0];
      if (first === undefined || table.retrieve === undefined) continue;
      const got = await syn.get(table.retrieve.replace(/\{\w+\}/, first.id));
      expect(got.status, table.retrieve).toBe(200);
      expect(got.body['id']).toBe(first.id);
    }
  });
});

describe('what lists hide', () => {
  test('cancelled subscriptions without status=all', async () => {
    const all = await walk(syn, '/v1/subscriptions?status=all');
    const shown = await walk(syn, '/v1/subscriptions');
    const ended = await walk(syn, '/v1/subscriptions?status=ended');
    expect(shown.length + ended.length).toBe(all.length);
    expect(ended.length).toBeGreaterThan(0);
    expect(shown.every((one) => one['status'] !== 'canceled')).toBe(true);
  });

  test('archived prices without active=false; closed reviews; tax ids of customers', async () => {
    const prices = [...(await walk(syn, '/v1/prices')), ...(await walk(syn, '/v1/prices?active=false'))];
    expect(prices.length).toBe(syn.emulator.state.count('price'));
    expect((await walk(syn, '/v1/reviews')).every((one) => one['open'] === true)).toBe(true);
    expect(await walk(syn, '/v1/tax_ids')).toEqual([]);
    const [tax] = syn.emulator.state.all('tax_id');
    const own = await walk(syn, `/v1/customers/${String(tax?.['customer'])}/tax_ids`);
    expect(own.map((one) => one.id)).toEqual([tax?.id]);
  });
});

describe('filters and expansions', () => {
  test('by customer, invoice, payment intent, payout', async () => {
    const [charge] = (await syn.get('/v1/charges?limit=1')).body.data;
    const mine = await walk(syn, `/v1/charges?customer=${String(charge?.['customer'])}`);
    const all = await walk(syn, '/v1/charges');
    expect(mine.map((one) => one.id)).toEqual(
      all.filter((one) => one['customer'] === charge?.['customer']).map((one) => one.id),
    );
    const [payment] = await walk(syn, `/v1/invoice_payments?limit=100&status=paid`.replace('limit=100&', ''));
    const found = await walk(syn, `/v1/invoice_payments?invoice=${String(payment?.['invoice'])}`);
    expect(found.map((one) => one.id)).toContain(payment?.id);
  });

  test('a payout is the sum of its balance transactions', async () => {
    const payouts = await walk(syn, '/v1/payouts');
    for (const payout of payouts.slice(0, 8)) {
      const parts = await walk(syn, `/v1/balance_transactions?payout=${payout.id}`);
      const sum = parts
        .filter((one) => one['type'] !== 'payout')
        .reduce((total, one) => total + Number(one['net']), 0);
      expect(sum, payout.id).toBe(payout['amount']);
    }
  });

  test('expands four deep, and shows what is absent otherwise', async () => {
    const [charge] = (
      await syn.get('/v1/charges?limit=1&expand[]=data.refunds&expand[]=data.payment_intent.customer')
    ).body.data;
    expect((charge?.['refunds'] as { object: string }).object).toBe('list');
    const intent = charge?.['payment_intent'] as { customer: { object: string } };
    expect(intent.customer.object).toBe('customer');
    const [plain] = (await syn.get('/v1/charges?limit=1')).body.data;
    expect(plain).not.toHaveProperty('refunds');
  });

  test('lines, items and sources stand below their parent', async () => {
    const [invoice] = (await syn.get('/v1/invoices?limit=1')).body.data;
    const lines = await walk(syn, `/v1/invoices/${invoice?.id}/lines`);
    expect(lines).toEqual((invoice?.['lines'] as { data: unknown[] }).data);
    const [subscription] = (await syn.get('/v1/subscriptions?limit=1')).body.data;
    const items = await walk(syn, `/v1/subscription_items?subscription=${subscription?.id}`);
    expect(items).toEqual((subscription?.['items'] as { data: unknown[] }).data);
    const [card] = syn.emulator.state.all('card');
    const sources = await walk(syn, `/v1/customers/${String(card?.['customer'])}/sources?object=card`);
    expect(sources).toEqual([card]);
    const [session] = (await syn.get('/v1/checkout/sessions?limit=1&expand[]=data.line_items')).body.data;
    const listed = await walk(syn, `/v1/checkout/sessions/${session?.id}/line_items`);
    expect((session?.['line_items'] as { data: unknown[] }).data).toEqual(listed);
    expect(listed[0]?.['object']).toBe('item');
  });
});

/** What the objects lack, or have too much, against the catalogue. */
function wrongOf(all: (object: string) => StripeObject[]): { wrong: string[]; covered: Set<string> } {
  // Known to Stripe's own client, not to its public description.
  const known = new Set([
    'charge.source',
    'dispute.network_reason_code',
    'product.type',
    'subscription_item.plan',
  ]);
  const covered = new Set<string>();
  const wrong = new Set<string>();
  for (const table of tables) {
    const columns = columnsOf(table);
    const names = new Set(columns.map((column) => column.name));
    for (const object of all(table.object)) {
      covered.add(table.table);
      for (const column of columns) {
        const value = object[column.name];
        if (!column.nullable && (value === undefined || value === null))
          wrong.add(`${table.table}.${column.name} missing`);
        if (
          value === undefined &&
          !column.optional &&
          column.name !== 'refunds' &&
          column.name !== 'payments'
        ) {
          wrong.add(`${table.table}.${column.name} absent`);
        }
        if (value !== undefined && value !== null && !fits(column.type, value)) {
          wrong.add(`${table.table}.${column.name} is ${typeof value}`);
        }
      }
      for (const name of Object.keys(object)) {
        if (name !== 'object' && !names.has(name) && !known.has(`${object.object}.${name}`)) {
          wrong.add(`${table.table}.${name} unknown`);
        }
      }
    }
  }
  return { wrong: [...wrong], covered };
}

test('objects have every property of the catalogue that is required, and no unknown ones', () => {
  const { wrong, covered } = wrongOf((object) => syn.emulator.state.all(object));
  expect(wrong).toEqual([]);
  for (const table of [
    'customers charges payment_intents invoices subscriptions subscription_items refunds disputes balance_transactions',
    'payouts products prices coupons promotion_codes payment_methods setup_intents tax_rates tax_ids credit_notes',
    'invoiceitems invoice_payments checkout_sessions quotes payment_links shipping_rates reviews discounts cards',
    'customer_balance_transactions notification_events',
  ].flatMap((line) => line.split(' '))) {
    expect(covered, table).toContain(table);
  }
});

test('what is written is as complete as what was made up', async () => {
  const empty = await running({});
  const id = async (path: string, params: Record<string, string>): Promise<string> => {
    const got = await empty.post(path, params);
    expect(got.status, `${path} ${got.body.error?.message}`).toBe(200);
    return String(got.body['id']);
  };
  const clock = await id('/v1/test_helpers/test_clocks', { frozen_time: '1780000000' });
  const customer = await id('/v1/customers', {
    email: 'a@b.example',
    payment_method: 'pm_card_visa',
    'invoice_settings[default_payment_method]': 'pm_card_visa',
  });
  await id('/v1/customers', { test_clock: clock });
  await id(`/v1/customers/${customer}/tax_ids`, { type: 'eu_vat', value: 'DE123456789' });
  await id('/v1/tax_rates', { display_name: 'VAT', percentage: '20', inclusive: 'false' });
  const product = await id('/v1/products', { name: 'P' });
  const price = await id('/v1/prices', {
    product,
    currency: 'usd',
    unit_amount: '1000',
    'recurring[interval]': 'month',
  });
  const coupon = await id('/v1/coupons', {
    percent_off: '25',
    duration: 'repeating',
    duration_in_months: '3',
  });
  const code = await id('/v1/promotion_codes', {
    'promotion[type]': 'coupon',
    'promotion[coupon]': coupon,
    code: 'SAVE',
  });
  const subscription = await id('/v1/subscriptions', {
    customer,
    'items[0][price]': price,
    'discounts[0][promotion_code]': code,
  });
  await id(`/v1/subscriptions/${subscription}`, { 'items[0][price]': price, 'items[0][quantity]': '3' });
  await id(`/v1/customers/${customer}/balance_transactions`, { amount: '-500', currency: 'usd' });
  await id('/v1/invoiceitems', { customer, amount: '4000', currency: 'usd', description: 'Work' });
  const invoice = await id('/v1/invoices', { customer, pending_invoice_items_behavior: 'include' });
  await id(`/v1/invoices/${invoice}/pay`, {});
  await id('/v1/credit_notes', { invoice, amount: '300', refund_amount: '300' });
  await id('/v1/setup_intents', { customer, payment_method: 'pm_card_mastercard', confirm: 'true' });
  for (const card of [
    'pm_card_visa',
    'pm_card_createDispute',
    'pm_card_createIssuerFraudRecord',
    'pm_card_riskLevelElevated',
  ]) {
    await id('/v1/payment_intents', {
      amount: '2000',
      currency: 'usd',
      payment_method: card,
      confirm: 'true',
    });
  }
  const charge = await id('/v1/charges', { amount: '700', currency: 'usd', source: 'tok_visa' });
  await id('/v1/refunds', { charge });
  await id('/v1/webhook_endpoints', { url: 'http://127.0.0.1:9/', 'enabled_events[]': 'no.event' });
  const { wrong, covered } = wrongOf((object) => empty.emulator.state.all(object));
  expect(wrong).toEqual([]);
  for (const table of 'discounts disputes early_fraud_warnings reviews credit_notes customer_balance_transactions invoiceitems tax_ids test_clocks webhook_endpoints setup_intents subscription_items'.split(
    ' ',
  )) {
    expect(covered, table).toContain(table);
  }
  const lines = (empty.emulator.state.get('invoice', invoice)?.['lines'] as { data: StripeObject[] }).data;
  const lineColumns = columnsOf(tables.find((one) => one.table === 'invoice_line_items') ?? raise());
  for (const line of lines) {
    for (const column of lineColumns)
      if (!column.optional) expect(line, column.name).toHaveProperty(column.name);
  }
  await empty.emulator.close();
});

const raise = (): never => {
  throw new Error('no such table');
};

const fits = (type: string, value: unknown): boolean => {
  if (type === 'i' || type === 't') return Number.isInteger(value);
  if (type === 'r') return typeof value === 'number';
  if (type === 'b') return typeof value === 'boolean';
  if (type === 's') return typeof value === 'string';
  if (type === 'e') return typeof value === 'string' || typeof value === 'object';
  return typeof value === 'object';
};

describe('keys', () => {
  const basic = (user: string): string => `Basic ${Buffer.from(`${user}:`).toString('base64')}`;
  test.each([
    ['Bearer', `Bearer ${['sk', 'test', 'emulator1'].join('_')}`, 200],
    ['Basic', basic(['rk', 'test', 'emulator1'].join('_')), 200],
    ['a live key', `Bearer ${['sk', 'live', 'emulator1'].join('_')}`, 200],
    ['a publishable key', `Bearer ${['pk', 'test', 'emulator1'].join('_')}`, 401],
    ['something else', 'Bearer letmein', 401],
    ['nothing', '', 401],
  ])('%s', async (_, authorization, status) => {
    const got = await syn.get('/v1/account', { Authorization: authorization });
    expect(got.status).toBe(status);
    if (status === 401) {
      expect(got.body.error.type).toBe('invalid_request_error');
      expect(got.headers.get('www-authenticate')).toContain('Basic');
    }
  });

  test('a live key sees live objects, and the version asked for is echoed', async () => {
    const live = {
      Authorization: `Bearer ${['sk', 'live', 'emulator1'].join('_')}`,
      'Stripe-Version': '2020-08-27',
    };
    const got = await syn.get('/v1/customers?limit=1', live);
    expect(got.body.data[0]?.['livemode']).toBe(true);
    expect(got.headers.get('stripe-version')).toBe('2020-08-27');
  });

  test('--key lets nobody else in, and never shows the wrong key whole', async () => {
    const only = await running({ key: ['sk', 'test', 'theOnlyOne'].join('_') });
    const got = await only.get('/v1/account', {
      Authorization: `Bearer ${['sk', 'test', 'another0123456'].join('_')}`,
    });
    expect(got.status).toBe(401);
    expect(got.body.error.message).toMatch(/^Invalid API Key provided: sk_test_\*+3456$/);
    expect((await only.get('/v1/account')).status).toBe(200);
    await only.emulator.close();
  });
});

test('events: types, wildcards, 30 days', async () => {
  const events = await walk(syn, '/v1/events');
  expect(events.length).toBeGreaterThan(50);
  expect(Math.min(...events.map((one) => Number(one['created'])))).toBeGreaterThanOrEqual(at - 30 * 86_400);
  const paid = await walk(syn, '/v1/events?types[]=invoice.paid&types[]=charge.succeeded');
  expect(new Set(paid.map((one) => one['type']))).toEqual(new Set(['invoice.paid', 'charge.succeeded']));
  const wild = await walk(syn, '/v1/events?type=invoice.*');
  expect(wild.every((one) => String(one['type']).startsWith('invoice.'))).toBe(true);
});

test('the account, its balance and what it has one of', async () => {
  const account = await syn.get('/v1/account');
  expect(account.body['id']).toBe(syn.emulator.accountId);
  expect(account.headers.get('stripe-account')).toBe(syn.emulator.accountId);
  expect((await syn.get(`/v1/accounts/${syn.emulator.accountId}`)).body['id']).toBe(syn.emulator.accountId);
  expect((await syn.get('/v1/balance_settings')).body['object']).toBe('balance_settings');
  expect((await syn.get('/v1/tax/settings')).body['object']).toBe('tax.settings');
  const external = await walk(syn, `/v1/accounts/${syn.emulator.accountId}/external_accounts`);
  const [payout] = (await syn.get('/v1/payouts?limit=1')).body.data;
  expect(external.map((one) => one.id)).toContain(payout?.['destination']);
});
