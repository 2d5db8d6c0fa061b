import { constants } from 'node:os';
import { pino, type Logger } from 'pino';
import { SupervisorError } from './errors.ts';
import schema from './schema.json' with { type: 'json' };
import { schemaFaults } from './schema-check.ts';
import type {
  BackoffOptions,
  BurstOptions,
  Dependency,
  LogFileOptions,
  Readiness,
  ServiceOptions,
  StopOptions,
  SupervisorOptions,
  WatchdogOptions,
} from './types.ts';

/** A service with every default filled in. */
export interface ResolvedService extends Omit<
  ServiceOptions,
  'args' | 'dependsOn' | 'stop' | 'backoff' | 'burst' | 'watchdog' | 'ready' | 'env'
> {
  readonly name: string;
  readonly args: readonly string[];
  /** The child's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly ready: Readiness;
  readonly readyTimeoutMs: number;
  readonly readyIntervalMs: number;
  readonly dependsOn: readonly Required<Dependency>[];
  readonly restart: 'always' | 'on-failure' | 'never';
  readonly backoff: Required<BackoffOptions>;
  readonly burst: Required<BurstOptions>;
  readonly successExitCodes: readonly number[];
  readonly finalExitCodes: readonly number[];
  readonly onGiveUp: 'stop' | 'leave';
  readonly stop: Required<StopOptions>;
  readonly watchdog: Required<WatchdogOptions> | undefined;
  readonly ipc: boolean;
  readonly endWithParent: boolean;
  readonly output: 'both' | 'file' | 'log' | 'none';
}

/** All options with their defaults. */
export interface ResolvedOptions extends Pick<SupervisorOptions, 'logDir' | 'output' | 'signal'> {
  readonly services: ReadonlyMap<string, ResolvedService>;
  readonly logFiles: Required<LogFileOptions>;
  readonly redact: readonly (RegExp | string)[];
  readonly logger: Logger;
  readonly stopTimeoutMs: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const defaultBackoff: Required<BackoffOptions> = {
  initialMs: 500,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.2,
  resetAfterMs: 60_000,
};
const defaultBurst: Required<BurstOptions> = { starts: 5, withinMs: 60_000 };
const defaultStop: Required<StopOptions> = { signal: 'SIGTERM', timeoutMs: 8_000 };
const defaultWatchdog = { intervalMs: 10_000, timeoutMs: 5_000, failures: 3 };
const defaultLogFiles: Required<LogFileOptions> = {
  maxBytes: 10 * 1024 * 1024,
  maxAgeMs: 0,
  maxFiles: 5,
  maxTotalBytes: 100 * 1024 * 1024,
};

/** Checks everything at once and fills in the defaults. @throws {@link SupervisorError} OPTIONS */
export function resolveOptions(options: SupervisorOptions): ResolvedOptions {
  const environment = { ...options.environment };
  return {
    services: resolveServices(options, environment),
    logFiles: { ...defaultLogFiles, ...options.logFiles },
    redact: [...(options.redact ?? [])],
    logger: options.logger ?? pino({ level: 'silent' }),
    stopTimeoutMs: options.stopTimeoutMs ?? 0,
    environment,
    ...(options.logDir === undefined ? {} : { logDir: options.logDir }),
    ...(options.output === undefined ? {} : { output: options.output }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

/** The services alone, for `reload`. @throws {@link SupervisorError} OPTIONS */
export function resolveServices(
  options: SupervisorOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, ResolvedService> {
  const faults = schemaFaults(schema, plain(options));
  if (faults.length === 0) faults.push(...semanticFaults(options.services));
  if (faults.length > 0) throw new SupervisorError('OPTIONS', faults.join('\n'), { faults });
  return new Map(
    Object.entries(options.services).map(([name, service]) => [
      name,
      resolveService(name, service, environment),
    ]),
  );
}

function resolveService(
  name: string,
  service: ServiceOptions,
  environment: Readonly<Record<string, string | undefined>>,
): ResolvedService {
  const inherited = (service.inheritEnv ?? []).flatMap((key) => {
    const value = environment[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  const own = Object.entries(service.env ?? {}).map(([key, value]) => [key, String(value)] as const);
  const ready = service.ready ?? { type: 'started' };
  return {
    ...service,
    name,
    args: (service.args ?? []).map(String),
    env: Object.fromEntries([...inherited, ...own]),
    ready,
    readyTimeoutMs: service.readyTimeoutMs ?? 60_000,
    readyIntervalMs: service.readyIntervalMs ?? 100,
    dependsOn: (service.dependsOn ?? []).map((entry) => ({
      state: 'ready',
      restart: false,
      ...(typeof entry === 'string' ? { service: entry } : entry),
    })),
    restart: service.restart ?? (ready.type === 'exit' ? 'on-failure' : 'always'),
    backoff: { ...defaultBackoff, ...service.backoff },
    burst: { ...defaultBurst, ...service.burst },
    successExitCodes: [0, ...(service.successExitCodes ?? [])],
    finalExitCodes: [...(service.finalExitCodes ?? [])],
    onGiveUp: service.onGiveUp ?? 'stop',
    stop: { ...defaultStop, ...service.stop },
    watchdog: service.watchdog === undefined ? undefined : { ...defaultWatchdog, ...service.watchdog },
    ipc: service.ipc ?? ready.type === 'ipc',
    endWithParent: service.endWithParent ?? true,
    output: service.output ?? 'both',
  };
}

/** The options as the published schema sees them: what only code can express is replaced by its like. */
function plain(options: SupervisorOptions): unknown {
  const { services, logDir, logFiles, redact, stopTimeoutMs } = options;
  return {
    services:
      typeof services === 'object' && services !== null
        ? Object.fromEntries(Object.entries(services).map(([name, service]) => [name, plainService(service)]))
        : services,
    logDir,
    logFiles,
    redact: Array.isArray(redact)
      ? redact.map((entry: unknown) => (entry instanceof RegExp ? entry.source : entry))
      : redact,
    stopTimeoutMs,
  };
}

function plainService(service: unknown): unknown {
  if (typeof service !== 'object' || service === null) return service;
  const { beforeStart, ready, watchdog, ...rest } = service as ServiceOptions;
  return {
    ...rest,
    // A hook that is no function must be named as a fault.
    ...(beforeStart === undefined || typeof beforeStart === 'function' ? {} : { beforeStart }),
    ready: plainProbe(ready),
    watchdog:
      typeof watchdog === 'object' && watchdog !== null
        ? { ...watchdog, probe: plainProbe(watchdog.probe) }
        : watchdog,
  };
}

function plainProbe(probe: Readiness | undefined): unknown {
  if (probe?.type === 'function' && typeof probe.probe === 'function') return { type: 'file', path: '-' };
  if (probe?.type === 'log' && probe.pattern instanceof RegExp) {
    return { ...probe, pattern: probe.pattern.source };
  }
  return probe;
}

function semanticFaults(services: Readonly<Record<string, ServiceOptions>>): string[] {
  const faults: string[] = [];
  const edges = new Map<string, string[]>();
  for (const [name, service] of Object.entries(services)) {
    const at = `services.${name}`;
    const targets: string[] = [];
    for (const entry of service.dependsOn ?? []) {
      const edge = typeof entry === 'string' ? { service: entry } : entry;
      const target = services[edge.service];
      if (target === undefined) faults.push(`${at}.dependsOn: there is no service ${edge.service}`);
      else if (edge.state === 'completed' && target.ready?.type !== 'exit') {
        faults.push(`${at}.dependsOn: ${edge.service} never completes: its ready.type is not exit`);
      }
      targets.push(edge.service);
    }
    edges.set(name, targets);
    const stop = service.stop?.signal;
    if (stop !== undefined && !(stop in constants.signals)) {
      faults.push(`${at}.stop.signal: ${stop} is no signal of this system`);
    }
    if (service.ready?.type === 'exit' && service.restart === 'always') {
      faults.push(`${at}.restart: a one-shot (ready.type exit) cannot be restarted always`);
    }
  }
  const cycle = findCycle(edges);
  if (cycle !== undefined) faults.push(`services: they wait for each other: ${cycle.join(' → ')}`);
  return faults;
}

function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const walk = (name: string, trail: readonly string[]): string[] | undefined => {
    const start = trail.indexOf(name);
    if (start >= 0) return [...trail.slice(start), name];
    if (done.has(name)) return undefined;
    for (const next of edges.get(name) ?? []) {
      const cycle = walk(next, [...trail, name]);
      if (cycle !== undefined) return cycle;
    }
    done.add(name);
    return undefined;
  };
  for (const name of edges.keys()) {
    const cycle = walk(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
