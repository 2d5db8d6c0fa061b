import type { Writable } from 'node:stream';
import type { Logger } from 'pino';

/** What a state of a service is called. `completed` is a one-shot that ended with success, `failed` is given up. */
export type ServiceState =
  'waiting' | 'starting' | 'ready' | 'backoff' | 'stopping' | 'stopped' | 'completed' | 'exited' | 'failed';

/** Asks once whether a service answers. The signal aborts at the time limit. */
export type ProbeFunction = (context: {
  readonly service: string;
  readonly pid: number;
  readonly signal: AbortSignal;
}) => boolean | Promise<boolean>;

/** A question that can be asked again and again: for readiness and for the watchdog. */
export type Probe =
  | {
      readonly type: 'http';
      /** `http://host:port/path`; with `socketPath` only its path and query are used. */
      readonly url: string;
      readonly socketPath?: string;
      /** @defaultValue 2xx and 3xx */
      readonly status?: readonly number[];
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly type: 'tcp'; readonly host?: string; readonly port: number }
  | { readonly type: 'socket'; readonly path: string }
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'function'; readonly probe: ProbeFunction };

/** When a started service counts as ready; its dependants wait for it. */
export type Readiness =
  | Probe
  /** As soon as the process runs (the default). */
  | { readonly type: 'started' }
  /** A line of its output matches. A string is the source of a regular expression. */
  | { readonly type: 'log'; readonly pattern: RegExp | string; readonly stream?: 'stdout' | 'stderr' }
  /** It ended with success: a one-shot, such as a migration. Its state is then `completed`. */
  | { readonly type: 'exit' }
  /** It writes a line to this inherited descriptor (3 or more), as s6's notification-fd. */
  | { readonly type: 'fd'; readonly fd: number }
  /** It sends this over Node's IPC channel (`process.send('ready')`); deep-compared. @defaultValue 'ready' */
  | { readonly type: 'ipc'; readonly message?: unknown };

/** One service this one waits for. */
export interface Dependency {
  readonly service: string;
  /** @defaultValue 'ready' */
  readonly state?: 'ready' | 'completed';
  /** Restart this service too when the other one has been restarted. @defaultValue false */
  readonly restart?: boolean;
}

/** Growing delay between restarts. */
export interface BackoffOptions {
  /** ms. @defaultValue 500 */
  readonly initialMs?: number;
  /** ms. @defaultValue 30000 */
  readonly maxMs?: number;
  /** @defaultValue 2 */
  readonly factor?: number;
  /** Share of the delay that is random, 0 to 1. @defaultValue 0.2 */
  readonly jitter?: number;
  /** A service that was ready this long starts over at `initialMs`. ms. @defaultValue 60000 */
  readonly resetAfterMs?: number;
}

/** More than `starts` starts within `withinMs`, but for those asked for, and the supervisor gives the service up. */
export interface BurstOptions {
  /** 0 = never give up. @defaultValue 5 */
  readonly starts?: number;
  /** ms. @defaultValue 60000 */
  readonly withinMs?: number;
}

/** How a service is stopped. */
export interface StopOptions {
  /** @defaultValue 'SIGTERM' */
  readonly signal?: NodeJS.Signals;
  /** From the signal to SIGKILL, ms. @defaultValue 8000 */
  readonly timeoutMs?: number;
}

/** Restarts a service that runs but no longer answers. */
export interface WatchdogOptions {
  readonly probe: Probe;
  /** ms. @defaultValue 10000 */
  readonly intervalMs?: number;
  /** Of one question, ms. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** So many failures in a row. @defaultValue 3 */
  readonly failures?: number;
}

