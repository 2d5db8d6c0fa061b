import type { KeyVerdict, StripeEvent, SyncOptions, SyncProgress } from '@datasette-stripe/tdog';

/**
 * What the engine needs to begin. It goes over the IPC channel and not in the environment or on the command line,
 * where other processes of the user could read the key.
 */
export interface EngineStart {
  readonly sync: Pick<SyncOptions, 'stripe' | 'file' | 'tables' | 'pollIntervalMs' | 'maxRequestsPerSecond'>;
  /** The key has been accepted before: when Stripe refuses it now, rest until it is accepted again, don't end. */
  readonly restOnRefusal: boolean;
  readonly logLevel: string;
}

/** From main to the engine. */
export type ToEngine =
  | { readonly start: EngineStart }
  /** Somebody looks, or a webhook came. */
  | { readonly poll: true }
  /** A verified webhook's event. */
  | { readonly event: StripeEvent }
  /** Main asked Stripe with the key: so many reads of the allowance. */
  | { readonly reads: number }
  /** Main learned that Stripe refuses the key, or accepts it again. */
  | { readonly key: KeyVerdict };

/** From the engine to main. */
export type FromEngine =
  /** It runs and waits for {@link EngineStart}. */
  | { readonly hello: true }
  /** The file is there, of this account, with all its tables: it can be served. */
  | { readonly schema: true }
  | { readonly verdict: KeyVerdict; readonly at: number }
  | { readonly progress: SyncProgress }
  /** The search index is being built; what a search finds changes without the data changing. */
  | { readonly indexing: boolean }
  /** Why it ends, in one line. */
  | { readonly fatal: { readonly code: string; readonly message: string } };

/** What the emulator of the demo needs to begin. */
export interface EmulatorStart {
  readonly key: string;
  readonly accountId: string;
  readonly stateFile: string;
  /** The one it had before, so that the engine finds it again after a crash; 0 for a free one. */
  readonly port: number;
  readonly logLevel: string;
}

/** From the emulator to main. */
export type FromEmulator =
  | { readonly hello: true }
  | { readonly url: string }
  /** Why it ends, in one line. */
  | { readonly fatal: { readonly code: string; readonly message: string } };

/** Exit code of the emulator when its history cannot be gone on with: another start would end the same way. */
export const demoStateExitCode = 2;
