import { SearchIndexError } from './errors.ts';
import type { SearchTable, SqliteDatabase } from './options.ts';
import { createFts, ftsName, name, STATE_TABLE, triggers, type Indexed } from './sql.ts';
import { describe, nextNumber, readState, schemaSql, writeQuery, type Known } from './state.ts';

/** Makes one table's index tables and triggers, unless those that are there fit. */
export function declareTable(db: SqliteDatabase, wanted: SearchTable): 'kept' | 'built' | 'rebuilt' {
  const described = describe(db, wanted);
  const known = readState(db).find((t) => t.table === wanted.table);
  if (known !== undefined && fits(db, known, described)) {
    if (JSON.stringify(known.label) !== JSON.stringify(described.label)) {
      db.prepare(`UPDATE ${STATE_TABLE} SET label = ? WHERE "table" = ?`).run(
        JSON.stringify(described.label),
        known.table,
      );
      writeQuery(db);
    }
    return known.state === 'ready' ? 'kept' : 'built';
  }
  const number = nextNumber(db);
  const table: Indexed = { ...described, number };
  const fts = ftsName(table.table);
  const there = schemaSql(db, fts);
  if (there !== undefined && known === undefined && there !== createFts(table)) {
    throw new SearchIndexError(
      'SEARCH_INDEX_NAME_TAKEN',
      `${fts} exists and was not made by this package: drop or rename it`,
    );
  }
  dropTable(db, table.table);
  db.exec(createFts(table));
  // Merging half as often as FTS5 does by itself costs writers a tenth less, and readers nothing that shows.
  db.exec(`INSERT INTO ${name(fts)} (${name(fts)}, rank) VALUES ('automerge', 8)`);
  const insert = db.prepare(
    `INSERT INTO ${STATE_TABLE} ("table", number, fts, key, columns, parts, label, state, words_next, total)
     VALUES (?, ?, ?, ?, ?, ?, ?, 'building', -9223372036854775808,
       coalesce((SELECT max(rowid) - min(rowid) + 1 FROM ${name(table.table)}), 0))`,
  );
  const lists = [table.columns, table.parts, table.label].map((list) => JSON.stringify(list));
  insert.run(table.table, number, fts, table.key, ...lists);
  for (const trigger of triggers(table, 'building')) db.exec(trigger.sql);
  if (db.prepare(`SELECT 1 FROM ${name(table.table)} LIMIT 1`).get() === undefined) finishTable(db, table);
  return known === undefined ? 'built' : 'rebuilt';
}

/** All rows are in: from now on the triggers need not look how far the builder is. */
export function finishTable(db: SqliteDatabase, table: Indexed): void {
  dropTriggers(db, table.table);
  for (const trigger of triggers(table, 'ready')) db.exec(trigger.sql);
  db.prepare(`UPDATE ${STATE_TABLE} SET state = 'ready', total = rows WHERE "table" = ?`).run(table.table);
  writeQuery(db);
}

/** Forgets a table's index. Its entries in the parts index stay there unseen: a number is never given twice. */
export function dropTable(db: SqliteDatabase, table: string): void {
  dropTriggers(db, table);
  db.exec(`DROP TABLE IF EXISTS ${name(ftsName(table))}`);
  db.prepare(`DELETE FROM ${STATE_TABLE} WHERE "table" = ?`).run(table);
}

function dropTriggers(db: SqliteDatabase, table: string): void {
  for (const suffix of ['insert', 'delete', 'update', 'parts_insert', 'parts_delete', 'parts_update']) {
    db.exec(`DROP TRIGGER IF EXISTS ${name(`${ftsName(table)}_${suffix}`)}`);
  }
}

/**
 * Whether an index is the wanted one and can be trusted: a table that was dropped and made again has lost its triggers,
 * and one that went through a dump may have other rowids.
 */
function fits(db: SqliteDatabase, known: Known, wanted: Omit<Indexed, 'number'>): boolean {
  const same = (['key', 'columns', 'parts'] as const).every(
    (field) => JSON.stringify(known[field]) === JSON.stringify(wanted[field]),
  );
  if (!same || schemaSql(db, ftsName(known.table)) !== createFts(known)) return false;
  if (!triggers(known, known.state).every((trigger) => schemaSql(db, trigger.name) === trigger.sql))
    return false;
  if (known.state === 'building') return true;
  const docsize = name(`${ftsName(known.table)}_docsize`);
  const table = name(known.table);
  const row = db
    .prepare(
      `SELECT (SELECT max(id) FROM ${docsize}) IS (SELECT max(rowid) FROM ${table})
        AND (SELECT min(id) FROM ${docsize}) IS (SELECT min(rowid) FROM ${table}) AS same`,
    )
    .get() as { same: number };
  return row.same === 1;
}
