import { afterEach, expect, test } from 'vitest';

import { catalog, type SyncOptions } from '../src/index.ts';
import { createKit, dump, query, row, until, type Kit } from './kit.ts';

// Restricted keys: whatever a key may read is mirrored, the rest is named, and a right that is given later is used.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
let clock = 0;
afterEach(() => kit.close());

const all = (kind: string): Stripe[] => kit.emulator.state.all(kind);
const progress = (table: string): Record<string, unknown> | undefined =>
  query(kit.path(), 'SELECT state, error, rows FROM td_progress WHERE "table" = ?', table)[0];

async function start(customers: number, forbidden: readonly string[]): Promise<Partial<SyncOptions>> {
  clock = 0;
  const now = (): number => Date.now() + clock;
  kit = await createKit({ source: { synthetic: customers }, now, faults: { forbidden } });
  return { now };
}

const core = catalog.tables.filter((table) => table.core && table.object !== 'event');

test('any subset of permissions: what may be read is as with a full key, what may not is named', async () => {
  const options = await start(4, []);
  await kit.run({ ...options, file: kit.path('full.sqlite') });
  const full = dump(kit.path('full.sqlite'));
  // Each core kind is forbidden in one of the rounds, beside others.
  const kinds = [...new Set(core.filter((table) => table.kind === 'top').map((table) => table.object))];
  const rounds = 4;
  for (let round = 0; round < rounds; round += 1) {
    const forbidden = kinds.filter((_, index) => index % rounds === round);
    kit.emulator.setFaults({ forbidden });
    const file = kit.path(`part-${round}.sqlite`);
    await kit.run({ ...options, file });
    const part = dump(file);
    for (const table of core) {
      const [state] = query(file, 'SELECT state, error FROM td_progress WHERE "table" = ?', table.table);
      if (table.kind === 'top' && forbidden.includes(table.object)) {
        expect({ table: table.table, ...state }).toMatchObject({ state: 'skipped' });
        expect(state?.['error']).toMatch(/rak_\w+_read/);
      } else if (table.kind === 'top')
        expect({ table: table.table, ids: part[table.table]?.map((one) => one['id']) }).toEqual({
          table: table.table,
          ids: full[table.table]?.map((one) => one['id']),
        });
    }
  }
});

test('a permission that is given later is used at the next start', async () => {
  const options = await start(4, ['charges']);
  await kit.run(options);
  expect(progress('charges')).toMatchObject({ state: 'skipped' });
  kit.emulator.setFaults({});
  await kit.run(options);
  expect(progress('charges')).toMatchObject({ state: 'done', error: null });
  await kit.run({ ...options, file: kit.path('fresh.sqlite') });
  expect(dump(kit.path())).toEqual(dump(kit.path('fresh.sqlite')));
});

test('a key without events: the mirror is as of its download, and says so', async () => {
  const options = await start(3, ['event']);
  await kit.run(options);
  const asOf = (): unknown =>
    query(kit.path(), `SELECT complete_as_of FROM mirror_status WHERE "table" = 'customers'`)[0]?.[
      'complete_as_of'
    ];
  const before = asOf();
  expect(before).not.toBeNull();
  clock += 3_600_000;
  await kit.run(options);
  expect(asOf()).toBe(before);
});

test('events that may be read later: what happened in between arrives', async () => {
  const options = await start(3, ['event']);
  await kit.run(options);
  const [one, two] = all('customer') as [Stripe, Stripe];
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Unseen' });
  kit.emulator.setFaults({});
  await kit.run(options);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Unseen');
  kit.emulator.state.emit('customer.updated', { ...two, name: 'Seen' });
  await kit.run(options);
  expect(row(kit.path(), 'customers', two.id)?.['name']).toBe('Seen');
});

test('events that may no longer be read do not end the rest', async () => {
  const options = await start(3, []);
  await kit.run(options);
  kit.emulator.setFaults({ forbidden: ['event'] });
  await kit.run(options);
  const sync = await kit.watch(options);
  const polled = sync.status().lastPollAt;
  await until(() => sync.status().lastPollAt !== polled);
  const [one] = all('customer') as [Stripe];
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Allowed Again' });
  kit.emulator.setFaults({});
  // It is asked for again now and then.
  clock += 3_600_000;
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'Allowed Again');
});

test('objects of one kind may no longer be read by their ids: the events of all others are applied, and theirs as they are', async () => {
  const options = await start(4, []);
  await kit.run(options);
  kit.emulator.setFaults({ forbidden: ['customer'] });
  const { state } = kit.emulator;
  const [customer, product] = [all('customer')[0], all('product')[0]] as [Stripe, Stripe];
  // Of another API version: each object would be read.
  const old = (event: object): void => state.put({ ...(event as Stripe), api_version: '2020-08-27' });
  old(state.emit('customer.updated', { ...customer, name: 'As It Is' }));
  old(state.emit('product.updated', { ...product, name: 'Read' }));
  await kit.run(options);
  expect(row(kit.path(), 'products', product.id)?.['name']).toBe('Read');
  expect(row(kit.path(), 'customers', customer.id)?.['name']).toBe('As It Is');
  old(state.emit('customer.updated', { ...customer, name: 'Again' }));
  old(state.emit('product.updated', { ...product, name: 'Read Again' }));
  await kit.run(options);
  expect(row(kit.path(), 'products', product.id)?.['name']).toBe('Read Again');
  expect(row(kit.path(), 'customers', customer.id)?.['name']).toBe('Again');
});

test('far behind, and one table may no longer be read: the others are compared, and events go on', async () => {
  const options = await start(4, []);
  await kit.run(options);
  const [one, two] = all('customer') as [Stripe, Stripe];
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Forgotten' });
  clock += 40 * 86_400_000;
  kit.emulator.setFaults({ forbidden: ['charge', 'dispute'], expireEventsAfterSeconds: 30 * 86_400 });
  await kit.run(options);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Forgotten');
  kit.emulator.state.emit('customer.updated', { ...two, name: 'Afterwards' });
  await kit.run(options);
  expect(row(kit.path(), 'customers', two.id)?.['name']).toBe('Afterwards');
});
