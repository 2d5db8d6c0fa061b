import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { addCustomers, CARDS, createTables, customer, CUSTOMERS, open, tempDir } from '../test/database.ts';
import { checkSearchIndex, ensureSearchIndex, search } from './index.ts';

const python = (...args: string[]): unknown =>
  JSON.parse(
    execFileSync('python3', [join(import.meta.dirname, '../test/read.py'), ...args], { encoding: 'utf8' }),
  );

/** A small generator with a seed, so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

const WRITES = Number(process.env['SEARCH_INDEX_WRITES'] ?? 100_000);

test(`stays right through ${String(WRITES)} random writes`, { timeout: 120_000 }, async () => {
  const db = open(join(tempDir(), 'a.sqlite'));
  createTables(db);
  addCustomers(db, 0, 2000);
  await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS], pauseMs: 0 });
  const below = random(7);
  const insert = db.prepare(
    'INSERT OR IGNORE INTO customers (id, email, name, description, metadata) VALUES (?, ?, ?, ?, ?)',
  );
  const upsert =
    db.prepare(`INSERT INTO customers (id, email, name, description, metadata) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name, description = excluded.description, metadata = excluded.metadata`);
  const rename = db.prepare('UPDATE customers SET name = ?, description = NULL WHERE id = ?');
  const balance = db.prepare('UPDATE customers SET balance = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM customers WHERE id = ?');
  const card = db.prepare(
    `INSERT INTO payment_methods (id, card) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET card = excluded.card`,
  );
  const many = db.prepare('UPDATE customers SET name = upper(name) WHERE rowid % 1000 = ?');
  const rekey = db.prepare(`UPDATE OR IGNORE customers SET id = id || 'x' WHERE id = ?`);
  for (let n = 0; n < WRITES;) {
    db.exec('BEGIN IMMEDIATE');
    for (let i = 0; i < 200; i++, n++) {
      const [id, email, name, description, metadata] = customer(below(6000));
      const what = below(100);
      if (what < 25) insert.run(id, email, name, description, metadata);
      else if (what < 50) upsert.run(id, what < 40 ? email : `new-${email}`, name, description, metadata);
      else if (what < 60) rename.run(`Renamed ${String(below(1000))}`, id);
      else if (what < 75) balance.run(below(100), id);
      else if (what < 90) remove.run(id);
      else if (what < 98)
        card.run(
          `pm_${String(below(3000))}`,
          below(20) === 0 ? 'no json' : `{"last4":"${String(1000 + below(9000))}"}`,
        );
      else if (what < 99) rekey.run(id);
      else many.run(below(1000));
    }
    // Now and then a transaction that comes to nothing.
    db.exec(below(50) === 0 ? 'ROLLBACK' : 'COMMIT');
  }
  db.exec(`INSERT INTO customers_fts (customers_fts, rank) VALUES ('integrity-check', 1)`);
  expect(checkSearchIndex(db)).toEqual([]);
  const rows = db.prepare('SELECT id, email FROM customers ORDER BY random() LIMIT 50').all() as {
    id: string;
    email: string;
  }[];
  for (const { id, email } of rows) {
    expect(search(db, id)[0]?.hits[0]).toMatchObject({ table: 'customers', id, rank: 0 });
    expect(search(db, email, { limit: 100 }).flatMap((g) => g.hits.map((h) => h.id))).toContain(id);
  }
});

test('REPLACE keeps the index right on a connection with recursive triggers', async () => {
  const db = open(join(tempDir(), 'a.sqlite'));
  createTables(db);
  await ensureSearchIndex(db, { tables: [CUSTOMERS] });
  db.exec('PRAGMA recursive_triggers = ON');
  const replace = db.prepare('INSERT OR REPLACE INTO customers (id, name) VALUES (?, ?)');
  for (let n = 0; n < 2000; n++) replace.run(`cus_${String(n % 300)}`, `Name ${String(n)}`);
  expect(checkSearchIndex(db)).toEqual([]);
});

test('a wrong index is noticed', async () => {
  const db = open(join(tempDir(), 'a.sqlite'));
  createTables(db);
  addCustomers(db, 0, 1000);
  await ensureSearchIndex(db, { tables: [CUSTOMERS] });
  db.exec('DROP TRIGGER customers_fts_update; DROP TRIGGER customers_fts_parts_update');
  db.prepare('UPDATE customers SET name = ? WHERE id = ?').run('Nobody', customer(3)[0]);
  expect(checkSearchIndex(db).map((problem) => problem.message.split(':')[0])).toEqual(['words', 'parts']);
  await ensureSearchIndex(db, { tables: [CUSTOMERS] });
  expect(checkSearchIndex(db)).toEqual([]);
});

test('Python reads, writes and vacuums it with its own SQLite', async () => {
  const file = join(tempDir(), 'a.sqlite');
  const db = open(file);
  createTables(db);
  addCustomers(db, 0, 2000);
  await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS], pauseMs: 0 });
  expect(python(file, 'detect', 'customers')).toEqual([['customers_fts']]);
  expect(python(file, 'detect', 'payment_methods')).toEqual([['payment_methods_fts']]);
  const [id, email, name] = customer(1234);
  expect(python(file, 'search', id)).toEqual([['customers', id, name, 0]]);
  expect(python(file, 'search', email.slice(1))).toEqual([['customers', id, name, 4]]);
  python(file, 'write', id);
  expect(search(db, 'warsaw')[0]?.hits[0]?.id).toBe('cus_python');
  expect(search(db, 'rossum')).toEqual([]);
  expect(search(db, 'named in pyth')[0]?.hits[0]?.id).toBe(id);
  expect(checkSearchIndex(db)).toEqual([]);
  db.exec('DELETE FROM customers WHERE rowid % 3 = 1');
  expect(python(file, 'vacuum')).toBe('ok');
  expect(checkSearchIndex(db)).toEqual([]);
});

test('VACUUM and VACUUM INTO leave an index that fits', async () => {
  const dir = tempDir();
  const db = open(join(dir, 'a.sqlite'));
  createTables(db);
  addCustomers(db, 0, 2000);
  await ensureSearchIndex(db, { tables: [CUSTOMERS], pauseMs: 0 });
  db.exec('DELETE FROM customers WHERE rowid % 3 = 1');
  db.exec(`VACUUM; VACUUM INTO '${join(dir, 'b.sqlite')}'`);
  const copy = new DatabaseSync(join(dir, 'b.sqlite'));
  for (const each of [db, copy]) {
    expect(checkSearchIndex(each)).toEqual([]);
    expect((await ensureSearchIndex(each, { tables: [CUSTOMERS] })).tables[0]?.action).toBe('kept');
  }
  copy.close();
});
