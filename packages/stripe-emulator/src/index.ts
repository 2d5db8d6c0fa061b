export { createEmulator } from './emulator.ts';
export { EmulatorError, emulatorErrorCodes, type EmulatorErrorCode } from './errors.ts';
export type { FaultSettings, RateLimitReason } from './faults/settings.ts';
export {
  apiVersion,
  type EmptySource,
  type EmulatorOptions,
  type Source,
  type SyntheticSource,
  type TimelineSource,
} from './options.ts';
export type { Emulator, EmulatorState, Json, StripeEvent, StripeObject } from './types.ts';
