import { createHash } from 'node:crypto';
import { access, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { acquireSnapshot } from './acquire.ts';
import { asSnapshotError, SnapshotError } from './errors.ts';
import { databaseDescriptors } from './file-descriptor.ts';
import type { CopyOptions, CopyResult } from './options.ts';
import { temporaryPath, type Snapshot } from './snapshot.ts';
import { startWorker } from './worker-client.ts';

const CHUNK = 1 << 20;

/**
 * Writes a consistent copy of a live database to a file: to a temporary name first, renamed when it is complete and on disk.
 *
 * @throws SnapshotError
 */
export async function copyDatabase(
  source: string,
  destination: string,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const [file, target] = [resolve(source), resolve(destination)];
  if (file === target)
    throw new SnapshotError('SNAPSHOT_OPTIONS', 'Source and destination are the same file');
  if (options.overwrite !== true && (await exists(target))) {
    throw new SnapshotError(
      'SNAPSHOT_DESTINATION_EXISTS',
      `${destination} exists; say overwrite to replace it`,
    );
  }
  const tempDir = dirname(target);
  const worker = startWorker();
  const temporary = temporaryPath(tempDir);
  const descriptors = databaseDescriptors(() => true);
  try {
    const snapshot = await acquireSnapshot({ file, tempDir, acquireMs: 3000, worker, descriptors }, 'copy');
    const sha256 = await writeCopy(snapshot, temporary, options).finally(() => snapshot.close());
    if (options.check === true) {
      const { problem } = await worker.ask<{ problem: string | undefined }>({ op: 'check', file: temporary });
      if (problem !== undefined)
        throw new SnapshotError('SNAPSHOT_SOURCE_INVALID', `${source} is damaged: ${problem}`);
    }
    await rename(temporary, target);
    return { bytes: snapshot.bytes, sha256 };
  } catch (error) {
    await rm(temporary, { force: true });
    throw asSnapshotError(error, destination);
  } finally {
    await worker.close();
  }
}

async function writeCopy(
  snapshot: Snapshot,
  path: string,
  { signal, onProgress }: CopyOptions,
): Promise<string> {
  const hash = createHash('sha256');
  const out: FileHandle = await open(path, 'wx', 0o600);
  try {
    const chunk = Buffer.allocUnsafe(CHUNK);
    for (let position = 0; position < snapshot.bytes; position += CHUNK) {
      signal?.throwIfAborted();
      const part = chunk.subarray(0, Math.min(CHUNK, snapshot.bytes - position));
      await snapshot.read(part, position);
      hash.update(part);
      await out.writeFile(part);
      onProgress?.({ bytes: position + part.length, total: snapshot.bytes });
    }
    await out.sync();
  } finally {
    await out.close();
  }
  return hash.digest('hex');
}

/** Whether something is at the path. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
