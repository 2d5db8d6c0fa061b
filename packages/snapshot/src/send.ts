import type { ServerResponse } from 'node:http';
import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Limiter } from './limiter.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Bytes per read: small at first, so that the first byte goes at once and slow clients show progress. Measured with 1 GB:
 * 128 KB is a third slower, because each read costs a change of threads; 512 KB and more gain nothing, but take memory.
 */
const FIRST_CHUNK = 64 * 1024;
const LAST_CHUNK = 256 * 1024;
/** Bytes per read of what is compressed or picked page by page. */
const STREAM_CHUNK = 256 * 1024;

/** How something is sent. */
export interface SendOptions {
  readonly snapshot: Snapshot;
  readonly limiter: Limiter;
  readonly pool: BufferPool;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly onSent: (bytes: number) => void;
}

/** Buffers of `LAST_CHUNK` bytes that finished downloads leave to later ones, which spares the garbage collector. */
export interface BufferPool {
  take(): Buffer<ArrayBuffer>;
  give(buffer: Buffer<ArrayBuffer>): void;
}

/** Keeps up to `most` buffers. */
export function createBufferPool(most = 8): BufferPool {
  const free: Buffer<ArrayBuffer>[] = [];
  return {
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(LAST_CHUNK),
    give: (buffer) => void (free.length < most && free.push(buffer)),
  };
}

/** Sends bytes of the snapshot as they are: one piece is read while the one before is written. */
export async function sendPlain(
  res: ServerResponse,
  first: number,
  last: number,
  options: SendOptions,
): Promise<void> {
  const { snapshot, signal, onSent, limiter, pool } = options;
  const guard = guardResponse(res, options);
  // Two buffers take turns. A buffer is free again when the socket has taken it, which write's callback tells.
  const buffers = [pool.take(), pool.take()];
  let writing: Promise<void> = Promise.resolve();
  let position = first;
  try {
    for (let turn = 0; position <= last; turn++) {
      const size = turn < 2 ? FIRST_CHUNK : LAST_CHUNK;
      const part = (buffers[turn % 2] ?? pool.take()).subarray(0, Math.min(size, last - position + 1));
      await snapshot.read(part, position);
      await limiter.take(part.length, signal);
      await writing;
      signal.throwIfAborted();
      guard.progress();
      writing = write(res, part);
      // Awaited a round later; until then a failure must not count as unhandled.
      writing.catch(() => undefined);
      onSent(part.length);
      position += part.length;
    }
    await writing;
    signal.throwIfAborted();
  } catch (error) {
    throw guard.reason() ?? error;
  } finally {
    guard.end();
  }
  // Not after an error: the socket may hold a buffer still.
  for (const buffer of buffers) pool.give(buffer);
  res.end();
}

/** Breaks the response off when the signal aborts or the client takes nothing for too long; its writes then fail. */
function guardResponse(
  res: ServerResponse,
  { signal, stallMs }: SendOptions,
): { progress(): void; reason(): unknown; end(): void } {
  let reason: unknown;
  const stop = (): void => {
    reason ??= signal.reason;
    res.destroy();
  };
  // One for the whole download: a timer and a listener for each piece would fill the memory faster than it is cleaned.
  const timer = setTimeout(() => {
    // Nothing to be taken: it waits for us, not we for it.
    if (res.writableLength === 0) {
      timer.refresh();
      return;
    }
    reason ??= new Error('the client takes nothing');
    res.destroy();
  }, stallMs);
  signal.addEventListener('abort', stop, { once: true });
  return {
    progress: () => void timer.refresh(),
    reason: () => reason,
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    },
  };
}

/** Resolves when the socket has taken the bytes. */
function write(res: ServerResponse, part: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    res.write(part, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
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
