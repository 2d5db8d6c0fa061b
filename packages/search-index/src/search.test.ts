import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { CARDS, createTables, CUSTOMERS, open, tempDir } from '../test/database.ts';
import { ensureSearchIndex, search } from './index.ts';

async function small(filled: boolean): Promise<DatabaseSync> {
  const db = open(join(tempDir(), 'a.sqlite'));
  createTables(db);
  if (!filled) await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS] });
  const add = db.prepare(
    'INSERT INTO customers (id, email, name, description, metadata) VALUES (?, ?, ?, ?, ?)',
  );
  add.run(
    'cus_NffrFeUfNV2Hib',
    'jenny.rosen@example.com',
    'Jenny Rosén',
    'Pays by invoice A6B2C9-0042',
    '{"order_id":"6735"}',
  );
  add.run(
    'cus_OtherOne000001',
    'o.brien@sørensen.dk',
    "Søren O'Brien",
    'The "best" customer',
    '{"note":"jenny knows her"}',
  );
  add.run('cus_OtherOne000002', null, 'François Müller', null, null);
  const card = db.prepare(
    'INSERT INTO payment_methods (id, customer, card, billing_details) VALUES (?, ?, ?, ?)',
  );
  card.run(
    'pm_1MoBy5LkdIwHu7ixZhnattbh',
    'cus_NffrFeUfNV2Hib',
    '{"brand":"visa","last4":"4242"}',
    '{"name":"Jenny Rosén"}',
  );
  if (filled) await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS] });
  return db;
}

const JENNY = 'customers cus_NffrFeUfNV2Hib';
const CARD = 'payment_methods pm_1MoBy5LkdIwHu7ixZhnattbh';
const SOREN = 'customers cus_OtherOne000001';
const FRANCOIS = 'customers cus_OtherOne000002';

describe.each([
  ['rows that were there before', true],
  ['rows that came after', false],
])('%s are found', (_name, filled) => {
  test.each([
    ['by id', 'cus_NffrFeUfNV2Hib', [JENNY]],
    ['by the beginning of an id', 'cus_Nff', [JENNY]],
    ['by the middle of an id, in the wrong case', 'FEUFNV', [JENNY]],
    ['by the end of an id', 'nattbh', [CARD]],
    ['by e-mail', 'jenny.rosen@example.com', [JENNY]],
    ['by part of an e-mail', 'sen@exam', [JENNY]],
    ['by name with accents', 'Jenny Rosén', [JENNY, CARD]],
    ['by name without accents', 'jenny rosen', [JENNY, CARD]],
    ['by a letter with a cedilla', 'francois muller', [FRANCOIS]],
    ['by name in capitals', 'FRANÇOIS', [FRANCOIS]],
    ['by the beginning of a name', 'fran mull', [FRANCOIS]],
    ['by words in any order, with an apostrophe', "o'brien søren", [SOREN]],
    ['by invoice number', 'A6B2C9-0042', [JENNY]],
    ['by the last 4 digits', '4242', [CARD]],
    ['by a metadata value', '6735', [JENNY]],
    ['by a word of a description', 'invoice', [JENNY]],
    ['by a text in quotes', '"best"', [SOREN]],
    ['with spaces and line ends around', '  jenny\t rosen \n', [JENNY, CARD]],
    ['not by what is nowhere', 'zzzz', []],
    ['not by signs alone', '@', []],
    ['not by nothing', '   ', []],
    ['not by FTS syntax', 'jenny OR nosuchword', []],
    ['with a zero byte in it', 'jenny\0rosen', [JENNY, CARD]],
    ['not by a text of a million letters', 'x'.repeat(1_000_000), []],
    ['not by a lone quote', '"', []],
    ['not by a wildcard', '%', []],
  ])('%s', async (_how, q, expected) => {
    const db = await small(filled);
    const found = search(db, q).flatMap((g) => g.hits.map((hit) => `${g.table} ${hit.id}`));
    expect(found).toEqual(expected);
  });
});

async function smiths(): Promise<DatabaseSync> {
  const db = open(join(tempDir(), 'b.sqlite'));
  createTables(db);
  await ensureSearchIndex(db, { tables: [CUSTOMERS, CARDS] });
  const add = db.prepare('INSERT INTO customers (id, name) VALUES (?, ?)');
  for (let n = 0; n < 1000; n++) add.run(`cus_${String(n).padStart(6, '0')}`, `Smith ${String(n)}`);
  db.prepare('INSERT INTO payment_methods (id) VALUES (?)').run('cus_000500');
  return db;
}

describe('results', () => {
  test('are limited per table and say that there are more', async () => {
    const db = await smiths();
    const [group, ...rest] = search(db, 'smith', { limit: 3 });
    expect(group?.hits.length).toBe(3);
    expect(group?.more).toBe(true);
    expect(rest).toEqual([]);
  });

  test('are ranked: the id itself, ids that begin so, words, beginnings of words, parts', async () => {
    const db = await smiths();
    const ranks = (q: string): number[] =>
      search(db, q, { limit: 20 }).flatMap((g) => g.hits.map((hit) => hit.rank));
    expect(search(db, 'cus_000500').map((g) => [g.table, g.hits[0]?.rank])).toEqual([
      ['customers', 0],
      ['payment_methods', 0],
    ]);
    expect(new Set(ranks('cus_0005'))).toEqual(new Set([1]));
    expect(ranks('99')[0]).toBe(2);
    expect(new Set(ranks('smi'))).toEqual(new Set([3]));
    expect(ranks('mith 12')).toContain(4);
  });

  test('a part that thousands of rows hold is found in every table', async () => {
    const db = await smiths();
    const add = db.prepare('INSERT INTO payment_methods (id) VALUES (?)');
    for (let n = 0; n < 2000; n++) add.run(`pm_x${String(n)}ndthing`);
    for (let n = 0; n < 300; n++)
      db.prepare('INSERT INTO customers (id, name) VALUES (?, ?)').run(`cus_t${String(n)}`, 'Xndthing');
    const groups = search(db, 'ndthin', { limit: 3 });
    expect(groups.map((g) => [g.table, g.hits.length, g.more])).toEqual([
      ['customers', 3, true],
      ['payment_methods', 3, true],
    ]);
  });

  test('are the same when whole words fill one table and not the next', async () => {
    const db = await smiths();
    const add = db.prepare('INSERT INTO payment_methods (id, billing_details) VALUES (?, ?)');
    add.run('pm_1', '{"name":"Smithson"}');
    add.run('pm_blacksmith', null);
    expect(search(db, 'smith', { limit: 3 }).map((g) => [g.table, g.hits.map((hit) => hit.rank)])).toEqual([
      ['customers', [2, 2, 2]],
      ['payment_methods', [3, 4]],
    ]);
  });

  test('carry the label', async () => {
    const db = await smiths();
    expect(search(db, 'cus_000007')[0]?.hits[0]).toEqual({
      table: 'customers',
      id: 'cus_000007',
      label: 'Smith 7',
      rank: 0,
    });
  });

  test('an empty database has none', () => {
    const empty = open(join(tempDir(), 'c.sqlite'));
    expect(search(empty, 'smith')).toEqual([]);
  });
});
