import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { SyncError } from '../errors.ts';

/** So long others may have the file for themselves: a reader, too, does while it takes up the log that a crash has left. */
const BUSY_MS = 30_000;

/** An open file, and the lock that keeps other engines away. */
export interface OpenFile {
  readonly db: DatabaseSync;
  /** Where a file of tdog 0.7 was moved to, if there was one. */
  readonly movedTo: string | undefined;
  close(): void;
}

/**
 * Opens (or makes) the engine's file for its only writer.
 *
 * @throws {@link SyncError} TDOG_FILE_LOCKED, TDOG_FILE_UNUSABLE
 */
export function openFile(file: string, now: number): OpenFile {
  const unlock = lock(file);
  try {
    const movedTo = moveAsideOld(file, now);
    const db = new DatabaseSync(file, { enableForeignKeyConstraints: false, timeout: BUSY_MS });
    try {
      db.exec('PRAGMA page_size = 8192');
      patiently(() => db.exec('PRAGMA journal_mode = WAL'));
      // A crash of the machine may lose the last transactions, never tear one: data and cursor go together.
      db.exec('PRAGMA synchronous = NORMAL');
      db.exec('PRAGMA cache_size = -10000');
      db.exec('PRAGMA temp_store = FILE');
      db.exec('PRAGMA journal_size_limit = 67108864');
    } catch (cause) {
      db.close();
      throw cause;
    }
    return {
      db,
      movedTo,
      close: () => {
        db.close();
        unlock();
      },
    };
  } catch (cause) {
    unlock();
    if (cause instanceof SyncError) throw cause;
    throw new SyncError(
      'TDOG_FILE_UNUSABLE',
      `${file} cannot be opened as a SQLite database: ${message(cause)}`,
      { cause },
    );
  }
}

/** SQLite does not wait by itself for a reader that looks just when the file becomes one with a log. */
function patiently(work: () => void): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; ; tries += 1)
    try {
      return work();
    } catch (cause) {
      if (tries >= 500 || !/locked|busy/i.test(message(cause))) throw cause;
      Atomics.wait(pause, 0, 0, 20);
    }
}

/** The lock is a transaction on a file beside it: the system drops it with the process, however that ends. */
function lock(file: string): () => void {
  const path = `${file}.lock`;
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec('PRAGMA journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db?.close();
    if (/locked|busy/i.test(message(cause)))
      throw new SyncError('TDOG_FILE_LOCKED', `another engine is writing ${file}; stop it first`, { cause });
    throw new SyncError('TDOG_FILE_UNUSABLE', `${file} cannot be written: ${message(cause)}`, { cause });
  }
  const held = db;
  return () => held.close();
}

/** A file of tdog 0.7 (other columns, other keys) is kept under another name and a new one begun. */
function moveAsideOld(file: string, now: number): string | undefined {
  if (!existsSync(file) || isEmpty(file)) return undefined;
  let db: DatabaseSync | undefined;
  let old = false;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
    const names = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map((row) => String(row['name']));
    old = names.includes('td_stripe_writes') && !names.includes('td_state');
    if (!old && names.length > 0 && !names.includes('td_state'))
      throw new SyncError('TDOG_FILE_UNUSABLE', `${file} is a database of something else; name another file`);
  } finally {
    db?.close();
  }
  if (!old) return undefined;
  let target = `${file}.tdog07`;
  if (existsSync(target)) target = `${file}.tdog07-${now}`;
  for (const suffix of ['', '-wal', '-shm'])
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  return target;
}

function isEmpty(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    return readSync(fd, Buffer.alloc(1), 0, 1, 0) === 0;
  } finally {
    closeSync(fd);
  }
}

function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
