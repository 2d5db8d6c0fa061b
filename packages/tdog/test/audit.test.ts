import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';

import { createSync, verify, type StripeEvent } from '../src/index.ts';
import { createKit, dump, query, row, until, type Kit } from './kit.ts';

// Ways in which a row could silently be wrong, one test each.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
afterEach(() => kit.close());

const all = (kind: string): Stripe[] => kit.emulator.state.all(kind);
const count = (sql: string, ...values: string[]): number =>
  Number(query(kit.path(), `SELECT count(*) AS n FROM ${sql}`, ...values)[0]?.['n']);

test('whatever transaction finds the disk full at first: what it was to write is written', async () => {
  // Another API version: the objects of all events are read by their ids.
  kit = await createKit({ source: { synthetic: 5 }, apiVersion: '2020-08-27' });
  await kit.run();
  const [one, two] = all('customer') as [Stripe, Stripe];
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Read By Id' });
  const invoice = all('invoice')[0] as Stripe;
  kit.emulator.state.emit('invoice.updated', { ...invoice, description: 'Read By Id' });
  kit.emulator.state.put({ ...two, name: 'Left To Read' });
  const db = new DatabaseSync(kit.path());
  db.prepare('INSERT INTO td_todo (list, id) VALUES (?, ?)').run('get:customers', two.id);
  db.close();
  const reads = (): number => Number(query(kit.path(), 'SELECT sum(reads) AS n FROM td_requests')[0]?.['n']);
  const before = reads();
  const { requests } = await createSync(kit.options({ onSchema: failEachCommitOnce })).run();
  expect(reads()).toBe(before + requests);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Read By Id');
  expect(row(kit.path(), 'customers', two.id)?.['name']).toBe('Left To Read');
  expect(row(kit.path(), 'invoices', invoice.id)?.['description']).toBe('Read By Id');
});

/** Each transaction is refused as on a full disk, and let through when it comes again. */
function failEachCommitOnce(db: { exec(sql: string): void }): void {
  const exec = db.exec.bind(db);
  let refuse = true;
  db.exec = (sql) => {
    if (sql === 'COMMIT') {
      refuse = !refuse;
      if (!refuse) throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
    }
    exec(sql);
  };
}

test('what one list of a table noted of a page that the disk refused, its other list does not commit', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const tables = ['setup_intents'];
  const write = (db: DatabaseSync): void => {
    const exec = db.exec.bind(db);
    let refused = false;
    let end = false;
    db.exec = (sql) => {
      if (sql === 'COMMIT') {
        if (end) throw new Error('crash here');
        const rows = db.prepare('SELECT count(*) AS n FROM setup_intents').get()?.['n'];
        if (rows !== 0 && !refused) {
          refused = true;
          throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
        }
        // The other list, which has nothing, ends meanwhile.
        const cursor = db.prepare('SELECT cursor FROM td_progress WHERE "table" = \'setup_intents\'').get()?.[
          'cursor'
        ];
        end = refused && rows === 0 && String(cursor).includes('"done"');
      }
      exec(sql);
    };
  };
  await expect(createSync(kit.options({ tables, onSchema: write })).run()).rejects.toThrow('crash here');
  expect(count('setup_intents')).toBe(0);
  await kit.run({ tables });
  expect(count('setup_intents')).toBe(kit.emulator.state.count('setup_intent'));
});

