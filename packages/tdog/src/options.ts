import type { DatabaseSync } from 'node:sqlite';
import { pino, type Logger } from 'pino';

import { catalog, tableNames } from './catalog.ts';
import { SyncError } from './errors.ts';

/** How Stripe is talked to. */
export interface StripeOptions {
  /** `sk_…`, better a read-only `rk_…`; never logged. */
  readonly secretKey: string;
  /** @defaultValue https://api.stripe.com */
  readonly apiBase?: string;
  /** `Stripe-Version` of every request. @defaultValue the version of the catalogue */
  readonly apiVersion?: string;
  /** `Stripe-Context`, needed by organisation keys (`sk_org_…`). */
  readonly stripeContext?: string;
  /** Time limit of one request. @defaultValue 80000 */
  readonly timeoutMs?: number;
  /** Connections kept open at once. @defaultValue 64 */
  readonly maxConnections?: number;
}

/** Options of {@link createSync}. */
export interface SyncOptions {
  readonly stripe: StripeOptions;
  /** The SQLite file; made when it does not exist. */
  readonly file: string;
  /** @defaultValue 'core' */
  readonly tables?: 'core' | 'all' | readonly string[];
  /** Stay and keep the file current. @defaultValue false */
  readonly watch?: boolean;
  /** Fixed time between two polls; undefined = adaptive, within the read allowance. */
  readonly pollIntervalMs?: number;
  /** Ceiling of the limiter. @defaultValue 100 with a live key, 25 with a test key, none where the base is not Stripe's own */
  readonly maxRequestsPerSecond?: number;
  /** Part of the request rate that the engine may use, 0..1; the rest stays with the account's other software. @defaultValue 0.9 */
  readonly share?: number;
  /** Part of the read allowance that the background proof may use, 0..1; 0 switches it off. @defaultValue 0.05 */
  readonly proofShare?: number;
  /** A pass that would delete more than 100 rows and 5 % of a table goes on. @defaultValue false */
  readonly acceptDeletions?: boolean;
  /** End with TDOG_EXIT_ON_429 at the first 429 (tdog 0.7's `exit_on_429`). @defaultValue false */
  readonly exitOn429?: boolean;
  /** Called once the schema stands, before the first row, on the engine's own connection. */
  readonly onSchema?: (db: DatabaseSync, tables: readonly string[]) => void;
  /** Called each time a table's download is finished, on the engine's own connection. */
  readonly onTableDone?: (db: DatabaseSync, table: string) => void;
  /** Called when Stripe has accepted ('live') or refused ('refused') the key, at most each 10 s while nothing changes. */
  readonly onKeyVerdict?: (verdict: KeyVerdict, at: number) => void;
  /** Called at most each 200 ms during a download, and at its end. */
  readonly onProgress?: (progress: SyncProgress) => void;
  readonly logger?: Logger;
  /** Clock in ms. @defaultValue Date.now */
  readonly now?: () => number;
  /** @defaultValue Math.random */
  readonly random?: () => number;
}

/** What Stripe last said of the key. */
export type KeyVerdict = 'live' | 'refused';

/** State of one table in the download. */
export type TableState = 'waiting' | 'running' | 'done' | 'skipped' | 'failed';

/** One table's line of {@link SyncProgress}. */
export interface TableProgress {
  readonly table: string;
  readonly state: TableState;
  readonly rows: number;
  readonly pages: number;
  /** Part that is done, 0..1, judged by time windows; undefined where it cannot be known. */
  readonly share: number | undefined;
  /** Why a table was skipped (missing permission) or failed. */
  readonly error: string | undefined;
}

/** How far the download is. */
export interface SyncProgress {
  readonly done: boolean;
  readonly tables: readonly TableProgress[];
  readonly objects: number;
  readonly requests: number;
  readonly objectsPerSecond: number;
  readonly secondsLeft: number | undefined;
}

/** What the engine does at the moment. */
export type SyncPhase =
  'idle' | 'connecting' | 'downloading' | 'catching-up' | 'watching' | 'resting' | 'ended';

