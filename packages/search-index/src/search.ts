import type { SearchGroup, SearchOptions, SqliteDatabase } from './options.ts';

/** One search over all indexed tables: groups of hits, best group first. */
export function search(db: SqliteDatabase, text: string, options: SearchOptions = {}): SearchGroup[] {
  void db;
  void text;
  void options;
  return [];
}
