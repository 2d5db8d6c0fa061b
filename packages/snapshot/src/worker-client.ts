import { Worker } from 'node:worker_threads';
import { SnapshotError } from './errors.ts';
import type { WorkerAnswer, WorkerQuestion } from './worker-protocol.ts';

/** The worker thread, seen from the caller's. */
export interface WorkerClient {
  ask<T>(question: WorkerQuestion): Promise<T>;
  /** Releases everything that the worker holds and ends it. */
  close(): Promise<void>;
  /** Ends it in the middle of whatever it does. */
  kill(): Promise<void>;
}

/** Starts a worker; it keeps no process alive by itself. `onFailure` is called when it ends without being told to. */
export function startWorker(onFailure?: (error: Error) => void): WorkerClient {
  const script = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  const worker = new Worker(new URL(script, import.meta.url));
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  let ended: Error | undefined;
  let closing = false;

  const end = (error: Error): void => {
    if (ended === undefined && !closing) onFailure?.(error);
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on('message', (answer: WorkerAnswer) => {
    const asker = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) worker.unref();
    if ('error' in answer) asker?.reject(workerError(answer.error, answer.code));
    else asker?.resolve(answer.value);
  });
  worker.on('error', (error) => {
    end(new SnapshotError('SNAPSHOT_FAILED', 'The worker thread failed', { cause: error }));
  });
  worker.on('exit', () => {
    end(new SnapshotError('SNAPSHOT_FAILED', 'The worker thread has ended'));
  });
  worker.unref();

  const ask = <T>(question: WorkerQuestion): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended);
        return;
      }
      const id = ++lastId;
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      // While somebody waits for an answer, the process must not end.
      worker.ref();
      worker.postMessage({ id, ...question });
    });

  const close = async (): Promise<void> => {
    if (ended !== undefined) return;
    closing = true;
    await ask({ op: 'close' }).catch(() => undefined);
    await worker.terminate();
  };
  const kill = async (): Promise<void> => {
    closing = true;
    await worker.terminate();
  };
  return { ask, close, kill };
}

function workerError(message: string, code: string | undefined): SnapshotError {
  if (code === 'ENOENT') return new SnapshotError('SNAPSHOT_SOURCE_MISSING', message);
  if (code === 'ENOSPC' || /disk is full/.test(message)) {
    return new SnapshotError('SNAPSHOT_DISK_FULL', message);
  }
  if (code === 'EBUSY' || /database is locked/.test(message)) {
    return new SnapshotError('SNAPSHOT_BUSY', message);
  }
  if (/readonly database|unable to open database/.test(message)) {
    const why =
      'its folder can’t be written here, which also readers of a database in WAL mode need (https://sqlite.org/wal.html#readonly)';
    return new SnapshotError('SNAPSHOT_FAILED', `${message}: ${why}`);
  }
  if (/file is not a database/.test(message)) return new SnapshotError('SNAPSHOT_SOURCE_INVALID', message);
  return new SnapshotError('SNAPSHOT_FAILED', message);
}
