import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';

/** A verdict. `warn` is still ok. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

/** One sample of the Prometheus text. */
export interface Metric {
  /** Prometheus name with its unit: `_seconds`, `_bytes`, `_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What one run of a check found. */
export interface CheckResult {
  readonly status: HealthStatus;
  /** For a human; only authorised callers see it. */
  readonly message?: string;
  readonly observed?: unknown;
  readonly unit?: string;
  readonly metrics?: readonly Metric[];
  /** When to look again in place of the check's interval, ms: for what is not there yet. */
  readonly againInMs?: number;
}

/** Handed to each run of a check. */
export interface CheckContext {
  /** Aborted at the time limit and by `close()`. */
  readonly signal: AbortSignal;
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  /** Clock that never jumps, ms. */
  readonly monotonic: () => number;
}

/** When a check runs and what its verdict is worth. Every factory takes these too. */
export interface CheckTiming {
  /** From the end of a run to the next, ms. @defaultValue 10000 */
  readonly intervalMs?: number;
  /** Of one run, ms. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** A verdict older than this is a failure, ms. @defaultValue 3 × (intervalMs + timeoutMs) */
  readonly expiresMs?: number;
  /** The worst the check can say: with 'warn' a failure counts as a warning. @defaultValue 'fail' */
  readonly severity?: 'fail' | 'warn';
  /** A failure also makes `ready` answer 503. @defaultValue false */
  readonly readiness?: boolean;
  /** So many failed runs in a row are a failure, and a warning before that, once it has been well. @defaultValue 1 */
  readonly failAfter?: number;
}

/** A named question. Write your own, or use a factory. */
export interface Check extends CheckTiming {
  /** A throw or an exceeded time limit is a failure. */
  readonly run: (context: CheckContext) => CheckResult | Promise<CheckResult>;
  /** `componentType` in application/health+json. */
  readonly componentType?: 'component' | 'datastore' | 'system';
}

/** Options of {@link createHealth}. */
export interface HealthOptions {
  /** The names are those of the items in the answer. */
  readonly checks: Readonly<Record<string, Check>>;
  /** A change of a verdict is logged. @defaultValue silent */
  readonly logger?: Logger;
  /** From its abort on `ready` answers 503 and no check is started. */
  readonly signal?: AbortSignal;
  /** Who sees `observed`, `message` … in the report. @defaultValue nobody */
  readonly isAuthorised?: (request: IncomingMessage) => boolean | Promise<boolean>;
  /** Further samples for the Prometheus text, asked at each scrape. */
  readonly collect?: () => readonly Metric[];
  /** `releaseId` and `version` of application/health+json; for authorised callers. */
  readonly releaseId?: string;
  readonly version?: string;
  /** Wall clock, ms since the epoch: for `time` and what checks compare. @defaultValue Date.now */
  readonly now?: () => number;
  /** Clock that never jumps, ms: for expiry. @defaultValue performance.now */
  readonly monotonic?: () => number;
}

/** One item of a {@link HealthReport}, with everything known. */
export interface HealthItem {
  readonly ok: boolean;
  readonly status: HealthStatus;
  readonly observed?: unknown;
  readonly unit?: string;
  /** End of the run, ISO 8601. Absent before the first one. */
  readonly time?: string;
  readonly message?: string;
}

/** All verdicts at one moment. `ok` = status is not fail. */
export interface HealthReport {
  readonly ok: boolean;
  readonly status: HealthStatus;
  readonly items: Readonly<Record<string, HealthItem>>;
}

/** For plain node:http and express alike. Answers GET and HEAD, else 405. */
export type HealthHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Returned by {@link createHealth}. */
export interface Health {
  /** Starts the checks; the first call of `report`, `ready`, `metrics` or `status` does it too. */
  start(): void;
  /** 200 as long as the event loop turns; touches no check. */
  readonly live: HealthHandler;
  /** 200, or 503 while a check with `readiness` fails or has not been run, and from the abort of the signal on. */
  readonly ready: HealthHandler;
  /** `{ok, status, items}`, or application/health+json when asked for; 200, or 503 on fail. */
  readonly report: HealthHandler;
  /** Prometheus text format 0.0.4. Put it behind your own authentication. */
  readonly metrics: HealthHandler;
  /** All details, at once, from memory. */
  status(): HealthReport;
  /** True when `ready` would answer 200. */
  isReady(): boolean;
  /** Resolves when every check has been run once, or `timeoutMs` is over. */
  settled(timeoutMs?: number): Promise<void>;
  /** Runs one check now, out of turn (coalesced with a run under way), and resolves with its verdict. */
  refresh(name: string): Promise<HealthItem>;
  /** Ends all timers and children. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of {@link tdogHeartbeat}. */
export interface TdogHeartbeatOptions extends CheckTiming {
  /** The database; opened read only for each run. */
  readonly file: string;
  /**
   * The longest time between two heartbeats of a healthy engine by the way it polls, ms; a function when that changes.
   * @defaultValue what the engine says in td_state (`poll_interval_ms`), else 300000, its longest; 10000 for tdog 0.7
   */
  readonly heartbeatMs?: number | (() => number);
  /** Warn above this age, ms. @defaultValue 2 × heartbeatMs + 40000 */
  readonly warnAfterMs?: number;
  /** Fail when there was no sign of life for this long, ms. @defaultValue 3 × heartbeatMs + 270000 */
  readonly failAfterMs?: number;
  /** True while the other side (Stripe) cannot be reached: then an old heartbeat is no more than a warning. @defaultValue never */
  readonly unreachable?: () => boolean;
}

/** Options of {@link tdogProgress}. */
export interface TdogProgressOptions extends CheckTiming {
  readonly file: string;
  /** A download without any progress for this long is a failure, ms. @defaultValue 900000 */
  readonly stalledAfterMs?: number;
  /** True while the other side (Stripe) cannot be reached: then a stall is no more than a warning. @defaultValue never */
  readonly unreachable?: () => boolean;
}

/** What {@link processStates} needs to know of a process; a supervisor's `status().services` fits. */
export interface ProcessState {
  readonly name: string;
  readonly state: string;
  readonly pid?: number | null;
  readonly restarts?: number;
  /** ms since the epoch. */
  readonly since?: number;
  readonly cpuSeconds?: number | null;
  readonly memoryBytes?: number | null;
}

/** Options of {@link processStates}. */
export interface ProcessStatesOptions extends CheckTiming {
  readonly list: () => readonly ProcessState[];
  /** Look at these only. @defaultValue all */
  readonly only?: readonly string[];
  /** @defaultValue ready, running, completed */
  readonly pass?: readonly string[];
  /** @defaultValue starting, waiting, backoff */
  readonly warn?: readonly string[];
}

/** Options of {@link httpProbe}. */
export interface HttpProbeOptions extends CheckTiming {
  /** `http://host:port/path` or `https://…`; with `socketPath` only path and query are used. */
  readonly url: string;
  readonly socketPath?: string;
  /** @defaultValue 200 to 399 */
  readonly status?: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Slower than this is a warning, ms. @defaultValue none */
  readonly warnAfterMs?: number;
}

/** Options of {@link sqliteIntegrity}. */
export interface SqliteIntegrityOptions extends CheckTiming {
  readonly file: string;
  /** Wait before the first run, ms. @defaultValue 0 */
  readonly initialDelayMs?: number;
  /** nice value of the child process. @defaultValue 19 */
  readonly nice?: number;
  /** Rest after each table, as a multiple of the time that it took. @defaultValue 4 */
  readonly restFactor?: number;
}

/** Options of {@link freeDisk}. */
export interface FreeDiskOptions extends CheckTiming {
  /** Any path on the file system. */
  readonly path: string;
  /** @defaultValue 1073741824 */
  readonly warnBelowBytes?: number;
  /** @defaultValue 268435456 */
  readonly failBelowBytes?: number;
  /** Warn when at the pace of the last hours the disk is full within this, ms. @defaultValue 86400000 */
  readonly forecastMs?: number;
}

/** Options of {@link walSize}. */
export interface WalSizeOptions extends CheckTiming {
  /** The database; `-wal` is appended. */
  readonly file: string;
  /** @defaultValue 268435456 */
  readonly warnBytes?: number;
  /** @defaultValue none */
  readonly failBytes?: number;
}

/** Options of {@link keyState}. */
export interface KeyStateOptions extends CheckTiming {
  /** `unknown` (nobody to ask: the network, the other side) is a warning, `refused` a failure. */
  readonly state: () => 'live' | 'refused' | 'unknown' | Promise<'live' | 'refused' | 'unknown'>;
}