/** Answer of {@link Sync.status}. */
export interface SyncStatus {
  readonly phase: SyncPhase;
  readonly keyVerdict: KeyVerdict | undefined;
  /** Time of Stripe's last answer that accepted the key (ms), undefined before the first. */
  readonly keyAcceptedAt: number | undefined;
  readonly account: string | undefined;
  readonly livemode: boolean | undefined;
  readonly dataVersion: number;
  readonly lastPollAt: number | undefined;
  readonly pollIntervalMs: number;
  readonly requests: number;
  /** Why Stripe cannot be reached at the moment, if so. */
  readonly trouble: string | undefined;
}

/** Answer of {@link Sync.run}. */
export interface SyncResult {
  readonly account: string | undefined;
  readonly livemode: boolean;
  /** Objects written by this run's download; 0 when the file had been downloaded before. */
  readonly objects: number;
  /** Events applied by this run. */
  readonly events: number;
  readonly requests: number;
  readonly seconds: number;
  readonly tables: readonly TableProgress[];
}

/** A Stripe event as it comes from `/v1/events` or a verified webhook. */
export interface StripeEvent {
  readonly id: string;
  readonly object: 'event';
  readonly type: string;
  readonly created: number;
  readonly api_version: string | null;
  readonly livemode: boolean;
  readonly data: {
    readonly object: Readonly<Record<string, unknown>>;
    readonly previous_attributes?: Readonly<Record<string, unknown>>;
  };
  readonly [property: string]: unknown;
}

/** The engine: one Stripe account, one file. */
export interface Sync {
  /**
   * Downloads what is missing, applies what is new and, with `watch`, stays until `signal` aborts (then resolves).
   * While watching, a refused key makes the engine rest until {@link Sync.keyAccepted}; without `watch`, and at the
   * start, it rejects.
   *
   * @throws {@link SyncError} TDOG_KEY_REFUSED, TDOG_OTHER_ACCOUNT, TDOG_FILE_LOCKED, TDOG_FILE_UNUSABLE, …
   */
  run(signal?: AbortSignal): Promise<SyncResult>;
  /** Somebody looks, or a webhook came: poll at once and often for the next minute. */
  poll(): void;
  /** Takes a verified webhook's event: applied at once, without a read when its version is the pinned one. */
  applyEvent(event: StripeEvent): void;
  /** Somebody else (the proxy's key check) learned that Stripe refuses the key: rest. */
  keyRefused(): void;
  /** Stripe accepts the key again: go on. */
  keyAccepted(): void;
  /** Somebody else asked Stripe with this key (the proxy's key check): counted in td_requests, as `key`. */
  countReads(reads: number): void;
  status(): SyncStatus;
}

/** Options with all defaults filled in. */
export type ResolvedOptions = Readonly<
  Required<Pick<SyncOptions, 'file' | 'watch' | 'share' | 'proofShare' | 'acceptDeletions' | 'exitOn429'>> & {
    readonly [K in 'onSchema' | 'onTableDone' | 'onKeyVerdict' | 'onProgress' | 'pollIntervalMs']:
      SyncOptions[K] | undefined;
  } & {
    readonly stripe: Required<Omit<StripeOptions, 'stripeContext'>> & Pick<StripeOptions, 'stripeContext'>;
    readonly tables: readonly string[];
    readonly maxRequestsPerSecond: number;
    readonly ownBase: boolean;
    readonly livemode: boolean | undefined;
    readonly logger: Logger;
    readonly now: () => number;
    /** The same for what lasts and is waited for: a clock that is set back makes no wait longer. */
    readonly steady: () => number;
    readonly random: () => number;
  }
>;

/** Stripe's own address. */
export const STRIPE_API_BASE = 'https://api.stripe.com';

/**
 * Checks all options at once and fills in the defaults.
 *
 * @throws {@link SyncError} TDOG_OPTIONS with one line that names every wrong option.
 */
