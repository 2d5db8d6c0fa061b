import type { PullOptions, PullResult } from './options.ts';
import { SnapshotError } from './errors.ts';

/** Brings a local copy of a served database up to date, by changed pages where the server still knows the copy. */
export async function pullDatabase(
  url: string,
  file: string,
  options: PullOptions = {},
): Promise<PullResult> {
  await Promise.resolve(options);
  throw new SnapshotError('SNAPSHOT_FAILED', `unfinished: ${url} ${file}`);
}
