import type { DatabaseSync } from 'node:sqlite';

import { JOINS } from '../model/legacy.ts';
import type { Model, TableModel } from '../model/table-model.ts';
import { VIEWS } from './views.ts';

/** Quotes an identifier. */
export function q(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const ENGINE_TABLES = `
CREATE TABLE IF NOT EXISTS td_metadata (
  id INTEGER PRIMARY KEY, cli_version TEXT NOT NULL, stripe_version TEXT NOT NULL, stripe_account_id TEXT NOT NULL,
  stripe_account TEXT NOT NULL, stripe_is_test INTEGER NOT NULL, heartbeat_ts TEXT, data_version INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS td_state (key TEXT PRIMARY KEY NOT NULL, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS td_runs (run_id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, start_ts TEXT, end_ts TEXT);
CREATE TABLE IF NOT EXISTS td_progress (
  "table" TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, pages INTEGER NOT NULL DEFAULT 0,
  share REAL, requests INTEGER NOT NULL DEFAULT 0, cursor TEXT, error TEXT, started_ts TEXT, updated_ts TEXT, finished_ts TEXT);
CREATE TABLE IF NOT EXISTS td_requests (day TEXT NOT NULL, purpose TEXT NOT NULL, reads INTEGER NOT NULL, PRIMARY KEY (day, purpose));
CREATE TABLE IF NOT EXISTS td_deleted (
  "table" TEXT NOT NULL, id TEXT NOT NULL, deleted_ts TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY ("table", id));
CREATE TABLE IF NOT EXISTS td_proof (
  "table" TEXT NOT NULL, "window" TEXT NOT NULL, checked_ts TEXT NOT NULL, rows INTEGER NOT NULL, drift INTEGER NOT NULL,
  repaired INTEGER NOT NULL, PRIMARY KEY ("table", "window"));
CREATE TABLE IF NOT EXISTS td_todo (
  list TEXT NOT NULL, id TEXT NOT NULL, cursor TEXT, tries INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (list, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  id TEXT PRIMARY KEY NOT NULL, object_id TEXT, object TEXT, type TEXT NOT NULL, created TEXT NOT NULL, api_version TEXT,
  previous_attributes TEXT, payload TEXT NOT NULL, insert_ts TEXT);
CREATE INDEX IF NOT EXISTS events_object_id ON events (object_id, created);
CREATE INDEX IF NOT EXISTS events_created ON events (created);
`;

/** Makes what is missing; safe to run at each start. Returns the tables that were made now. */
export function ensureSchema(db: DatabaseSync, model: Model): readonly string[] {
  db.exec(ENGINE_TABLES);
  const made: string[] = [];
  for (const table of model.tables.values()) if (ensureTable(db, table)) made.push(table.name);
  db.exec(VIEWS);
  return made;
}

/** Makes a table, or adds the columns that a newer catalogue knows. Returns whether it was made. */
export function ensureTable(db: DatabaseSync, table: TableModel): boolean {
  const existing = new Set(
    db
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table.name)
      .map((row) => String(row['name'])),
  );
  if (existing.size === 0) {
    db.exec(createTableSql(table));
    return true;
  }
  for (const column of table.columns) {
    if (existing.has(column.name)) continue;
    db.exec(`ALTER TABLE ${q(table.name)} ADD COLUMN ${columnSql(column)}`);
    fillFromExtra(db, table, column);
  }
  return false;
}

function createTableSql(table: TableModel): string {
  const columns = [
    'id TEXT PRIMARY KEY NOT NULL',
    ...table.columns.map(columnSql),
    'extra TEXT',
    'insert_ts TEXT',
    'update_ts TEXT',
  ];
  return `CREATE TABLE ${q(table.name)} (\n  ${columns.join(',\n  ')}\n)`;
}

function columnSql(column: TableModel['columns'][number]): string {
  const reference = column.references === undefined ? '' : ` REFERENCES ${q(column.references)}(id)`;
  return `${q(column.name)} ${column.sqlType}${reference}`;
}

/** A property that an earlier catalogue did not know was kept in `extra`: it becomes the column, without a download. */
function fillFromExtra(db: DatabaseSync, table: TableModel, column: TableModel['columns'][number]): void {
  const select = db.prepare(`SELECT id, extra FROM ${q(table.name)} WHERE extra IS NOT NULL`);
  const update = db.prepare(`UPDATE ${q(table.name)} SET ${q(column.name)} = ?, extra = ? WHERE id = ?`);
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const row of select.all()) {
      const extra = JSON.parse(String(row['extra'])) as Record<string, unknown>;
      const value = column.read(extra, undefined);
      if (value === null) continue;
      update.run(value, table.extra(extra), String(row['id']));
    }
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

/** Indexes that writing itself needs: the children of one parent. */
export function createParentIndex(db: DatabaseSync, table: TableModel): void {
  if (table.parentColumn !== undefined) createIndex(db, table.name, table.parentColumn);
}

/** All indexes of a table: every reference and `created`. Made when the table is finished, as one sort is faster than many inserts. */
export function createIndexes(db: DatabaseSync, table: TableModel): void {
  createParentIndex(db, table);
  for (const column of table.columns)
    if (column.references !== undefined || column.name === 'created' || column.name === 'date_ts')
      createIndex(db, table.name, column.name);
  for (const index of EXPRESSION_INDEXES)
    if (index.table === table.name)
      db.exec(`CREATE INDEX IF NOT EXISTS ${q(index.name)} ON ${q(index.table)} (${index.on})`);
}

function createIndex(db: DatabaseSync, table: string, column: string): void {
  db.exec(`CREATE INDEX IF NOT EXISTS ${q(`${table}_${column}`)} ON ${q(table)} (${q(column)})`);
}

/** What {@link JOINS} look up by. */
const EXPRESSION_INDEXES: readonly { readonly table: string; readonly name: string; readonly on: string }[] =
  [
    {
      table: 'invoice_payments',
      name: 'invoice_payments_payment_intent',
      on: "json_extract(payment, '$.payment_intent')",
    },
    { table: 'invoice_payments', name: 'invoice_payments_charge', on: "json_extract(payment, '$.charge')" },
  ];

/** The joins whose tables are all there. */
export function joinsOf(model: Model): typeof JOINS {
  return JOINS.filter((join) => join.needs.every((table) => model.tables.has(table)));
}
