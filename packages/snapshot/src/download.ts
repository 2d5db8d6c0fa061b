import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { SnapshotError } from './errors.ts';
import type { PullOptions } from './options.ts';
import { isTransfer, transferError, writeAll, type Fetched } from './transfer.ts';

/**
 * Waits before a broken transfer is taken up again, in seconds; they begin anew with each byte that comes. Together less
 * than the minute that the server keeps the snapshot.
 */
const WAITS = [0, 0.5, 1, 2, 4, 8, 15, 15];
/** Answers of a server, or of what stands before it, that is being started again. */
const PASSING = [429, 502, 503, 504];

/** A download that has begun. */
export interface Download {
  readonly url: string;
  readonly first: Response;
  readonly out: FileHandle;
  readonly options: PullOptions;
}

/** Writes the whole file, going on where a broken transfer stopped while the server keeps the snapshot. */
export async function download({ url, first, out, options }: Download): Promise<Fetched> {
  const { signal, onProgress } = options;
  let hash = createHash('sha256');
  let bytes = 0;
  let received = 0;
  let failures = 0;

  const receive = async (response: Response): Promise<void> => {
    const total = totalOf(response);
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      await writeAll(out, chunk, bytes);
      hash.update(chunk);
      bytes += chunk.length;
      received += chunk.length;
      failures = 0;
      onProgress?.({ bytes, total });
    }
    if (total !== undefined && bytes !== total)
      throw new Error(`the transfer ended at ${String(bytes)} of ${String(total)} bytes`);
  };

  /** Asks for the rest of the snapshot with this tag, again and again for a while. */
  const resume = async (etag: string, cause: unknown): Promise<Response> => {
    const range = { range: `bytes=${String(bytes)}-`, 'if-range': etag };
    const asked = { 'accept-encoding': 'identity', 'want-repr-digest': 'sha-256=1', ...range };
    const headers = { ...options.headers, ...asked };
    for (let last = cause; ;) {
      const wait = WAITS[failures++];
      if (wait === undefined) throw transferError(url, last);
      await delay(wait * 1000, undefined, { signal });
      try {
        const answer = await (options.fetch ?? fetch)(url, { headers, signal: signal ?? null });
        if (answer.status === 200 || answer.status === 206) return answer;
        await answer.body?.cancel();
        last = new Error(`status ${String(answer.status)}`);
        if (!PASSING.includes(answer.status)) throw transferError(url, last);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof SnapshotError) throw error;
        last = error;
      }
    }
  };

  let response = first;
  for (;;) {
    try {
      await receive(response);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isTransfer(error)) throw error;
      response = await resume(response.headers.get('etag') ?? '""', error);
    }
    if (response.status === 206) continue;
    // The snapshot is gone: this is another one, from its beginning.
    await out.truncate(0);
    hash = createHash('sha256');
    bytes = 0;
  }
  const sha256 = hash.digest('base64');
  const digest = /sha-256=:([^:]+):/.exec(response.headers.get('repr-digest') ?? '')?.[1];
  if (digest !== undefined && digest !== sha256) {
    throw new SnapshotError('SNAPSHOT_DIGEST', 'What came is not what the server sent');
  }
  return { how: 'full', etag: response.headers.get('etag') ?? '', received, bytes, sha256 };
}

function totalOf(response: Response): number | undefined {
  const range = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  const length =
    response.headers.get('content-encoding') === null ? response.headers.get('content-length') : null;
  const text = response.status === 206 ? range : length;
  return text === undefined || text === null ? undefined : Number(text);
}
