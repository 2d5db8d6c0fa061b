import { constants } from 'node:fs';
import { copyFile, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { decodeDelta, DELTA_TYPE, type DeltaHead } from './delta.ts';
import { download } from './download.ts';
import { asSnapshotError, SnapshotError } from './errors.ts';
import type { PullOptions, PullResult } from './options.ts';
import { temporaryPath } from './snapshot.ts';

/** What is known of the local copy, in `<file>.snapshot.json` beside it. */
interface Sidecar {
  readonly url: string;
  readonly etag: string;
}

/**
 * Brings a local copy of a served database up to date, by changed pages where the server still knows the copy. The file is
 * replaced in one step, when what was fetched fits the server's digest; who has the old one open goes on reading that.
 *
 * @throws SnapshotError
 */
export async function pullDatabase(
  url: string,
  file: string,
  options: PullOptions = {},
): Promise<PullResult> {
  const target = resolve(file);
  await refuseWritten(target);
  const known = await readSidecar(target, url);
  try {
    const result = await fetchNewer(url, target, known, options);
    if (result.how !== 'unchanged') await writeSidecar(target, { url, etag: result.etag });
    return result;
  } catch (error) {
    // A local copy that is not what it was (somebody wrote to it) can't be brought up to date: fetch the whole.
    if (known === undefined || !(error instanceof SnapshotError) || error.code !== 'SNAPSHOT_DIGEST') {
      throw asSnapshotError(error, file);
    }
    const result = await fetchNewer(url, target, undefined, options);
    await writeSidecar(target, { url, etag: result.etag });
    return result;
  }
}

async function fetchNewer(
  url: string,
  target: string,
  known: Sidecar | undefined,
  options: PullOptions,
): Promise<PullResult> {
  const fetch = options.fetch ?? globalThis.fetch;
  const asked = new URL(url);
  asked.searchParams.set('since', known?.etag ?? '');
  const headers = { ...options.headers, 'accept-encoding': 'gzip', 'want-repr-digest': 'sha-256=1' };
  const signal = options.signal ?? null;
  const response = await fetch(asked, {
    headers: known === undefined ? headers : { ...headers, 'if-none-match': known.etag },
    signal,
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new SnapshotError('SNAPSHOT_HTTP', `${asked.origin} can't be reached`, { cause: error });
  });
  if (response.status === 304 && known !== undefined) {
    return { how: 'unchanged', etag: known.etag, received: 0, bytes: (await stat(target)).size };
  }
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new SnapshotError(
      'SNAPSHOT_HTTP',
      `${asked.origin}${asked.pathname} answered ${String(response.status)}`,
    );
  }
  const temporary = temporaryPath(dirname(target));
  try {
    const isDelta = response.headers.get('content-type')?.startsWith(DELTA_TYPE) === true;
    const result = isDelta
      ? await applyDelta(response.body, target, temporary, options)
      : await download({ url, first: response, path: temporary, options });
    await rename(temporary, target);
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function applyDelta(
  body: AsyncIterable<Uint8Array>,
  target: string,
  temporary: string,
  { onProgress }: PullOptions,
): Promise<PullResult> {
  // Shares the blocks with the old file where the file system can (btrfs, xfs, APFS), else copies.
  await copyFile(target, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  const out = await open(temporary, 'r+');
  let head: DeltaHead | undefined;
  let received = 0;
  try {
    for await (const item of decodeDelta(body)) {
      if ('head' in item) {
        head = item.head;
        await out.truncate(head.bytes);
        continue;
      }
      if (head === undefined) break;
      await out.write(item.content, 0, item.content.length, (item.page - 1) * head.pageSize);
      received += item.content.length;
      onProgress?.({ bytes: received, total: head.pages * head.pageSize });
    }
    if (head === undefined) throw new SnapshotError('SNAPSHOT_HTTP', 'The answer is not a delta');
    const hash = createHash('sha256');
    for await (const chunk of out.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
    }
    if (hash.digest('base64') !== head.sha256) {
      throw new SnapshotError(
        'SNAPSHOT_DIGEST',
        `${target} is not what the server sent: it was changed here`,
      );
    }
    await out.sync();
    return { how: 'delta', etag: head.to, received, bytes: head.bytes };
  } finally {
    await out.close();
  }
}

/** A journal beside the file would be applied to the new one by the next who opens it. */
async function refuseWritten(target: string): Promise<void> {
  for (const suffix of ['-wal', '-journal']) {
    const size = (await stat(target + suffix).catch(() => undefined))?.size ?? 0;
    if (size > 0) {
      const what = `${target}${suffix} holds changes made here: the copy is for reading; remove both files to start again`;
      throw new SnapshotError('SNAPSHOT_DESTINATION_EXISTS', what);
    }
  }
}

const sidecarPath = (target: string): string => `${target}.snapshot.json`;

async function readSidecar(target: string, url: string): Promise<Sidecar | undefined> {
  const there = await stat(target).catch(() => undefined);
  const text = await readFile(sidecarPath(target), 'utf8').catch(() => undefined);
  if (there === undefined || text === undefined) return undefined;
  try {
    const sidecar = JSON.parse(text) as Sidecar;
    return sidecar.url === url && sidecar.etag !== '' ? sidecar : undefined;
  } catch {
    return undefined;
  }
}

async function writeSidecar(target: string, sidecar: Sidecar): Promise<void> {
  const temporary = temporaryPath(dirname(target));
  await writeFile(temporary, `${JSON.stringify(sidecar)}\n`);
  await rename(temporary, sidecarPath(target));
}
