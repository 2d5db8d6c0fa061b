import type { PartSource, SearchTable, SqliteDatabase } from './options.ts';

/** The columns worth searching, by name, whichever table they are in. */
export interface WantedColumns {
  /** Names of columns whose words are indexed. The text primary key is added by itself. */
  readonly columns: readonly string[];
  /** Columns, or values inside JSON columns, that are found by any part. The text primary key is added by itself. */
  readonly parts?: readonly PartSource[];
  /** Names of columns that name a row, best first. */
  readonly label?: readonly string[];
  /** Tables to leave out. */
  readonly except?: readonly string[];
}

/** The tables of a database that have one of the wanted columns, ready for `ensureSearchIndex`. */
export function findTables(db: SqliteDatabase, wanted: WantedColumns): SearchTable[] {
  void db;
  void wanted;
  return [];
}
