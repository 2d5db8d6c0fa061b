import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

import { readAllowance } from '../src/allowance.ts';
import { resolveOptions } from '../src/options.ts';
import { createProver } from '../src/proof/prover.ts';
import { withEngine } from '../src/run.ts';
import { createKit, query, row, until, type Kit } from './kit.ts';

// What no event tells, and what was not there at the download.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
let ahead = 0;
const now = (): number => Date.now() + ahead;
afterEach(async () => {
  ahead = 0;
  await kit.close();
});
const all = (kind: string): Stripe[] => kit.emulator.state.all(kind);
const asked = (path: string): number => kit.emulator.state.requests().get(`GET ${path}`) ?? 0;

/** Runs the background pass until `enough`, at most `steps` times. */
async function prove(
  options: {
    readonly ownBase: boolean;
    readonly steps: number;
    readonly tables: readonly string[];
    readonly proofShare?: number;
    readonly stepMs?: number;
  },
  enough: () => boolean = () => false,
): Promise<void> {
  const { proofShare = 0.05 } = options;
  const resolved = resolveOptions(kit.options({ now, tables: options.tables, proofShare }));
  await withEngine({ ...resolved, ownBase: options.ownBase }, undefined, async (engine) => {
    const prover = createProver(engine);
    for (let step = 0; step < options.steps && !enough(); step += 1) {
      ahead += options.stepMs ?? 6_000;
      await prover.step(readAllowance(engine), () => false);
    }
  });
}

test('the background pass repairs a drifted row, a missing one and one that Stripe no longer has', async () => {
  kit = await createKit({ source: { synthetic: 12 }, now });
  const tables = ['customers'];
  await kit.run({ now, tables });
  const [drifted, removed] = all('customer') as [Stripe, Stripe];
  kit.emulator.state.put({ ...drifted, name: 'Drifted' });
  kit.emulator.state.remove('customer', removed.id);
  // In a month of which the file has nothing.
  kit.emulator.state.put({ ...drifted, id: 'cus_lost', created: Date.UTC(2015, 3, 5) / 1_000 });
  await prove(
    { ownBase: false, steps: 60, tables },
    () => query(kit.path(), 'SELECT sum(repaired) AS n FROM td_proof')[0]?.['n'] === 3,
  );
  expect(row(kit.path(), 'customers', drifted.id)?.['name']).toBe('Drifted');
  expect(row(kit.path(), 'customers', removed.id)).toBeUndefined();
  expect(query(kit.path(), 'SELECT id FROM td_deleted')).toEqual([{ id: removed.id }]);
  expect(row(kit.path(), 'customers', 'cus_lost')).toBeDefined();
  expect(query(kit.path(), 'SELECT sum(drift) AS d, sum(repaired) AS r FROM td_proof')).toEqual([
    { d: 3, r: 3 },
  ]);
});

test('the background pass deletes no more than can be believed, however many windows that takes', async () => {
  kit = await createKit({ source: { synthetic: 130 }, now });
  const tables = ['customers'];
  await kit.run({ now, tables });
  for (const one of all('customer')) kit.emulator.state.remove('customer', one.id);
  await prove({ ownBase: false, steps: 60, tables });
  expect(Number(query(kit.path(), 'SELECT count(*) AS n FROM td_deleted')[0]?.['n'])).toBeLessThanOrEqual(
    100,
  );
});

test('the background pass stays within its part of the allowance, by day', async () => {
  kit = await createKit({ source: { synthetic: 60 }, now });
  const tables = ['customers', 'charges', 'invoices'];
  await kit.run({ now, tables });
  // 5 % of 10,000 reads in 30 days, or of 500 for each charge.
  await prove({ ownBase: true, steps: 500, tables });
  const used = query(kit.path(), "SELECT reads FROM td_requests WHERE purpose = 'proof'");
  const charges = Number(
    query(kit.path(), "SELECT count(*) AS n FROM charges WHERE created >= datetime('now', '-30 days')")[0]?.[
      'n'
    ],
  );
  const perDay = (Math.max(10_000, charges * 500) * 0.05) / 30;
  expect(used.length).toBeGreaterThan(0);
  for (const day of used) expect(Number(day['reads'])).toBeLessThanOrEqual(Math.ceil(perDay));
});

/** What the proof has read, by day: none of the days between is left out. */
function usedByDay(): number[] {
  const days = query(kit.path(), "SELECT day, reads FROM td_requests WHERE purpose = 'proof' ORDER BY day");
  const used: number[] = [];
  let last: number | undefined;
  for (const { day, reads } of days) {
    const at = Date.parse(String(day)) / 86_400_000;
    for (let empty = (last ?? at) + 1; empty < at; empty += 1) used.push(0);
    used.push(Number(reads));
    last = at;
  }
  return used;
}

