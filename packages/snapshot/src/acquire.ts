import { openSync, statSync } from 'node:fs';
import { asSnapshotError, SnapshotError } from './errors.ts';
import type { DatabaseDescriptors } from './file-descriptor.ts';
import { heldSource } from './held-source.ts';
import { Snapshot } from './snapshot.ts';
import type { WorkerClient } from './worker-client.ts';
import type { Acquired, FileIdentity } from './worker-protocol.ts';

/** What is needed to take snapshots of one file. */
export interface Acquirer {
  readonly file: string;
  readonly tempDir: string;
  readonly acquireMs: number;
  readonly worker: WorkerClient;
  readonly descriptors: DatabaseDescriptors;
}

/**
 * Takes a snapshot of the live file; of a database with a rollback journal a copy, because writers wait meanwhile.
 *
 * @throws SnapshotError
 */
export async function acquireSnapshot(from: Acquirer, version: string): Promise<Snapshot> {
  // Several times, because the database may be replaced between the question and the answer.
  for (let attempt = 0; attempt < 3; attempt++) {
    const acquired = await from.worker
      .ask<Acquired>({ op: 'acquire', file: from.file, timeoutMs: from.acquireMs })
      .catch((error: unknown) => {
        if (String(error).includes('replaced')) return undefined;
        throw error;
      });
    const snapshot = acquired === undefined ? undefined : await open(from, acquired, version);
    if (snapshot !== undefined) return snapshot;
  }
  throw new SnapshotError('SNAPSHOT_FAILED', `${from.file} is replaced again and again`);
}

async function open(from: Acquirer, acquired: Acquired, version: string): Promise<Snapshot | undefined> {
  const { identity, overlay, pages, pageSize, blocking } = acquired;
  const release = (): Promise<void> => from.worker.ask<undefined>({ op: 'release', held: acquired.held });
  let snapshot: Snapshot | undefined;
  try {
    const fd = from.descriptors.open(from.file, identity);
    if (fd !== undefined) {
      const walFd = overlay === undefined ? undefined : openSync(`${from.file}-wal`, 'r');
      const source = { fd, ...(walFd === undefined || overlay === undefined ? {} : { walFd, overlay }) };
      const held = heldSource(source, walFd === undefined ? [] : [walFd], release);
      snapshot = new Snapshot({ version, bytes: pages * pageSize, pageSize, held });
      // Looked at after the WAL was opened: so it is the WAL of this file.
      if (!isAt(from.file, identity)) {
        await snapshot.close();
        return undefined;
      }
      if (blocking) await snapshot.spool(from.tempDir);
      return snapshot;
    }
  } catch (error) {
    await (snapshot?.close() ?? release());
    // Replaced meanwhile, and its write-ahead log is gone with it: no fault, but another try.
    if (!isAt(from.file, identity)) return undefined;
    throw asSnapshotError(error, `a copy in ${from.tempDir}`);
  }
  await release();
  return undefined;
}

function isAt(file: string, { dev, ino }: FileIdentity): boolean {
  const now = statSync(file, { bigint: true, throwIfNoEntry: false });
  return now?.dev === dev && now.ino === ino;
}
