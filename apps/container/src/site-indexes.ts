import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

/** An index that the site's saved queries and dashboards read. */
export interface SiteIndex {
  readonly table: string;
  readonly sql: string;
}

/** The indexes of `datasette/indexes.sql`: one `CREATE INDEX IF NOT EXISTS … ON table (…)` a line. */
export function readSiteIndexes(
  file: string = join(import.meta.dirname, '..', 'datasette', 'indexes.sql'),
): readonly SiteIndex[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const table = /^CREATE INDEX IF NOT EXISTS \w+ ON (\w+) \(/.exec(line)?.[1];
      return table === undefined ? [] : [{ table, sql: line }];
    });
}

/**
 * Makes the indexes of these tables, and drops those of an earlier version (all names begin `site_`). Without one everything works, only slower: an index over a column that the
 * table does not have is left out.
 *
 * @param onLeftOut - Called with the index and the reason.
 */
export function createSiteIndexes(
  database: DatabaseSync,
  indexes: readonly SiteIndex[],
  tables: readonly string[],
  onLeftOut: (index: SiteIndex, error: unknown) => void,
): void {
  const wanted = new Set(indexes.map(({ sql }) => sql.replace('IF NOT EXISTS ', '').replace(/;$/, '')));
  const there = database
    .prepare(
      "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'site\\_%' ESCAPE '\\'",
    )
    .all();
  for (const { name, tbl_name: table, sql } of there) {
    if (tables.includes(String(table)) && !wanted.has(String(sql)))
      database.exec(`DROP INDEX "${String(name)}"`);
  }
  for (const index of indexes) {
    if (!tables.includes(index.table)) continue;
    try {
      database.exec(index.sql);
    } catch (error) {
      onLeftOut(index, error);
    }
  }
}
