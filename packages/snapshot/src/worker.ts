import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { hashPages } from './hash-pages.ts';
import { readOverlay, walSalts } from './wal.ts';
import type { Acquired, FileIdentity, WorkerRequest } from './worker-protocol.ts';

// Everything that SQLite does synchronously happens on this thread, so that the caller's event loop goes on serving.

/** How long the last resort waits for the write lock, at a time. */
const LOCK_MS = 1000;

interface Held {
  readonly connection: DatabaseSync;
}

const port = parentPort;
if (port === null) throw new Error('worker.ts runs as a worker thread');
const held = new Map<number, Held>();
const controls = new Map<string, { readonly identity: FileIdentity; readonly connection: DatabaseSync }>();
let lastId = 0;

port.on('message', (request: WorkerRequest) => {
  answer(request)
    .then((value) => ({ id: request.id, value }))
    .catch((error: unknown) => ({
      id: request.id,
      error: error instanceof Error ? error.message : String(error),
      code: (error as { code?: unknown }).code,
    }))
    .then((message) => {
      port.postMessage(message);
    })
    .catch(() => undefined);
});

async function answer(request: WorkerRequest): Promise<unknown> {
  switch (request.op) {
    case 'acquire':
      return acquire(request.file, request.timeoutMs);
    case 'release':
      return release(request.held);
    case 'size':
      return size(request.file);
    case 'version':
      return version(request.file);
    case 'hash':
      return hashPages(request.source, request.bytes, request.pageSize);
    case 'check':
      return check(request.file);
    case 'close':
      for (const id of [...held.keys()]) release(id);
      for (const { connection } of controls.values()) connection.close();
      controls.clear();
      port?.close();
      return undefined;
  }
}

/** The file behind a path. Deleted and replaced files are told apart by it. */
function identify(file: string): FileIdentity {
  const { dev, ino } = statSync(file, { bigint: true });
  return { dev, ino };
}

const same = (a: FileIdentity, b: FileIdentity): boolean => a.dev === b.dev && a.ino === b.ino;

function open(file: string): DatabaseSync {
  // Not read only: a reader of a WAL database writes to the shared memory, and checkpoints write to the database.
  const connection = new DatabaseSync(file, { enableForeignKeyConstraints: false, timeout: 0 });
  connection.exec('PRAGMA query_only = 1; PRAGMA mmap_size = 0');
  return connection;
}

/** The connection that checkpoints and asks, one per file. */
function control(file: string): DatabaseSync {
  const identity = identify(file);
  const known = controls.get(file);
  if (known !== undefined && same(known.identity, identity)) return known.connection;
  known?.connection.close();
  const connection = open(file);
  controls.set(file, { identity, connection });
  return connection;
}

