import { ftsName, name, partsText, PARTS_TABLE, ROWID_BITS, STATE_TABLE, text, type Indexed } from './sql.ts';

/** How the two parameters are written. Drivers differ in how named ones are passed, so `search` uses numbers. */
export interface Parameters {
  readonly q: string;
  readonly limit: string;
}
const NAMED: Parameters = { q: ':q', limit: ':limit' };

/**
 * The index of parts is asked once for all tables, which is enough unless the text is so common that this many rows hold
 * it; only then the tables after that, which hold it too, are asked for their own. A long text costs a look-up per letter.
 */
const PROBE = 250;

/** Letters of a search text that count: each costs look-ups in the index. */
const LONGEST = 200;

/**
 * The query over everything. Parameters: `:q`, the text as the user typed it, and `:limit`, rows per table.
 * Columns: `table`, `id`, `label`, `rank`; one row more than `:limit` of a table says that there are more.
 */
export function everythingSql(tables: readonly Indexed[], { q, limit }: Parameters = NAMED): string {
  const head = `WITH RECURSIVE search_q AS MATERIALIZED (
  SELECT q, '"' || replace(quoted, ' ', '" "') || '"' AS words, '"' || replace(quoted, ' ', '"* "') || '"*' AS beginnings,
    '"' || quoted || '"' AS part, length(q) >= 3 AS long
  FROM (SELECT q, replace(q, '"', '""') AS quoted FROM (SELECT trim(substr(replace(replace(replace(${q}, char(9), ' '), char(10), ' '), char(13), ' '), 1, ${String(LONGEST)})) AS q))
), search_probe AS MATERIALIZED (
  SELECT rowid AS r FROM ${PARTS_TABLE} WHERE ${PARTS_TABLE} MATCH (SELECT part FROM search_q) ORDER BY rowid LIMIT ${String(PROBE)}
), search_on (r) AS (
  SELECT max(r) FROM search_probe HAVING count(*) = ${String(PROBE)}
  UNION ALL
  SELECT (SELECT rowid FROM ${PARTS_TABLE} WHERE ${PARTS_TABLE} MATCH (SELECT part FROM search_q)
    AND rowid >= ((search_on.r >> ${String(ROWID_BITS)}) + 1) << ${String(ROWID_BITS)} ORDER BY rowid LIMIT 1) FROM search_on WHERE r IS NOT NULL
), search_more AS MATERIALIZED (
  SELECT r >> ${String(ROWID_BITS)} AS number FROM search_on
)`;
  if (tables.length === 0)
    return `SELECT '' AS "table", '' AS id, '' AS label, 0 AS rank WHERE ${q} AND ${limit} AND 0`;
  return `${head}\n${tables.map((t) => oneTable(t, limit)).join('\nUNION ALL\n')}\nORDER BY 4, 1, 3`;
}

/**
 * Each source stops by itself after a few rows, so that a word that a million rows hold costs no more than a rare one; and
 * where whole words have found enough, the beginnings and parts, which would come after them, are not looked for.
 */
function oneTable(t: Indexed, limit: string): string {
  const table = name(t.table);
  const fts = name(ftsName(t.table));
  const key = t.key === 'rowid' ? 'rowid' : name(t.key);
  const words = `SELECT rowid AS r FROM ${fts} WHERE ${fts} MATCH (SELECT words FROM search_q)`;
  // Asked again: a list that several sources read would cost more, as SQLite makes a table of it and compiles it wherever it is read.
  const few = `(SELECT count(*) FROM (${words} LIMIT ${limit} + 1)) <= ${limit}`;
  const sources = [
    `SELECT rowid AS r, 0 AS rank FROM ${table} WHERE ${key} = (SELECT q FROM search_q)`,
    `SELECT r, 2 FROM (${words} ORDER BY rowid DESC LIMIT ${limit} + 1)`,
    `SELECT * FROM (SELECT rowid, 3 FROM ${fts} WHERE ${fts} MATCH (SELECT iif(${few}, beginnings, '""') FROM search_q) ORDER BY rowid DESC LIMIT ${limit} + 1)`,
  ];
  if (t.key !== 'rowid') {
    sources.push(
      `SELECT * FROM (SELECT rowid, 1 FROM ${table} WHERE (SELECT long FROM search_q) AND ${key} > (SELECT q FROM search_q) AND ${key} < (SELECT q || char(1114111) FROM search_q) ORDER BY ${key} LIMIT ${limit} + 1)`,
    );
  }
  if (t.parts.length > 0) {
    const first = String(t.number * 2 ** ROWID_BITS);
    const last = String((t.number + 1) * 2 ** ROWID_BITS - 1);
    const next = `(SELECT parts_next FROM ${STATE_TABLE} WHERE "table" = ${text(t.table)})`;
    const more = `EXISTS (SELECT 1 FROM search_more WHERE number = ${String(t.number)}) AND ${few}`;
    sources.push(
      `SELECT r - ${first}, 4 FROM search_probe WHERE r BETWEEN ${first} AND ${last}`,
      // In ascending order: FTS5 can jump to the first row of a table's range only that way round.
      `SELECT * FROM (SELECT rowid - ${first}, 4 FROM ${PARTS_TABLE} WHERE ${PARTS_TABLE} MATCH (SELECT iif(${more}, part, '""') FROM search_q) AND rowid BETWEEN ${first} AND ${last} ORDER BY rowid LIMIT ${limit} + 1)`,
      // Rows that are not in the parts index yet: a lot of them at most.
      `SELECT * FROM (SELECT rowid, 4 FROM ${table} WHERE (SELECT long FROM search_q) AND rowid >= ${next} AND instr(lower(${partsText(t, table)}), (SELECT lower(q) FROM search_q)) > 0 ORDER BY rowid DESC LIMIT ${limit} + 1)`,
    );
  }
  const label =
    t.label.length === 0
      ? 'NULL'
      : `coalesce(${[...t.label.map((c) => `nullif(t.${name(c)}, '')`), 'NULL'].join(', ')})`;
  return `SELECT * FROM (SELECT ${text(t.table)} AS "table", CAST(t.${key} AS TEXT) AS id, ${label} AS label,
    CASE WHEN found.rank > 1 AND lower(${label}) = (SELECT lower(q) FROM search_q) THEN 1 ELSE found.rank END AS rank
  FROM (SELECT r, min(rank) AS rank FROM (${sources.join('\n    UNION ALL ')}) GROUP BY r ORDER BY 2, 1 DESC LIMIT ${limit} + 1) AS found
  CROSS JOIN ${table} AS t ON t.rowid = found.r)`;
}
