export { createSync } from './sync.ts';
export { verify, type VerifyOptions, type VerifyResult, type VerifyTable } from './verify.ts';
export { catalog, tableNames, type Catalog } from './catalog.ts';
export { SYNC_ERROR_CODES, SyncError, isSyncError, type SyncErrorCode } from './errors.ts';
export {
  STRIPE_API_BASE,
  type KeyVerdict,
  type StripeEvent,
  type StripeOptions,
  type Sync,
  type SyncOptions,
  type SyncPhase,
  type SyncProgress,
  type SyncResult,
  type SyncStatus,
  type TableProgress,
  type TableState,
} from './options.ts';
