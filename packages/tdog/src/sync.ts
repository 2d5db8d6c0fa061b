import { SyncError } from './errors.ts';
import { runEngine } from './run.ts';
import {
  resolveOptions,
  type KeyVerdict,
  type StripeEvent,
  type Sync,
  type SyncOptions,
  type SyncPhase,
  type SyncStatus,
} from './options.ts';
import type { Engine } from './engine.ts';

/** Webhooks' events that wait at most, while a download runs or the key is refused; the oldest go: a poll brings them. */
const MAX_INCOMING = 5_000;

/** What {@link runEngine} and the public {@link Sync} share while a run lasts. */
export interface Control {
  phase: SyncPhase;
  keyVerdict: KeyVerdict | undefined;
  keyAcceptedAt: number | undefined;
  /** Somebody else learned that the key is refused: answers on their way say nothing about it, until it is asked about anew. */
  toldRefused: boolean;
  lastPollAt: number | undefined;
  pollIntervalMs: number;
  trouble: string | undefined;
  engine: Engine | undefined;
  /** Reads that others made with the key and that are not counted yet. */
  otherReads: number;
  /** Webhooks' events that wait to be applied. */
  readonly incoming: StripeEvent[];
  /** Somebody looked since the last poll. */
  looked: boolean;
  /** Ends the current wait. */
  wake: () => void;
}

/**
 * Makes the engine of one Stripe account and one file. Work starts with {@link Sync.run}.
 *
 * @throws {@link SyncError} TDOG_OPTIONS
 */
export function createSync(options: SyncOptions): Sync {
  const resolved = resolveOptions(options);
  let running = false;
  const control: Control = {
    phase: 'idle',
    keyVerdict: undefined,
    keyAcceptedAt: undefined,
    toldRefused: false,
    lastPollAt: undefined,
    pollIntervalMs: resolved.pollIntervalMs ?? 1_000,
    trouble: undefined,
    engine: undefined,
    otherReads: 0,
    incoming: [],
    looked: false,
    wake: () => undefined,
  };
  return {
    run: async (signal) => {
      if (running) throw new SyncError('TDOG_FILE_LOCKED', 'this engine runs already');
      running = true;
      try {
        return await runEngine(resolved, control, signal);
      } finally {
        running = false;
        control.phase = 'ended';
        control.engine = undefined;
      }
    },
    poll: () => {
      control.looked = true;
      control.wake();
    },
    applyEvent: (event) => {
      control.incoming.push(event);
      if (control.incoming.length > MAX_INCOMING) control.incoming.shift();
      control.wake();
    },
    keyRefused: () => {
      control.keyVerdict = 'refused';
      control.toldRefused = true;
      control.wake();
    },
    keyAccepted: () => {
      control.keyVerdict = 'live';
      control.toldRefused = false;
      control.keyAcceptedAt = resolved.now();
      control.wake();
    },
    countReads: (reads) => {
      control.otherReads += reads;
    },
    status: (): SyncStatus => ({
      phase: control.phase,
      keyVerdict: control.keyVerdict,
      keyAcceptedAt: control.keyAcceptedAt,
      account: control.engine?.account.id,
      livemode: control.engine?.account.livemode ?? resolved.livemode,
      dataVersion: control.engine?.store.dataVersion ?? 0,
      lastPollAt: control.lastPollAt,
      pollIntervalMs: control.pollIntervalMs,
      requests: control.engine?.api.requests ?? 0,
      trouble: control.trouble ?? control.engine?.api.trouble,
    }),
  };
}
