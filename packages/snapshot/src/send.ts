import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Limiter } from './limiter.ts';
import type { Snapshot } from './snapshot.ts';

/** Bytes per read: small at first, so that the first byte goes at once and slow clients show progress. */
const FIRST_CHUNK = 64 * 1024;
const LAST_CHUNK = 1024 * 1024;

/** What is sent, and how. */
export interface SendOptions {
  readonly snapshot: Snapshot;
  readonly first: number;
  readonly last: number;
  readonly limiter: Limiter;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly onSent: (bytes: number) => void;
}

/** Sends bytes of the snapshot as they are: one piece is read while the one before is written. */
export async function sendPlain(res: ServerResponse, options: SendOptions): Promise<void> {
  const { snapshot, last, signal, onSent, limiter } = options;
  // Two buffers take turns. A buffer is free again when the socket has taken it, which write's callback tells.
  const buffers = [Buffer.allocUnsafeSlow(FIRST_CHUNK), Buffer.allocUnsafeSlow(FIRST_CHUNK)];
  let position = options.first;
  let turn = 0;
  let writing: Promise<void> = Promise.resolve();
  try {
    while (position <= last) {
      let buffer = buffers[turn] ?? Buffer.allocUnsafeSlow(FIRST_CHUNK);
      if (turn > 0 || position > options.first + FIRST_CHUNK) buffer = buffers[turn] = grow(buffer);
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
      turn = 1 - turn;
    }
    await writing;
  } finally {
    // The buffers are in use until then, also after an error.
    await writing.catch(() => undefined);
  }
  res.end();
}

function grow(buffer: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  return buffer.length >= LAST_CHUNK
    ? buffer
    : Buffer.allocUnsafeSlow(Math.min(LAST_CHUNK, buffer.length * 4));
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

/** Sends the whole snapshot compressed. */
export async function sendCompressed(
  res: ServerResponse,
  encoding: 'gzip' | 'zstd',
  options: SendOptions,
): Promise<void> {
  const { snapshot, first, last, signal, limiter, stallMs, onSent } = options;
  let stalled: NodeJS.Timeout | undefined;
  const stall = new AbortController();
  const pages = async function* (): AsyncGenerator<Buffer> {
    for (let position = first; position <= last;) {
      const part = Buffer.allocUnsafe(Math.min(LAST_CHUNK / 4, last - position + 1));
      await snapshot.read(part, position);
      yield part;
      position += part.length;
    }
  };
  const paced = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      await limiter.take(chunk.length, signal);
      onSent(chunk.length);
      clearTimeout(stalled);
      stalled = setTimeout(() => {
        stall.abort(new Error('the client takes nothing'));
      }, stallMs).unref();
      yield chunk;
    }
  };
  // The lowest levels: a copy is to be quick, and pages of a database shrink to a third already by these.
  const compress =
    encoding === 'gzip'
      ? createGzip({ level: 1 })
      : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  try {
    await pipeline(Readable.from(pages()), compress, paced, res, {
      signal: AbortSignal.any([signal, stall.signal]),
    });
  } finally {
    clearTimeout(stalled);
  }
}
