import type { CopyOptions, CopyResult } from './options.ts';
import { SnapshotError } from './errors.ts';

/** Writes a consistent copy of a live database to a file: to a temporary name first, renamed when it is complete. */
export async function copyDatabase(
  source: string,
  destination: string,
  options: CopyOptions = {},
): Promise<CopyResult> {
  await Promise.resolve(options);
  throw new SnapshotError('SNAPSHOT_FAILED', `unfinished: ${source} ${destination}`);
}
