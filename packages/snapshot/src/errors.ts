/** What can be wrong, see {@link SnapshotError}. */
export type SnapshotErrorCode =
  | 'SNAPSHOT_OPTIONS'
  | 'SNAPSHOT_SOURCE_MISSING'
  | 'SNAPSHOT_SOURCE_INVALID'
  | 'SNAPSHOT_BUSY'
  | 'SNAPSHOT_DESTINATION_EXISTS'
  | 'SNAPSHOT_DISK_FULL'
  | 'SNAPSHOT_FAILED'
  | 'SNAPSHOT_HTTP'
  | 'SNAPSHOT_DIGEST';

/** The error of this package; compare `code`. */
export class SnapshotError extends Error {
  readonly code: SnapshotErrorCode;

  constructor(code: SnapshotErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SnapshotError';
    this.code = code;
  }
}

/** Names the destination where the disk it is on is full. */
export function asSnapshotError(error: unknown, destination: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EFBIG' && code !== 'EDQUOT') return error;
  return new SnapshotError('SNAPSHOT_DISK_FULL', `There is no space for ${destination}`, { cause: error });
}
