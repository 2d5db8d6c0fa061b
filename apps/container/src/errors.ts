/** Why the container ends, other than by a signal. `DEMO_STATE`: the demo's history cannot be gone on with; a new demo is begun. */
export type ContainerErrorCode = 'CONFIGURATION' | 'KEY_REFUSED' | 'OTHER_ACCOUNT' | 'DEMO_STATE' | 'FAILED';

/** What the process exits with; 0 is for a stop by signal. */
export const exitCodes: Readonly<Record<ContainerErrorCode, number>> = {
  FAILED: 1,
  DEMO_STATE: 1,
  CONFIGURATION: 2,
  KEY_REFUSED: 3,
  OTHER_ACCOUNT: 4,
};

/** The one error class of the container. Its message is one line for whoever runs it: what is wrong, and what to do. */
export class ContainerError extends Error {
  readonly code: ContainerErrorCode;

  constructor(code: ContainerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ContainerError';
    this.code = code;
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `EADDRINUSE`, `EACCES` and the like; undefined for an error that the system did not make. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
