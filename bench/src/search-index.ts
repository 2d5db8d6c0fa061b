// What the search index costs writers, how long it takes to build, what it blocks, and how quickly it answers.
// node bench/src/search-index.ts [ROWS]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  checkSearchIndex,
  dropSearchIndex,
  ensureSearchIndex,
  search,
  type SearchTable,
} from '@datasette-stripe/search-index';

const SHARES: Record<string, number> = { customers: 0.1, charges: 0.4, payment_intents: 0.3, invoices: 0.2 };
const TABLES: SearchTable[] = Object.keys(SHARES).map((table) => ({
  table,
  columns: ['id', 'name', 'email', 'number', 'description', 'metadata'],
  parts: ['id', 'name', 'email', 'number', { column: 'card', path: '$.last4' }],
  label: ['name', 'email', 'number'],
}));
const PREFIX: Record<string, string> = {
  customers: 'cus_',
  charges: 'ch_',
  payment_intents: 'pi_',
  invoices: 'in_',
};
const FIRST = [
  'Anna',
  'Jörg',
  'María',
  'José',
  'Jenny',
  'Søren',
  'Zoë',
  'Liam',
  'Noël',
  'Ólivia',
  'Mia',
  'François',
];
const LAST = [
  'Müller',
  'Rosén',
  'García',
  'Smith',
  'Nguyễn',
  'Dvořák',
  'Åberg',
  'Brown',
  'Rossi',
  'Kim',
  'Silva',
];

let seed = 42;
function below(n: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 4294967296) * n);
}
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const letters = (n: number): string => Array.from({ length: n }, () => LETTERS[below(62)]).join('');

function row(table: string, n: number): (string | null)[] {
  const [first = '', last = ''] = [FIRST[below(FIRST.length)], LAST[below(LAST.length)]];
  const number =
    table === 'invoices' ? `${letters(8).toUpperCase()}-${String(n % 10000).padStart(4, '0')}` : null;
  return [
    `${PREFIX[table] ?? ''}${letters(24)}`,
    table === 'payment_intents' ? null : `${first} ${last}`,
    `${first}.${last}${String(below(100000))}@example${String(below(500))}.com`.toLowerCase(),
    number,
    ['Subscription update', 'Subscription creation', 'Payment for order', 'Top-up', null][below(5)] ?? null,
    `{"order_id":"ord-${String(below(10_000_000))}"}`,
    `{"brand":"visa","last4":"${String(1000 + below(9000))}"}`,
    JSON.stringify({ object: table, payload: 'x'.repeat(900 + below(600)) }),
  ];
}

function create(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { enableForeignKeyConstraints: false, timeout: 5000 });
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -64000');
  for (const table of Object.keys(SHARES)) {
    db.exec(`CREATE TABLE ${table} (id TEXT PRIMARY KEY NOT NULL, name TEXT, email TEXT, number TEXT, description TEXT,
      metadata TEXT, card TEXT, extra TEXT)`);
  }
  return db;
}

