import type { Logger } from 'pino';
import { EmulatorError } from './errors.ts';
import { wrongFaults, type FaultSettings } from './faults/settings.ts';

/** The API version whose shapes the emulator speaks. */
export const apiVersion = '2026-08-26.dahlia';

/** A folder `{events.json, meta.json, …}` of recorded events, replayed in the recorded shape. */
export interface TimelineSource {
  /** The folder. */
  readonly timeline: string;
  /**
   * The moment that is served first. Step N is the moment at which the recorded download N was made: the events of
   * the steps before N have happened. One past the last step serves every event.
   * @defaultValue one past the last step
   */
  readonly untilStep?: number;
}

/** A made-up company of any size, three years old, that can go on living. */
export interface SyntheticSource {
  /** How many customers the company has had by now. */
  readonly synthetic: number;
  /** The same seed makes the same account. @defaultValue 1 */
  readonly seed?: number;
  /** New coherent events per second; 0 leaves the account as it is. @defaultValue 0 */
  readonly liveEventsPerSecond?: number;
}

/** An account in which nothing has happened yet. */
export interface EmptySource {
  /** No objects at the start. */
  readonly empty: true;
}

/** Where the account's objects come from. */
export type Source = TimelineSource | SyntheticSource | EmptySource;

/** What {@link createEmulator} takes. All times are in milliseconds unless the name says otherwise. */
export interface EmulatorOptions {
  /** @defaultValue `{ empty: true }` */
  readonly source?: Source;
  /** @defaultValue '127.0.0.1' */
  readonly host?: string;
  /** 0 takes a free one. @defaultValue 0 */
  readonly port?: number;
  /** The only key that is let in. @defaultValue any well-formed `sk_` or `rk_` key */
  readonly key?: string;
  /** Needed for `/_emulator` paths when `host` is not loopback. @defaultValue none: `/_emulator` is loopback only */
  readonly adminToken?: string;
  /** @defaultValue `acct_` and letters that follow from the seed; of a timeline, the recorded one */
  readonly accountId?: string;
  /** Keeps what happens (and the moment the account was made) across restarts. @defaultValue nothing is kept */
  readonly stateFile?: string;
  /** The account's default API version, that of event payloads. @defaultValue {@link apiVersion} */
  readonly apiVersion?: string;
  /** Things that go wrong on purpose. @defaultValue none */
  readonly faults?: FaultSettings;
  /** Delays between the attempts to deliver a webhook. @defaultValue a second, then up to hours, as Stripe does */
  readonly webhookRetryDelaysMs?: readonly number[];
  /** @defaultValue silent */
  readonly logger?: Logger;
  /** Aborting closes the emulator. */
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
  /** 0 ≤ x < 1, for live activity, faults and jitter; the synthetic history uses the seed alone. @defaultValue `Math.random` */
  readonly random?: () => number;
}

/** The options with every default filled in. */
export interface ResolvedOptions {
  readonly source: Source;
  readonly host: string;
  readonly port: number;
  readonly key: string | undefined;
  readonly adminToken: string | undefined;
  readonly accountId: string | undefined;
  readonly stateFile: string | undefined;
  readonly apiVersion: string;
  readonly faults: FaultSettings;
  readonly webhookRetryDelaysMs: readonly number[];
  readonly logger: Logger | undefined;
  readonly signal: AbortSignal | undefined;
  readonly now: () => number;
  readonly random: () => number;
}

/** A key as Stripe makes them: secret or restricted, test or live. */
export const keyPattern: RegExp = /^(sk|rk)_(test|live)_\w+$/;

const wholeNumber = (value: number, least: number): boolean => Number.isInteger(value) && value >= least;

/** Every fault of the options at once, so that one run shows them all. */
function faultsOf(options: EmulatorOptions): string[] {
  const bad: string[] = [];
  const source = options.source ?? { empty: true };
  if ('timeline' in source && source.timeline === '') bad.push('`source.timeline` is empty');
  if ('timeline' in source && source.untilStep !== undefined && !wholeNumber(source.untilStep, 0)) {
    bad.push(`\`source.untilStep\` must be a whole number of 0 or more, got ${source.untilStep}`);
  }
  if ('synthetic' in source) {
    if (!wholeNumber(source.synthetic, 1) || source.synthetic > 1_000_000) {
      bad.push(`\`source.synthetic\` must be a whole number from 1 to 1000000, got ${source.synthetic}`);
    }
    const rate = source.liveEventsPerSecond ?? 0;
    if (!(rate >= 0 && rate <= 1000)) {
      bad.push(`\`source.liveEventsPerSecond\` must be from 0 to 1000, got ${rate}`);
    }
    if (source.seed !== undefined && !wholeNumber(source.seed, 0)) {
      bad.push(`\`source.seed\` must be a whole number of 0 or more, got ${source.seed}`);
    }
  }
  const port = options.port ?? 0;
  if (!wholeNumber(port, 0) || port > 65535) bad.push(`\`port\` must be from 0 to 65535, got ${port}`);
  if (options.key !== undefined && !keyPattern.test(options.key)) {
    bad.push('`key` must look like sk_test_…, rk_test_…, sk_live_… or rk_live_…');
  }
  if (options.accountId !== undefined && !/^acct_\w+$/.test(options.accountId)) {
    bad.push(`\`accountId\` must look like acct_…, got ${options.accountId}`);
  }
  bad.push(...wrongFaults(options.faults ?? {}).map((fault) => `\`faults\`: ${fault}`));
  return bad;
}

/**
 * Checks the options and fills in the defaults.
 * @throws {@link EmulatorError} EMULATOR_OPTION naming every fault
 */
export function resolveOptions(options: EmulatorOptions): ResolvedOptions {
  const bad = faultsOf(options);
  if (bad.length > 0) throw new EmulatorError('EMULATOR_OPTION', bad.join('; '));
  return Object.freeze({
    source: Object.freeze({ ...(options.source ?? { empty: true as const }) }),
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    key: options.key,
    adminToken: options.adminToken,
    accountId: options.accountId,
    stateFile: options.stateFile,
    apiVersion: options.apiVersion ?? apiVersion,
    faults: options.faults ?? {},
    webhookRetryDelaysMs: options.webhookRetryDelaysMs ?? [
      1000, 5000, 60_000, 600_000, 3_600_000, 14_400_000,
    ],
    logger: options.logger,
    signal: options.signal,
    now: options.now ?? Date.now,
    random: options.random ?? Math.random,
  });
}
