import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from 'vitest';

import { createSync, verify } from '../src/index.ts';
import { copyFile, createKit, dump, query, row, until, type Kit } from './kit.ts';

let kit: Kit;
afterEach(() => kit.close());

const customers = (kit: Kit): Record<string, unknown>[] => kit.emulator.state.all('customer');
const version = (file: string): unknown =>
  query(file, 'SELECT data_version FROM td_metadata')[0]?.['data_version'];

describe('download', () => {
  test('writes every object of the account, and the second run reads nothing again', async () => {
    kit = await createKit({ source: { synthetic: 15 } });
    const first = await kit.run();
    expect(first.account).toBe(kit.emulator.accountId);
    for (const [table, kind] of [
      ['customers', 'customer'],
      ['charges', 'charge'],
      ['invoices', 'invoice'],
      ['balance_transactions', 'balance_transaction'],
    ] as const)
      expect(query(kit.path(), `SELECT count(*) AS n FROM ${table}`)[0]?.['n']).toBe(
        kit.emulator.state.count(kind),
      );
    const before = version(kit.path());
    const second = await kit.run();
    expect(second.objects).toBe(0);
    expect(second.requests).toBeLessThan(25);
    expect(version(kit.path())).toBe(before);
  });

  test('verify finds no drift, then finds and repairs what changed in silence', async () => {
    kit = await createKit({ source: { synthetic: 8 } });
    await kit.run();
    expect((await verify(kit.options())).ok).toBe(true);
    const [one, two] = customers(kit);
    kit.emulator.state.put({ ...(one as { id: string; object: string }), name: 'Silently Renamed' });
    kit.emulator.state.remove('customer', String(two?.['id']));
    const result = await verify(kit.options());
    expect(result.ok).toBe(false);
    expect(result.tables.find((table) => table.table === 'customers')).toMatchObject({
      drift: 2,
      repaired: 2,
      deleted: 1,
    });
    expect(row(kit.path(), 'customers', String(one?.['id']))?.['name']).toBe('Silently Renamed');
    expect(query(kit.path(), 'SELECT "table", id FROM td_deleted')).toContainEqual({
      table: 'customers',
      id: two?.['id'],
    });
    expect(query(kit.path(), `SELECT drift, repaired FROM td_proof WHERE "table" = 'customers'`)).toEqual([
      { drift: 2, repaired: 2 },
    ]);
    expect((await verify(kit.options())).ok).toBe(true);
  });

  test('a mirror kept by events equals one downloaded at the end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tdog-state-'));
    const stateFile = join(folder, 'emulator.sqlite');
    kit = await createKit({ source: { synthetic: 6, liveEventsPerSecond: 80 }, stateFile });
    await kit.run();
    await kit.watch();
    await until(() => Number(query(kit.path(), 'SELECT count(*) AS n FROM events')[0]?.['n']) > 300);
    await kit.emulator.close();
    // The same account, and nothing happens any more.
    const still = await createKit({ source: { synthetic: 6 }, stateFile });
    try {
      const kept = kit.path('kept.sqlite');
      copyFile(kit.path(), kept);
      await still.run({ file: kept });
      await still.run({ file: still.path('fresh.sqlite') });
      const [a, b] = [dump(kept), dump(still.path('fresh.sqlite'))];
      for (const table of Object.keys(b))
        expect({ table, rows: a[table] }).toEqual({ table, rows: b[table] });
    } finally {
      await still.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('columns of tdog 0.7 are filled from the new shape', async () => {
    kit = await createKit({ source: { synthetic: 10 } });
    await kit.run();
    const paid = query(
      kit.path(),
      "SELECT payment_intent, charge, paid, subscription, lines_newest_10 FROM invoices WHERE status = 'paid' AND amount_paid > 0 LIMIT 1",
    )[0];
    expect(paid).toMatchObject({ paid: 1 });
    expect(paid?.['payment_intent']).toMatch(/^pi_/);
    expect(paid?.['charge']).toMatch(/^(ch|py)_/);
    expect(JSON.parse(String(paid?.['lines_newest_10']))).toHaveLength(1);
    expect(
      query(kit.path(), 'SELECT count(*) AS n FROM charges WHERE invoice IS NOT NULL')[0]?.['n'],
    ).toBeGreaterThan(0);
    expect(
      query(kit.path(), 'SELECT count(*) AS n FROM subscriptions WHERE current_period_end IS NULL')[0]?.['n'],
    ).toBe(0);
  });
});

