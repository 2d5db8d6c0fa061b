import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addCustomers, CARDS, createTables, customer, CUSTOMERS, open, tempDir } from '../test/database.ts';
import {
  checkSearchIndex,
  dropSearchIndex,
  ensureSearchIndex,
  findTables,
  search,
  type SearchIndexProgress,
} from './index.ts';

const ids = (db: Parameters<typeof search>[0], q: string): string[] =>
  search(db, q).flatMap((g) => g.hits.map((h) => h.id));

describe('building', () => {
  test('indexes a filled database in batches, with progress, and finds rows', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    addCustomers(db, 0, 5000);
    const seen: SearchIndexProgress[] = [];
    const report = await ensureSearchIndex(db, {
      tables: [CUSTOMERS, CARDS],
      onProgress: (p) => seen.push(p),
      pauseMs: 0,
    });
    expect(report.tables).toEqual([
      { table: 'customers', fts: 'customers_fts', rows: 5000, action: 'built' },
      { table: 'payment_methods', fts: 'payment_methods_fts', rows: 0, action: 'built' },
    ]);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.at(-1)).toEqual({ table: 'customers', rows: 5000, total: 5000, done: true });
    const [id, email] = customer(4321);
    expect(ids(db, id)).toEqual([id]);
    expect(ids(db, email)).toEqual([id]);
    expect(checkSearchIndex(db)).toEqual([]);
  });

  test('goes on where an interrupted build stopped, with writes to both sides in between', async () => {
    const file = join(tempDir(), 'a.sqlite');
    const db = open(file);
    createTables(db);
    addCustomers(db, 0, 4000);
    const controller = new AbortController();
    const stopped = ensureSearchIndex(db, {
      tables: [CUSTOMERS],
      signal: controller.signal,
      pauseMs: 0,
      onProgress: ({ rows }) => {
        if (rows >= 200) controller.abort(new Error('stop'));
      },
    });
    await expect(stopped).rejects.toThrow('stop');
    db.close();
    const again = open(file);
    const [early, late] = [customer(10)[0], customer(3990)[0]];
    again.prepare('UPDATE customers SET name = ? WHERE id IN (?, ?)').run('Wolfgang Petersen', early, late);
    again.prepare('DELETE FROM customers WHERE id IN (?, ?)').run(customer(20)[0], customer(3980)[0]);
    addCustomers(again, 4000, 4010);
    const first: number[] = [];
    const report = await ensureSearchIndex(again, {
      tables: [CUSTOMERS],
      pauseMs: 0,
      onProgress: ({ rows }) => first.push(rows),
    });
    expect(first[0]).toBeGreaterThan(200);
    expect(report.tables[0]?.action).toBe('built');
    expect(ids(again, 'wolfgang').sort()).toEqual([early, late].sort());
    expect(ids(again, 'olfgan').sort()).toEqual([early, late].sort());
    expect(ids(again, customer(4005)[0])).toEqual([customer(4005)[0]]);
    expect(checkSearchIndex(again)).toEqual([]);
  });

  test('lets another connection write between batches and keeps the index right', async () => {
    const file = join(tempDir(), 'a.sqlite');
    const db = open(file);
    const other = open(file);
    createTables(db);
    addCustomers(db, 0, 3000);
    const update = other.prepare('UPDATE customers SET description = ? WHERE id = ?');
    let n = 0;
    await ensureSearchIndex(db, {
      tables: [CUSTOMERS],
      pauseMs: 0,
      onProgress: () => {
        for (let i = 0; i < 5; i++) update.run(`changed ${String(++n)}`, customer((n * 601) % 3000)[0]);
      },
    });
    expect(n).toBeGreaterThan(5);
    expect(checkSearchIndex(db)).toEqual([]);
  });

  test('waits for the owner of the connection to end its transaction', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    addCustomers(db, 0, 100);
    db.exec('BEGIN IMMEDIATE');
    const building = ensureSearchIndex(db, { tables: [CUSTOMERS] });
    await new Promise((resolve) => setImmediate(resolve));
    expect(db.isTransaction).toBe(true);
    db.exec('COMMIT');
    await building;
    expect(ids(db, customer(7)[0])).toEqual([customer(7)[0]]);
  });

  test('waits while another process holds the write lock', async () => {
    const file = join(tempDir(), 'a.sqlite');
    const db = open(file);
    const other = open(file);
    createTables(db);
    addCustomers(db, 0, 2000);
    db.exec('PRAGMA busy_timeout = 0');
    let released = false;
    const building = ensureSearchIndex(db, {
      tables: [CUSTOMERS],
      pauseMs: 0,
      onProgress: () => {
        if (!released && !other.isTransaction) other.exec('BEGIN IMMEDIATE');
        else if (!released) {
          released = true;
          other.exec('COMMIT');
        }
      },
    });
    await building;
    expect(released).toBe(true);
    expect(checkSearchIndex(db)).toEqual([]);
  });
});

