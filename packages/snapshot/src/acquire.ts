import { closeSync, fstatSync, openSync, readSync, rmSync, unlinkSync } from 'node:fs';
import { SnapshotError } from './errors.ts';
import type { DatabaseDescriptors } from './file-descriptor.ts';
import { heldSource } from './held-source.ts';
import type { SnapshotLogger } from './options.ts';
import { Snapshot, temporaryPath } from './snapshot.ts';
import { startWorker, type WorkerClient } from './worker-client.ts';
import type { Acquired } from './worker-protocol.ts';

/** What is needed to take snapshots of one file. */
export interface Acquirer {
  readonly file: string;
  readonly tempDir: string;
  readonly acquireMs: number;
  readonly worker: WorkerClient;
  readonly descriptors: DatabaseDescriptors;
  readonly logger: SnapshotLogger;
}

/**
 * Takes a snapshot of the live file, or, where that can't be had (no WAL, writers without a pause), of a copy
 * made with VACUUM INTO.
 *
 * @throws SnapshotError
 */
export async function acquireSnapshot(from: Acquirer, version: string): Promise<Snapshot> {
  // Twice, because the database may be replaced between the question and the answer.
  let reason = 'the database was replaced again and again';
  for (let attempt = 0; attempt < 2; attempt++) {
    const acquired = await from.worker.ask<Acquired>({
      op: 'acquire',
      file: from.file,
      timeoutMs: from.acquireMs,
    });
    if (acquired.kind === 'impossible') {
      reason = acquired.reason;
      if (reason.includes('replaced')) continue;
      break;
    }
    const snapshot = await liveSnapshot(from, acquired, version);
    if (snapshot !== undefined) return snapshot;
  }
  from.logger.info({ file: from.file, reason }, 'snapshot: no snapshot of the live file, making a copy');
  return copiedSnapshot(from, version);
}

async function liveSnapshot(
  from: Acquirer,
  acquired: Acquired & { kind: 'held' },
  version: string,
): Promise<Snapshot | undefined> {
  const release = (): Promise<void> => from.worker.ask<undefined>({ op: 'release', held: acquired.held });
  try {
    const fd = from.descriptors.open(from.file, acquired.identity);
    if (fd === undefined) {
      await release();
      return undefined;
    }
    const { overlay, pages, pageSize } = acquired;
    const walFd = overlay === undefined ? undefined : openSync(`${from.file}-wal`, 'r');
    const source = { fd, ...(walFd === undefined || overlay === undefined ? {} : { walFd, overlay }) };
    const held = heldSource(source, walFd === undefined ? [] : [walFd], release);
    return new Snapshot({ version, bytes: pages * pageSize, pageSize, held });
  } catch (error) {
    await release();
    throw error;
  }
}

async function copiedSnapshot(from: Acquirer, version: string): Promise<Snapshot> {
  const path = temporaryPath(from.tempDir);
  // A thread of its own: this may take minutes, in which other snapshots begin and end.
  const worker = startWorker();
  try {
    await worker.ask<undefined>({ op: 'vacuum', file: from.file, destination: path });
    const fd = openSync(path, 'r');
    unlinkSync(path);
    const bytes = fstatSync(fd).size;
    return new Snapshot({ version, bytes, pageSize: pageSizeOf(fd), held: heldSource({ fd }, [fd]) });
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    rmSync(`${path}-journal`, { force: true });
    await worker.close();
  }
}

function pageSizeOf(fd: number): number {
  const header = Buffer.alloc(18);
  if (readSync(fd, header, 0, 18, 0) < 18) {
    closeSync(fd);
    throw new SnapshotError('SNAPSHOT_SOURCE_INVALID', 'The database is empty');
  }
  const size = header.readUInt16BE(16);
  return size === 1 ? 65536 : size;
}