test('what a customer is no longer entitled to goes from the rows', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  const { state } = kit.emulator;
  state.put({ id: 'feat_one', object: 'entitlements.feature', created: 1_700_000_000, active: true });
  const [one, two] = all('customer') as [Stripe, Stripe];
  const entitle = (id: string, customer: Stripe): void =>
    state.put({ id, object: 'entitlements.active_entitlement', customer: customer.id, feature: 'feat_one' });
  entitle('ent_stays', one);
  entitle('ent_goes', one);
  entitle('ent_other', two);
  await kit.run({ tables: 'all' });
  const entitled = (): unknown[] =>
    query(kit.path(), 'SELECT id FROM entitlements_active_entitlements ORDER BY id').map(({ id }) => id);
  expect(entitled()).toEqual(['ent_goes', 'ent_other', 'ent_stays']);
  state.remove('entitlements.active_entitlement', 'ent_goes');
  const sync = await kit.watch({ tables: 'all', pollIntervalMs: 3_600_000 });
  sync.applyEvent({
    id: 'evt_summary',
    object: 'event',
    type: 'entitlements.active_entitlement_summary.updated',
    created: Math.floor(Date.now() / 1_000),
    api_version: '2026-08-26.dahlia',
    livemode: false,
    data: { object: { object: 'entitlements.active_entitlement_summary', customer: one.id } },
  });
  await until(() => entitled().length < 3);
  expect(entitled()).toEqual(['ent_other', 'ent_stays']);
});

test('a payment method that an intent no longer has goes from its column, one that is only not shown stays', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  await kit.run();
  const intent = all('payment_intent').find((one) => one['payment_method'] !== null) as Stripe;
  const method = (): unknown => row(kit.path(), 'payment_intents', intent.id)?.['payment_method'];
  expect(method()).toMatch(/^pm_/);
  const cash = (): number => count('customers WHERE cash_balance IS NULL');
  const customer = all('customer')[0] as Stripe;
  expect(cash()).toBe(0);
  kit.emulator.state.emit('payment_intent.payment_failed', { ...intent, payment_method: null });
  kit.emulator.state.emit('customer.updated', { ...customer, name: 'Without its cash balance' });
  kit.emulator.setFaults({ forbidden: ['customer'] });
  await kit.run();
  expect(method()).toBeNull();
  expect(row(kit.path(), 'customers', customer.id)?.['name']).toBe('Without its cash balance');
  expect(cash()).toBe(0);
});

test('webhooks that come during a long download do not pile up: the newest are kept, a poll brings the others', async () => {
  kit = await createKit({
    source: { synthetic: 3 },
    faults: { latencyMs: 60_000, paths: ['/v1/customers'] },
  });
  const sync = createSync(kit.options({ watch: true, pollIntervalMs: 20 }));
  const stop = new AbortController();
  const running = sync.run(stop.signal);
  await until(() => sync.status().phase === 'downloading');
  const event = (n: number): StripeEvent => ({
    id: `evt_hook_${n}`,
    object: 'event',
    type: 'unheard.of',
    created: Math.floor(Date.now() / 1_000),
    api_version: null,
    livemode: false,
    data: { object: {} },
  });
  for (let n = 0; n < 6_000; n += 1) sync.applyEvent(event(n));
  kit.emulator.setFaults({});
  kit.emulator.dropConnections();
  await until(() => count("events WHERE id = 'evt_hook_5999'") === 1, 60_000);
  stop.abort();
  await running;
  expect(count("events WHERE id LIKE 'evt\\_hook%' ESCAPE '\\'")).toBe(5_000);
});

test('a stretch whose last page the disk refuses at first takes no other stretch with it', async () => {
  kit = await createKit({ source: { synthetic: 900 }, faults: { latencyMs: 30, paths: ['/v1/customers'] } });
  // Refused once and written then; soon after, the engine ends.
  const refuse =
    (page: number) =>
    (db: DatabaseSync): void => {
      const exec = db.exec.bind(db);
      const rows = (): unknown => db.prepare('SELECT count(*) AS n FROM customers').get()?.['n'];
      let written: unknown = 0;
      let tries = 0;
      db.exec = (sql) => {
        const isPage = sql === 'COMMIT' && rows() !== written;
        if (isPage) tries += 1;
        if (isPage && tries === page)
          throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
        if (isPage && tries > 11) throw new Error('crash here');
        exec(sql);
        if (isPage) written = rows();
      };
    };
  for (const page of [6, 7, 8, 9, 10]) {
    const options = { tables: ['customers'], file: kit.path(`${page}.sqlite`) };
    await createSync(kit.options({ ...options, onSchema: refuse(page) }))
      .run()
      .catch((error: unknown) => expect(String(error)).toContain('crash here'));
    await kit.run(options);
    expect(query(options.file, 'SELECT count(*) AS n FROM customers')).toEqual([{ n: 900 }]);
  }
});

