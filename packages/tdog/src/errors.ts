/** Every code that a {@link SyncError} can carry, with what it means. */
export const SYNC_ERROR_CODES: Readonly<Record<SyncErrorCode, string>> = {
  TDOG_OPTIONS: 'an option has a wrong value',
  TDOG_KEY_REFUSED: 'Stripe refused the key (401)',
  TDOG_OTHER_ACCOUNT: 'the file belongs to another account or mode',
  TDOG_FILE_LOCKED: 'another engine writes this file',
  TDOG_FILE_UNUSABLE: 'the file cannot be opened or is no SQLite database',
  TDOG_STRIPE: 'Stripe answered in a way that cannot be worked with',
  TDOG_EXIT_ON_429: 'Stripe answered 429 and exit_on_429 is set',
};

/** The closed set of error codes of this package. */
export type SyncErrorCode =
  | 'TDOG_OPTIONS'
  | 'TDOG_KEY_REFUSED'
  | 'TDOG_OTHER_ACCOUNT'
  | 'TDOG_FILE_LOCKED'
  | 'TDOG_FILE_UNUSABLE'
  | 'TDOG_STRIPE'
  | 'TDOG_EXIT_ON_429';

/** The one error class of this package; compare `code`, not the message. */
export class SyncError extends Error {
  readonly code: SyncErrorCode;

  constructor(code: SyncErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SyncError';
    this.code = code;
  }
}

/** Whether `error` is a {@link SyncError}, also one of another copy of this package. */
export function isSyncError(error: unknown): error is SyncError {
  return error instanceof Error && error.name === 'SyncError' && 'code' in error;
}
