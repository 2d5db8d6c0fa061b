/** A value that SQLite stores. */
export type SqliteValue = null | number | bigint | string | Uint8Array;

/** The part of node:sqlite's `StatementSync` that this package uses; better-sqlite3's statements fit too. */
export interface SqliteStatement {
  run(...parameters: SqliteValue[]): unknown;
  get(...parameters: SqliteValue[]): unknown;
  all(...parameters: SqliteValue[]): unknown[];
}

/** The part of node:sqlite's `DatabaseSync` that this package uses. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  /** Whether a transaction is open (node:sqlite). While one is, the builder waits and writes nothing. */
  readonly isTransaction?: boolean;
  /** The same under better-sqlite3's name. */
  readonly inTransaction?: boolean;
}

/** A text to be found by any part of it: a column, or a value inside a column that holds JSON. */
export type PartSource = string | { readonly column: string; readonly path: string };

/** What is searched of one table. */
export interface SearchTable {
  /** Name of an ordinary table (not a view, not WITHOUT ROWID). */
  readonly table: string;
  /** Columns whose words are indexed in `<table>_fts`: ids, names, e-mails, descriptions, JSON such as metadata. */
  readonly columns: readonly string[];
  /**
   * Texts that are found by any three or more characters in a row, not only by whole words.
   * Keep it to what people know a part of: ids, e-mails, names, numbers, the last 4 digits.
   *
   * @defaultValue the key column if it is text
   */
  readonly parts?: readonly PartSource[];
  /**
   * Columns that name a row in results; the first that is not empty is taken.
   *
   * @defaultValue the first of `name`, `email`, `description`, `number` among the table's columns
   */
  readonly label?: readonly string[];
}

/** One step of the build of one table. */
export interface SearchIndexProgress {
  readonly table: string;
  /** Rows indexed so far, and rows in the table when the build of it began. */
  readonly rows: number;
  readonly total: number;
  readonly done: boolean;
}

/** Options of {@link ensureSearchIndex}. */
export interface SearchIndexOptions {
  /** The tables to be searched. Tables that an earlier call named stay indexed. */
  readonly tables: readonly SearchTable[];
  /**
   * How long one batch may hold the write lock while a filled table is indexed, in milliseconds.
   *
   * @defaultValue 10
   */
  readonly batchMs?: number;
  /**
   * Pause between two batches, in milliseconds, in which other work of this thread and other writers get on.
   *
   * @defaultValue 10
   */
  readonly pauseMs?: number;
  /** Called after each batch and when a table is done. */
  readonly onProgress?: (progress: SearchIndexProgress) => void;
  /** A pino logger or anything with its `info` and `warn`. */
  readonly logger?: SearchIndexLogger;
  /** Stops the build after the batch in hand; a later call goes on from there. */
  readonly signal?: AbortSignal;
}

/** What is used of a pino logger. */
export interface SearchIndexLogger {
  info(object: object, message: string): void;
  warn(object: object, message: string): void;
}

/** What {@link ensureSearchIndex} resolves to. */
export interface SearchIndexReport {
  readonly tables: readonly {
    readonly table: string;
    readonly fts: string;
    readonly rows: number;
    /** `kept`: was complete; `built`: rows were indexed; `rebuilt`: the old index did not fit and was dropped. */
    readonly action: 'kept' | 'built' | 'rebuilt';
  }[];
  readonly elapsedMs: number;
}

/** One row that was found. */
export interface SearchHit {
  readonly table: string;
  /** The row's primary key. */
  readonly id: string;
  readonly label: string | null;
  /** 0 the id itself, 1 the id's beginning, 2 all words, 3 beginnings of words, 4 a part of a text. */
  readonly rank: number;
}

/** The hits of one table. */
export interface SearchGroup {
  readonly table: string;
  readonly hits: readonly SearchHit[];
  /** There are more rows than `limit` that match. */
  readonly more: boolean;
}

/** Options of {@link search}. */
export interface SearchOptions {
  /**
   * Rows per table.
   *
   * @defaultValue 5
   */
  readonly limit?: number;
}