test('a coupon that is deleted stays as a row that is no longer valid', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const coupon: Stripe = {
    id: 'TWENTY',
    object: 'coupon',
    created: 1_700_000_000,
    currency: null,
    duration: 'forever',
    livemode: false,
    metadata: {},
    name: 'Twenty',
    percent_off: 20,
    valid: true,
  };
  kit.emulator.state.put(coupon);
  await kit.run();
  kit.emulator.state.emit('coupon.updated', { ...coupon, name: 'Twenty off' });
  kit.emulator.state.emit('coupon.deleted', { ...coupon, name: 'Twenty off' });
  await kit.run();
  await kit.run();
  expect(row(kit.path(), 'coupons', 'TWENTY')).toMatchObject({ name: 'Twenty off', valid: 0 });
});

test('a copy of a coupon inside another object, of before its last use, does not take the row back', async () => {
  kit = await createKit({ source: { empty: true } });
  const coupon = { id: 'TEN', object: 'coupon', created: 1_700_000_000, livemode: false, percent_off: 10 };
  kit.emulator.state.put({ ...coupon, times_redeemed: 3 });
  await kit.run();
  const code = (uses: number): Stripe => ({
    id: `promo_${uses}`,
    object: 'promotion_code',
    created: 1_700_000_001,
    livemode: false,
    coupon: { ...coupon, times_redeemed: uses },
  });
  kit.emulator.state.emit('promotion_code.created', code(2));
  await kit.run();
  expect(row(kit.path(), 'promotion_codes', 'promo_2')).toBeDefined();
  expect(row(kit.path(), 'coupons', 'TEN')?.['times_redeemed']).toBe(3);
  kit.emulator.state.emit('promotion_code.created', code(4));
  await kit.run();
  expect(row(kit.path(), 'coupons', 'TEN')?.['times_redeemed']).toBe(4);
});

test("a file of a key that could not read its account takes no other account's objects", async () => {
  kit = await createKit({ source: { synthetic: 3, seed: 1 }, faults: { forbidden: ['/v1/account'] } });
  await kit.run();
  const db = new DatabaseSync(kit.path());
  // Stripe names the account in the refusal's headers as a rule, not always.
  db.exec("UPDATE td_metadata SET stripe_account_id = ''");
  db.close();
  const before = dump(kit.path());
  const other = await createKit({ source: { synthetic: 3, seed: 99 } });
  try {
    await expect(other.run({ file: kit.path() })).rejects.toMatchObject({ code: 'TDOG_OTHER_ACCOUNT' });
  } finally {
    await other.close();
  }
  expect(dump(kit.path())).toEqual(before);
  kit.emulator.setFaults({});
  await kit.run();
});

test("a connected account's event, or one of the other mode, is not applied to the platform's mirror", async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  const [one, two] = all('customer') as [Stripe, Stripe];
  const event = (id: string, object: Stripe, more: object): StripeEvent => ({
    id,
    object: 'event',
    type: 'customer.updated',
    created: Math.floor(Date.now() / 1_000),
    api_version: '2026-08-26.dahlia',
    livemode: false,
    data: { object },
    ...more,
  });
  kit.emulator.state.put({ ...two, name: 'Own' });
  sync.applyEvent(event('evt_foreign', { ...one, name: 'Foreign' }, { account: 'acct_connected' }));
  sync.applyEvent(event('evt_live', { ...one, name: 'Foreign' }, { livemode: true }));
  sync.applyEvent(event('evt_context', { ...one, name: 'Foreign' }, { context: 'acct_connected' }));
  sync.applyEvent(event('evt_own', { ...two, name: 'Own' }, { account: kit.emulator.accountId }));
  await until(() => row(kit.path(), 'customers', two.id)?.['name'] === 'Own');
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe(one['name']);
  expect(count("events WHERE id IN ('evt_foreign', 'evt_live', 'evt_context')")).toBe(0);
});

