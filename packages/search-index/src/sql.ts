import type { PartSource } from './options.ts';

/** The trigram index over the parts of all tables. */
export const PARTS_TABLE = 'search_index';
/** One row per indexed table: what is indexed and how far. */
export const STATE_TABLE = 'search_index_tables';
/** The ready-made query over everything, and the last number given to a table. */
export const META_TABLE = 'search_index_meta';

/**
 * A row of a table is found in the parts index under `number << 40 | rowid`; rows with a rowid of 2^40 or more (or a
 * negative one) have no place there and are found by their words only.
 */
export const ROWID_BITS = 40;
const MAX_PART_ROWID = 2 ** ROWID_BITS - 1;

/**
 * New rows enter the parts index in lots of this size: a trigram index costs a writer 70 µs per row if each
 * transaction of 100 rows adds a segment to it, and 17 µs this way. The rows in between are scanned by the query.
 */
export const PARTS_LOT = 256;

/** Quotes a name for SQL. Double quotes, because Datasette looks for `content="table"`. */
export function name(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

/** Quotes a text for SQL. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** One table with all that the SQL about it needs. */
export interface Indexed {
  readonly table: string;
  /** Place in the parts index; a new one is given when the old entries can no longer be trusted. */
  readonly number: number;
  readonly key: string;
  readonly columns: readonly string[];
  readonly parts: readonly PartSource[];
  readonly label: readonly string[];
}

/** Name of a table's full-text table. */
export function ftsName(table: string): string {
  return `${table}_fts`;
}

/** `CREATE VIRTUAL TABLE` of a table's full-text index. */
export function createFts(t: Indexed): string {
  const columns = t.columns.map(name).join(', ');
  return `CREATE VIRTUAL TABLE ${name(ftsName(t.table))} USING fts5(${columns}, content=${name(t.table)}, tokenize='unicode61 remove_diacritics 2')`;
}

/** The tables of this package's own. */
export const CREATE_OWN_TABLES: string = `
CREATE VIRTUAL TABLE IF NOT EXISTS ${PARTS_TABLE} USING fts5(text, content='', columnsize=0, tokenize='trigram');
CREATE TABLE IF NOT EXISTS ${STATE_TABLE} (
  "table" TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL UNIQUE, fts TEXT NOT NULL, key TEXT NOT NULL,
  columns TEXT NOT NULL, parts TEXT NOT NULL, label TEXT NOT NULL, state TEXT NOT NULL,
  words_next INTEGER NOT NULL, words_end INTEGER, parts_next INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS ${META_TABLE} (name TEXT PRIMARY KEY NOT NULL, value NOT NULL);
`;

/** The text of a row that the parts index holds, of the row called `row` (`new`, `old` or a table's name). */
export function partsText(t: Indexed, row: string): string {
  const values = t.parts.map((part) => {
    if (typeof part === 'string') return `coalesce(${row}.${name(part)}, '')`;
    const column = `${row}.${name(part.column)}`;
    // Not json_extract alone: a column that for once holds no JSON would make the writer's statement fail.
    return `CASE WHEN json_valid(${column}) THEN coalesce(json_extract(${column}, ${text(part.path)}), '') ELSE '' END`;
  });
  return values.join(` || char(10) || `);
}

const state = (t: Indexed, column: string): string =>
  `(SELECT ${column} FROM ${STATE_TABLE} WHERE "table" = ${text(t.table)})`;

/** The value that a part's rowid has in the parts index. */
const place = (t: Indexed, rowid: string): string =>
  `(${String(t.number)} << ${String(ROWID_BITS)} | ${rowid})`;

/**
 * The triggers of one table. While it is being built, a row counts only if the builder has passed it: a `delete` for a
 * row that is not in the index would corrupt it.
 */
export function triggers(t: Indexed, phase: 'building' | 'ready'): { name: string; sql: string }[] {
  const table = name(t.table);
  const fts = name(ftsName(t.table));
  const columns = t.columns.map(name).join(', ');
  const values = (row: string): string => t.columns.map((column) => `${row}.${name(column)}`).join(', ');
  const when = (row: string): string =>
    phase === 'building' ? ` WHERE ${row}.rowid < ${state(t, 'words_next')}` : '';
  const add = `INSERT INTO ${fts} (rowid, ${columns}) SELECT new.rowid, ${values('new')}${when('new')};`;
  const remove = `INSERT INTO ${fts} (${fts}, rowid, ${columns}) SELECT 'delete', old.rowid, ${values('old')}${when('old')};`;
  const changed = [
    'old.rowid IS NOT new.rowid',
    ...t.columns.map((c) => `old.${name(c)} IS NOT new.${name(c)}`),
  ];
  const make = (
    suffix: string,
    event: string,
    condition: string,
    body: string,
  ): { name: string; sql: string } => {
    const trigger = `${ftsName(t.table)}_${suffix}`;
    const guard = condition === '' ? '' : ` WHEN ${condition}`;
    return {
      name: trigger,
      sql: `CREATE TRIGGER ${name(trigger)} AFTER ${event} ON ${table}${guard} BEGIN ${body} END`,
    };
  };
  return [
    make('insert', 'INSERT', '', add),
    make('delete', 'DELETE', '', remove),
    // An update that leaves the indexed text alone, which most do, costs nothing but these comparisons.
    make('update', 'UPDATE', changed.join(' OR '), `${remove} ${add}`),
    ...partsTriggers(t, phase, make),
  ];
}

function partsTriggers(
  t: Indexed,
  phase: 'building' | 'ready',
  make: (suffix: string, event: string, condition: string, body: string) => { name: string; sql: string },
): { name: string; sql: string }[] {
  if (t.parts.length === 0) return [];
  const next = state(t, 'parts_next');
  const known = (row: string): string => `${row}.rowid >= 0 AND ${row}.rowid < ${next}`;
  const add = (row: string): string =>
    `INSERT INTO ${PARTS_TABLE} (rowid, text) SELECT ${place(t, `${row}.rowid`)}, ${partsText(t, row)} WHERE ${known(row)};`;
  const remove = `INSERT INTO ${PARTS_TABLE} (${PARTS_TABLE}, rowid, text) SELECT 'delete', ${place(t, 'old.rowid')}, ${partsText(t, 'old')} WHERE ${known('old')};`;
  const columns = [...new Set(t.parts.map((part) => (typeof part === 'string' ? part : part.column)))];
  const changed = [
    'old.rowid IS NOT new.rowid',
    ...columns.map((c) => `old.${name(c)} IS NOT new.${name(c)}`),
  ];
  const lot =
    phase === 'ready'
      ? `OR new.rowid BETWEEN ${next} + ${String(PARTS_LOT)} AND ${String(MAX_PART_ROWID)}`
      : '';
  // Either one row whose rowid is used again, or a lot of new ones, this one being the last.
  const insert = `INSERT INTO ${PARTS_TABLE} (rowid, text) SELECT ${place(t, `${name(t.table)}.rowid`)}, ${partsText(t, name(t.table))}
    FROM ${name(t.table)} WHERE ${name(t.table)}.rowid BETWEEN min(${next}, new.rowid) AND new.rowid;
    UPDATE ${STATE_TABLE} SET parts_next = new.rowid + 1 WHERE "table" = ${text(t.table)} AND parts_next <= new.rowid;`;
  return [
    make('parts_insert', 'INSERT', `${known('new')} ${lot}`, insert),
    make('parts_delete', 'DELETE', known('old'), remove),
    make('parts_update', 'UPDATE', changed.join(' OR '), `${remove} ${add('new')}`),
  ];
}

/** Adds the rows from `words_next` to `words_end` to the words index. */
export function addWords(t: Indexed): string {
  const columns = t.columns.map(name).join(', ');
  return `INSERT INTO ${name(ftsName(t.table))} (rowid, ${columns}) SELECT rowid, ${columns} FROM ${name(t.table)}
    WHERE rowid >= ${state(t, 'words_next')} AND rowid <= ${state(t, 'words_end')} ORDER BY rowid`;
}

/** Adds the rows before `words_next` that the parts index has not yet. */
export function addParts(t: Indexed): string {
  return `INSERT INTO ${PARTS_TABLE} (rowid, text) SELECT ${place(t, 'rowid')}, ${partsText(t, name(t.table))} FROM ${name(t.table)}
    WHERE rowid >= ${state(t, 'parts_next')} AND rowid < ${state(t, 'words_next')} AND rowid <= ${String(MAX_PART_ROWID)} ORDER BY rowid`;
}

/** Where the parts index goes on, when all before `words_next` are in it. */
export function partsPassed(): string {
  return `UPDATE ${STATE_TABLE} SET parts_next = max(parts_next, min(words_next, ${String(MAX_PART_ROWID + 1)})) WHERE "table" = ?`;
}
