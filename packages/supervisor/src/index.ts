export { readConfig } from './config-file.ts';
export type { ConfigFile } from './config-file.ts';
export { createSupervisor } from './supervisor.ts';
export { SupervisorError } from './errors.ts';
export type { SupervisorErrorCode } from './errors.ts';
export type {
  BackoffOptions,
  BurstOptions,
  Dependency,
  LogFileOptions,
  Probe,
  ProbeFunction,
  Readiness,
  ReloadResult,
  ServiceExit,
  ServiceOptions,
  ServiceState,
  ServiceStatus,
  StopOptions,
  Supervisor,
  SupervisorEvent,
  SupervisorOptions,
  SupervisorResult,
  SupervisorStatus,
  WatchdogOptions,
} from './types.ts';