test('objects that are deleted while verify lists them do not end it', async () => {
  kit = await createKit({ source: { synthetic: 250 }, faults: { latencyMs: 20, paths: ['/v1/customers'] } });
  const tables = ['customers'];
  await kit.run({ tables });
  const asked = (): number => kit.emulator.state.requests().get('GET /v1/customers') ?? 0;
  const before = asked();
  const running = verify(kit.options({ tables }));
  await until(() => asked() > before);
  // The last one of the first page is the next page's cursor.
  for (const one of all('customer').slice(0, 120)) kit.emulator.state.remove('customer', one.id);
  const result = await running;
  expect(result.tables.map((table) => table.error)).toEqual([undefined]);
});

test('money that moves while verify reads is no drift, an old movement that differs is', async () => {
  // More movements than the page of the newest, which is read again in any case.
  kit = await createKit({ source: { synthetic: 30 } });
  await kit.run();
  kit.emulator.setFaults({ latencyMs: 10 });
  let over = false;
  const running = verify(kit.options()).finally(() => (over = true));
  while (!over) await pay();
  const result = await running;
  expect(result.tables.filter(({ drift }) => drift > 0)).toEqual([]);
  kit.emulator.setFaults({});
  const db = new DatabaseSync(kit.path());
  db.exec(
    'UPDATE balance_transactions SET fee = fee + 1 WHERE id = (SELECT id FROM balance_transactions ORDER BY created LIMIT 1)',
  );
  db.close();
  const [movements] = (await verify(kit.options({ tables: ['balance_transactions'] }))).tables;
  expect(movements).toMatchObject({ table: 'balance_transactions', drift: 1, repaired: 1 });
});

test('invoice items that invoices take up while verify reads are no drift', async () => {
  kit = await createKit({ source: { synthetic: 60 } });
  const customers = all('customer').map((one) => one.id);
  for (const customer of customers)
    await kit.post('/v1/invoiceitems', { customer, amount: '5', currency: 'eur' });
  await kit.run();
  const lists = (): number => kit.emulator.state.requests().get('GET /v1/invoiceitems') ?? 0;
  const before = lists();
  // The newest page, and then the whole table.
  kit.emulator.setFaults({ latencyMs: 50, paths: ['/v1/invoiceitems'] });
  const running = verify(kit.options());
  await until(() => lists() > before);
  for (const customer of customers)
    await kit.post('/v1/invoices', { customer, currency: 'eur', pending_invoice_items_behavior: 'include' });
  const result = await running;
  expect(result.tables.filter(({ drift }) => drift > 0)).toEqual([]);
});

const pay = (): Promise<unknown> =>
  kit.post('/v1/charges', { amount: '1000', currency: 'eur', source: 'tok_visa' });