/** One process to run. */
export interface ServiceOptions {
  /** Program; looked up in the PATH of `env`, never through a shell. */
  readonly command: string;
  readonly args?: readonly string[];
  /** The child's whole environment, but for `SUPERVISOR_RUN`: nothing is inherited but `inheritEnv`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Names taken from {@link SupervisorOptions.environment}. `env` wins. */
  readonly inheritEnv?: readonly string[];
  readonly cwd?: string;
  /** Name or number, `user` or `user:group`; needs root. */
  readonly user?: string | number;
  /** @defaultValue \{ type: 'started' \} */
  readonly ready?: Readiness;
  /** From the start to ready, ms; then it counts as failed. 0 = no limit. @defaultValue 60000 */
  readonly readyTimeoutMs?: number;
  /** Between two questions of a polled readiness, ms. @defaultValue 100 */
  readonly readyIntervalMs?: number;
  readonly dependsOn?: readonly (string | Dependency)[];
  /** @defaultValue 'always'; 'on-failure' for a one-shot */
  readonly restart?: 'always' | 'on-failure' | 'never';
  readonly backoff?: BackoffOptions;
  readonly burst?: BurstOptions;
  /** Exit codes besides 0 that are a success. */
  readonly successExitCodes?: readonly number[];
  /** Exit codes after which a restart is pointless (bad configuration, refused key): given up at once. */
  readonly finalExitCodes?: readonly number[];
  /** When it is given up (or fails with `restart: 'never'`): end everything with its exit code, or leave the rest running. @defaultValue 'stop' */
  readonly onGiveUp?: 'stop' | 'leave';
  readonly stop?: StopOptions;
  readonly watchdog?: WatchdogOptions;
  /** Opens Node's IPC channel (`process.send`, `process.on('message')`). @defaultValue false; true with `ready.type` 'ipc' */
  readonly ipc?: boolean;
  /** End this service's process group when the supervisor's process is gone, even by SIGKILL. @defaultValue true */
  readonly endWithParent?: boolean;
  /** Where its output lines go. @defaultValue 'both' */
  readonly output?: 'both' | 'file' | 'log' | 'none';
  /** Awaited before each start (write a configuration, remove a stale socket); a throw counts as a failed start. */
  readonly beforeStart?: (context: { readonly signal: AbortSignal }) => void | Promise<void>;
}

/** Limits of the log files `logDir/NAME.log`, `NAME.log.1` … */
export interface LogFileOptions {
  /** A file is rotated before it grows over this. @defaultValue 10485760 */
  readonly maxBytes?: number;
  /** A file is rotated when its first line is this old, ms. 0 = no limit. @defaultValue 0 */
  readonly maxAgeMs?: number;
  /** Rotated files kept of one service. @defaultValue 5 */
  readonly maxFiles?: number;
  /** All log files of all services together; the oldest rotated ones go. @defaultValue 104857600 */
  readonly maxTotalBytes?: number;
}

/** Options of {@link createSupervisor}. */
export interface SupervisorOptions {
  /** By name: letters, digits, `_`, `-`. */
  readonly services: Readonly<Record<string, ServiceOptions>>;
  /** Directory of the log files; made when missing. Without it no files are written. */
  readonly logDir?: string;
  readonly logFiles?: LogFileOptions;
  /** What must not stand in any log: matches are replaced by `[redacted]`. Strings are literal. */
  readonly redact?: readonly (RegExp | string)[];
  /** The supervisor's own lines, and the services' as `{service, stream}` unless `output` is given. @defaultValue silent */
  readonly logger?: Logger;
  /** Services' lines go here as `name | line` in place of the logger; its back-pressure slows the service down. */
  readonly output?: Writable;
  /** From `stop()` on, ms; then whatever is left gets SIGKILL, whatever its own limit. 0 = no limit. @defaultValue 0 */
  readonly stopTimeoutMs?: number;
  /** Aborting it stops everything, as `stop()`. */
  readonly signal?: AbortSignal;
  /** What `inheritEnv` takes from. @defaultValue \{\} */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** How a process ended. */
export interface ServiceExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** `code`, or 128 + the signal's number, as a shell has it. */
  readonly exitCode: number;
  /** Why it ended, as far as the supervisor was the cause. */
  readonly reason: 'exit' | 'spawn-failed' | 'not-ready' | 'watchdog' | 'stop' | 'restart';
  /** True when SIGKILL was needed after the time limit. */
  readonly killed: boolean;
  /** ms since the epoch. */
  readonly at: number;
}

