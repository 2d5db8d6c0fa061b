/** Why an emulator could not be made or started. Compare `code`, not the message. */
export type EmulatorErrorCode =
  | 'EMULATOR_OPTION'
  | 'EMULATOR_TIMELINE'
  | 'EMULATOR_STATE'
  | 'EMULATOR_ADDRESS'
  | 'EMULATOR_STEP'
  | 'EMULATOR_CLOSED';

/** What each code means; the README carries the same table. */
export const emulatorErrorCodes: Readonly<Record<EmulatorErrorCode, string>> = {
  EMULATOR_OPTION: 'an option has a value that cannot be',
  EMULATOR_TIMELINE: 'the folder of a recorded timeline cannot be read',
  EMULATOR_STATE: 'the state file cannot be read, or belongs to another account',
  EMULATOR_ADDRESS: 'the address cannot be listened on',
  EMULATOR_STEP: 'the timeline has no such step, or there is no timeline',
  EMULATOR_CLOSED: 'the emulator has been closed',
};

/** The one error class of this package. */
export class EmulatorError extends Error {
  override readonly name = 'EmulatorError';
  /** One of {@link EmulatorErrorCode}. */
  readonly code: EmulatorErrorCode;

  constructor(code: EmulatorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
