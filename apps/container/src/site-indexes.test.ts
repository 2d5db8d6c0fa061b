import { DatabaseSync } from 'node:sqlite';
import { tableNames } from '@datasette-stripe/tdog';
import { expect, test } from 'vitest';
import { createSiteIndexes, readSiteIndexes } from './site-indexes.ts';

test('every line of indexes.sql that is no comment is an index of a table of Stripe', () => {
  const indexes = readSiteIndexes();
  expect(indexes.length).toBeGreaterThan(0);
  expect(indexes.filter(({ table }) => !tableNames('all').includes(table))).toEqual([]);
});

test('makes the indexes of the tables that are finished, and leaves out what does not fit', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE customers (email TEXT); CREATE TABLE charges (created TEXT)');
  const indexes = [
    { table: 'customers', sql: 'CREATE INDEX IF NOT EXISTS site_a ON customers (email)' },
    { table: 'customers', sql: 'CREATE INDEX IF NOT EXISTS site_b ON customers (absent)' },
    { table: 'charges', sql: 'CREATE INDEX IF NOT EXISTS site_c ON charges (created)' },
  ];
  const leftOut: string[] = [];
  const make = (): void =>
    createSiteIndexes(database, indexes, ['customers'], ({ sql }) => leftOut.push(sql));
  make();
  make();
  const made = database.prepare("SELECT name FROM sqlite_master WHERE type = 'index'").all();
  expect(made.map(({ name }) => name)).toEqual(['site_a']);
  expect(leftOut).toEqual([indexes[1]?.sql, indexes[1]?.sql]);
  database.close();
});

test('an index that an earlier version made in another form is made anew, one that is not wanted goes', () => {
  const database = new DatabaseSync(':memory:');
  database.exec(`CREATE TABLE charges (created TEXT, status TEXT);
    CREATE INDEX site_a ON charges (created);
    CREATE INDEX site_old ON charges (status);
    CREATE INDEX sites_own ON charges (status)`);
  const sql = 'CREATE INDEX IF NOT EXISTS site_a ON charges (created, status);';
  const names = (): unknown[] =>
    database
      .prepare("SELECT name, sql, rootpage FROM sqlite_master WHERE type = 'index' ORDER BY name")
      .all();
  createSiteIndexes(database, [{ table: 'charges', sql }], ['charges'], () => undefined);
  const made = names();
  expect(made).toMatchObject([
    { name: 'site_a', sql: 'CREATE INDEX site_a ON charges (created, status)' },
    { name: 'sites_own' },
  ]);
  createSiteIndexes(database, [{ table: 'charges', sql }], ['charges'], () => undefined);
  expect(names()).toEqual(made);
  database.close();
});
