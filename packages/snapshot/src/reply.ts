import type { IncomingMessage, ServerResponse } from 'node:http';
import { changedPages, DELTA_TYPE, encodeHead } from './delta.ts';
import { chooseEncoding, disposition, parseRange, parseTags, versionOf } from './http.ts';
import type { Manifests } from './manifests.ts';
import type { ResolvedOptions } from './resolve-options.ts';
import { sendPlain, sendStream, somePages, wholeSnapshot, type SendOptions } from './send.ts';
import type { Snapshot } from './snapshot.ts';
import type { Lease, SnapshotStore } from './store.ts';
import { startWorker } from './worker-client.ts';

/** One request and what answers it. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly store: SnapshotStore;
  readonly manifests: Manifests;
  readonly options: ResolvedOptions;
}

/** What is to be sent now that the headers are written. */
export interface Reply {
  readonly lease: Lease;
  send(options: SendOptions): Promise<void>;
}

/** Answers what needs no content; otherwise writes the headers and tells what is to be sent. */
export async function prepare(exchange: Exchange): Promise<Reply | undefined> {
  const { req, res, store } = exchange;
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.writeHead(405, { allow: 'GET, HEAD', 'content-length': 0 }).end();
    return undefined;
  }
  const version = await store.version();
  const since = sinceTag(req.url);
  const known = [...parseTags(req.headers['if-none-match']), ...(since === undefined ? [] : [since])];
  const match = known.find((tag) => version !== undefined && versionOf(tag) === version);
  if (match !== undefined) {
    res.writeHead(304, { etag: match, vary: 'accept-encoding' }).end();
    return undefined;
  }
  if (req.method === 'HEAD') {
    await head(exchange, version);
    return undefined;
  }
  const lease = await leaseFor(req, store, version);
  try {
    const send =
      since === undefined
        ? await whole(exchange, lease.snapshot)
        : await delta(exchange, lease.snapshot, since);
    if (send !== undefined) return { lease, send };
  } catch (error) {
    lease.release();
    throw error;
  }
  lease.release();
  return undefined;
}

type Send = Reply['send'];

/** The entity tag after `?since=`, quotes or not; an empty one says that the client has nothing yet. */
function sinceTag(url: string | undefined): string | undefined {
  const since = new URL(url ?? '/', 'http://localhost').searchParams.get('since');
  return since === null ? undefined : `"${since.replaceAll('"', '')}"`;
}

/** No snapshot is taken for HEAD: a kept one is described exactly, otherwise the size is today's and the tag a weak one. */
async function head({ res, store, options }: Exchange, version: string | undefined): Promise<void> {
  const kept = store.peek(version);
  const tag = kept?.etag ?? (version === undefined ? undefined : `W/"${version}.0"`);
  const bytes = kept?.bytes ?? (await store.size());
  res
    .writeHead(200, {
      ...common(options),
      'content-length': bytes,
      ...(tag === undefined ? {} : { etag: tag }),
    })
    .end();
}

function common(options: ResolvedOptions): Record<string, string | number> {
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
  const kept =
    req.headers.range !== undefined && typeof ifRange === 'string'
      ? store.leaseByTag(ifRange.trim())
      : undefined;
  return kept ?? (await store.lease(version));
}

async function whole({ req, res, options }: Exchange, snapshot: Snapshot): Promise<Send | undefined> {
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
  if (digested) headers['repr-digest'] = reprDigest((await snapshot.hashes(startWorker)).digest);
  if (range.kind === 'range') {
    const { first, last } = range;
    headers['content-range'] = `bytes ${String(first)}-${String(last)}/${String(snapshot.bytes)}`;
    headers['content-length'] = last - first + 1;
    res.writeHead(206, headers);
    return (send) => sendPlain(res, first, last, send);
  }
  // The digest would be that of the compressed form: who asks for it gets the plain one.
  const encoding =
    options.compression && !digested ? chooseEncoding(req.headers['accept-encoding']) : 'identity';
  if (encoding === 'identity') {
    res.writeHead(200, { ...headers, 'content-length': snapshot.bytes });
    return (send) => sendPlain(res, 0, snapshot.bytes - 1, send);
  }
  // Another representation, another strong tag, and no ranges of it: `accept-ranges: bytes` is for the plain one.
  const etag = `${snapshot.etag.slice(0, -1)}-${encoding}"`;
  res.writeHead(200, { ...headers, etag, 'content-encoding': encoding, 'accept-ranges': 'none' });
  return (send) => sendStream(res, wholeSnapshot(snapshot), encoding, send);
}

/** The pages that changed since a snapshot whose hashes are remembered; otherwise the whole, with its digest. */
async function delta(
  { req, res, options, manifests }: Exchange,
  snapshot: Snapshot,
  since: string,
): Promise<Send | undefined> {
  const { etag, pageSize, bytes } = snapshot;
  if (etag === since) {
    res.writeHead(304, { etag }).end();
    return undefined;
  }
  const { pages, digest } = await snapshot.hashes(startWorker);
  await manifests.remember({ etag, pageSize, pages });
  const base = await manifests.find(since);
  const changed = base?.pageSize === pageSize ? changedPages(base, pages) : undefined;
  if (changed === undefined || changed.length * (pageSize + 4) >= bytes) {
    res.writeHead(200, {
      ...common(options),
      etag,
      'content-length': bytes,
      'repr-digest': reprDigest(digest),
    });
    return (send) => sendPlain(res, 0, bytes - 1, send);
  }
  const start = encodeHead({
    format: 1,
    from: since,
    to: etag,
    pageSize,
    bytes,
    pages: changed.length,
    sha256: digest,
  });
  const encoding = options.compression ? chooseEncoding(req.headers['accept-encoding']) : 'identity';
  res.writeHead(200, {
    'content-type': DELTA_TYPE,
    'cache-control': 'private, no-store',
    vary: 'accept-encoding',
    ...(encoding === 'identity'
      ? { 'content-length': start.length + changed.length * (pageSize + 4) }
      : { 'content-encoding': encoding }),
  });
  return (send) => sendStream(res, somePages(snapshot, start, changed), encoding, send);
}

function reprDigest(base64: string): string {
  return `sha-256=:${base64}:`;
}
