import type { Overlay } from './wal.ts';

/** Device and inode: the file behind a path. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Where the pages of a snapshot are, in descriptors of this process (threads share them). */
export interface PageSource {
  readonly fd: number;
  readonly walFd?: number;
  readonly overlay?: Overlay;
}

/** A question to the worker. */
export type WorkerRequest = { readonly id: number } & WorkerQuestion;

/** A question to the worker, without the number that the answer carries. */
export type WorkerQuestion =
  | { readonly op: 'acquire'; readonly file: string; readonly timeoutMs: number }
  | { readonly op: 'release'; readonly held: number }
  | { readonly op: 'size' | 'version' | 'check'; readonly file: string }
  | { readonly op: 'hash'; readonly source: PageSource; readonly bytes: number; readonly pageSize: number }
  | { readonly op: 'close' };

/** The answer to the question of the same number. */
export type WorkerAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly code?: string };

/** A read transaction that the worker holds. */
export interface Acquired {
  readonly held: number;
  readonly identity: FileIdentity;
  readonly pages: number;
  readonly pageSize: number;
  readonly overlay?: Overlay;
  /** Writers wait for it (no WAL): it must not be held longer than a copy takes. */
  readonly blocking: boolean;
}

/** Hashes of a snapshot. */
export interface Hashes {
  /** 16 bytes per page: the beginning of its SHA-256. */
  readonly pages: Uint8Array;
  /** SHA-256 of the whole, base64. */
  readonly digest: string;
}
