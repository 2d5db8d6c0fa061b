import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CacheOptions } from './options.ts';
import { hostOf, type Visit } from './visit.ts';

/** Answers kept in memory for as long as the data has not changed. */
export interface Cache {
  /** Names the answer that would do for this request; undefined when it must go upstream untouched. */
  keyOf(req: IncomingMessage, visit: Visit, user: string | undefined): CacheKey | undefined;
  /** Answers from memory: says how, or undefined when there is nothing. */
  answer(key: CacheKey, req: IncomingMessage, res: ServerResponse): 'cached' | 'notModified' | undefined;
  /** Whether the upstream lets this answer be kept, by the headers that it sent. */
  mayKeep(response: IncomingMessage): boolean;
  /** Keeps an answer once it is complete. */
  keep(key: CacheKey, response: IncomingMessage): void;
  entries(): number;
  bytes(): number;
}

/** Under which name and data version an answer is kept. */
export interface CacheKey {
  readonly name: string;
  readonly version: string | number;
}

interface Entry {
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
  readonly etag: string;
  readonly bytes: number;
}

// What an entry costs besides its body: name, headers, Map slots.
const ENTRY_OVERHEAD_BYTES = 1_024;
const BYPASS = /no-cache|no-store/i;
const NOT_FOR_ALL = /no-cache|no-store|private/i;
// Answers that differ by anything but these must not be shared.
const HARMLESS_VARY = /^(?:\s*(?:accept|accept-encoding|cookie|authorization)\s*(?:,|$))*$/i;

/** Starts empty. The cache is the same for all who are let in fully; never asked before they are. */
export function createCache(options: Required<CacheOptions>, ownCookies: ReadonlySet<string>): Cache {
  const { dataVersion, maxBytes, maxEntryBytes, cacheable } = options;
  // Oldest use first.
  const entries = new Map<string, Entry>();
  let version: string | number | undefined;
  let bytes = 0;

  const drop = (name: string): void => {
    const entry = entries.get(name);
    if (entry === undefined) return;
    bytes -= entry.bytes;
    entries.delete(name);
  };
  const store = (key: CacheKey, headers: Entry['headers'], body: Buffer): void => {
    // The data changed while the answer was made: nobody knows which of the two it shows.
    if (key.version !== dataVersion() || key.version !== version) return;
    const size = body.length + key.name.length * 2 + ENTRY_OVERHEAD_BYTES;
    if (size > maxBytes) return;
    drop(key.name);
    while (bytes + size > maxBytes) {
      const [oldest] = entries.keys();
      if (oldest === undefined) break;
      drop(oldest);
    }
    entries.set(key.name, { headers, body, etag: etagOf(headers, body), bytes: size });
    bytes += size;
  };

  return {
    keyOf: (req, visit, user) => {
      if (req.method !== 'GET' && req.method !== 'HEAD') return undefined;
      const { headers } = req;
      if (headers.range !== undefined || headers['content-length'] !== undefined) return undefined;
      if (headers['transfer-encoding'] !== undefined) return undefined;
      if (BYPASS.test(headers['cache-control'] ?? '') || hasForeignCookie(headers.cookie, ownCookies))
        return undefined;
      const target = visit.target.path + visit.target.search;
      const now = cacheable(target) ? dataVersion() : undefined;
      if (now === undefined) return undefined;
      if (now !== version) {
        entries.clear();
        bytes = 0;
        version = now;
      }
      const { accept, 'accept-encoding': encodings } = headers;
      const variant = [visit.client.secure, hostOf(req), user, accept, encodings, target];
      return { name: variant.join('\n'), version: now };
    },
    answer: (key, req, res) => {
      const entry = entries.get(key.name);
      if (entry === undefined) return undefined;
      entries.delete(key.name);
      entries.set(key.name, entry);
      for (const name in entry.headers) res.setHeader(name, entry.headers[name] ?? '');
      res.setHeader('etag', entry.etag);
      if (matches(req.headers['if-none-match'], entry.etag)) {
        res.statusCode = 304;
        res.removeHeader('content-type');
        res.end();
        return 'notModified';
      }
      res.setHeader('content-length', entry.body.length);
      res.end(req.method === 'HEAD' ? undefined : entry.body);
      return 'cached';
    },
    mayKeep: ({ statusCode, headers }) =>
      statusCode === 200 &&
      headers['set-cookie'] === undefined &&
      !NOT_FOR_ALL.test(headers['cache-control'] ?? '') &&
      HARMLESS_VARY.test(headers.vary ?? '') &&
      Number(headers['content-length'] ?? 0) <= maxEntryBytes,
    keep: (key, response) => {
      const headers = keptHeaders(response);
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxEntryBytes) chunks.push(chunk);
        else chunks.length = 0;
      });
      response.once('end', () => {
        if (response.complete && size <= maxEntryBytes) store(key, headers, Buffer.concat(chunks));
      });
    },
    entries: () => entries.size,
    bytes: () => bytes,
  };
}

function keptHeaders({ headers }: IncomingMessage): Entry['headers'] {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name === 'connection' || name === 'transfer-encoding' || name === 'date')
      continue;
    kept[name] = value;
  }
  return kept;
}

function etagOf(headers: Entry['headers'], body: Buffer): string {
  const { etag } = headers;
  return typeof etag === 'string'
    ? etag
    : `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const plain = etag.replace(/^W\//, '');
  return header.split(',').some((item) => item.trim() === '*' || item.trim().replace(/^W\//, '') === plain);
}

function hasForeignCookie(header: string | undefined, ownCookies: ReadonlySet<string>): boolean {
  if (header === undefined) return false;
  return header.split(';').some((pair) => !ownCookies.has((pair.split('=', 1)[0] ?? '').trim()));
}
