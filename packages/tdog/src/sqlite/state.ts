import type { DatabaseSync } from 'node:sqlite';

import { timestampMs } from '../model/values.ts';
import type { TableProgress, TableState } from '../options.ts';

/** The engine's own memory in the file: keys and progress. Call inside the transaction that it describes. */
export interface State {
  get(key: string): string | undefined;
  set(key: string, value: string | undefined): void;
  progress(table: string): ProgressRow | undefined;
  allProgress(): readonly ProgressRow[];
  /** Makes the row if it is missing, and changes what is named. */
  setProgress(table: string, change: Partial<Omit<ProgressRow, 'table'>>): void;
  addReads(day: string, purpose: string, reads: number): void;
  /** Reads of the days since `day` (inclusive), of one purpose or all. */
  reads(day: string, purpose?: string): number;
  todo(): Todo;
}

/** A row of td_progress. */
export interface ProgressRow {
  readonly table: string;
  readonly state: TableState;
  readonly rows: number;
  readonly pages: number;
  readonly share: number | null;
  readonly requests: number;
  readonly cursor: string | null;
  readonly error: string | null;
  readonly started_ts: string | null;
  readonly finished_ts: string | null;
}

/** Work that is left to do, one line per list of a parent or object by id. */
export interface Todo {
  add(list: string, id: string): void;
  next(limit: number, after?: TodoItem): readonly TodoItem[];
  setCursor(item: TodoItem, cursor: string | null): void;
  done(item: TodoItem): void;
  count(): number;
}

/** One line of td_todo. */
export interface TodoItem {
  readonly list: string;
  readonly id: string;
  readonly cursor: string | null;
}

/** Binds to the engine's tables. */
export function createState(db: DatabaseSync, now: () => number): State {
  const get = db.prepare('SELECT value FROM td_state WHERE key = ?');
  const set = db.prepare(
    'INSERT INTO td_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );
  const unset = db.prepare('DELETE FROM td_state WHERE key = ?');
  const progress = db.prepare('SELECT * FROM td_progress WHERE "table" = ?');
  const all = db.prepare('SELECT * FROM td_progress ORDER BY rowid');
  const put = db.prepare(`INSERT INTO td_progress
    ("table", state, rows, pages, share, requests, cursor, error, started_ts, updated_ts, finished_ts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ("table") DO UPDATE SET state = excluded.state, rows = excluded.rows,
    pages = excluded.pages, share = excluded.share, requests = excluded.requests, cursor = excluded.cursor,
    error = excluded.error, started_ts = excluded.started_ts, updated_ts = excluded.updated_ts, finished_ts = excluded.finished_ts`);
  const addReads = db.prepare(
    'INSERT INTO td_requests (day, purpose, reads) VALUES (?, ?, ?) ON CONFLICT (day, purpose) DO UPDATE SET reads = reads + excluded.reads',
  );
  const readsAll = db.prepare('SELECT sum(reads) AS n FROM td_requests WHERE day >= ?');
  const readsOf = db.prepare('SELECT sum(reads) AS n FROM td_requests WHERE day >= ? AND purpose = ?');
  const row = (table: string): ProgressRow | undefined => progress.get(table) as ProgressRow | undefined;
  const todo = createTodo(db);
  return {
    get: (key) => {
      const value = get.get(key)?.['value'];
      return typeof value === 'string' ? value : undefined;
    },
    set: (key, value) => {
      if (value === undefined) unset.run(key);
      else set.run(key, value);
    },
    progress: row,
    allProgress: () => all.all() as unknown as readonly ProgressRow[],
    setProgress: (table, change) => {
      const old = row(table);
      const merged = { ...EMPTY, ...old, ...change };
      put.run(
        table,
        merged.state,
        merged.rows,
        merged.pages,
        merged.share,
        merged.requests,
        merged.cursor,
        merged.error,
        merged.started_ts,
        timestampMs(now()),
        merged.finished_ts,
      );
    },
    addReads: (day, purpose, reads) => {
      addReads.run(day, purpose, reads);
    },
    reads: (day, purpose) =>
      Number((purpose === undefined ? readsAll.get(day) : readsOf.get(day, purpose))?.['n'] ?? 0),
    todo: () => todo,
  };
}

const EMPTY = {
  state: 'waiting' as TableState,
  rows: 0,
  pages: 0,
  share: null,
  requests: 0,
  cursor: null,
  error: null,
  started_ts: null,
  finished_ts: null,
};

function createTodo(db: DatabaseSync): Todo {
  // Called for anew, it begins anew.
  const add = db.prepare(
    'INSERT INTO td_todo (list, id) VALUES (?, ?) ON CONFLICT DO UPDATE SET cursor = NULL',
  );
  const next = db.prepare(
    'SELECT list, id, cursor FROM td_todo WHERE (list, id) > (?, ?) ORDER BY list, id LIMIT ?',
  );
  const setCursor = db.prepare('UPDATE td_todo SET cursor = ? WHERE list = ? AND id = ?');
  const done = db.prepare('DELETE FROM td_todo WHERE list = ? AND id = ?');
  const count = db.prepare('SELECT count(*) AS n FROM td_todo');
  return {
    add: (list, id) => {
      add.run(list, id);
    },
    next: (limit, after) =>
      next.all(after?.list ?? '', after?.id ?? '', limit) as unknown as readonly TodoItem[],
    setCursor: (item, cursor) => {
      setCursor.run(cursor, item.list, item.id);
    },
    done: (item) => {
      done.run(item.list, item.id);
    },
    count: () => Number(count.get()?.['n'] ?? 0),
  };
}

/** What the callers of `onProgress` see of a row. */
export function publicProgress(row: ProgressRow): TableProgress {
  return {
    table: row.table,
    state: row.state,
    rows: row.rows,
    pages: row.pages,
    share: row.state === 'done' ? 1 : (row.share ?? undefined),
    error: row.error ?? undefined,
  };
}
