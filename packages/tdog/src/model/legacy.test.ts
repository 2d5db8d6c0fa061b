import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';

import { tableNames } from '../catalog.ts';
import { createIndexes, ensureSchema } from '../sqlite/schema.ts';
import { JOINS } from './legacy.ts';
import { createModel } from './table-model.ts';

const db = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false });
const model = createModel(tableNames('core'), 'acct_1');
ensureSchema(db, model);
for (const table of model.tables.values()) createIndexes(db, table);

test.each(
  JOINS.flatMap((join) =>
    [`id IN (${join.ids})`, 'id = ?1', `${join.table}.rowid BETWEEN ?1 AND ?2`].map((where) => ({
      join: `${join.on} to ${join.table}, ${where.slice(0, 20)}`,
      sql: join.sql.replace('{where}', where),
    })),
  ),
)('what comes from other rows is looked up, never scanned for: $join', ({ sql }) => {
  const plan = db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row['detail']));
  // What is scanned is the few rows of a subquery.
  expect(plan.filter((step) => /^SCAN (?!\()/.test(step))).toEqual([]);
});