test('a window that is bigger than a day’s part is cut: no day is overrun, and all of it is compared', async () => {
  kit = await createKit({ source: { synthetic: 3 }, now });
  const [one] = all('customer') as [Stripe];
  // An import: more in one month, day and hour than a day's part of the reads (16) can compare.
  const hour = Date.UTC(2024, 4, 6, 7) / 1_000;
  for (let i = 0; i < 2_000; i += 1)
    kit.emulator.state.put({ ...one, id: `cus_import_${i}`, created: hour + i });
  const tables = ['customers'];
  await kit.run({ now, tables });
  kit.emulator.state.put({ ...one, id: 'cus_import_1234', created: hour + 1_234, name: 'Drifted' });
  await prove({ ownBase: true, steps: 200, tables, stepMs: 3_600_000 }, () => drifted() === 'Drifted');
  expect(drifted()).toBe('Drifted');
  expect(Math.max(...usedByDay())).toBeLessThanOrEqual(17);
  function drifted(): unknown {
    return row(kit.path(), 'customers', 'cus_import_1234')?.['name'];
  }
});

test('a list that cannot be cut waits until its reads are saved up; one that never fits holds up no other', async () => {
  kit = await createKit({ source: { synthetic: 3 }, now });
  const [one] = all('payment_method') as [Stripe];
  for (let i = 0; i < 2_400; i += 1) kit.emulator.state.put({ ...one, id: `pm_many_${i}` });
  const tables = ['payment_methods', 'refunds'];
  await kit.run({ now, tables });
  const proven = (): unknown[] =>
    query(kit.path(), 'SELECT DISTINCT "table" FROM td_proof ORDER BY 1').map((line) => line['table']);
  // 16 reads a day: 25 pages are two days' part.
  await prove({ ownBase: true, steps: 24 * 8, tables, stepMs: 3_600_000 });
  expect(proven()).toEqual(tables);
  const used = usedByDay();
  for (const [index, reads] of used.entries())
    expect(reads + (used[index + 1] ?? 0)).toBeLessThanOrEqual(2 * 17);
  const db = new DatabaseSync(kit.path());
  db.exec('DELETE FROM td_proof; DELETE FROM td_requests');
  db.close();
  // 20 reads in 30 days: never.
  await prove({ ownBase: true, steps: 200, tables, stepMs: 6 * 3_600_000, proofShare: 0.002 });
  expect(proven()).toEqual(['refunds']);
});

test('a balance transaction becomes available without any event', async () => {
  kit = await createKit({ source: { synthetic: 12 }, now });
  // Not among the newest, which are read again anyway.
  expect(all('balance_transaction').length).toBeGreaterThan(110);
  const one = all('balance_transaction').at(-1) as Stripe;
  const soon = Math.floor(now() / 1_000) + 3_600;
  kit.emulator.state.put({ ...one, status: 'pending', available_on: soon });
  const tables = ['balance_transactions'];
  await kit.run({ now, tables });
  const status = (): unknown => row(kit.path(), 'balance_transactions', one.id)?.['status'];
  expect(status()).toBe('pending');
  await kit.watch({ now, tables, proofShare: 0 });
  kit.emulator.state.put({ ...one, status: 'available', available_on: soon });
  ahead += 4_000_000;
  await until(() => status() === 'available');
});

test('all tables on a file of the core ones: what is missing is downloaded, nothing else again', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run({ tables: 'core' });
  const lists = ['/v1/customers', '/v1/charges', '/v1/invoices', '/v1/balance_transactions'];
  const before = lists.map(asked);
  const result = await kit.run({ tables: 'all' });
  expect(result.tables.every((table) => table.state === 'done' || table.state === 'skipped')).toBe(true);
  expect(result.tables.length).toBeGreaterThan(100);
  // Their newest page at most, for lists without events.
  for (const [index, list] of lists.entries())
    expect(asked(list) - (before[index] ?? 0)).toBeLessThanOrEqual(1);
  expect(query(kit.path(), "SELECT 1 FROM sqlite_schema WHERE name = 'transfers'")).toHaveLength(1);
  expect((await kit.run({ tables: 'all' })).objects).toBe(0);
});

test('a new catalogue turns properties of `extra` into columns, without a download', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const sql = 'SELECT id, name, email, metadata, default_source FROM customers ORDER BY id';
  const rows = query(kit.path(), sql);
  // The file as an engine wrote it that did not know these three.
  const db = new DatabaseSync(kit.path());
  db.exec(
    `UPDATE customers SET extra = json_object('name', name, 'email', email, 'metadata', json(metadata), 'still_unknown', 1)`,
  );
  db.exec('DROP INDEX IF EXISTS customers_default_source');
  for (const name of ['name', 'email', 'metadata', 'default_source'])
    db.exec(`ALTER TABLE customers DROP COLUMN ${name}`);
  db.close();
  const version = (): number =>
    Number(query(kit.path(), 'SELECT data_version AS v FROM td_metadata')[0]?.['v']);
  const before = { version: version(), asked: asked('/v1/customers') };
  await kit.run();
  expect(query(kit.path(), sql)).toEqual(rows);
  expect(query(kit.path(), 'SELECT DISTINCT extra FROM customers')).toEqual([
    { extra: '{"still_unknown":1}' },
  ]);
  expect(asked('/v1/customers')).toBe(before.asked);
  expect(version()).toBeGreaterThan(before.version);
});

