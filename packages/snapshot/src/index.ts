export { createSnapshotHandler } from './handler.ts';
export { copyDatabase } from './copy.ts';
export { pullDatabase } from './pull.ts';
export { SnapshotError, type SnapshotErrorCode } from './errors.ts';
export type {
  CopyOptions,
  CopyResult,
  PullOptions,
  PullResult,
  SnapshotHandler,
  SnapshotLogger,
  SnapshotOptions,
  SnapshotStatus,
} from './options.ts';
