import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';

/** How often the log is looked at. */
const EVERY_MS = 200;
/** A shorter log is not worth a thread. */
const MIN_LOG_BYTES = 8 * 1_048_576;
/** From this length on the writer itself finishes what the thread left over, so that the log begins anew. */
const MAX_LOG_FRAMES = 4_000;
/** SQLite's own default. */
const AUTOCHECKPOINT_FRAMES = 1_000;

/**
 * Moves the log into the database in a thread of its own, when much is written: waiting for the disk is a quarter of the
 * time of a download. Returns what ends it; from there on SQLite does it by itself again.
 */
export function checkpointBeside(db: DatabaseSync, file: string): () => Promise<void> {
  const stop = new AbortController();
  db.exec('PRAGMA wal_autocheckpoint = 0');
  const ended = work(db, file, stop.signal);
  return async () => {
    stop.abort();
    await ended;
    db.exec(`PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT_FRAMES}`);
  };
}

async function work(db: DatabaseSync, file: string, signal: AbortSignal): Promise<void> {
  let worker: Worker | undefined;
  try {
    let seen = 0;
    while (await rest(signal)) {
      const log = statSync(`${file}-wal`, { throwIfNoEntry: false });
      if (log === undefined || log.size < MIN_LOG_BYTES || log.mtimeMs === seen) continue;
      seen = log.mtimeMs;
      worker ??= new Worker(script(), { workerData: file, env: {}, execArgv: [] });
      // Between two transactions, as those are synchronous.
      if ((await pass(worker)) > MAX_LOG_FRAMES) db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    }
  } catch {
    // No thread, or no disk: what the writer meets itself it waits for and reports.
    db.exec(`PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT_FRAMES}`);
  } finally {
    await worker?.terminate();
  }
}

async function rest(signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(EVERY_MS, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

/** Lets the thread do its part; returns how long the log was then. */
function pass(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
    };
    const onMessage = (frames: number): void => {
      end();
      resolve(frames);
    };
    const onError = (error: Error): void => {
      end();
      reject(error);
    };
    const onExit = (): void => onError(new Error('the thread has ended'));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage(undefined);
  });
}

/** Beside the compiled file stands a compiled worker, beside the source a source. */
function script(): URL {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./checkpoint-worker.${ending}`, import.meta.url);
}