interface Checkpoint {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

/** A PASSIVE checkpoint waits for nobody and nobody waits for it. */
function checkpoint(connection: DatabaseSync): Checkpoint {
  const row = connection.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as unknown as Checkpoint;
  return { busy: row.busy, log: row.log, checkpointed: row.checkpointed };
}

/** A read transaction is opened here, and it is found out where its pages are: see `attemptWal`. */
async function acquire(file: string, timeoutMs: number): Promise<Acquired> {
  const deadline = performance.now() + timeoutMs;
  const identity = identify(file);
  const asker = control(file);
  const connection = open(file);
  try {
    for (;;) {
      const found = attempt(file, asker, connection, performance.now() >= deadline);
      if (found !== undefined) {
        if (!same(identity, identify(file))) throw new Error('the database was replaced meanwhile');
        if (found.pages === 0) throw coded('ENOENT', `${file} is empty: there is no database in it yet`);
        const id = ++lastId;
        held.set(id, { connection });
        return { held: id, identity, ...found };
      }
      if (performance.now() > deadline + LOCK_MS * 4) {
        throw coded('EBUSY', `${file} is locked by another process`);
      }
      // A different wait each time, so as not to keep step with a writer that commits at a steady pace.
      await delay(1 + Math.random() * 4);
    }
  } catch (error) {
    connection.close();
    throw error;
  }
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

type Found = Omit<Acquired, 'held' | 'identity'>;

/** One attempt; undefined when a writer came in between, or held a lock. */
function attempt(
  file: string,
  asker: DatabaseSync,
  connection: DatabaseSync,
  late: boolean,
): Found | undefined {
  try {
    const found =
      journalMode(asker) === 'wal'
        ? attemptWal(file, asker, connection, late)
        : attemptJournal(connection, late);
    if (found !== undefined) return found;
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
  if (connection.isTransaction) connection.exec('ROLLBACK');
  return undefined;
}

/**
 * Frozen: after BEGIN and the first read all frames of the WAL are in the database file. As no checkpoint moves
 * frames past the mark of a reader, the last frame is this reader's mark: the file is the snapshot, and stays
 * so until the transaction ends.
 *
 * Overlay: some frames could not be moved (an older reader holds them back), but the WAL ended at the same frame
 * before BEGIN and after the first read, so that is the mark. Pages with a frame up to it are read from
 * the WAL, which cannot start over while this reader uses it; all others from the file, where no
 * checkpoint touches them.
 *
 * A writer that commits in between makes both unproven. With `late`, writers are kept out for the moment that
 * it takes, so that it ends also when they never pause. One who has the write lock and keeps it commits nothing
 * meanwhile, so it is tried all the same.
 */
function attemptWal(
  file: string,
  asker: DatabaseSync,
  connection: DatabaseSync,
  late: boolean,
): Found | undefined {
  const wal = `${file}-wal`;
  const lock = late ? keepWritersOut(file) : undefined;
  try {
    const before = checkpoint(asker);
    const salts = walSalts(wal);
    begin(connection);
    const after = checkpoint(asker);
    const known = before.busy === 0 && after.busy === 0;
    const frozen = known && after.log === after.checkpointed;
    const still =
      known &&
      before.log === after.log &&
      before.checkpointed <= after.checkpointed &&
      salts !== undefined &&
      salts === walSalts(wal);
    if (frozen) return { ...sizes(connection), blocking: false };
    if (!still) return undefined;
    const { pages, pageSize } = sizes(connection);
    return { pages, pageSize, overlay: readOverlay(wal, after.log, pageSize, pages), blocking: false };
  } finally {
    lock?.close();
  }
}

/** Closing the connection lets them in again. Undefined when a writer has the lock and keeps it. */
function keepWritersOut(file: string): DatabaseSync | undefined {
  const connection = new DatabaseSync(file, { timeout: LOCK_MS });
  try {
    connection.exec('BEGIN IMMEDIATE');
    return connection;
  } catch (error) {
    connection.close();
    if (!isBusy(error)) throw error;
    return undefined;
  }
}

/** With a rollback journal nobody writes to the file while a reader has its shared lock. */
function attemptJournal(connection: DatabaseSync, late: boolean): Found {
  if (late) connection.exec(`PRAGMA busy_timeout = ${String(LOCK_MS)}`);
  begin(connection);
  return { ...sizes(connection), blocking: true };
}

/** BEGIN alone takes no lock and no mark: the first read does. */
function begin(connection: DatabaseSync): void {
  connection.exec('BEGIN');
  connection.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get();
}

function sizes(connection: DatabaseSync): { pages: number; pageSize: number } {
  return { pages: number(connection, 'page_count'), pageSize: number(connection, 'page_size') };
}

function isBusy(error: unknown): boolean {
  return /database is locked|SQLITE_BUSY/.test(String(error));
}

function number(connection: DatabaseSync, pragma: string): number {
  const row = connection.prepare(`PRAGMA ${pragma}`).get() as Record<string, number> | undefined;
  return Object.values(row ?? {})[0] ?? 0;
}

function journalMode(connection: DatabaseSync): string {
  return (connection.prepare('PRAGMA journal_mode').get() as { journal_mode: string }).journal_mode;
}

/** Ends a snapshot, and brings what has piled up in the WAL home so that no writer has to. */
function release(id: number): void {
  const snapshot = held.get(id);
  if (snapshot === undefined) return;
  held.delete(id);
  snapshot.connection.close();
  for (const { connection } of controls.values()) {
    try {
      checkpoint(connection);
    } catch (error) {
      // Not ours to report: a writer that checkpoints next meets the same fault and says so.
      if (!isBusy(error) && !/disk|readonly/i.test(String(error))) throw error;
    }
  }
}

function size(file: string): { bytes: number } {
  const { pages, pageSize } = sizes(control(file));
  if (pages === 0) throw coded('ENOENT', `${file} is empty: there is no database in it yet`);
  return { bytes: pages * pageSize };
}

/** Undefined while another process has the file for itself. */
function version(file: string): { version: string | undefined } {
  try {
    return { version: String(number(control(file), 'data_version')) };
  } catch (error) {
    if (!isBusy(error)) throw error;
    return { version: undefined };
  }
}

function check(file: string): { problem: string | undefined } {
  const connection = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
  try {
    const row = connection.prepare('PRAGMA integrity_check(1)').get() as { integrity_check: string };
    return { problem: row.integrity_check === 'ok' ? undefined : row.integrity_check };
  } finally {
    connection.close();
  }
}