describe('events', () => {
  test('a change is a changed row, raises data_version once and stays in events', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    // The account's balance moves by itself.
    const tables = ['customers', 'notification_events'];
    await kit.run({ tables });
    await kit.watch({ tables });
    const before = Number(version(kit.path()));
    const [one] = customers(kit);
    const id = String(one?.['id']);
    kit.emulator.state.emit(
      'customer.updated',
      { ...(one as { id: string; object: string }), name: 'New Name' },
      { name: one?.['name'] },
    );
    await until(() => row(kit.path(), 'customers', id)?.['name'] === 'New Name');
    expect(Number(version(kit.path()))).toBe(before + 1);
    expect(
      query(kit.path(), 'SELECT type FROM events WHERE object_id = ? ORDER BY created DESC LIMIT 1', id),
    ).toEqual([{ type: 'customer.updated' }]);
    expect(
      query(kit.path(), 'SELECT state FROM customer_history WHERE id = ? AND valid_to IS NULL', id)[0]?.[
        'state'
      ],
    ).toContain('New Name');
  });

  test('a deletion takes the row and keeps its last state', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const [one] = customers(kit);
    kit.emulator.state.emit('customer.deleted', one as { id: string; object: string });
    await kit.run();
    expect(row(kit.path(), 'customers', String(one?.['id']))).toBeUndefined();
    const [deleted] = query(kit.path(), 'SELECT object FROM td_deleted WHERE id = ?', String(one?.['id']));
    expect(JSON.parse(String(deleted?.['object']))).toMatchObject({ id: one?.['id'], email: one?.['email'] });
  });

  test('what is made again under the same id is no longer among the deleted', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const [product] = kit.emulator.state.all('product') as [{ id: string; object: string }];
    const isDeleted = (): boolean =>
      query(kit.path(), 'SELECT 1 FROM td_deleted WHERE id = ?', product.id).length > 0;
    kit.emulator.state.remove('product', product.id);
    kit.emulator.state.emit('product.deleted', product);
    await kit.run();
    expect(isDeleted()).toBe(true);
    kit.emulator.state.emit('product.created', { ...product, name: 'Again' });
    await kit.run();
    expect(row(kit.path(), 'products', product.id)?.['name']).toBe('Again');
    expect(isDeleted()).toBe(false);
  });

  test('of another API version: the object is read by id, once per batch', async () => {
    kit = await createKit({ source: { synthetic: 5 }, apiVersion: '2020-08-27' });
    await kit.run();
    const [one] = customers(kit);
    const asked = (): number => kit.emulator.state.requests().get('GET /v1/customers/{customer}') ?? 0;
    const before = asked();
    for (const name of ['A', 'B', 'C'])
      kit.emulator.state.emit('customer.updated', { ...(one as { id: string; object: string }), name });
    await kit.run();
    expect(row(kit.path(), 'customers', String(one?.['id']))?.['name']).toBe('C');
    expect(asked() - before).toBeLessThanOrEqual(1);
    // What the event shows is of another shape: what is read counts.
    const [product] = kit.emulator.state.all('product') as [{ id: string; object: string }];
    kit.emulator.state.emit('product.updated', { ...product, name: 'Of Another Shape' });
    kit.emulator.state.put({ ...product, name: 'As Read' });
    await kit.run();
    expect(row(kit.path(), 'products', product.id)?.['name']).toBe('As Read');
  });

  test('what an object was made as and changed to is believed in its order, without a read', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const [one] = kit.emulator.state.all('product');
    const made = { ...one, id: 'prod_made', object: 'product', name: 'Made' };
    const asked = (): number => kit.emulator.state.requests().get('GET /v1/products/{id}') ?? 0;
    const before = asked();
    kit.emulator.state.emit('product.created', made);
    kit.emulator.state.emit('product.updated', { ...made, name: 'Changed' });
    kit.emulator.state.emit('product.updated', { ...made, name: 'Again' }, { name: 'Changed' });
    await kit.run();
    expect(row(kit.path(), 'products', 'prod_made')?.['name']).toBe('Again');
    expect(asked()).toBe(before);
  });

  test('a discount that begins and ends shows at its customer, of whom no event speaks', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const [one] = customers(kit);
    const id = String(one?.['id']);
    const discount = {
      id: 'di_one',
      object: 'discount',
      customer: id,
      subscription: null,
      start: 1_700_000_000,
    };
    const shown = (): unknown => row(kit.path(), 'customers', id)?.['discount'];
    expect(shown()).toBeNull();
    kit.emulator.state.emit('customer.discount.created', discount);
    await kit.run();
    expect(shown()).toBe('di_one');
    kit.emulator.state.emit('customer.discount.deleted', discount);
    await kit.run();
    expect(shown()).toBeNull();
  });

  test('a discount that ends with its subscription is shown there as Stripe shows it, whichever event comes last', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const [one] = kit.emulator.state.all('subscription') as [{ id: string; object: string }];
    const discount = {
      id: 'di_end',
      object: 'discount',
      customer: null,
      subscription: one.id,
      start: 1_700_000_000,
    };
    const ended = { ...one, status: 'canceled', discounts: [discount.id] };
    kit.emulator.state.emit('customer.subscription.deleted', ended);
    await kit.run();
    kit.emulator.state.emit('customer.discount.deleted', discount);
    await kit.run();
    expect(row(kit.path(), 'subscriptions', one.id)).toMatchObject({
      discount: discount.id,
      status: 'canceled',
    });
  });

  test('invoice items that an invoice takes up show it, although no event speaks of them', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const [one] = customers(kit);
    const customer = String(one?.['id']);
    // More than the invoice's event shows.
    const items: string[] = [];
    for (let n = 1; n <= 12; n += 1)
      items.push((await kit.post('/v1/invoiceitems', { customer, amount: String(n), currency: 'eur' })).id);
    await kit.run();
    await kit.watch();
    const { id: invoice } = await kit.post('/v1/invoices', {
      customer,
      currency: 'eur',
      auto_advance: 'false',
      pending_invoice_items_behavior: 'include',
    });
    const shown = (): unknown[] => items.map((id) => row(kit.path(), 'invoiceitems', id)?.['invoice']);
    await until(() => shown().every((id) => id === invoice));
    // A draft that is deleted: whether its items wait again is asked for.
    const [kept] = kit.emulator.state.all('invoiceitem').filter((item) => item.id === items[3]);
    kit.emulator.state.put({ ...(kept as { id: string; object: string }), invoice: null });
    const draft = kit.emulator.state.get('invoice', invoice) as { id: string; object: string };
    kit.emulator.state.emit('invoice.deleted', draft);
    await until(() => row(kit.path(), 'invoiceitems', items[3] ?? '')?.['invoice'] === null);
  });

  test('a webhook is applied at once, without a read, and the poll does not apply it again', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    await kit.run();
    const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
    const [one] = customers(kit);
    const event = kit.emulator.state.emit('customer.updated', {
      ...(one as { id: string; object: string }),
      name: 'By Webhook',
    });
    const requests = sync.status().requests;
    sync.applyEvent(event as unknown as Parameters<typeof sync.applyEvent>[0]);
    await until(() => row(kit.path(), 'customers', String(one?.['id']))?.['name'] === 'By Webhook');
    const before = version(kit.path());
    sync.poll();
    await until(() => sync.status().requests > requests + 1);
    expect(version(kit.path())).toBe(before);
  });
});

