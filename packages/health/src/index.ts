import type {
  Check,
  FreeDiskOptions,
  Health,
  HealthOptions,
  HttpProbeOptions,
  KeyStateOptions,
  ProcessStatesOptions,
  SqliteIntegrityOptions,
  TdogHeartbeatOptions,
  TdogProgressOptions,
  WalSizeOptions,
} from './types.ts';

/** Names checks and answers for them. @throws {@link HealthError} OPTIONS */
export declare function createHealth(options: HealthOptions): Health;
/** Age of the engine's heartbeat in td_metadata (also that of the original tdog 0.7). */
export declare function tdogHeartbeat(options: TdogHeartbeatOptions): Check;
/** The download: share, time left, tables skipped; lag and drift once it is done. Progress is a warning, a stall a failure. */
export declare function tdogProgress(options: TdogProgressOptions): Check;
/** States of processes, from a function. */
export declare function processStates(options: ProcessStatesOptions): Check;
/** Asks an HTTP server, over TCP or a Unix socket. */
export declare function httpProbe(options: HttpProbeOptions): Check;
/** quick_check table by table in a child process of low priority. */
export declare function sqliteIntegrity(options: SqliteIntegrityOptions): Check;
/** Free space, with a forecast. */
export declare function freeDisk(options: FreeDiskOptions): Check;
/** Size of the write-ahead log. */
export declare function walSize(options: WalSizeOptions): Check;
/** Verdict on an API key, from a function. */
export declare function keyState(options: KeyStateOptions): Check;

export { HealthError } from './errors.ts';
export type { HealthErrorCode } from './errors.ts';
export type {
  Check,
  CheckContext,
  CheckResult,
  CheckTiming,
  FreeDiskOptions,
  Health,
  HealthHandler,
  HealthItem,
  HealthOptions,
  HealthReport,
  HealthStatus,
  HttpProbeOptions,
  KeyStateOptions,
  Metric,
  ProcessState,
  ProcessStatesOptions,
  SqliteIntegrityOptions,
  TdogHeartbeatOptions,
  TdogProgressOptions,
  WalSizeOptions,
} from './types.ts';
