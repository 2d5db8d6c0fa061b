import type { IncomingMessage, ServerResponse } from 'node:http';
import { SnapshotError, type SnapshotErrorCode } from './errors.ts';
import { createLimiter } from './limiter.ts';
import { createManifests } from './manifests.ts';
import type { SnapshotHandler, SnapshotOptions, SnapshotStatus } from './options.ts';
import { prepare } from './reply.ts';
import { resolveOptions, type ResolvedOptions } from './resolve-options.ts';
import { createBufferPool } from './send.ts';
import { createStore } from './store.ts';

/**
 * Serves consistent copies of a live SQLite database over HTTP, without a second copy on disk.
 *
 * @throws SnapshotError SNAPSHOT_OPTIONS
 */
export function createSnapshotHandler(options: SnapshotOptions): SnapshotHandler {
  const resolved = resolveOptions(options);
  const store = createStore(resolved);
  const manifests = createManifests(resolved);
  const limiter = createLimiter(resolved.maxBytesPerSecond);
  const pool = createBufferPool();
  const stop = new AbortController();
  let bytesSent = 0;
  let clients = 0;

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    const onClose = (): void => {
      if (!res.writableFinished) gone.abort(new Error('the client is gone'));
    };
    res.once('close', onClose);
    clients++;
    try {
      stop.signal.throwIfAborted();
      const reply = await prepare({ req, res, store, manifests, options: resolved });
      if (reply === undefined) return;
      try {
        const { snapshot } = reply.lease;
        const signal = AbortSignal.any([gone.signal, stop.signal, snapshot.dropped.signal]);
        const onSent = (bytes: number): void => void (bytesSent += bytes);
        await reply.send({ snapshot, limiter, pool, stallMs: resolved.stallMs, signal, onSent });
      } finally {
        reply.lease.release();
      }
    } catch (error) {
      fail(res, error, resolved, gone.signal.aborted || stop.signal.aborted);
    } finally {
      clients--;
      res.off('close', onClose);
    }
  };

  const status = (): SnapshotStatus => ({
    clients,
    bytesSent,
    snapshots: store.all().map(({ etag, bytes, clients: using, live, bornAt }) => ({
      etag,
      bytes,
      clients: using,
      source: live ? 'live' : 'spooled',
      ageMs: performance.now() - bornAt,
    })),
  });

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    stop.abort(new Error('the snapshot handler is closed'));
    options.signal?.removeEventListener('abort', onAbort);
    return (closing ??= store.close());
  };
  const onAbort = (): void => void close();
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener('abort', onAbort, { once: true });
  return Object.assign(handle, { status, close, [Symbol.asyncDispose]: close });
}

/** What the client is told; the log has the rest. */
const ANSWERS: Partial<Record<SnapshotErrorCode, readonly [status: number, text: string]>> = {
  SNAPSHOT_SOURCE_MISSING: [503, 'The database is not there yet.'],
  SNAPSHOT_BUSY: [503, 'The database is locked.'],
  SNAPSHOT_DISK_FULL: [507, 'There is no disk space for a copy.'],
};

function fail(
  res: ServerResponse,
  error: unknown,
  { logger, file }: ResolvedOptions,
  expected: boolean,
): void {
  const code = error instanceof SnapshotError ? error.code : undefined;
  if (!expected && code !== 'SNAPSHOT_SOURCE_MISSING')
    logger.warn({ err: error, file }, 'snapshot: download failed');
  if (res.headersSent || res.destroyed) {
    // The client sees a broken transfer, never a short file that looks whole.
    res.destroy();
    return;
  }
  const [status, text] = (code === undefined ? undefined : ANSWERS[code]) ?? [
    expected ? 503 : 500,
    expected ? 'The server is stopping.' : 'The snapshot failed.',
  ];
  res.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    ...(status === 503 ? { 'retry-after': '5' } : {}),
  });
  res.end(`${text}\n`);
}
