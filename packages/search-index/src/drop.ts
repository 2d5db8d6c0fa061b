import { dropTable } from './declare.ts';
import type { SqliteDatabase } from './options.ts';
import { META_TABLE, PARTS_TABLE, STATE_TABLE } from './sql.ts';
import { hasState, readState } from './state.ts';
import { transaction } from './transaction.ts';

/** Removes all indexes, triggers and tables of this package, and nothing else. The next `ensureSearchIndex` starts afresh. */
export function dropSearchIndex(db: SqliteDatabase): void {
  if (!hasState(db)) return;
  transaction(db, () => {
    for (const { table } of readState(db)) dropTable(db, table);
    db.exec(`DROP TABLE ${PARTS_TABLE}; DROP TABLE ${STATE_TABLE}; DROP TABLE ${META_TABLE};`);
  });
}
