import type { ServerResponse } from 'node:http';
import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Limiter } from './limiter.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Bytes per read: small at first, so that the first byte goes at once and slow clients show progress. Not more than the
 * processor's cache holds between the read and the write: 1 MB is slower.
 */
const FIRST_CHUNK = 64 * 1024;
const LAST_CHUNK = 256 * 1024;
/** Bytes per read of what is compressed or picked page by page. */
const STREAM_CHUNK = 256 * 1024;

/** How something is sent. */
export interface SendOptions {
  readonly snapshot: Snapshot;
  readonly limiter: Limiter;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly onSent: (bytes: number) => void;
}

/** Sends bytes of the snapshot as they are: one piece is read while the one before is written. */
export async function sendPlain(
  res: ServerResponse,
  first: number,
  last: number,
  options: SendOptions,
): Promise<void> {
  const { snapshot, signal, onSent, limiter } = options;
  // Two buffers take turns. A buffer is free again when the socket has taken it, which write's callback tells.
  const buffers = [Buffer.allocUnsafeSlow(FIRST_CHUNK), Buffer.allocUnsafeSlow(FIRST_CHUNK)];
  let writing: Promise<void> = Promise.resolve();
  let position = first;
  try {
    for (let turn = 0; position <= last; turn++) {
      const buffer = growing(buffers, turn);
      const part = buffer.subarray(0, Math.min(buffer.length, last - position + 1));
      await snapshot.read(part, position);
      await limiter.take(part.length, signal);
      await writing;
      signal.throwIfAborted();
      writing = write(res, part, options);
      // Awaited a round later; until then a failure must not count as unhandled.
      writing.catch(() => undefined);
      onSent(part.length);
      position += part.length;
    }
    await writing;
  } finally {
    // The socket may hold the last buffer until then, also after an error.
    await writing.catch(() => undefined);
  }
  res.end();
}

/** The buffer whose turn it is, each time larger until it is large enough. */
function growing(buffers: Buffer<ArrayBuffer>[], turn: number): Buffer<ArrayBuffer> {
  const index = turn % 2;
  const size = Math.min(LAST_CHUNK, FIRST_CHUNK * 2 ** Math.floor(turn / 2));
  const buffer = buffers[index];
  return buffer !== undefined && buffer.length >= size
    ? buffer
    : (buffers[index] = Buffer.allocUnsafeSlow(size));
}

/** Resolves when the socket has taken the bytes; rejects when the client is gone or takes nothing for too long. */
function write(res: ServerResponse, part: Uint8Array, { signal, stallMs }: SendOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      done(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      done(new Error('the client takes nothing'));
    }, stallMs);
    const done = (error?: Error | null): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      if (error === undefined || error === null) resolve();
      else reject(error);
    };
    signal.addEventListener('abort', stop, { once: true });
    res.write(part, done);
  });
}

/** The whole snapshot, piece by piece. */
export async function* wholeSnapshot(snapshot: Snapshot): AsyncGenerator<Buffer> {
  for (let position = 0; position < snapshot.bytes; position += STREAM_CHUNK) {
    const part = Buffer.allocUnsafe(Math.min(STREAM_CHUNK, snapshot.bytes - position));
    await snapshot.read(part, position);
    yield part;
  }
}

/** A head, then pages with their numbers, many to a piece. */
export async function* somePages(
  snapshot: Snapshot,
  head: Buffer,
  pages: readonly number[],
): AsyncGenerator<Buffer> {
  yield head;
  const record = 4 + snapshot.pageSize;
  const most = Math.max(1, Math.floor(STREAM_CHUNK / record));
  for (let n = 0; n < pages.length; n += most) {
    const group = pages.slice(n, n + most);
    const part = Buffer.allocUnsafe(group.length * record);
    for (const [index, page] of group.entries()) {
      const at = index * record;
      part.writeUInt32BE(page, at);
      await snapshot.read(part.subarray(at + 4, at + record), (page - 1) * snapshot.pageSize);
    }
    yield part;
  }
}

/** Sends a stream, compressed or not. */
export async function sendStream(
  res: ServerResponse,
  chunks: AsyncIterable<Buffer>,
  encoding: 'identity' | 'gzip' | 'zstd',
  { signal, limiter, stallMs, onSent }: SendOptions,
): Promise<void> {
  const stall = new AbortController();
  let stalled: NodeJS.Timeout | undefined;
  const paced = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      await limiter.take(chunk.length, signal);
      onSent(chunk.length);
      clearTimeout(stalled);
      stalled = setTimeout(() => {
        stall.abort(new Error('the client takes nothing'));
      }, stallMs).unref();
      yield chunk;
    }
  };
  const any = { signal: AbortSignal.any([signal, stall.signal]) };
  try {
    const source = Readable.from(chunks);
    if (encoding === 'identity') await pipeline(source, paced, res, any);
    else await pipeline(source, compressor(encoding), paced, res, any);
  } finally {
    clearTimeout(stalled);
  }
}

/** The lowest levels: a copy is to be quick, and pages of a database shrink to a third already by these. */
function compressor(encoding: 'gzip' | 'zstd'): Duplex {
  return encoding === 'gzip'
    ? createGzip({ level: 1 })
    : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}
