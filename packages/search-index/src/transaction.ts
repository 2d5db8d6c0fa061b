import type { SqliteDatabase } from './options.ts';

/** Whether the connection is inside a transaction of its owner's. */
export function inTransaction(db: SqliteDatabase): boolean {
  return db.isTransaction === true || db.inTransaction === true;
}

/** Runs `work` in a transaction of its own, or as a part of the one that is open. */
export function transaction<T>(db: SqliteDatabase, work: () => T): T {
  const nested = inTransaction(db);
  // IMMEDIATE: a transaction that begins by reading could fail at its first write when another process has written since.
  db.exec(nested ? 'SAVEPOINT search_index' : 'BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec(nested ? 'RELEASE search_index' : 'COMMIT');
    return result;
  } catch (error) {
    // SQLite has rolled back already after some errors (a full disk): then there is nothing left to roll back.
    if (inTransaction(db)) db.exec(nested ? 'ROLLBACK TO search_index; RELEASE search_index' : 'ROLLBACK');
    throw error;
  }
}
