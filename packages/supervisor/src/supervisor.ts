import { isDeepStrictEqual } from 'node:util';
import { createChanges } from './changes.ts';
import { SupervisorError } from './errors.ts';
import { createBroadcast } from './events.ts';
import { createGuard } from './guard.ts';
import { createLogFiles } from './log-files.ts';
import { resolveOptions, resolveServices, type ResolvedService } from './options.ts';
import { createTaggedOutput } from './output.ts';
import { createRedactor } from './redact.ts';
import { Service, type ServiceContext } from './service.ts';
import type {
  ReloadResult,
  Supervisor,
  SupervisorEvent,
  SupervisorOptions,
  SupervisorResult,
  SupervisorStatus,
} from './types.ts';

/** Lines lost to a full disk are reported at most this often per service. */
const lostReportMs = 60_000;
/** At the end, so long may the reader of the output take. */
const outputFlushMs = 2_000;

/** Runs processes. Nothing is started before `start()`. @throws {@link SupervisorError} OPTIONS */
export function createSupervisor(given: SupervisorOptions): Supervisor {
  const options = resolveOptions(given);
  const { logger } = options;
  const broadcast = createBroadcast<SupervisorEvent>((count) => ({ type: 'missed', at: Date.now(), count }));
  const changes = createChanges();
  const guard = createGuard(logger);
  const output = options.output === undefined ? undefined : createTaggedOutput(options.output, logger);
  const listeners = new Map<string, Set<(message: unknown) => void>>();
  const services = new Map<string, Service>();
  const done = Promise.withResolvers<SupervisorResult>();
  const lostAt = new Map<string, number>();
  let state: SupervisorStatus['state'] = 'idle';
  let ending: Promise<void> | undefined;
  let reloading: Promise<unknown> = Promise.resolve();

  const logFiles =
    options.logDir === undefined
      ? undefined
      : createLogFiles(
          options.logDir,
          options.logFiles,
          () => Math.max(1, services.size),
          (service, bytes, error) => {
            const last = lostAt.get(service);
            if (last !== undefined && performance.now() - last < lostReportMs) return;
            lostAt.set(service, performance.now());
            logger.error(
              { service, bytes, err: error },
              `Output of ${service} is lost: it cannot be written`,
            );
          },
        );

  const context: ServiceContext = {
    logger,
    redactor: createRedactor(options.redact),
    logFiles,
    output,
    guard,
    emit(event): void {
      broadcast.emit(event);
      changes.notify();
    },
    dependencies: (service, signal) => changes.until(() => service.dependsOn.every(met), signal),
    ended(service): void {
      for (const other of services.values()) {
        const wants = other.options.dependsOn.some((edge) => edge.restart && edge.service === service.name);
        if (wants && other.active) other.restart();
      }
    },
    gaveUp(service, exit): void {
      if (service.onGiveUp === 'leave') return;
      void shutDown({ exitCode: failureCode(exit.exitCode), reason: 'gave-up', service: service.name, exit });
    },
    message(service, message): void {
      for (const listener of listeners.get(service) ?? []) listener(message);
    },
  };

  function met(edge: { readonly service: string; readonly state: 'ready' | 'completed' }): boolean {
    const at = services.get(edge.service)?.state;
    return at === 'completed' || (edge.state === 'ready' && at === 'ready');
  }

  /** It waits for one that has been given up. */
  function blocked(service: Service): boolean {
    return (
      service.state === 'waiting' &&
      service.options.dependsOn.some((edge) => {
        const other = services.get(edge.service);
        return other === undefined || over(other) || blocked(other);
      })
    );
  }

  function over(service: Service): boolean {
    return service.state === 'failed' || service.state === 'exited';
  }

  function add(service: ResolvedService): Service {
    const made = new Service(service, context);
    services.set(service.name, made);
    return made;
  }

  function find(name: string): Service {
    const service = services.get(name);
    if (service === undefined) {
      const known = [...services.keys()].join(', ');
      throw new SupervisorError('UNKNOWN_SERVICE', `There is no service ${name}; there are ${known}`);
    }
    return service;
  }

  /** Each as soon as nothing that depends on it runs any more. */
  async function stopInReverse(chosen: ReadonlySet<string>): Promise<void> {
    const gone = new Set<string>();
    const dependants = (name: string): string[] =>
      [...chosen].filter((other) =>
        services.get(other)?.options.dependsOn.some((edge) => edge.service === name),
      );
    await Promise.all(
      [...chosen].map(async (name) => {
        await changes.until(() => dependants(name).every((other) => gone.has(other)));
        await services.get(name)?.stop();
        gone.add(name);
        changes.notify();
      }),
    );
  }

  async function end(result: SupervisorResult): Promise<void> {
    state = 'stopping';
    options.signal?.removeEventListener('abort', onAbort);
    const timer =
      options.stopTimeoutMs > 0
        ? setTimeout(() => void shutDown(result, true), options.stopTimeoutMs)
        : undefined;
    await reloading;
    await stopInReverse(new Set(services.keys()));
    clearTimeout(timer);
    await guard.close();
    await output?.flush(outputFlushMs);
    state = 'stopped';
    done.resolve(result);
    broadcast.emit({ type: 'done', at: Date.now(), result });
    broadcast.end();
    changes.notify();
  }

  /** The first result stands. `now`: whatever runs gets SIGKILL, also what is only reached later. */
  function shutDown(result: SupervisorResult, now = false): Promise<void> {
    ending ??= end(result);
    if (now) {
      const killAll = (): boolean => {
        for (const service of services.values()) service.kill();
        return state === 'stopped';
      };
      void changes.until(killAll);
    }
    return ending;
  }

  function onAbort(): void {
    void shutDown({ exitCode: 0, reason: 'stopped' });
  }

  /** When the last one has ended by itself there is nothing left to supervise. */
  async function watchForEnd(): Promise<void> {
    await changes.until(
      () =>
        state !== 'running' ||
        [...services.values()].every(
          (service) => ['completed', 'exited', 'failed'].includes(service.state) || blocked(service),
        ),
    );
    if (state !== 'running') return;
    const failed = [...services.values()].find((service) => service.state === 'failed');
    const exit = failed?.status().lastExit ?? undefined;
    await shutDown(
      failed === undefined || exit === undefined
        ? { exitCode: 0, reason: 'completed' }
        : { exitCode: failureCode(exit.exitCode), reason: 'gave-up', service: failed.options.name, exit },
    );
  }

  for (const service of options.services.values()) add(service);

  const supervisor: Supervisor = {
    done: done.promise,
    async start(): Promise<void> {
      if (state !== 'idle') throw new SupervisorError('STOPPED', 'start() works once');
      state = 'running';
      if (process.pid === 1) {
        logger.warn(
          'Running as PID 1: orphaned processes will stay as zombies. Put tini or `docker run --init` before it',
        );
      }
      options.signal?.addEventListener('abort', onAbort, { once: true });
      if (options.signal?.aborted === true) onAbort();
      else {
        for (const service of services.values()) service.start();
        void watchForEnd();
      }
      const ok = (service: Service): boolean =>
        ['ready', 'completed', 'exited'].includes(service.state) ||
        (service.state === 'failed' && service.options.onGiveUp === 'leave') ||
        blocked(service);
      let allOk = false;
      await changes.until(() => (allOk = [...services.values()].every(ok)) || state !== 'running');
      if (allOk) return;
      const result = await done.promise;
      if (result.reason === 'completed') return;
      if (result.reason === 'stopped') throw new SupervisorError('STOPPED', 'Stopped before all was ready');
      throw new SupervisorError('SERVICE_FAILED', `${result.service ?? 'A service'} has been given up`);
    },
    async stop({ now = false } = {}): Promise<void> {
      await shutDown({ exitCode: 0, reason: 'stopped' }, now || ending !== undefined);
    },
    status: () => ({ state, services: [...services.values()].map((service) => service.status()) }),
    events: () => broadcast.reader(),
    signal: (name, signal) => find(name).signal(signal),
    async restart(name): Promise<void> {
      const service = find(name);
      if (state !== 'running') throw new SupervisorError('STOPPED', 'The supervisor does not run');
      service.restart();
      await changes.until(
        () => state !== 'running' || ['ready', 'completed', 'exited', 'failed'].includes(service.state),
      );
      if (service.state === 'failed' || state !== 'running') {
        throw new SupervisorError('SERVICE_FAILED', `${name} did not come back`);
      }
    },
    reload(config): Promise<ReloadResult> {
      const wanted = resolveServices({ services: config.services }, options.environment);
      const work = reloading.then(async (): Promise<ReloadResult> => {
        if (state !== 'running') throw new SupervisorError('STOPPED', 'The supervisor does not run');
        const names = [...services.keys()];
        const added = [...wanted.keys()].filter((name) => !services.has(name));
        const removed = names.filter((name) => !wanted.has(name));
        const changed = names.filter(
          (name) => wanted.has(name) && !isDeepStrictEqual(wanted.get(name), services.get(name)?.options),
        );
        const unchanged = names.filter((name) => !removed.includes(name) && !changed.includes(name));
        await stopInReverse(new Set([...removed, ...changed]));
        for (const name of removed) services.delete(name);
        const fresh = [...wanted.values()].filter(({ name }) => !unchanged.includes(name)).map(add);
        // Stopped meanwhile: what is never started need not be stopped.
        if (state === 'running') {
          for (const service of fresh) service.start();
          for (const service of fresh) context.ended(service.options);
        }
        changes.notify();
        return { added, removed, changed, unchanged };
      });
      reloading = work.catch(() => undefined);
      return work;
    },
    send: (name, message) => find(name).send(message),
    onMessage(name, listener): () => void {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    [Symbol.asyncDispose]: () => supervisor.stop(),
  };
  return supervisor;
}

/** A service that was given up is a failure, whatever it said. */
function failureCode(exitCode: number): number {
  return exitCode === 0 ? 1 : exitCode;
}