/** One service in {@link SupervisorStatus}. */
export interface ServiceStatus {
  readonly name: string;
  readonly state: ServiceState;
  readonly pid: number | null;
  /** Since when in this state, ms since the epoch. */
  readonly since: number;
  /** Starts after the first one. */
  readonly restarts: number;
  readonly lastExit: ServiceExit | null;
  /** User and system time of the process, from /proc; null elsewhere or when it does not run. */
  readonly cpuSeconds: number | null;
  /** Resident memory, from /proc. */
  readonly memoryBytes: number | null;
  /** When the next start is due, in state `backoff`. */
  readonly nextStartAt: number | null;
}

/** Snapshot returned by {@link Supervisor.status}. */
export interface SupervisorStatus {
  readonly state: 'idle' | 'running' | 'stopping' | 'stopped';
  readonly services: readonly ServiceStatus[];
}

/** What {@link Supervisor.events} yields. `at` is ms since the epoch. */
export type SupervisorEvent =
  | {
      readonly type: 'state';
      readonly at: number;
      readonly service: string;
      readonly from: ServiceState;
      readonly to: ServiceState;
      readonly pid: number | null;
    }
  | { readonly type: 'exit'; readonly at: number; readonly service: string; readonly exit: ServiceExit }
  | {
      readonly type: 'restart';
      readonly at: number;
      readonly service: string;
      readonly attempt: number;
      readonly delayMs: number;
    }
  | { readonly type: 'watchdog'; readonly at: number; readonly service: string; readonly failures: number }
  | { readonly type: 'gave-up'; readonly at: number; readonly service: string; readonly exit: ServiceExit }
  | { readonly type: 'done'; readonly at: number; readonly result: SupervisorResult }
  /** This reader was too slow: so many events were left out before this one. */
  | { readonly type: 'missed'; readonly at: number; readonly count: number };

/** How it all ended. */
export interface SupervisorResult {
  /** 0 when stopped or completed, else the exit code of the service that was given up. */
  readonly exitCode: number;
  readonly reason: 'stopped' | 'completed' | 'gave-up';
  /** The service that was given up. */
  readonly service?: string;
  readonly exit?: ServiceExit;
}

/** What {@link Supervisor.reload} did, by service name. */
export interface ReloadResult {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly unchanged: readonly string[];
}

/** Returned by {@link createSupervisor}. */
export interface Supervisor {
  /** Starts all in the order of `dependsOn`; resolves when every service is ready or completed. @throws {@link SupervisorError} SERVICE_FAILED, STOPPED */
  start(): Promise<void>;
  /** Stops all in reverse order; called again, or with `now`, it sends SIGKILL at once. Idempotent; resolves when all is gone and every line is written. */
  stop(options?: { readonly now?: boolean }): Promise<void>;
  /** Resolves once, when nothing runs any more and nothing will be started. Never rejects. */
  readonly done: Promise<SupervisorResult>;
  status(): SupervisorStatus;
  /** Each call is a reader of its own, from now on; ends after `done`. */
  events(): AsyncIterableIterator<SupervisorEvent>;
  /** Sends a signal to the service's process. False when it does not run. @throws {@link SupervisorError} UNKNOWN_SERVICE */
  signal(name: string, signal: NodeJS.Signals): boolean;
  /** Stops and starts one service, at once and without counting as a failure; resolves when it is ready again. */
  restart(name: string): Promise<void>;
  /** Takes new services: starts the added, stops the removed, restarts the changed, leaves the rest alone. @throws {@link SupervisorError} OPTIONS */
  reload(config: { readonly services: Readonly<Record<string, ServiceOptions>> }): Promise<ReloadResult>;
  /** Sends a message over IPC. False when the service does not run or has no channel: nothing is queued. */
  send(name: string, message: unknown): boolean;
  /** Messages of an IPC service, over all its restarts. Returns how to stop listening. */
  onMessage(name: string, listener: (message: unknown) => void): () => void;
  [Symbol.asyncDispose](): Promise<void>;
}
