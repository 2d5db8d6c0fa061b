export { createHealth } from './health.ts';
export { freeDisk } from './checks/free-disk.ts';
export { httpProbe } from './checks/http-probe.ts';
export { keyState } from './checks/key-state.ts';
export { processStates } from './checks/process-states.ts';
export { sqliteIntegrity } from './checks/sqlite-integrity.ts';
export { tdogHeartbeat } from './checks/tdog-heartbeat.ts';
export { tdogProgress } from './checks/tdog-progress.ts';
export { walSize } from './checks/wal-size.ts';
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
