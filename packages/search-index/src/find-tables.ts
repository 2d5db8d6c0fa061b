import type { PartSource, SearchTable, SqliteDatabase } from './options.ts';
import { text } from './sql.ts';

/** The columns worth searching, by name, whichever table they are in. */
export interface WantedColumns {
  /** Names of columns whose words are indexed. A text primary key is added by itself. */
  readonly columns: readonly string[];
  /** Columns, or values inside JSON columns, that are found by any part. A text primary key is added by itself. */
  readonly parts?: readonly PartSource[];
  /** Names of columns that name a row, best first. */
  readonly label?: readonly string[];
  /** Tables to leave out. */
  readonly except?: readonly string[];
}

/**
 * The tables of a database that have a text primary key or one of the wanted columns, ready for `ensureSearchIndex`.
 * Full-text tables and what belongs to them, SQLite's own tables and those of this package are left out.
 */
export function findTables(db: SqliteDatabase, wanted: WantedColumns): SearchTable[] {
  const tables = db
    .prepare(
      `SELECT t.name FROM pragma_table_list AS t JOIN sqlite_master AS m ON m.name = t.name AND m.type = 'table'
        WHERE t.schema = 'main' AND t.type = 'table' AND NOT t.wr
          AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE 'search\\_index\\_%' ESCAPE '\\' ORDER BY m.rowid`,
    )
    .all() as { name: string }[];
  const except = new Set(wanted.except);
  return tables
    .filter(({ name }) => !except.has(name))
    .flatMap(({ name }) => describeTable(db, name, wanted));
}

function describeTable(db: SqliteDatabase, table: string, wanted: WantedColumns): SearchTable[] {
  const columns = db
    .prepare(`SELECT name, upper(type) AS type, pk FROM pragma_table_info(${text(table)})`)
    .all() as {
    name: string;
    type: string;
    pk: number;
  }[];
  const names = new Set(columns.map((column) => column.name));
  const keys = columns.filter((column) => column.pk > 0);
  const key =
    keys.length === 1 ? keys.filter((column) => /CHAR|CLOB|TEXT/.test(column.type)).map((c) => c.name) : [];
  const searched = [...new Set([...key, ...wanted.columns.filter((column) => names.has(column))])];
  if (searched.length === 0) return [];
  const parts = (wanted.parts ?? []).filter((part) =>
    names.has(typeof part === 'string' ? part : part.column),
  );
  return [
    {
      table,
      columns: searched,
      parts: [...key, ...parts.filter((part) => typeof part !== 'string' || !key.includes(part))],
      ...(wanted.label === undefined ? {} : { label: wanted.label.filter((column) => names.has(column)) }),
    },
  ];
}