describe('safety', () => {
  test('a second engine on the same file is refused', async () => {
    kit = await createKit({ source: { synthetic: 3 } });
    await kit.watch();
    await expect(kit.run()).rejects.toMatchObject({ code: 'TDOG_FILE_LOCKED' });
  });

  test("another account's file is refused and left as it is", async () => {
    kit = await createKit({ source: { synthetic: 3, seed: 1 } });
    await kit.run();
    const before = dump(kit.path());
    const other = await createKit({ source: { synthetic: 3, seed: 2 }, accountId: 'acct_other' });
    try {
      await expect(other.run({ file: kit.path() })).rejects.toMatchObject({ code: 'TDOG_OTHER_ACCOUNT' });
    } finally {
      await other.close();
    }
    expect(dump(kit.path())).toEqual(before);
  });

  test('the same account in live mode is refused', async () => {
    kit = await createKit({ source: { synthetic: 3 } });
    await kit.run();
    const live = 'sk_live_' + 'emulator';
    await expect(kit.run({ stripe: { secretKey: live, apiBase: kit.url } })).rejects.toMatchObject({
      code: 'TDOG_OTHER_ACCOUNT',
    });
  });

  test('a key that may not read the account is recognised by the objects that the file holds', async () => {
    kit = await createKit({ source: { synthetic: 3, seed: 1 }, faults: { forbidden: ['/v1/account'] } });
    await kit.run();
    await kit.run();
    const other = await createKit({
      source: { synthetic: 3, seed: 99 },
      faults: { forbidden: ['/v1/account'] },
    });
    try {
      await expect(other.run({ file: kit.path() })).rejects.toMatchObject({ code: 'TDOG_OTHER_ACCOUNT' });
    } finally {
      await other.close();
    }
  });

  test('a missing permission skips its table by name and nothing else', async () => {
    kit = await createKit({ source: { synthetic: 5 }, faults: { forbidden: ['charges'] } });
    await kit.run();
    const [charges] = query(kit.path(), `SELECT state, error FROM td_progress WHERE "table" = 'charges'`);
    expect(charges?.['state']).toBe('skipped');
    expect(charges?.['error']).toMatch(/rak_\w+/);
    expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(5);
    const [one] = customers(kit);
    kit.emulator.state.emit('customer.updated', {
      ...(one as { id: string; object: string }),
      name: 'Still Applied',
    });
    await kit.run();
    expect(row(kit.path(), 'customers', String(one?.['id']))?.['name']).toBe('Still Applied');
  });

  test('a refused key ends with TDOG_KEY_REFUSED, keeps the data, and no key is in the message', async () => {
    kit = await createKit({ source: { synthetic: 3 } });
    await kit.run();
    const before = dump(kit.path());
    kit.emulator.setFaults({ keyRevoked: true });
    const error: unknown = await kit.run().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'TDOG_KEY_REFUSED' });
    expect(String(error)).not.toContain(kit.key);
    expect(dump(kit.path())).toEqual(before);
  });

  test('while watching, a refused key makes the engine rest until it is accepted again', async () => {
    kit = await createKit({ source: { synthetic: 3 } });
    const sync = await kit.watch();
    kit.emulator.setFaults({ keyRevoked: true });
    await until(() => sync.status().phase === 'resting');
    const requests = sync.status().requests;
    kit.emulator.setFaults({});
    const [one] = customers(kit);
    kit.emulator.state.emit('customer.updated', {
      ...(one as { id: string; object: string }),
      name: 'After Rest',
    });
    expect(sync.status().requests).toBe(requests);
    sync.keyAccepted();
    await until(() => row(kit.path(), 'customers', String(one?.['id']))?.['name'] === 'After Rest');
  });

  test('a file of tdog 0.7 is moved aside, never overwritten', async () => {
    kit = await createKit({ source: { synthetic: 3 } });
    const old = new DatabaseSync(kit.path());
    old.exec(
      'CREATE TABLE td_stripe_writes (write_id INTEGER PRIMARY KEY); CREATE TABLE td_metadata (id); INSERT INTO td_metadata VALUES (7)',
    );
    old.close();
    await kit.run();
    expect(query(`${kit.path()}.tdog07`, 'SELECT id FROM td_metadata')).toEqual([{ id: 7 }]);
    expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(3);
  });

  test('a database of something else is refused', async () => {
    kit = await createKit({ source: { synthetic: 3 } });
    const other = new DatabaseSync(kit.path());
    other.exec('CREATE TABLE mine (x)');
    other.close();
    await expect(kit.run()).rejects.toMatchObject({ code: 'TDOG_FILE_UNUSABLE' });
  });

  test('more deletions than can be believed are held back until they are accepted', async () => {
    kit = await createKit({ source: { synthetic: 130 } });
    await kit.run({ tables: ['customers'] });
    for (const one of customers(kit).slice(0, 110)) kit.emulator.state.remove('customer', String(one['id']));
    const options = kit.options({ tables: ['customers'] });
    const [held] = (await verify(options)).tables;
    expect(held).toMatchObject({ heldBack: 110, deleted: 0 });
    expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(130);
    const [accepted] = (await verify({ ...options, acceptDeletions: true })).tables;
    expect(accepted).toMatchObject({ heldBack: 0, deleted: 110 });
    expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(20);
  });
});

