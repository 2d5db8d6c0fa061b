import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import type { SearchTable } from '../src/index.ts';

/** A folder that is gone after the test. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'search-index-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

/** Opens a database in WAL mode and closes it after the test. */
export function open(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { enableForeignKeyConstraints: false, timeout: 5000 });
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  onTestFinished(() => {
    if (db.isOpen) db.close();
  });
  return db;
}

export const CUSTOMERS: SearchTable = {
  table: 'customers',
  columns: ['id', 'email', 'name', 'description', 'metadata'],
  parts: ['id', 'email', 'name'],
  label: ['name', 'email'],
};
export const CARDS: SearchTable = {
  table: 'payment_methods',
  columns: ['id', 'billing_details'],
  parts: ['id', { column: 'card', path: '$.last4' }],
  label: [],
};

/** Two tables as a mirror of Stripe has them. */
export function createTables(db: DatabaseSync): void {
  db.exec(`CREATE TABLE customers (id TEXT PRIMARY KEY NOT NULL, email TEXT, name TEXT, description TEXT, balance INTEGER, metadata TEXT);
    CREATE TABLE payment_methods (id TEXT PRIMARY KEY NOT NULL, customer TEXT, card TEXT, billing_details TEXT);`);
}

const FIRST = ['Anna', 'Jörg', 'María', 'José', 'Jenny', 'Søren', 'Zoë', 'Łukasz', 'Noël', 'Ólivia'];
const LAST = ['Müller', 'Rosén', 'García', 'Smith', 'Nguyễn', 'Dvořák', 'Åberg'];

/** The same customer for the same number, every time. */
export function customer(n: number): [string, string, string, string, string] {
  const first = FIRST[n % FIRST.length] ?? '';
  const last = LAST[n % LAST.length] ?? '';
  const id = `cus_${((n * 2654435761) % 4294967296).toString(36).padStart(7, '0')}${n.toString(36).padStart(5, '0')}`;
  return [
    id,
    `user${String(n)}@example${String(n % 17)}.com`,
    `${first} ${last}`,
    `Customer number ${String(n)}`,
    `{"order_id":"ord-${String(n * 7)}"}`,
  ];
}

/** Adds customers `from` to `to`, 500 to a transaction. */
export function addCustomers(db: DatabaseSync, from: number, to: number): void {
  const insert = db.prepare(
    'INSERT INTO customers (id, email, name, description, metadata) VALUES (?, ?, ?, ?, ?)',
  );
  for (let n = from; n < to; n += 500) {
    db.exec('BEGIN IMMEDIATE');
    for (let i = n; i < Math.min(to, n + 500); i++) insert.run(...customer(i));
    db.exec('COMMIT');
  }
}