test('a table of several stretches is compared as a whole, with what lies at their ends', async () => {
  kit = await createKit({ source: { synthetic: 800 } });
  const tables = ['payment_intents'];
  await kit.run({ tables });
  const db = new DatabaseSync(kit.path());
  const newest = db.prepare('SELECT id FROM payment_intents ORDER BY created DESC').all();
  const at = (n: number): string => String(newest[n]?.['id']);
  expect(newest.length).toBeGreaterThan(5_002);
  const changed = [0, 4_999, 5_000, 5_001, newest.length - 1].map(at);
  for (const id of changed) db.prepare('UPDATE payment_intents SET amount = amount + 1 WHERE id = ?').run(id);
  const lost = [4_998, 5_002].map(at);
  for (const id of lost) db.prepare('DELETE FROM payment_intents WHERE id = ?').run(id);
  const insert = db.prepare(
    "INSERT INTO payment_intents (id, created, extra, insert_ts, update_ts) SELECT ?, ?, '{}', insert_ts, update_ts FROM payment_intents LIMIT 1",
  );
  // Stripe has neither; one even has no time.
  insert.run('pi_tooMuch1', String(db.prepare('SELECT max(created) AS t FROM payment_intents').get()?.['t']));
  insert.run('pi_tooMuch2', null);
  db.close();
  const [found] = (await verify(kit.options({ tables }))).tables;
  const tooMany = 2;
  const drift = changed.length + lost.length + tooMany;
  expect(found).toMatchObject({ drift, repaired: drift, deleted: tooMany, rows: newest.length });
  const [again] = (await verify(kit.options({ tables }))).tables;
  expect(again).toMatchObject({ drift: 0, rows: newest.length });
  const amount = (id: string): unknown => row(kit.path(), 'payment_intents', id)?.['amount'];
  for (const id of [...changed, ...lost])
    expect(amount(id)).toBe(all('payment_intent').find((one) => one.id === id)?.['amount']);
});

test('a line that goes while its list is read does not end the list', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const invoice = all('invoice')[0] as Stripe;
  const lines = invoice['lines'] as { data: Stripe[] };
  const [line] = lines.data;
  const data = Array.from({ length: 350 }, (_, index) => ({ ...line, id: `il_many_${index}` }));
  const put = (list: readonly unknown[]): void =>
    kit.emulator.state.put({
      ...invoice,
      lines: { ...lines, data: list, has_more: false, total_count: list.length },
    });
  put(data);
  await kit.run({ tables: 'core' });
  const lineCount = (): number => count('invoice_line_items WHERE invoice = ?', invoice.id);
  expect(lineCount()).toBe(350);
  // A first page was read, then the engine ended; meanwhile the line at its cursor went.
  const db = new DatabaseSync(kit.path());
  db.prepare('DELETE FROM invoice_line_items WHERE invoice = ?').run(invoice.id);
  db.prepare('INSERT INTO td_todo (list, id, cursor) VALUES (?, ?, ?)').run(
    'rest:invoices.lines',
    invoice.id,
    'il_many_99',
  );
  db.close();
  put(data.filter((one) => one.id !== 'il_many_99'));
  await kit.run();
  expect(lineCount()).toBe(349);
});

test('verify of a file whose download has not ended is no proof', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const empty = await verify(kit.options());
  expect(empty.ok).toBe(false);
  expect(empty.tables.find((table) => table.table === 'charges')?.error).toMatch(/not downloaded/);
  await kit.run({ tables: ['customers'] });
  const partly = await verify(kit.options({ tables: ['customers', 'charges'] }));
  expect(partly.ok).toBe(false);
  expect((await verify(kit.options({ tables: ['customers'] }))).ok).toBe(true);
});

test('data that is gone as a whole is held back after a few questions, not after one for each row', async () => {
  kit = await createKit({ source: { synthetic: 600 } });
  const tables = ['customers'];
  await kit.run({ tables });
  for (const one of all('customer')) kit.emulator.state.remove('customer', one.id);
  const result = await verify(kit.options({ tables }));
  expect(result.tables[0]).toMatchObject({ deleted: 0, heldBack: 600 });
  expect(result.requests).toBeLessThan(150);
  expect(count('customers')).toBe(600);
});

test('a refusal of the key that main has seen is not undone by an answer that was on its way', async () => {
  kit = await createKit({ source: { synthetic: 3 }, faults: { latencyMs: 100, paths: ['/v1/events'] } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 1 });
  const { requests } = sync.status();
  await until(() => sync.status().requests > requests);
  // The poll's answer is still to come.
  sync.keyRefused();
  await until(() => sync.status().phase === 'resting');
  expect(sync.status().keyVerdict).toBe('refused');
});