export function resolveOptions(options: SyncOptions): ResolvedOptions {
  const faults: string[] = [];
  const key = options.stripe.secretKey;
  if (key.startsWith('pk_'))
    faults.push(
      'stripe.secretKey is a publishable key (pk_…); a secret (sk_…) or restricted key (rk_…) is needed',
    );
  else if (key.startsWith('sk_org_')) {
    if (options.stripe.stripeContext === undefined)
      faults.push('stripe.stripeContext is needed with an organisation key (sk_org_…)');
  } else if (!/^(sk|rk)_(test|live)_\w+$/.test(key))
    faults.push(
      'stripe.secretKey is not a Stripe key (expected sk_test_…, sk_live_…, rk_test_… or rk_live_…)',
    );
  const livemode = /^(sk|rk)_live_/.test(key) ? true : /^(sk|rk)_test_/.test(key) ? false : undefined;
  const apiBase = (options.stripe.apiBase ?? STRIPE_API_BASE).replace(/\/+$/, '');
  const url = URL.canParse(apiBase) ? new URL(apiBase) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    faults.push(`stripe.apiBase is no http(s) address: ${apiBase}`);
  else if (url.protocol === 'http:' && livemode !== false && !isLoopback(url.hostname))
    faults.push(`stripe.apiBase must be https for a live key, unless its host is loopback: ${apiBase}`);
  if (options.file === '') faults.push('file is empty');
  const tables = resolveTables(options.tables ?? 'core', faults);
  number(faults, 'pollIntervalMs', options.pollIntervalMs, 1, 3_600_000);
  number(faults, 'maxRequestsPerSecond', options.maxRequestsPerSecond, 0.01, 10_000);
  number(faults, 'share', options.share, 0.01, 1);
  number(faults, 'proofShare', options.proofShare, 0, 1);
  number(faults, 'stripe.timeoutMs', options.stripe.timeoutMs, 1, 3_600_000);
  number(faults, 'stripe.maxConnections', options.stripe.maxConnections, 1, 10_000);
  if (faults.length > 0) throw new SyncError('TDOG_OPTIONS', faults.join('; '));
  const ownBase = apiBase === STRIPE_API_BASE;
  return Object.freeze({
    stripe: Object.freeze({
      secretKey: key,
      apiBase,
      apiVersion: options.stripe.apiVersion ?? catalog.apiVersion,
      timeoutMs: options.stripe.timeoutMs ?? 80_000,
      maxConnections: options.stripe.maxConnections ?? 64,
      ...(options.stripe.stripeContext === undefined ? {} : { stripeContext: options.stripe.stripeContext }),
    }),
    file: options.file,
    tables,
    watch: options.watch ?? false,
    pollIntervalMs: options.pollIntervalMs,
    maxRequestsPerSecond: options.maxRequestsPerSecond ?? (ownBase ? (livemode === true ? 100 : 25) : 1000),
    share: options.share ?? (ownBase ? 0.9 : 1),
    proofShare: options.proofShare ?? 0.05,
    acceptDeletions: options.acceptDeletions ?? false,
    exitOn429: options.exitOn429 ?? false,
    onSchema: options.onSchema,
    onTableDone: options.onTableDone,
    onKeyVerdict: options.onKeyVerdict,
    onProgress: options.onProgress,
    ownBase,
    livemode,
    logger: options.logger ?? pino({ enabled: false }),
    now: options.now ?? Date.now,
    steady: steadyClock(options.now ?? Date.now),
    random: options.random ?? Math.random,
  });
}

/** A clock that never goes back: where `now` does, it stands still for that moment and goes on. */
function steadyClock(now: () => number): () => number {
  let last = now();
  let ahead = 0;
  return () => {
    const at = now();
    if (at < last) ahead += last - at;
    last = at;
    return at + ahead;
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\./.test(host);
}

function number(faults: string[], name: string, value: number | undefined, min: number, max: number): void {
  if (value !== undefined && !(Number.isFinite(value) && value >= min && value <= max))
    faults.push(`${name} must be a number from ${min} to ${max}, got ${value}`);
}

function resolveTables(tables: 'core' | 'all' | readonly string[], faults: string[]): readonly string[] {
  if (tables === 'all' || tables === 'core') return tableNames(tables);
  const known = new Set(tableNames('all'));
  const unknown = tables.filter((table) => !known.has(table));
  if (unknown.length > 0) faults.push(`tables names unknown tables: ${unknown.join(', ')}`);
  if (tables.length === 0) faults.push('tables is an empty list');
  return tables.filter((table) => known.has(table));
}
