/** Every way the supervisor refuses or fails. */
export type SupervisorErrorCode =
  /** The options or the configuration are wrong; `faults` lists all of them. */
  | 'OPTIONS'
  /** The configuration file cannot be read or parsed. */
  | 'CONFIG_FILE'
  /** No service has this name. */
  | 'UNKNOWN_SERVICE'
  /** A service was given up before everything was ready. */
  | 'SERVICE_FAILED'
  /** It was stopped meanwhile, or `start` was called twice. */
  | 'STOPPED';

/** The only error class of this package; compare `code`. */
export class SupervisorError extends Error {
  override readonly name = 'SupervisorError';
  readonly code: SupervisorErrorCode;
  /** All faults of the options, one line each. */
  readonly faults: readonly string[];

  constructor(
    code: SupervisorErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly faults?: readonly string[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.faults = options.faults ?? [];
  }
}
