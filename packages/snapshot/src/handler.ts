import type { IncomingMessage, ServerResponse } from 'node:http';
import { SnapshotError } from './errors.ts';
import { chooseEncoding, disposition, parseRange, parseTags, versionOf } from './http.ts';
import { createLimiter } from './limiter.ts';
import type { SnapshotHandler, SnapshotOptions, SnapshotStatus } from './options.ts';
import { resolveOptions, type ResolvedOptions } from './resolve-options.ts';
import { sendCompressed, sendPlain, type SendOptions } from './send.ts';
import { createStore, type Lease, type SnapshotStore } from './store.ts';
import { startWorker } from './worker-client.ts';

/**
 * Serves consistent copies of a live SQLite database over HTTP, without a second copy on disk.
 *
 * @throws SnapshotError SNAPSHOT_OPTIONS
 */
export function createSnapshotHandler(options: SnapshotOptions): SnapshotHandler {
  const resolved = resolveOptions(options);
  const store = createStore(resolved);
  const limiter = createLimiter(resolved.maxBytesPerSecond);
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
      const request = { req, res, store, options: resolved };
      const reply = await prepare(request);
      if (reply === undefined) return;
      try {
        const { snapshot } = reply.lease;
        const signal = AbortSignal.any([gone.signal, stop.signal, snapshot.dropped.signal]);
        const { first, last } = reply;
        const send: SendOptions = {
          snapshot,
          first,
          last,
          limiter,
          stallMs: resolved.stallMs,
          signal,
          onSent: (n) => (bytesSent += n),
        };
        if (reply.encoding === 'identity') await sendPlain(res, send);
        else await sendCompressed(res, reply.encoding, send);
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
  options.signal?.addEventListener('abort', onAbort, { once: true });
  return Object.assign(handle, { status, close, [Symbol.asyncDispose]: close });
}

interface Request {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly store: SnapshotStore;
  readonly options: ResolvedOptions;
}

/** What is to be sent, the headers being written. */
interface Reply {
  readonly lease: Lease;
  readonly first: number;
  readonly last: number;
  readonly encoding: 'identity' | 'gzip' | 'zstd';
}

/** Answers what needs no content; otherwise writes the headers and tells what is to be sent. */
async function prepare(request: Request): Promise<Reply | undefined> {
  const { req, res, store } = request;
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 }).end();
    return undefined;
  }
  const version = await store.version();
  const match = parseTags(req.headers['if-none-match']).find((tag) => versionOf(tag) === version);
  if (version !== undefined && match !== undefined) {
    res.writeHead(304, { etag: match, vary: 'accept-encoding' }).end();
    return undefined;
  }
  if (req.method === 'HEAD') {
    await head(request, version);
    return undefined;
  }
  const lease = await leaseFor(req, store, version);
  try {
    const reply = await writeHeaders(request, lease);
    if (reply === undefined) lease.release();
    return reply;
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** No snapshot is taken for HEAD: a kept one is described exactly, otherwise the size is today's and the tag a weak one. */
async function head({ res, store, options }: Request, version: string | undefined): Promise<void> {
  const kept = store.peek(version);
  const headers = common(options);
  if (kept !== undefined) {
    res.writeHead(200, { ...headers, 'content-length': kept.bytes, etag: kept.etag }).end();
    return;
  }
  const bytes = await store.size();
  res
    .writeHead(200, {
      ...headers,
      'content-length': bytes,
      ...(version === undefined ? {} : { etag: `W/"${version}.0"` }),
    })
    .end();
}

function common(options: ResolvedOptions): Record<string, string> {
  return {
    'content-type': 'application/vnd.sqlite3',
    'content-disposition': disposition(options.name(), options.now()),
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    vary: 'accept-encoding',
    'x-content-type-options': 'nosniff',
  };
}

/** A resumed download gets its own snapshot while that is kept. */
async function leaseFor(
  req: IncomingMessage,
  store: SnapshotStore,
  version: string | undefined,
): Promise<Lease> {
  const ifRange = req.headers['if-range'];
  if (req.headers.range !== undefined && typeof ifRange === 'string') {
    const kept = store.leaseByTag(ifRange.trim());
    if (kept !== undefined) return kept;
  }
  return store.lease(version);
}

async function writeHeaders({ req, res, options }: Request, lease: Lease): Promise<Reply | undefined> {
  const { snapshot } = lease;
  const ifRange = req.headers['if-range'];
  const asked = ifRange === undefined || ifRange === snapshot.etag ? req.headers.range : undefined;
  const range = parseRange(asked, snapshot.bytes);
  const headers: Record<string, string | number> = { ...common(options), etag: snapshot.etag };
  if (range.kind === 'unsatisfiable') {
    res
      .writeHead(416, {
        ...headers,
        'content-range': `bytes */${String(snapshot.bytes)}`,
        'content-length': 0,
      })
      .end();
    return undefined;
  }
  const digested = /sha-256/i.test(String(req.headers['want-repr-digest'] ?? ''));
  if (digested) {
    const { digest } = await snapshot.hashes(startWorker);
    headers['repr-digest'] = `sha-256=:${digest}:`;
  }
  if (range.kind === 'range') {
    const { first, last } = range;
    headers['content-range'] = `bytes ${String(first)}-${String(last)}/${String(snapshot.bytes)}`;
    headers['content-length'] = last - first + 1;
    res.writeHead(206, headers);
    return { lease, first, last, encoding: 'identity' };
  }
  // The digest would be that of the compressed form: who asks for it gets the plain one.
  const encoding =
    options.compression && !digested ? chooseEncoding(req.headers['accept-encoding']) : 'identity';
  if (encoding === 'identity') headers['content-length'] = snapshot.bytes;
  else {
    headers['content-encoding'] = encoding;
    // Another representation, another strong tag. A range of it can't be had: `accept-ranges` is for the identity.
    headers['etag'] = `${snapshot.etag.slice(0, -1)}-${encoding}"`;
    headers['accept-ranges'] = 'none';
  }
  res.writeHead(200, headers);
  return { lease, first: 0, last: snapshot.bytes - 1, encoding };
}

function fail(
  res: ServerResponse,
  error: unknown,
  { logger, file }: ResolvedOptions,
  expected: boolean,
): void {
  if (!expected) logger.warn({ err: error, file }, 'snapshot: download failed');
  if (res.headersSent || res.destroyed) {
    // The client sees a broken transfer, never a short file that looks whole.
    res.destroy();
    return;
  }
  const missing = error instanceof SnapshotError && error.code === 'SNAPSHOT_SOURCE_MISSING';
  const full = error instanceof SnapshotError && error.code === 'SNAPSHOT_DISK_FULL';
  const text = missing
    ? 'The database is not there yet.\n'
    : full
      ? 'No disk space for a copy.\n'
      : 'The snapshot failed.\n';
  const retry = missing ? { 'retry-after': '5' } : {};
  res
    .writeHead(missing ? 503 : full ? 507 : 500, { 'content-type': 'text/plain; charset=utf-8', ...retry })
    .end(text);
}
