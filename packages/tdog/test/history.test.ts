import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';

import { createKit, query, type Kit } from './kit.ts';

// What the views over `events` tell of the past.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
let clock = 0;
// Stripe's clock stands still, so that many events are of one second; the engine's goes on.
const start = Date.now();
const stripeNow = (): number => start + clock;
const now = (): number => Date.now() + clock;
afterEach(async () => {
  clock = 0;
  await kit.close();
});
const all = (kind: string): Stripe[] => kit.emulator.state.all(kind);

function steps(file: string, id: string): unknown[] {
  return query(
    file,
    "SELECT json_extract(state, '$.metadata.step') AS step FROM customer_history WHERE id = ? ORDER BY valid_from, position",
    id,
  ).map((one) => one['step']);
}

test('of one second, downloaded events keep their order across pages, and later ones follow them', async () => {
  kit = await createKit({ source: { synthetic: 3 }, now: stripeNow });
  const [one] = all('customer') as [Stripe];
  const emit = (from: number, to: number): void => {
    for (let step = from; step < to; step += 1)
      kit.emulator.state.emit('customer.updated', { ...one, metadata: { step: String(step) } });
  };
  const until = (to: number): string[] => Array.from({ length: to }, (_, step) => String(step));
  emit(0, 250);
  await kit.run({ now });
  expect(steps(kit.path(), one.id).slice(-250)).toEqual(until(250));
  expect(
    query(
      kit.path(),
      "SELECT json_extract(state, '$.metadata.step') AS step FROM customer_history WHERE id = ? AND valid_to IS NULL",
      one.id,
    ),
  ).toEqual([{ step: '249' }]);
  // In the same second still.
  emit(250, 260);
  await kit.run({ now });
  expect(steps(kit.path(), one.id).slice(-260)).toEqual(until(260));
});

test('events that are kept when the file is far behind keep their order too', async () => {
  kit = await createKit({ source: { synthetic: 3 }, now: stripeNow });
  await kit.run({ now });
  clock += 40 * 86_400_000;
  const [one] = all('customer') as [Stripe];
  for (let step = 0; step < 150; step += 1)
    kit.emulator.state.emit('customer.updated', { ...one, metadata: { step: String(step) } });
  kit.emulator.setFaults({ expireEventsAfterSeconds: 30 * 86_400 });
  await kit.run({ now });
  expect(steps(kit.path(), one.id).slice(-150)).toEqual(Array.from({ length: 150 }, (_, i) => String(i)));
});

test('history ends at the deletion, be it told by an event or found by asking', async () => {
  kit = await createKit({ source: { synthetic: 4 }, now: stripeNow });
  const [one, two] = all('customer') as [Stripe, Stripe];
  const invoice = all('invoice')[0] as Stripe;
  clock += 1_000;
  for (const customer of [one, two])
    kit.emulator.state.emit('customer.updated', { ...customer, metadata: { step: 'alive' } });
  kit.emulator.state.emit('invoice.updated', { ...invoice, metadata: { step: 'alive' } });
  await kit.run({ now });
  clock += 3_600_000;
  kit.emulator.state.emit('customer.deleted', one);
  kit.emulator.state.emit('invoice.deleted', invoice);
  const subscription = all('subscription')[0] as Stripe;
  kit.emulator.state.emit('customer.subscription.deleted', { ...subscription, status: 'canceled' });
  // Of this one there is no event.
  kit.emulator.state.remove('customer', two.id);
  await kit.run({ now });
  const db = new DatabaseSync(kit.path());
  db.prepare("INSERT INTO td_todo (list, id) VALUES ('get:customers', ?)").run(two.id);
  db.close();
  await kit.run({ now });
  const ts = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  const at = (view: string, id: string, ms: number): unknown[] =>
    query(
      kit.path(),
      `SELECT state FROM ${view} WHERE id = ? AND valid_from <= ? AND (valid_to > ? OR valid_to IS NULL)`,
      id,
      ts(ms),
      ts(ms),
    );
  for (const [view, id] of [
    ['customer_history', one.id],
    ['customer_history', two.id],
    ['invoice_history', invoice.id],
  ] as const) {
    expect({ id, rows: at(view, id, now() - 1_800_000).length }).toEqual({ id, rows: 1 });
    expect({ id, rows: at(view, id, now() + 60_000).length }).toEqual({ id, rows: 0 });
    expect(query(kit.path(), `SELECT 1 FROM ${view} WHERE id = ? AND type LIKE '%.deleted'`, id)).toEqual([]);
  }
  // A cancelled subscription lives on.
  expect(at('subscription_history', subscription.id, now() + 60_000)).toHaveLength(1);
  // The timeline shows the end too.
  expect(
    query(
      kit.path(),
      'SELECT type FROM object_timeline WHERE object_id = ? ORDER BY created DESC, position DESC LIMIT 1',
      one.id,
    ),
  ).toEqual([{ type: 'customer.deleted' }]);
});

test('views of an earlier engine are made anew, once', async () => {
  kit = await createKit({ source: { synthetic: 3 }, now: stripeNow });
  await kit.run({ now });
  const db = new DatabaseSync(kit.path());
  db.exec('DROP VIEW customer_history; CREATE VIEW customer_history AS SELECT 1 AS old');
  db.close();
  const schema = (): unknown => query(kit.path(), 'PRAGMA schema_version')[0]?.['schema_version'];
  await kit.run({ now });
  expect(query(kit.path(), "SELECT name FROM pragma_table_info('customer_history')")).toContainEqual({
    name: 'valid_to',
  });
  const version = schema();
  await kit.run({ now });
  expect(schema()).toBe(version);
});

test('one customer’s history is looked up, not searched for', async () => {
  kit = await createKit({ source: { synthetic: 3 }, now: stripeNow });
  await kit.run({ now });
  const plan = query(kit.path(), "EXPLAIN QUERY PLAN SELECT * FROM customer_history WHERE id = 'cus_1'")
    .map((line) => String(line['detail']))
    .join('\n');
  expect(plan).toMatch(/SEARCH events USING INDEX events_object_id/);
});
