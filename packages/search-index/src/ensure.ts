import { declareTable, dropTable, finishTable } from './declare.ts';
import { SearchIndexError } from './errors.ts';
import type { SearchIndexOptions, SearchIndexReport, SqliteDatabase } from './options.ts';
import { addParts, addWords, CREATE_OWN_TABLES, name, PARTS_TABLE, partsPassed, STATE_TABLE } from './sql.ts';
import { hasState, readState, schemaSql, writeQuery, type Known } from './state.ts';
import { inTransaction, transaction } from './transaction.ts';

/**
 * Sees to it that each table has a full-text index that is complete and kept right by triggers.
 *
 * Index tables and triggers exist when the call returns (nothing is awaited before); the promise resolves when all
 * rows that the tables held are indexed, in bounded batches. A table that is finished is searchable at once. Calls are
 * idempotent: a complete index is kept, an interrupted build goes on, an index that does not fit is replaced.
 *
 * @throws SearchIndexError
 */
export async function ensureSearchIndex(
  db: SqliteDatabase,
  options: SearchIndexOptions,
): Promise<SearchIndexReport> {
  const started = performance.now();
  const { batchMs, pauseMs } = resolve(options);
  const actions = transaction(db, () => declareAll(db, options));
  const wanted = new Set(options.tables.map((t) => t.table));
  for (const table of known(db)) {
    if (!wanted.has(table.table)) continue;
    await build(db, table, { ...options, batchMs, pauseMs });
  }
  const after = new Map(known(db).map((t) => [t.table, t]));
  return {
    tables: options.tables.map(({ table }) => ({
      table,
      fts: `${table}_fts`,
      rows: after.get(table)?.rows ?? 0,
      action: actions.get(table) ?? 'kept',
    })),
    elapsedMs: performance.now() - started,
  };
}

function resolve(options: SearchIndexOptions): { batchMs: number; pauseMs: number } {
  const { batchMs = 10, pauseMs = 10 } = options;
  const faults: string[] = [];
  if (!(batchMs > 0)) faults.push(`batchMs must be above 0, got ${String(batchMs)}`);
  if (!(pauseMs >= 0)) faults.push(`pauseMs must be 0 or more, got ${String(pauseMs)}`);
  const names = options.tables.map((t) => t.table);
  if (new Set(names).size !== names.length) faults.push('a table is named twice in `tables`');
  if (faults.length > 0) throw new SearchIndexError('SEARCH_INDEX_OPTIONS', faults.join('; '));
  return { batchMs, pauseMs };
}

function declareAll(
  db: SqliteDatabase,
  options: SearchIndexOptions,
): Map<string, 'kept' | 'built' | 'rebuilt'> {
  if (!hasState(db)) {
    try {
      db.exec(CREATE_OWN_TABLES);
    } catch (error) {
      if (!/no such module|no such tokenizer|error in tokenizer/i.test(String(error))) throw error;
      throw new SearchIndexError(
        'SEARCH_INDEX_FTS5_MISSING',
        'This SQLite has no FTS5 with trigrams (3.34 or newer)',
        {
          cause: error,
        },
      );
    }
    // Segments are bigger here than FTS5 expects (a lot of rows each), so merging less often pays.
    db.exec(
      `INSERT INTO ${PARTS_TABLE} (${PARTS_TABLE}, rank) VALUES ('automerge', 16), ('hashsize', 16000000)`,
    );
  }
  const gone = readState(db).filter((t) => schemaSql(db, t.table) === undefined);
  for (const { table } of gone) dropTable(db, table);
  const actions = new Map<string, 'kept' | 'built' | 'rebuilt'>();
  for (const table of options.tables) {
    const action = declareTable(db, table);
    if (action === 'rebuilt')
      options.logger?.warn({ table: table.table }, 'search index: does not fit its table, built anew');
    actions.set(table.table, action);
  }
  // Always: an older version of this package may have written another query.
  writeQuery(db);
  return actions;
}

interface BuildOptions extends SearchIndexOptions {
  readonly batchMs: number;
  readonly pauseMs: number;
}

async function build(db: SqliteDatabase, table: Known, options: BuildOptions): Promise<void> {
  let { state, rows, total } = table;
  let size = 200;
  let waitMs = options.pauseMs;
  while (state !== 'ready') {
    options.signal?.throwIfAborted();
    if (inTransaction(db)) {
      await pause(options.pauseMs, options.signal);
      continue;
    }
    // The owner of the connection may have rolled back the transaction in which the index was declared.
    if (!known(db).some((t) => t.table === table.table)) return;
    const begun = performance.now();
    try {
      const added = transaction(db, () => batch(db, table, size));
      rows += added;
      total = Math.max(total, rows);
      if (added < size) state = 'ready';
      waitMs = options.pauseMs;
    } catch (error) {
      if (!isBusy(error)) throw error;
      options.logger?.info({ table: table.table }, 'search index: the database is locked, waiting');
      waitMs = Math.min(Math.max(10, waitMs * 2), 1000);
    }
    const tookMs = performance.now() - begun;
    size = Math.round(Math.min(size * 2, Math.max(20, (size * options.batchMs) / Math.max(tookMs, 0.1))));
    options.onProgress?.({ table: table.table, rows, total, done: state === 'ready' });
    await pause(waitMs, options.signal);
  }
  if (table.state === 'building')
    options.logger?.info({ table: table.table, rows }, 'search index: table is searchable');
}

/** Indexes the next rows; fewer than `size` means that these were the last, and the table is finished with them. */
function batch(db: SqliteDatabase, table: Known, size: number): number {
  db.prepare(
    `UPDATE ${STATE_TABLE} SET words_end = (SELECT max(rowid) FROM (SELECT rowid FROM ${name(table.table)}
      WHERE rowid >= (SELECT words_next FROM ${STATE_TABLE} WHERE "table" = ?) ORDER BY rowid LIMIT ?)) WHERE "table" = ?`,
  ).run(table.table, size, table.table);
  db.exec(addWords(table));
  const { added } = db.prepare('SELECT changes() AS added').get() as { added: number };
  db.prepare(
    `UPDATE ${STATE_TABLE} SET words_next = coalesce(words_end + 1, words_next), rows = rows + ? WHERE "table" = ?`,
  ).run(added, table.table);
  if (table.parts.length > 0) {
    db.exec(addParts(table));
    db.prepare(partsPassed()).run(table.table);
  }
  if (added < size) finishTable(db, table);
  return added;
}

function known(db: SqliteDatabase): Known[] {
  return hasState(db) ? readState(db) : [];
}

function isBusy(error: unknown): boolean {
  return /database is locked|database table is locked|SQLITE_BUSY/i.test(String(error));
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
