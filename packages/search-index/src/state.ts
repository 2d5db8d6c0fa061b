import { SearchIndexError } from './errors.ts';
import type { PartSource, SearchTable, SqliteDatabase } from './options.ts';
import { META_TABLE, name, STATE_TABLE, text, type Indexed } from './sql.ts';
import { everythingSql } from './query.ts';

/** A table as the state table knows it. */
export interface Known extends Indexed {
  readonly state: 'building' | 'ready';
  readonly rows: number;
  readonly total: number;
}

interface StateRow {
  table: string;
  number: number;
  key: string;
  columns: string;
  parts: string;
  label: string;
  state: 'building' | 'ready';
  rows: number;
  total: number;
}

/** Whether this package has been here before. */
export function hasState(db: SqliteDatabase): boolean {
  return (
    db.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`).get(STATE_TABLE) !== undefined
  );
}

/** All tables that have an index, finished or not. */
export function readState(db: SqliteDatabase): Known[] {
  const rows = db
    .prepare(
      `SELECT "table", number, key, columns, parts, label, state, rows, total FROM ${STATE_TABLE} ORDER BY rowid`,
    )
    .all() as StateRow[];
  return rows.map((row) => ({
    ...row,
    columns: JSON.parse(row.columns) as string[],
    parts: JSON.parse(row.parts) as PartSource[],
    label: JSON.parse(row.label) as string[],
  }));
}

/** Writes the query over everything anew: the tables that are finished are in it. */
export function writeQuery(db: SqliteDatabase): void {
  const ready = readState(db).filter((t) => t.state === 'ready');
  db.prepare(
    `INSERT INTO ${META_TABLE} (name, value) VALUES ('everything', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value`,
  ).run(everythingSql(ready));
}

/**
 * Looks a table up in the schema and completes what the caller left open.
 *
 * @throws SearchIndexError
 */
export function describe(db: SqliteDatabase, wanted: SearchTable): Omit<Indexed, 'number'> {
  const { table } = wanted;
  const found = db
    .prepare(`SELECT type, sql FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')`)
    .get(table) as { type: string; sql: string } | undefined;
  if (found === undefined)
    throw new SearchIndexError('SEARCH_INDEX_TABLE_MISSING', `There is no table ${table} to index`);
  if (found.type === 'view' || /^CREATE VIRTUAL/i.test(found.sql) || withoutRowid(db, table)) {
    throw new SearchIndexError(
      'SEARCH_INDEX_TABLE_KIND',
      `${table} has no rowids (a view, a virtual table or WITHOUT ROWID) and can't be indexed`,
    );
  }
  const columns = db
    .prepare(`SELECT name, upper(type) AS type, pk FROM pragma_table_info(${text(table)})`)
    .all() as {
    name: string;
    type: string;
    pk: number;
  }[];
  const names = new Set(columns.map((column) => column.name));
  const keys = columns.filter((column) => column.pk > 0);
  const key = keys.length === 1 && keys[0] !== undefined ? keys[0] : { name: 'rowid', type: 'INTEGER' };
  const parts = wanted.parts ?? (/CHAR|CLOB|TEXT/.test(key.type) ? [key.name] : []);
  const label =
    wanted.label ??
    ['name', 'email', 'description', 'number'].filter((column) => names.has(column)).slice(0, 1);
  const used = [
    ...wanted.columns,
    ...label,
    ...parts.map((part) => (typeof part === 'string' ? part : part.column)),
  ];
  const missing = used.filter((column) => !names.has(column));
  if (missing.length > 0)
    throw new SearchIndexError('SEARCH_INDEX_COLUMN_MISSING', `${table} has no column ${missing.join(', ')}`);
  if (wanted.columns.length === 0)
    throw new SearchIndexError('SEARCH_INDEX_OPTIONS', `Name at least one column of ${table} to index`);
  const reserved = wanted.columns.filter((column) => /^(rank|rowid)$/i.test(column));
  if (reserved.length > 0) {
    throw new SearchIndexError(
      'SEARCH_INDEX_OPTIONS',
      `FTS5 can't index a column called ${reserved.join(', ')} (${table})`,
    );
  }
  return { table, key: key.name, columns: [...wanted.columns], parts: [...parts], label: [...label] };
}

function withoutRowid(db: SqliteDatabase, table: string): boolean {
  try {
    db.prepare(`SELECT rowid FROM ${name(table)} LIMIT 0`).all();
    return false;
  } catch {
    return true;
  }
}

/** A number that no table has had before. */
export function nextNumber(db: SqliteDatabase): number {
  const row = db
    .prepare(
      `INSERT INTO ${META_TABLE} (name, value) VALUES ('last_number', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`,
    )
    .get() as { value: number };
  return row.value;
}

/** The SQL that something in the schema was made by. */
export function schemaSql(db: SqliteDatabase, object: string): string | undefined {
  const row = db.prepare('SELECT sql FROM sqlite_master WHERE name = ?').get(object) as
    { sql: string } | undefined;
  return row?.sql;
}
