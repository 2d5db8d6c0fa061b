import type { SearchIndexOptions, SearchIndexReport, SqliteDatabase } from './options.ts';

/**
 * Sees to it that each table has a full-text index that is complete and kept right by triggers.
 *
 * Index tables and triggers exist when the call returns (nothing is awaited before); the promise resolves when all
 * rows that the tables held are indexed, in bounded batches. A table that is finished is searchable at once. Calls are
 * idempotent: a complete index is kept, an interrupted build goes on, an index of other columns is replaced.
 *
 * @throws SearchIndexError
 */
export async function ensureSearchIndex(
  db: SqliteDatabase,
  options: SearchIndexOptions,
): Promise<SearchIndexReport> {
  void db;
  await Promise.resolve();
  return {
    tables: options.tables.map(() => {
      throw new Error('unfinished');
    }),
    elapsedMs: 0,
  };
}
