import type { SnapshotHandler, SnapshotOptions } from './options.ts';
import { SnapshotError } from './errors.ts';

/** Serves consistent copies of a live SQLite database over HTTP, without a second copy on disk. */
export function createSnapshotHandler(options: SnapshotOptions): SnapshotHandler {
  throw new SnapshotError('SNAPSHOT_FAILED', `unfinished: ${options.file}`);
}
