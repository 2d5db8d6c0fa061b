import { cpSync, existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEmulator, type StripeObject } from '../src/index.ts';
import { running, walk, type Running } from './support.ts';

let dir: string;
let made: Running;

/** A timeline of our own: a customer, its charge with a refund, and the customer's end. */
const event = (n: number, type: string, object: Record<string, unknown>, previous?: object): unknown => ({
  id: `evt_${n}`,
  object: 'event',
  api_version: '2020-08-27',
  created: 1_600_000_000 + n,
  data: { object, ...(previous ? { previous_attributes: previous } : {}) },
  livemode: false,
  pending_webhooks: 0,
  request: { id: null, idempotency_key: null },
  type,
});
const customer = { id: 'cus_a', object: 'customer', created: 1_600_000_000, name: 'Ann', livemode: false };
const refund = { id: 're_a', object: 'refund', amount: 5, charge: 'ch_a', created: 1_600_000_003 };
const charge = {
  id: 'ch_a',
  object: 'charge',
  amount: 10,
  customer: 'cus_a',
  created: 1_600_000_002,
  refunds: { object: 'list', data: [], has_more: false, url: '' },
};
const tax = { id: 'txi_a', object: 'tax_id', created: 1_600_000_001, customer: 'cus_a', value: 'DE1' };
const events = [
  event(0, 'customer.created', customer),
  event(1, 'customer.tax_id.created', tax),
  event(2, 'charge.succeeded', charge),
  event(
    3,
    'charge.refunded',
    { ...charge, amount_refunded: 5, refunds: { ...charge.refunds, data: [refund] } },
    { amount_refunded: 0 },
  ),
  event(4, 'sku.created', { id: 'sku_a', object: 'sku', created: 1_600_000_004, price: 3 }),
  event(5, 'customer.deleted', customer),
  event(6, 'customer.tax_id.updated', { ...tax, verification: { status: 'verified' } }),
];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'timeline-'));
  await writeFile(join(dir, 'events.json'), JSON.stringify({ events }));
  const steps = [
    { i: 0, event_indexes: [0, 1, 2] },
    { i: 1, event_indexes: [3, 4] },
    { i: 2, event_indexes: [5, 6] },
    { i: 3, event_indexes: [] },
  ];
  await writeFile(join(dir, 'meta.json'), JSON.stringify({ steps }));
  made = await running({ source: { timeline: dir, untilStep: 0 } });
});
afterAll(async () => {
  await made.emulator.close();
  await rm(dir, { recursive: true });
});

test('serves what the events before a step have shown, forwards and back', async () => {
  const ids = async (path: string): Promise<string[]> => (await walk(made, path)).map((one) => one.id);
  expect(await ids('/v1/customers')).toEqual([]);
  const advance = async (step: number): Promise<number> =>
    (await fetch(`${made.url}/_emulator/advance`, { method: 'POST', body: JSON.stringify({ step }) })).status;
  expect(await advance(1)).toBe(200);
  expect(await ids('/v1/customers')).toEqual(['cus_a']);
  expect(await ids('/v1/customers/cus_a/tax_ids')).toEqual(['txi_a']);
  expect(await ids('/v1/events')).toEqual(['evt_2', 'evt_1', 'evt_0']);
  expect(await ids('/v1/refunds')).toEqual([]);
  expect(await advance(2)).toBe(200);
  expect(await ids('/v1/refunds?charge=ch_a')).toEqual(['re_a']);
  expect(await ids('/v1/skus')).toEqual(['sku_a']);
  expect((await made.get('/v1/skus/sku_a')).body['price']).toBe(3);
  expect((await made.get('/v1/charges/ch_a')).body['refunds']).toMatchObject({ data: [refund] });
  expect(await advance(3)).toBe(200);
  expect(await ids('/v1/customers')).toEqual([]);
  expect((await made.get('/v1/customers/cus_a')).body).toEqual({
    id: 'cus_a',
    object: 'customer',
    deleted: true,
  });
  expect((await made.get('/v1/customers/cus_a/tax_ids')).status).toBe(404);
  expect((await made.get('/v1/tax_ids/txi_a')).status).toBe(404);
  expect(await advance(9)).toBe(400);
  expect(await advance(1)).toBe(200);
  expect(await ids('/v1/customers')).toEqual(['cus_a']);
  expect(await ids('/v1/refunds')).toEqual([]);
});

test('keeps the recorded shape whatever version is asked for, and echoes that', async () => {
  const got = await made.get('/v1/charges', { 'Stripe-Version': '2026-08-26.dahlia' });
  expect(got.body.data[0]).toHaveProperty('refunds');
  expect(got.headers.get('stripe-version')).toBe('2026-08-26.dahlia');
  expect((await made.get('/v1/charges')).headers.get('stripe-version')).toBe('2020-08-27');
});

test('a download that was made after its step has seen the step', async () => {
  const late = await mkdtemp(join(tmpdir(), 'timeline-'));
  cpSync(dir, late, { recursive: true });
  await mkdir(join(late, 'downloads'));
  const db = new DatabaseSync(join(late, 'downloads', 'dl-step-0.sqlite'));
  db.exec("CREATE TABLE td_runs (start_ts TEXT); INSERT INTO td_runs VALUES ('2020-09-13 12:30:00')");
  db.close();
  const emulator = createEmulator({ source: { timeline: late, untilStep: 0 } });
  expect(emulator.state.count('customer')).toBe(1);
  await emulator.close();
  await rm(late, { recursive: true });
});

const recorded = process.env['TIMELINES_DIR'];
const names = recorded !== undefined && existsSync(recorded) ? readdirSync(recorded) : [];
/** What a download lists and an event can show; balance transactions are in no event. */
const listed: Readonly<Record<string, string>> = {
  charges: 'charge',
  customers: 'customer',
  payment_intents: 'payment_intent',
  refunds: 'refund',
  setup_intents: 'setup_intent',
  products: 'product',
  prices: 'price',
  coupons: 'coupon',
  promotion_codes: 'promotion_code',
  subscriptions: 'subscription',
  subscription_items: 'subscription_item',
  invoices: 'invoice',
  invoiceitems: 'invoiceitem',
  tax_rates: 'tax_rate',
  tax_ids: 'tax_id',
  orders: 'order',
  order_returns: 'order_return',
  skus: 'sku',
};

if (names.length > 0) {
  describe.each(names)('the recorded timeline %s', (name) => {
    test('holds at each step the objects that the recorded download has', async () => {
      const folder = join(recorded ?? '', name);
      const copies = await mkdtemp(join(tmpdir(), 'downloads-'));
      cpSync(join(folder, 'downloads'), copies, { recursive: true });
      for (const file of readdirSync(copies).filter((one) => one.endsWith('.sqlite'))) {
        const step = Number(/(\d+)\.sqlite$/.exec(file)?.[1]);
        const emulator = createEmulator({ source: { timeline: folder, untilStep: step } });
        const db = new DatabaseSync(join(copies, file));
        for (const [table, object] of Object.entries(listed)) {
          const rows = db.prepare(`SELECT id FROM ${table} ORDER BY id`).all() as { id: string }[];
          const ids = emulator.state.all(object).map((one: StripeObject) => one.id);
          expect(ids.sort(), `${table} at step ${step}`).toEqual(rows.map((row) => row.id).sort());
        }
        db.close();
        await emulator.close();
      }
      await rm(copies, { recursive: true });
    });
  });
}