test('the state of a customer, a subscription and an invoice at a time', async () => {
  kit = await createKit({ source: { synthetic: 5 }, now });
  await kit.run({ now });
  const at = (view: string, id: string, ms: number): unknown => {
    const ts = new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
    const [found] = query(
      kit.path(),
      `SELECT json_extract(state, '$.metadata.step') AS step FROM ${view} WHERE id = ? AND valid_from <= ? AND (valid_to > ? OR valid_to IS NULL)`,
      id,
      ts,
      ts,
    );
    return found?.['step'];
  };
  for (const kind of ['customer', 'subscription', 'invoice']) {
    const one = all(kind)[0] as Stripe;
    const type = kind === 'subscription' ? 'customer.subscription.updated' : `${kind}.updated`;
    const times: number[] = [];
    // Two of one second: the later one holds.
    for (const step of ['one', 'two', 'two again']) {
      if (step !== 'two again') ahead += 3_600_000;
      kit.emulator.state.emit(type, { ...one, metadata: { step } });
      times.push(now());
    }
    ahead += 3_600_000;
    await kit.run({ now });
    const [first = 0, second = 0] = times;
    expect(at(`${kind}_history`, one.id, first + 1_000)).toBe('one');
    expect(at(`${kind}_history`, one.id, second + 2_000)).toBe('two again');
    expect(
      query(kit.path(), 'SELECT 1 FROM object_timeline WHERE object_id = ?', one.id).length,
    ).toBeGreaterThan(2);
  }
  // A second mirror has them from the list, newest first.
  await kit.run({ now, file: kit.path('second.sqlite') });
  const one = all('invoice')[0] as Stripe;
  expect(
    query(
      kit.path('second.sqlite'),
      "SELECT json_extract(state, '$.metadata.step') AS step FROM invoice_history WHERE id = ? AND valid_to IS NULL",
      one.id,
    ),
  ).toEqual([{ step: 'two again' }]);
});

test('an event of an invoice with 250 lines shows ten of them, and none is lost', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const invoice = all('invoice')[0] as Stripe;
  const lines = invoice['lines'] as { data: Stripe[] };
  const data = Array.from({ length: 250 }, (_, index) => ({ ...lines.data[0], id: `il_many_${index}` }));
  const full = { ...invoice, lines: { ...lines, data, has_more: false, total_count: 250 } };
  const count = (): unknown =>
    query(kit.path(), 'SELECT count(*) AS n FROM invoice_line_items WHERE invoice = ?', invoice.id)[0]?.['n'];
  kit.emulator.state.emit('invoice.updated', full);
  await kit.run();
  expect(count()).toBe(250);
  const sync = await kit.watch();
  const payload = (description: string, id: string): unknown => ({
    id,
    object: 'event',
    type: 'invoice.updated',
    created: Math.floor(Date.now() / 1_000) + 60,
    api_version: '2026-08-26.dahlia',
    livemode: false,
    data: {
      object: { ...full, description, lines: { ...full.lines, data: data.slice(0, 10), has_more: true } },
    },
  });
  const apply = (event: unknown): void => sync.applyEvent(event as Parameters<typeof sync.applyEvent>[0]);
  apply(payload('Ten inline', 'evt_ten'));
  await until(() => row(kit.path(), 'invoices', invoice.id)?.['description'] === 'Ten inline');
  expect(count()).toBe(250);
  // A line that is gone is among those that only the whole list tells of.
  kit.emulator.state.put({ ...full, lines: { ...full.lines, data: data.slice(0, 240), total_count: 240 } });
  apply({ ...(payload('Fewer', 'evt_fewer') as object), created: Math.floor(Date.now() / 1_000) + 120 });
  await until(() => count() === 240);
});

test('a folder that cannot be written ends the program at once, with one line', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  writeFileSync(kit.path('file'), '');
  const bin = fileURLToPath(new URL('../src/bin.ts', import.meta.url));
  const args = ['--target', kit.path('file/stripe.sqlite'), '--api-base', kit.url];
  for (const attempt of [1, 2]) {
    const child = spawn(process.execPath, ['--conditions=@datasette-stripe/source', bin, ...args], {
      env: { PATH: process.env['PATH'], STRIPE_SECRET_KEY: kit.key },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(child, 'close');
    expect({ attempt, code: child.exitCode }).toEqual({ attempt, code: 1 });
    expect(text).toMatch(/^tdog: .*cannot be written.*\n$/);
  }
  expect(kit.emulator.state.requests().size).toBe(0);
});
