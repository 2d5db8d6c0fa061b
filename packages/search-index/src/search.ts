import type { SearchGroup, SearchHit, SearchOptions, SqliteDatabase } from './options.ts';
import { everythingSql } from './query.ts';
import { hasState, readState } from './state.ts';

/**
 * One search over all indexed tables: groups of hits, best group first. A text of one or two characters is looked for
 * among words and their beginnings only.
 */
export function search(db: SqliteDatabase, text: string, options: SearchOptions = {}): SearchGroup[] {
  const { limit = 5 } = options;
  if (text.trim() === '' || !hasState(db)) return [];
  const tables = readState(db).filter((t) => t.state === 'ready');
  const sql = everythingSql(tables, { q: '?1', limit: '?2' });
  // SQLite's own functions would take a zero byte for the end.
  const typed = text.replaceAll('\0', ' ');
  const groups = new Map<string, SearchHit[]>();
  for (const hit of db.prepare(sql).all(typed, limit) as SearchHit[]) {
    const hits = groups.get(hit.table);
    if (hits === undefined) groups.set(hit.table, [{ ...hit }]);
    else hits.push({ ...hit });
  }
  return [...groups].map(([table, hits]) => ({
    table,
    hits: hits.slice(0, limit),
    more: hits.length > limit,
  }));
}
