import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { SnapshotError } from './errors.ts';
import type { PullOptions, PullResult } from './options.ts';

/** How often a broken transfer is taken up again without a byte of progress. */
const ATTEMPTS = 5;

/** A download that has begun. */
export interface Download {
  readonly url: string;
  readonly first: Response;
  readonly path: string;
  readonly options: PullOptions;
}

/** Writes the whole file, going on where a broken transfer stopped while the server keeps the snapshot. */
export async function download({ url, first, path, options }: Download): Promise<PullResult> {
  const { signal, onProgress, fetch = globalThis.fetch } = options;
  const out = await open(path, 'wx', 0o600);
  let hash = createHash('sha256');
  let bytes = 0;
  let received = 0;
  let response = first;
  try {
    for (let attempt = 0; ; attempt++) {
      if (response.status === 200 && bytes > 0) {
        // The snapshot is gone: this is another one, from its beginning.
        await out.truncate(0);
        hash = createHash('sha256');
        bytes = 0;
      }
      const total = totalOf(response);
      try {
        for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
          await out.write(chunk, 0, chunk.length, bytes);
          hash.update(chunk);
          bytes += chunk.length;
          received += chunk.length;
          attempt = 0;
          onProgress?.({ bytes, total });
        }
        if (total === undefined || bytes === total) break;
        throw new Error(`the transfer ended at ${String(bytes)} of ${String(total)} bytes`);
      } catch (error) {
        signal?.throwIfAborted();
        if (!isTransfer(error) || attempt >= ATTEMPTS) throw broken(url, error);
      }
      const range = { range: `bytes=${String(bytes)}-`, 'if-range': first.headers.get('etag') ?? '""' };
      const headers = {
        ...options.headers,
        'accept-encoding': 'identity',
        'want-repr-digest': 'sha-256=1',
        ...range,
      };
      response = await fetch(url, { headers, signal: signal ?? null }).catch((error: unknown) => {
        throw broken(url, error);
      });
      if (response.status !== 200 && response.status !== 206)
        throw broken(url, new Error(`status ${String(response.status)}`));
    }
    const digest = /sha-256=:([^:]+):/.exec(response.headers.get('repr-digest') ?? '')?.[1];
    if (digest !== undefined && digest !== hash.digest('base64')) {
      throw new SnapshotError('SNAPSHOT_DIGEST', 'What came is not what the server sent');
    }
    await out.sync();
    return { how: 'full', etag: response.headers.get('etag') ?? '', received, bytes };
  } finally {
    await out.close();
  }
}

function totalOf(response: Response): number | undefined {
  const range = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  const length =
    response.headers.get('content-encoding') === null ? response.headers.get('content-length') : null;
  const text = response.status === 206 ? range : length;
  return text === undefined || text === null ? undefined : Number(text);
}

/** Whether the network failed, and not the disk. */
function isTransfer(error: unknown): boolean {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall !== 'write' && syscall !== 'ftruncate';
}

function broken(url: string, error: unknown): unknown {
  if (!isTransfer(error)) return error;
  return new SnapshotError('SNAPSHOT_HTTP', `The transfer from ${new URL(url).origin} broke off`, {
    cause: error,
  });
}
