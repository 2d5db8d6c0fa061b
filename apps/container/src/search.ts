import type { DatabaseSync } from 'node:sqlite';
import { ensureSearchIndex, findTables, type WantedColumns } from '@datasette-stripe/search-index';
import type { Logger } from 'pino';
import { messageOf } from './errors.ts';

/** What people search a Stripe account for, whichever table it is in: names of columns, and places inside JSON columns. */
const wanted: WantedColumns = {
  columns: [
    'name',
    'email',
    'description',
    'number',
    'metadata',
    'phone',
    'last4',
    'code',
    'business_name',
    'individual_name',
    'account_name',
    'account_holder_name',
    'customer_name',
    'customer_email',
    'customer_phone',
    'receipt_email',
    'receipt_number',
    'billing_details',
    'payment_method_details',
    'statement_descriptor',
    'nickname',
    'lookup_key',
    'display_name',
    'title',
    'memo',
    'filename',
    'url',
    'value',
    'address',
    'shipping',
  ],
  parts: [
    'name',
    'email',
    'number',
    'last4',
    'phone',
    'code',
    'description',
    'customer_name',
    'customer_email',
    'receipt_email',
    'receipt_number',
    { column: 'billing_details', path: '$.email' },
    { column: 'billing_details', path: '$.name' },
    { column: 'payment_method_details', path: '$.card.last4' },
    { column: 'card', path: '$.last4' },
  ],
  label: [
    'name',
    'number',
    'description',
    'display_name',
    'email',
    'customer_name',
    'customer_email',
    'code',
    'nickname',
    'last4',
  ],
  // Every event holds a copy of its object: a search would find each change of a row beside the row.
  except: ['events'],
};

/** What {@link createSearch} needs. */
export interface SearchOptions {
  readonly logger: Logger;
  /** Stops the building; a later start goes on from there. */
  readonly signal: AbortSignal;
  /** Called with true when building begins, with false when nothing is left to build. */
  readonly onBusy: (busy: boolean) => void;
}

/** Keeps the mirror's tables searchable, on the connection that writes them. */
export interface Search {
  /** Indexes these tables, one after the other, between the connection's other work. Returns at once. */
  index(database: DatabaseSync, tables: readonly string[]): void;
  /** Resolves when nothing is being indexed. */
  settled(): Promise<void>;
}

/** Sees to the full-text index of the tables that hold something to search for. */
export function createSearch({ logger, signal, onBusy }: SearchOptions): Search {
  let work: Promise<void> = Promise.resolve();
  let waiting = 0;
  const build = async (database: DatabaseSync, names: ReadonlySet<string>): Promise<void> => {
    if (signal.aborted) return;
    try {
      const tables = findTables(database, wanted).filter(({ table }) => names.has(table));
      // No other writer waits for the pauses between batches, only the engine's own work on this thread; each batch's end
      // costs about a millisecond.
      if (tables.length > 0)
        await ensureSearchIndex(database, { tables, logger, signal, batchMs: 30, pauseMs: 1 });
    } catch (error) {
      // The stop closes the database under the builder, which goes on from there at the next start.
      if (!signal.aborted) logger.error({ err: error }, `search index: ${messageOf(error)}`);
    }
  };
  return {
    index(database, tables) {
      const names = new Set(tables);
      if (names.size === 0) return;
      if (waiting++ === 0) onBusy(true);
      work = work
        .then(() => build(database, names))
        .finally(() => {
          if (--waiting === 0) onBusy(false);
        });
    },
    settled: () => work,
  };
}

/** Tables whose download is finished. */
export function finishedTables(database: DatabaseSync): string[] {
  const rows = database.prepare('SELECT "table" AS name FROM td_progress WHERE state = \'done\'').all();
  return rows.map(({ name }) => String(name));
}
