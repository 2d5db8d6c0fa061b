import type { Supervisor, SupervisorOptions } from './types.ts';

/** Runs processes. Nothing is started before `start()`. @throws {@link SupervisorError} OPTIONS */
export declare function createSupervisor(options: SupervisorOptions): Supervisor;

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
