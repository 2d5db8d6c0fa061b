import type { DatabaseSync } from 'node:sqlite';

import { JOINS } from '../model/legacy.ts';
import type { Model, TableModel } from '../model/table-model.ts';
import { ensureViews } from './views.ts';

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

/**
 * Makes what is missing; safe to run at each start. Returns the tables that were made now. All or nothing: half of the
 * engine's tables would be a database of something else, and new tables without the note that their rest is to be read
 * would stay empty.
 */
export function ensureSchema(db: DatabaseSync, model: Model): readonly string[] {
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec(ENGINE_TABLES);
    const made: string[] = [];
    for (const table of model.tables.values()) if (ensureTable(db, table)) made.push(table.name);
    if (made.length > 0) db.exec("DELETE FROM td_state WHERE key = 'rest'");
    listAgain(db, model, new Set(made));
    ensureViews(db);
    db.exec('COMMIT');
    return made;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Tables whose rows come with those of others: lists that were walked before must be walked again. */
function listAgain(db: DatabaseSync, model: Model, made: ReadonlySet<string>): void {
  const again = db.prepare(`UPDATE td_progress SET state = 'waiting', cursor = NULL WHERE "table" = ?`);
  for (const { name, lists } of model.tables.values())
    if (lists.some((list) => list.childTables.some((child) => made.has(child)))) again.run(name);
  for (const child of made) {
    const spec = model.tables.get(child)?.spec;
    if (spec?.kind === 'embedded')
      for (const name of spec.embeddedInEventsOf?.split('|') ?? []) again.run(name);
  }
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
  const added = table.columns.filter((column) => !existing.has(column.name));
  if (added.length > 0) addColumns(db, table, added);
  return false;
}

/**
 * Columns that a newer catalogue knows. What an earlier one did not know was kept in `extra`: it becomes the columns,
 * without a download. In the caller's transaction, as a column that exists is not filled again.
 */
function addColumns(db: DatabaseSync, table: TableModel, added: TableModel['columns']): void {
  for (const column of added) {
    db.exec(`ALTER TABLE ${q(table.name)} ADD COLUMN ${columnSql(column)}`);
    if (column.references !== undefined) createIndex(db, table.name, column.name);
  }
  fillFromExtra(db, table, added);
  db.exec('UPDATE td_metadata SET data_version = data_version + 1');
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

/** Rows that are held in memory at once. */
const FILL_ROWS = 1_000;

function fillFromExtra(db: DatabaseSync, table: TableModel, added: TableModel['columns']): void {
  const select = db.prepare(
    `SELECT rowid AS n, extra FROM ${q(table.name)} WHERE rowid > ? AND extra IS NOT NULL ORDER BY rowid LIMIT ${FILL_ROWS}`,
  );
  const sets = [...added.map((column) => column.name), 'extra'].map((name) => `${q(name)} = ?`).join(', ');
  const update = db.prepare(`UPDATE ${q(table.name)} SET ${sets} WHERE rowid = ?`);
  for (let after = 0; ;) {
    const rows = select.all(after);
    for (const row of rows) {
      after = Number(row['n']);
      const extra = JSON.parse(String(row['extra'])) as Record<string, unknown>;
      const values = added.map((column) => column.read(extra, undefined) ?? column.initial ?? null);
      const rest = table.extra(extra);
      if (rest !== row['extra']) update.run(...values, rest, after);
    }
    if (rows.length < FILL_ROWS) return;
  }
}

/** Indexes that writing itself needs: the children of one parent. */
export function createParentIndex(db: DatabaseSync, table: TableModel): void {
  if (table.parentColumn !== undefined) createIndex(db, table.name, table.parentColumn);
}

/** All indexes of a table: every reference and `created`. Made when the table is finished, as one sort is faster than many inserts. */
export function createIndexes(db: DatabaseSync, table: TableModel): void {
  for (const create of indexesOf(db, table)) create();
}

/** The same in pieces, so that others have their turn between. */
export function* indexesOf(db: DatabaseSync, table: TableModel): Generator<() => void> {
  yield () => createParentIndex(db, table);
  for (const column of table.columns)
    if (column.references !== undefined || column.name === 'created' || column.name === 'date_ts')
      yield () => createIndex(db, table.name, column.name);
  for (const index of EXPRESSION_INDEXES)
    if (index.table === table.name)
      yield () => db.exec(`CREATE INDEX IF NOT EXISTS ${q(index.name)} ON ${q(index.table)} (${index.on})`);
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
