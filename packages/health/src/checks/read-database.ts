import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Reads a database that others write. */
export interface DatabaseReader {
  /** Rows of a query, or none when the table or a column is not there: the engines differ. */
  readonly rows: (sql: string) => Record<string, unknown>[];
  readonly hasTable: (name: string) => boolean;
}

/** Why nothing can be read: a state to report, not an error. */
export type Unreadable = 'missing' | 'busy';

/**
 * Opens read only, reads, closes: a database that has been replaced is seen at the next run, and no read
 * transaction is left open. SQLite keeps count of its own descriptors, so closing drops no lock of another
 * connection of this process.
 */
export function readDatabase<T>(file: string, read: (reader: DatabaseReader) => T): T | Unreadable {
  if (!existsSync(file)) return 'missing';
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 0, enableForeignKeyConstraints: false });
    const open = database;
    return read({
      rows: (sql) => open.prepare(sql).all(),
      hasTable: (name) =>
        open.prepare("SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?").get(name) !==
        undefined,
    });
  } catch (error) {
    // SQLITE_BUSY (tdog 0.7 downloads in one transaction that locks the file) or removed between the two calls.
    if (isBusy(error)) return 'busy';
    if (!existsSync(file)) return 'missing';
    throw error;
  } finally {
    database?.close();
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { readonly errcode?: unknown }).errcode;
  // SQLITE_BUSY 5 and SQLITE_LOCKED 6, and their extended codes.
  return typeof code === 'number' && [5, 6].includes(code & 0xff);
}

/** `YYYY-MM-DD HH:MM:SS[.mmm]`, UTC → ms since the epoch. */
export function timestampMs(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const ms = Date.parse(`${text.replace(' ', 'T').replace(/Z$/, '')}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