test('hooks see the schema before the first row, and each table when it is finished', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  const done: string[] = [];
  let atSchema: unknown;
  await createSync(
    kit.options({
      tables: ['customers', 'charges'],
      onSchema: (db) => {
        atSchema = db.prepare('SELECT count(*) AS n FROM customers').get()?.['n'];
      },
      onTableDone: (_db, table) => done.push(table),
    }),
  ).run();
  expect(atSchema).toBe(0);
  expect(done.toSorted()).toEqual(['charges', 'customers']);
});

test('the status view says as of when each table is complete', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  await kit.run();
  const status = query(kit.path(), 'SELECT * FROM mirror_status');
  expect(status.at(-1)).toMatchObject({ table: '(all)', state: 'done' });
  expect(status.every((one) => one['complete_as_of'] !== null)).toBe(true);
});

test('reads are counted by day and purpose', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  const result = await kit.run();
  expect(query(kit.path(), 'SELECT sum(reads) AS n FROM td_requests')[0]?.['n']).toBe(result.requests);
});

test('reads are counted in the transaction that they led to, and what others read with the key too', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const counted = (): number =>
    Number(query(kit.path(), 'SELECT sum(reads) AS n FROM td_requests')[0]?.['n']);
  let during = 0;
  const sync = createSync(
    kit.options({
      onTableDone: () => {
        during = counted();
      },
    }),
  );
  sync.countReads(7);
  const { requests } = await sync.run();
  // Before the download has ended: a kill -9 then forgets none of its pages.
  expect(during).toBeGreaterThan(30);
  expect(counted()).toBe(requests + 7);
  expect(query(kit.path(), "SELECT reads FROM td_requests WHERE purpose = 'key'")[0]?.['reads']).toBe(8);
});
