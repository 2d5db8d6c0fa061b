import { constants } from 'node:fs';
import { chmod, copyFile, open, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { decodeDelta, DELTA_TYPE, type DeltaHead } from './delta.ts';
import { download } from './download.ts';
import { asSnapshotError, SnapshotError } from './errors.ts';
import {
  readSidecar,
  refuseWritten,
  replaceCopy,
  requireDatabase,
  sha256Of,
  temporaryBeside,
  type Sidecar,
} from './local-copy.ts';
import type { PullOptions, PullResult } from './options.ts';
import { isTransfer, transferError, writeAll, type Fetched } from './transfer.ts';

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
  try {
    await refuseWritten(target);
    const known = await readSidecar(target, url);
    const { how, etag, received, bytes } = await fetchNewer(url, target, known, options).catch(
      (error: unknown) => {
        // A delta that does not lead to what the server has: fetch the whole.
        if (known === undefined || (error as SnapshotError).code !== 'SNAPSHOT_DIGEST') throw error;
        return fetchNewer(url, target, undefined, options);
      },
    );
    return { how, etag, received, bytes };
  } catch (error) {
    throw asSnapshotError(error, file);
  }
}

async function fetchNewer(
  url: string,
  target: string,
  known: Sidecar | undefined,
  options: PullOptions,
): Promise<Fetched> {
  const temporary = await temporaryBeside(target);
  const response = await ask(url, known, options);
  if (response === undefined && known !== undefined) return { how: 'unchanged', received: 0, ...known };
  if (response?.body == null) throw new SnapshotError('SNAPSHOT_HTTP', 'The answer is empty');
  try {
    const mode = await stat(target).then(
      (there) => there.mode & 0o777,
      () => 0o600,
    );
    const isDelta = response.headers.get('content-type')?.startsWith(DELTA_TYPE) === true;
    const result = isDelta
      ? await applyDelta(url, response.body, target, temporary, options)
      : await fetchWhole(url, response, temporary, options);
    // Who could read the copy so far can go on.
    await chmod(temporary, mode);
    await replaceCopy(target, temporary, url, result);
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Undefined: nothing has changed. */
async function ask(
  url: string,
  known: Sidecar | undefined,
  options: PullOptions,
): Promise<Response | undefined> {
  const asked = new URL(url);
  asked.searchParams.set('since', known?.etag ?? '');
  const headers = { ...options.headers, 'accept-encoding': 'gzip', 'want-repr-digest': 'sha-256=1' };
  const signal = options.signal ?? null;
  const response = await (options.fetch ?? fetch)(asked, {
    headers: known === undefined ? headers : { ...headers, 'if-none-match': known.etag },
    signal,
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new SnapshotError('SNAPSHOT_HTTP', `${asked.origin} can't be reached`, { cause: error });
  });
  if (response.status === 304 && known !== undefined) return undefined;
  if (response.status === 200) return response;
  await response.body?.cancel();
  const { status } = response;
  const hint = status === 401 || status === 403 ? ': is the key right?' : '';
  throw new SnapshotError(
    'SNAPSHOT_HTTP',
    `${asked.origin}${asked.pathname} answered ${String(status)}${hint}`,
  );
}

async function fetchWhole(
  url: string,
  first: Response,
  temporary: string,
  options: PullOptions,
): Promise<Fetched> {
  const out = await open(temporary, 'wx+', 0o600);
  try {
    const result = await download({ url, first, out, options });
    await requireDatabase(out, url);
    await out.sync();
    return result;
  } finally {
    await out.close();
  }
}

async function applyDelta(
  url: string,
  body: AsyncIterable<Uint8Array>,
  target: string,
  temporary: string,
  { onProgress, signal }: PullOptions,
): Promise<Fetched> {
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
      await writeAll(out, item.content, (item.page - 1) * head.pageSize);
      received += item.content.length;
      onProgress?.({ bytes: received, total: head.pages * head.pageSize });
    }
    if (head === undefined) throw new SnapshotError('SNAPSHOT_HTTP', 'The answer is not a delta');
    const sha256 = await sha256Of(
      out.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 }),
    );
    if (sha256 !== head.sha256) {
      throw new SnapshotError('SNAPSHOT_DIGEST', `${target} with its changes is not what the server sent`);
    }
    await out.sync();
    return { how: 'delta', etag: head.to, received, bytes: head.bytes, sha256 };
  } catch (error) {
    signal?.throwIfAborted();
    throw isTransfer(error) ? transferError(url, error) : error;
  } finally {
    await out.close();
  }
}