describe('calling it again', () => {
  test('keeps what fits and rebuilds what does not', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    addCustomers(db, 0, 1000);
    const act = async (tables = [CUSTOMERS]): Promise<string | undefined> =>
      (await ensureSearchIndex(db, { tables, pauseMs: 0 })).tables[0]?.action;
    expect(await act()).toBe('built');
    expect(await act()).toBe('kept');
    expect(await act([{ ...CUSTOMERS, label: ['email'] }])).toBe('kept');
    expect(search(db, customer(1)[0])[0]?.hits[0]?.label).toBe(customer(1)[1]);
    expect(await act([{ ...CUSTOMERS, columns: ['id', 'name'] }])).toBe('rebuilt');
    expect(ids(db, 'ord-7')).toEqual([]);
    expect(await act()).toBe('rebuilt');
    expect(ids(db, 'ord-7')[0]).toBe(customer(1)[0]);
    expect(checkSearchIndex(db)).toEqual([]);
  });

  test('writes the query over everything anew where an older version has left another', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    await ensureSearchIndex(db, { tables: [CUSTOMERS] });
    const query = "SELECT value FROM search_index_meta WHERE name = 'everything'";
    const written = db.prepare(query).get();
    db.exec("UPDATE search_index_meta SET value = 'SELECT 1' WHERE name = 'everything'");
    await ensureSearchIndex(db, { tables: [CUSTOMERS] });
    expect(db.prepare(query).get()).toEqual(written);
  });

  test('rebuilds for a table that was dropped and made again, and forgets one that is gone', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    addCustomers(db, 0, 300);
    await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS] });
    db.exec('DROP TABLE customers; DROP TABLE payment_methods');
    db.exec(
      'CREATE TABLE customers (id TEXT PRIMARY KEY NOT NULL, email TEXT, name TEXT, description TEXT, balance INTEGER, metadata TEXT)',
    );
    addCustomers(db, 5000, 5100);
    const report = await ensureSearchIndex(db, { tables: [CUSTOMERS] });
    expect(report.tables[0]?.action).toBe('rebuilt');
    expect(ids(db, customer(1)[0])).toEqual([]);
    expect(ids(db, customer(5001)[0])).toEqual([customer(5001)[0]]);
    expect(ids(db, customer(5001)[0].slice(5, 11))).toContain(customer(5001)[0]);
    expect(checkSearchIndex(db)).toEqual([]);
  });

  test('notices rowids that were renumbered', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    addCustomers(db, 0, 300);
    await ensureSearchIndex(db, { tables: [CUSTOMERS] });
    db.exec('UPDATE customers SET rowid = -rowid');
    expect(checkSearchIndex(db)).toEqual([]);
    // What a dump and restore does: the triggers are made after the rows.
    db.exec('PRAGMA writable_schema = OFF');
    const triggers = db.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all() as {
      name: string;
      sql: string;
    }[];
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    db.exec('UPDATE customers SET rowid = 1000 - rowid');
    for (const { sql } of triggers) db.exec(sql);
    expect(checkSearchIndex(db)).not.toEqual([]);
    const report = await ensureSearchIndex(db, { tables: [CUSTOMERS] });
    expect(report.tables[0]?.action).toBe('rebuilt');
    expect(checkSearchIndex(db)).toEqual([]);
  });

  test('can be removed without a trace', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    addCustomers(db, 0, 10);
    const schema = (): unknown => db.prepare('SELECT type, name, sql FROM sqlite_master ORDER BY name').all();
    const before = schema();
    await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS] });
    dropSearchIndex(db);
    expect(schema()).toEqual(before);
    expect(search(db, 'anna')).toEqual([]);
    dropSearchIndex(db);
  });

  test('works inside the transaction of the caller, and is rolled back with it', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    db.exec('BEGIN');
    db.prepare('INSERT INTO customers (id) VALUES (?)').run('cus_1');
    const building = ensureSearchIndex(db, { tables: [CUSTOMERS] });
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'customers_fts'").get()).toEqual({
      n: 1,
    });
    db.exec('ROLLBACK');
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'customers_fts'").get()).toEqual({
      n: 0,
    });
    await building;
    expect(search(db, 'anna')).toEqual([]);
  });
});

