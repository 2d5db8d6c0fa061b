/** Every way this package refuses. */
export type HealthErrorCode =
  /** The options are wrong; the message names all faults. */
  | 'OPTIONS'
  /** No check has this name. */
  | 'UNKNOWN_CHECK'
  /** `close()` was called. */
  | 'CLOSED';

/** The only error class of this package; compare `code`. */
export class HealthError extends Error {
  override readonly name = 'HealthError';
  readonly code: HealthErrorCode;

  constructor(code: HealthErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