/** Pages of 100 rows, a transaction each, as the engine writes them. Rows per second; the rows are made beforehand. */
function fill(db: DatabaseSync, rows: number): number {
  let spent = 0;
  let done = 0;
  for (const [table, share] of Object.entries(SHARES)) {
    const insert =
      db.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
      name = excluded.name, email = excluded.email, number = excluded.number, description = excluded.description,
      metadata = excluded.metadata, card = excluded.card, extra = excluded.extra`);
    for (let n = 0; n < rows * share; n += 100) {
      const page = Array.from({ length: 100 }, (_, i) => row(table, n + i));
      const started = performance.now();
      db.exec('BEGIN IMMEDIATE');
      for (const values of page) insert.run(...values);
      db.exec('COMMIT');
      spent += performance.now() - started;
      done += 100;
    }
  }
  return (done / spent) * 1000;
}

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? NaN;
const ms = (value: number): string => `${value.toFixed(2)} ms`;

/** A thread of its own that reads or writes all the time and tells how long each took. */
function bystander(
  file: string,
  what: 'read' | 'write',
): () => Promise<{ p50: number; p99: number; max: number }> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { file, what } });
  return async () => {
    const result = new Promise<number[]>((resolve) => worker.once('message', resolve));
    worker.postMessage('stop');
    const times = await result;
    await worker.terminate();
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: Math.max(...times) };
  };
}

function beBystander({ file, what }: { file: string; what: 'read' | 'write' }): void {
  const db = new DatabaseSync(file, { timeout: 10_000 });
  db.exec('PRAGMA synchronous = NORMAL');
  const ids = (db.prepare('SELECT id FROM charges LIMIT 5000').all() as { id: string }[]).map(({ id }) => id);
  const statement =
    what === 'read'
      ? db.prepare('SELECT * FROM charges WHERE id = ?')
      : db.prepare(`UPDATE charges SET description = 'written ' || random() WHERE id = ?`);
  const times: number[] = [];
  const timer = setInterval(() => {
    const started = performance.now();
    statement.get(ids[below(ids.length)] ?? '');
    times.push(performance.now() - started);
  }, 5);
  parentPort?.once('message', () => {
    clearInterval(timer);
    db.close();
    parentPort?.postMessage(times);
  });
}

async function main(): Promise<void> {
  const rows = Number(process.argv[2] ?? 1_000_000);
  const sample = Math.min(rows, 200_000);
  const dir = mkdtempSync(join(tmpdir(), 'bench-search-'));
  const { version } = new DatabaseSync(':memory:').prepare('SELECT sqlite_version() AS version').get() as {
    version: string;
  };
  console.log(
    `node ${process.version}, SQLite ${version}, ${String(cpus().length)} × ${cpus()[0]?.model ?? '?'}`,
  );
  try {
    const without = create(join(dir, 'without.sqlite'));
    const plain = fill(without, sample);
    without.close();
    const kept = create(join(dir, 'with.sqlite'));
    await ensureSearchIndex(kept, { tables: TABLES });
    seed = 42;
    const indexed = fill(kept, sample);
    console.log(
      `\nwriting ${String(sample)} rows in pages of 100: ${plain.toFixed(0)} rows/s without, ${indexed.toFixed(0)} with the index kept`,
    );
    kept.close();

    const file = join(dir, 'big.sqlite');
    const db = create(file);
    fill(db, rows);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const before = statSync(file).size;
    const quiet = await Promise.all(
      [bystander(file, 'read'), bystander(file, 'write')].map(async (stop) => {
        await new Promise((resolve) => setTimeout(resolve, 3000));
        return stop();
      }),
    );
    const stops = [bystander(file, 'read'), bystander(file, 'write')];
    let steps = 0;
    const report = await ensureSearchIndex(db, { tables: TABLES, onProgress: () => steps++ });
    const busy = await Promise.all(stops.map((stop) => stop()));
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const grown = statSync(file).size - before;
    console.log(
      `building on ${String(rows)} rows: ${(report.elapsedMs / 1000).toFixed(1)} s, ${String(steps)} batches; ` +
        `file ${(before / 1e6).toFixed(0)} MB, index ${(grown / 1e6).toFixed(0)} MB`,
    );
    console.log(
      '\n| another connection | p50 | p99 | max | while building: p50 | p99 | max |\n|---|---|---|---|---|---|---|',
    );
    for (const [n, what] of ['read', 'write'].entries()) {
      const cells = [quiet[n], busy[n]].flatMap((r) => [r?.p50 ?? NaN, r?.p99 ?? NaN, r?.max ?? NaN]).map(ms);
      console.log(`| ${what} | ${cells.join(' | ')} |`);
    }
    queries(file);
    if (process.argv.includes('--check')) {
      const started = performance.now();
      console.log(
        `\ncheck: ${String(checkSearchIndex(db).length)} problems, ${((performance.now() - started) / 1000).toFixed(1)} s`,
      );
    }
    const dropping = performance.now();
    dropSearchIndex(db);
    console.log(`drop: ${((performance.now() - dropping) / 1000).toFixed(1)} s`);
    db.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** 40 searches of each kind, for rows picked at random; a connection of its own, read only, as a site has. */
function queries(file: string): void {
  const db = new DatabaseSync(file, { readOnly: true });
  const pick = (table: string): Record<string, string> => {
    const { m } = db.prepare(`SELECT max(rowid) AS m FROM ${table}`).get() as { m: number };
    return db.prepare(`SELECT * FROM ${table} WHERE rowid = ?`).get(1 + below(m)) as Record<string, string>;
  };
  const plain = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '');
  const kinds: [string, () => string][] = [
    ['id', () => pick('charges')['id'] ?? ''],
    ['beginning of an id', () => (pick('invoices')['id'] ?? '').slice(0, 8)],
    ['middle of an id', () => (pick('payment_intents')['id'] ?? '').slice(10, 17)],
    ['end of an id', () => (pick('charges')['id'] ?? '').slice(-6)],
    ['e-mail', () => pick('customers')['email'] ?? ''],
    ['part of an e-mail', () => (pick('customers')['email'] ?? '').slice(3, 12)],
    ['name', () => pick('customers')['name'] ?? ''],
    ['name without accents', () => plain(pick('customers')['name'] ?? '')],
    ['beginning of a name', () => (pick('customers')['name'] ?? '').slice(0, 4)],
    ['invoice number', () => pick('invoices')['number'] ?? ''],
    ['last 4', () => String(1000 + below(9000))],
    [
      'word of a description',
      () => ['subscription', 'payment', 'creation', 'top-up', 'subsc', 'upd'][below(6)] ?? '',
    ],
    ['metadata value', () => (pick('charges')['metadata'] ?? '').slice(13, -2)],
    ['nothing', () => `zz${String(below(1e9))}zz`],
  ];
  console.log('\n| search by | p50 | p95 | max |\n|---|---|---|---|');
  const all: number[] = [];
  for (const [kind, make] of kinds) {
    const times: number[] = [];
    for (let n = 0; n < 40; n++) {
      const text = make();
      const started = performance.now();
      const groups = search(db, text);
      times.push(performance.now() - started);
      if (kind !== 'nothing' && groups.length === 0) throw new Error(`${kind}: ${text} is not found`);
    }
    all.push(...times);
    console.log(
      `| ${kind} | ${ms(quantile(times, 0.5))} | ${ms(quantile(times, 0.95))} | ${ms(Math.max(...times))} |`,
    );
  }
  console.log(`| all | ${ms(quantile(all, 0.5))} | ${ms(quantile(all, 0.95))} | ${ms(Math.max(...all))} |`);
  db.close();
}

if (isMainThread) await main();
else beBystander(workerData as { file: string; what: 'read' | 'write' });