describe('tables', () => {
  test('are found by their columns', async () => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    db.exec(`CREATE TABLE odd (n INTEGER); CREATE VIEW v AS SELECT * FROM customers; CREATE TABLE w (id TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE numbers (n INTEGER PRIMARY KEY, description TEXT)`);
    const wanted = {
      columns: ['email', 'name', 'description'],
      parts: ['email', { column: 'card', path: '$.last4' }],
      label: ['name'],
    };
    const tables = findTables(db, wanted);
    expect(tables).toEqual([
      {
        table: 'customers',
        columns: ['id', 'email', 'name', 'description'],
        parts: ['id', 'email'],
        label: ['name'],
      },
      {
        table: 'payment_methods',
        columns: ['id'],
        parts: ['id', { column: 'card', path: '$.last4' }],
        label: [],
      },
      { table: 'numbers', columns: ['description'], parts: [], label: [] },
    ]);
    await ensureSearchIndex(db, { tables });
    expect(findTables(db, wanted)).toEqual(tables);
  });

  test.each([
    ['a table that is not there', { table: 'nothing', columns: ['a'] }, 'SEARCH_INDEX_TABLE_MISSING'],
    ['a view', { table: 'v', columns: ['id'] }, 'SEARCH_INDEX_TABLE_KIND'],
    ['a table without rowids', { table: 'w', columns: ['id'] }, 'SEARCH_INDEX_TABLE_KIND'],
    [
      'a column that is not there',
      { table: 'customers', columns: ['id', 'nope'] },
      'SEARCH_INDEX_COLUMN_MISSING',
    ],
    ['no columns', { table: 'customers', columns: [] }, 'SEARCH_INDEX_OPTIONS'],
    ['a column that FTS5 reserves', { table: 'ranked', columns: ['rank'] }, 'SEARCH_INDEX_OPTIONS'],
    ['a full-text table of somebody else', { table: 'taken', columns: ['a'] }, 'SEARCH_INDEX_NAME_TAKEN'],
  ])('%s is refused', async (_name, table, code) => {
    const db = open(join(tempDir(), 'a.sqlite'));
    createTables(db);
    db.exec(`CREATE VIEW v AS SELECT * FROM customers; CREATE TABLE w (id TEXT PRIMARY KEY) WITHOUT ROWID; CREATE TABLE ranked (rank TEXT);
      CREATE TABLE taken (a TEXT); CREATE VIRTUAL TABLE taken_fts USING fts5(a)`);
    await expect(ensureSearchIndex(db, { tables: [table] })).rejects.toMatchObject({ code });
    expect(db.isTransaction).toBe(false);
  });

  test.each([
    ['batchMs', { batchMs: 0 }],
    ['pauseMs', { pauseMs: -1 }],
    ['twice', { tables: [CUSTOMERS, CUSTOMERS] }],
  ])('a wrong option is named: %s', async (word, options) => {
    const db = open(join(tempDir(), 'a.sqlite'));
    await expect(ensureSearchIndex(db, { tables: [], ...options })).rejects.toThrow(word);
  });
});
