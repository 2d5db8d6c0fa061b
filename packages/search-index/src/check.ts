import type { SqliteDatabase } from './options.ts';
import { ftsName, name, partsText, PARTS_TABLE, ROWID_BITS, STATE_TABLE } from './sql.ts';
import { hasState, readState, type Known } from './state.ts';

/** An index that does not fit its table. */
export interface SearchIndexProblem {
  readonly table: string;
  readonly message: string;
}

/**
 * Compares each finished index with its table, row by row. The words by FTS5's own integrity check in the form that
 * compares with the table (the plain form does not notice a wrong index); the parts by building them once more in a
 * temporary table. Reads everything and writes nothing but that: minutes on a big database.
 *
 * A table with a problem is mended by `dropSearchIndex` and `ensureSearchIndex`.
 */
export function checkSearchIndex(db: SqliteDatabase): SearchIndexProblem[] {
  if (!hasState(db)) return [];
  const tables = readState(db).filter((t) => t.state === 'ready');
  const problems: SearchIndexProblem[] = [];
  for (const t of tables) {
    const fts = name(ftsName(t.table));
    try {
      db.exec(`INSERT INTO ${fts} (${fts}, rank) VALUES ('integrity-check', 1)`);
    } catch (error) {
      problems.push({
        table: t.table,
        message: `words: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
    if (t.parts.length > 0 && !partsFit(db, t))
      problems.push({ table: t.table, message: 'parts: differ from the table' });
  }
  return problems;
}

/** Every term of every row of one table's parts, in the index as it is and as it should be. */
function partsFit(db: SqliteDatabase, t: Known): boolean {
  const first = String(t.number * 2 ** ROWID_BITS);
  const last = String((t.number + 1) * 2 ** ROWID_BITS - 1);
  try {
    db.exec(`CREATE VIRTUAL TABLE temp.search_index_is USING fts5vocab('main', '${PARTS_TABLE}', 'instance');
      CREATE VIRTUAL TABLE temp.search_index_fresh USING fts5(text, content='', columnsize=0, tokenize='trigram');
      CREATE VIRTUAL TABLE temp.search_index_ought USING fts5vocab('temp', 'search_index_fresh', 'instance');
      INSERT INTO temp.search_index_fresh (rowid, text) SELECT ${first} + rowid, ${partsText(t, name(t.table))} FROM ${name(t.table)}
        WHERE rowid >= 0 AND rowid < (SELECT parts_next FROM ${STATE_TABLE} WHERE number = ${String(t.number)}) ORDER BY rowid;`);
    const is = `SELECT term, doc, "offset" FROM temp.search_index_is WHERE doc BETWEEN ${first} AND ${last}`;
    const ought = `SELECT term, doc, "offset" FROM temp.search_index_ought`;
    const differ = (a: string, b: string): boolean =>
      db.prepare(`${a} EXCEPT ${b} LIMIT 1`).get() !== undefined;
    return !differ(is, ought) && !differ(ought, is);
  } finally {
    db.exec(`DROP TABLE IF EXISTS temp.search_index_is; DROP TABLE IF EXISTS temp.search_index_ought;
      DROP TABLE IF EXISTS temp.search_index_fresh;`);
  }
}
