import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is used of a pino logger. */
export interface SnapshotLogger {
  debug(object: object, message: string): void;
  info(object: object, message: string): void;
  warn(object: object, message: string): void;
  error(object: object, message: string): void;
}

/** Options of {@link createSnapshotHandler}. */
export interface SnapshotOptions {
  /** Path of the database. It may be missing for now: the answer is 503 until it is there. */
  readonly file: string;
  /**
   * Beginning of the file name that downloads are saved under, e.g. the account; the time follows.
   *
   * @defaultValue the file's own name
   */
  readonly name?: string | (() => string | undefined);
  /**
   * The version of the data, first part of the ETag: downloads with the same version are answered 304 and share a
   * snapshot. Undefined: not known now. Without the option SQLite's own count of changes is used, which is
   * new after a restart.
   */
  readonly dataVersion?: () => string | number | undefined | Promise<string | number | undefined>;
  /**
   * How long a snapshot is kept for resumed downloads after its last client, in milliseconds.
   *
   * @defaultValue 60000
   */
  readonly keepMs?: number;
  /**
   * How old a snapshot whose data version is no longer the current one may be for a new client to share it, in
   * milliseconds; older, and the client gets one of its own.
   *
   * @defaultValue 10000
   */
  readonly shareMs?: number;
  /**
   * How far the write-ahead log may grow for a snapshot, in bytes. Beyond it `onWalLimit` says what happens.
   *
   * @defaultValue 268435456 (256 MiB)
   */
  readonly maxWalBytes?: number;
  /**
   * At the limit: `spool` copies the snapshot to `tempDir` and serves slow clients from there; `drop` ends their
   * downloads (they can resume only within a kept snapshot, so it means: start again).
   *
   * @defaultValue 'spool'
   */
  readonly onWalLimit?: 'spool' | 'drop';
  /**
   * Folder for spooled copies. They are unlinked as soon as they are open, so nothing is ever left behind.
   *
   * @defaultValue the database's folder
   */
  readonly tempDir?: string;
  /**
   * How long to try for a snapshot between the commits of busy writers, in milliseconds; then they are kept out for the moment
   * that it takes (about a millisecond).
   *
   * @defaultValue 3000
   */
  readonly acquireMs?: number;
  /**
   * How many snapshots may be held at once; more clients than that share the newest.
   *
   * @defaultValue 3
   */
  readonly maxSnapshots?: number;
  /**
   * Cap on what all downloads together may take, in bytes per second; 0 is no cap.
   *
   * @defaultValue 0
   */
  readonly maxBytesPerSecond?: number;
  /**
   * A client that takes nothing for so long is dropped, in milliseconds. Seen in the steps in which the kernel's buffers
   * empty, up to some megabytes each: less time drops slow clients that do take.
   *
   * @defaultValue 3600000
   */
  readonly stallMs?: number;
  /**
   * Whether gzip and zstd are offered to clients that accept them.
   *
   * @defaultValue true
   */
  readonly compression?: boolean;
  /**
   * Folder that remembers the page hashes of snapshots, so that `?since=` works after a restart.
   *
   * @defaultValue kept in memory only
   */
  readonly stateDir?: string;
  /**
   * For how many snapshots page hashes are remembered (16 bytes per page: 4 MB for 1 GB).
   *
   * @defaultValue 8
   */
  readonly deltaHistory?: number;
  /** A pino logger. @defaultValue silent */
  readonly logger?: SnapshotLogger;
  /** Ends everything like `close()`. */
  readonly signal?: AbortSignal;
  /**
   * Wall clock for file names and headers, in milliseconds. Time limits use a clock that never jumps.
   *
   * @defaultValue Date.now
   */
  readonly now?: () => number;
}

/** What {@link SnapshotHandler.status} tells. */
export interface SnapshotStatus {
  readonly clients: number;
  readonly snapshots: readonly {
    readonly etag: string;
    readonly bytes: number;
    readonly clients: number;
    /** `live`: read from the database's own file; `spooled`: from an unlinked copy. */
    readonly source: 'live' | 'spooled';
    readonly ageMs: number;
  }[];
  /** Bytes sent since the start. */
  readonly bytesSent: number;
}

/** A handler for node:http and express. It answers GET and HEAD, whatever the path: mount it where you like. */
export interface SnapshotHandler {
  (req: IncomingMessage, res: ServerResponse): Promise<void>;
  status(): SnapshotStatus;
  /** Ends running downloads and releases everything. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of {@link copyDatabase}. */
export interface CopyOptions {
  /** Replace an existing destination. @defaultValue false */
  readonly overwrite?: boolean;
  /** Run SQLite's integrity check over the copy. @defaultValue false */
  readonly check?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number }) => void;
}

/** What {@link copyDatabase} resolves to. */
export interface CopyResult {
  readonly bytes: number;
  readonly sha256: string;
}

/** Options of {@link pullDatabase}. */
export interface PullOptions {
  /** Headers of each request, e.g. authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly bytes: number; readonly total: number | undefined }) => void;
  /** @defaultValue globalThis.fetch */
  readonly fetch?: typeof globalThis.fetch;
}

/** What {@link pullDatabase} resolves to. */
export interface PullResult {
  /** `unchanged`: the copy was current; `delta`: changed pages were fetched; `full`: the whole file was. */
  readonly how: 'unchanged' | 'delta' | 'full';
  readonly etag: string;
  /** Bytes received, and bytes of the local copy now. */
  readonly received: number;
  readonly bytes: number;
}
