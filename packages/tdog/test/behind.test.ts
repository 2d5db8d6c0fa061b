import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';

import type { SyncOptions } from '../src/index.ts';
import { createKit, query, row, until, type Kit } from './kit.ts';

// A file that events alone do not bring up to date.

const DAY_MS = 86_400_000;
const FORGET = { expireEventsAfterSeconds: 30 * 86_400 };

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
// How far the clocks of both are ahead, in ms.
let clock = 0;
afterEach(() => kit.close());

async function start(customers: number): Promise<Partial<SyncOptions>> {
  clock = 0;
  const now = (): number => Date.now() + clock;
  kit = await createKit({ source: { synthetic: customers }, now });
  return { now };
}
const customers = (): Stripe[] => kit.emulator.state.all('customer');
const count = (table: string): unknown => query(kit.path(), `SELECT count(*) AS n FROM ${table}`)[0]?.['n'];
const cursor = (): unknown =>
  query(kit.path(), "SELECT value FROM td_state WHERE key = 'cursor'")[0]?.['value'];
const asked = (): number => kit.emulator.state.requests().get('GET /v1/customers/{customer}') ?? 0;

test('behind by more than 28 days: everything is compared in place, and events go on from there', async () => {
  const options = await start(8);
  await kit.run(options);
  const [changed, removed, third] = customers() as [Stripe, Stripe, Stripe];
  const { state } = kit.emulator;
  state.emit('customer.updated', { ...changed, name: 'Forgotten Event' });
  state.remove('customer', removed.id);
  const added = {
    ...changed,
    id: 'cus_while_away',
    created: Math.floor((Date.now() + clock) / 1_000) + 86_400,
  };
  state.put(added);
  clock += 45 * DAY_MS;
  const remembered = state.emit('customer.updated', { ...third, name: 'Kept Event' });
  clock += 5 * DAY_MS;
  const newest = state.emit('customer.updated', { ...third, name: 'Newest Event' });
  clock += 60_000;
  kit.emulator.setFaults(FORGET);
  // Another connection reads all the while, in a transaction of its own each time.
  const reader = new DatabaseSync(kit.path(), { readOnly: true });
  const counts = new Set<unknown>();
  const reading = setInterval(
    () => counts.add(reader.prepare('SELECT count(*) AS n FROM customers').get()?.['n']),
    1,
  );
  const before = asked();
  try {
    await kit.run(options);
  } finally {
    clearInterval(reading);
    reader.close();
  }
  for (const seen of counts) expect([8, 9]).toContain(seen);
  expect(row(kit.path(), 'customers', changed.id)?.['name']).toBe('Forgotten Event');
  expect(row(kit.path(), 'customers', third.id)?.['name']).toBe('Newest Event');
  expect(row(kit.path(), 'customers', added.id)).toBeDefined();
  expect(row(kit.path(), 'customers', removed.id)).toBeUndefined();
  expect(asked()).toBeGreaterThan(before);
  expect(query(kit.path(), 'SELECT "table" FROM td_deleted WHERE id = ?', removed.id)).toEqual([
    { table: 'customers' },
  ]);
  expect(row(kit.path(), 'events', remembered.id)).toBeDefined();
  expect(cursor()).toBe(newest.id);
  // From here on it is an ordinary file again.
  state.emit('customer.updated', { ...third, name: 'Afterwards' });
  const second = await kit.run(options);
  expect(second.requests).toBeLessThan(25);
  expect(row(kit.path(), 'customers', third.id)?.['name']).toBe('Afterwards');
});

test.each([
  [27, 'is not compared: events reach back that far', false],
  [29, 'is compared', true],
] as const)('a file that is %i days behind %s', async (days, _what, isCompared) => {
  const options = await start(3);
  await kit.run(options);
  const [one] = customers() as [Stripe];
  kit.emulator.state.put({ ...one, name: 'No Event Tells' });
  clock += days * DAY_MS;
  await kit.run(options);
  expect(row(kit.path(), 'customers', one.id)?.['name'] === 'No Event Tells').toBe(isCompared);
});

test('behind, and there were no events at the download', async () => {
  const options = await start(3);
  await kit.run(options);
  const db = new DatabaseSync(kit.path());
  db.exec("DELETE FROM td_state WHERE key IN ('cursor', 'horizon'); DELETE FROM events");
  db.close();
  const [one] = customers() as [Stripe];
  kit.emulator.state.put({ ...one, name: 'No Event Tells' });
  clock += 40 * DAY_MS;
  kit.emulator.setFaults(FORGET);
  await kit.run(options);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('No Event Tells');
});

test('an account that was quiet for long: its last event is forgotten, the file is current, nothing is compared', async () => {
  const options = await start(3);
  await kit.run(options);
  for (let days = 0; days < 60; days += 20) {
    clock += 20 * DAY_MS;
    if (days === 40) kit.emulator.setFaults(FORGET);
    await kit.run(options);
  }
  expect(count('td_proof WHERE "window" = \'all\'')).toBe(0);
  const [one] = customers() as [Stripe];
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Awake' });
  await kit.run(options);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Awake');
});

test('all test data was deleted: small tables follow, more than can be believed is held back', async () => {
  const options = { ...(await start(120)), tables: ['customers', 'products'] };
  await kit.run(options);
  kit.emulator.setFaults({ deleteTestData: true });
  await kit.run(options);
  expect(count('customers')).toBe(120);
  expect(count('products')).toBe(0);
  expect(query(kit.path(), 'SELECT drift, repaired FROM td_proof WHERE "table" = \'customers\'')).toEqual([
    { drift: 120, repaired: 0 },
  ]);
  // What happens now comes as events.
  const made = {
    id: 'cus_new',
    object: 'customer',
    created: Math.floor((Date.now() + clock) / 1_000),
    name: 'Anew',
    livemode: false,
  };
  kit.emulator.state.emit('customer.created', made);
  const sync = await kit.watch(options);
  await until(() => row(kit.path(), 'customers', 'cus_new') !== undefined);
  expect(sync.status().phase).toBe('watching');
});

test('while the key is refused, who looks and what webhooks bring does not keep the engine busy', async () => {
  const options = await start(3);
  const sync = await kit.watch(options);
  sync.keyRefused();
  await until(() => sync.status().phase === 'resting');
  const [one] = customers() as [Stripe];
  const event = kit.emulator.state.emit('customer.updated', { ...one, name: 'By Webhook' });
  const requests = sync.status().requests;
  sync.poll();
  sync.applyEvent(event as unknown as Parameters<typeof sync.applyEvent>[0]);
  // Timers run: the process is alive.
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(sync.status()).toMatchObject({ phase: 'resting', requests });
  sync.keyAccepted();
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'By Webhook');
});

test('a resting engine asks again by itself, and rests on when the key is still refused', async () => {
  const options = await start(3);
  const sync = await kit.watch(options);
  kit.emulator.setFaults({ keyRevoked: true });
  await until(() => sync.status().phase === 'resting');
  const requests = sync.status().requests;
  clock += 601_000;
  await until(() => sync.status().requests > requests && sync.status().phase === 'resting');
  kit.emulator.setFaults({});
  const [one] = customers() as [Stripe];
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Found Out' });
  clock += 601_000;
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'Found Out');
});
