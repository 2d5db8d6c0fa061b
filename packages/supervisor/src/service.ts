import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createRestartPlan, type RestartPlan } from './backoff.ts';
import type { Guard } from './guard.ts';
import { orAborted } from './changes.ts';
import { describeExit, exitOf, spawnExitCode } from './exit.ts';
import type { LogFile, LogFiles } from './log-files.ts';
import type { ResolvedService } from './options.ts';
import { serviceSinks, type TaggedOutput } from './output.ts';
import { processUsage } from './proc.ts';
import { readyOutcome, watchReadiness } from './readiness.ts';
import type { Redactor } from './redact.ts';
import { runEntry, startProcess, type RunningProcess } from './run-process.ts';
import type { ServiceExit, ServiceState, ServiceStatus, SupervisorEvent } from './types.ts';
import { watchdogBites } from './watchdog.ts';

/** What a service needs of the supervisor around it. */
export interface ServiceContext {
  readonly logger: Logger;
  readonly redactor: Redactor | undefined;
  readonly logFiles: LogFiles | undefined;
  readonly output: TaggedOutput | undefined;
  readonly guard: Guard;
  emit(event: SupervisorEvent): void;
  /** Resolves when the service's dependencies are as it wants them. */
  dependencies(service: ResolvedService, signal: AbortSignal): Promise<void>;
  /** Its process has ended: dependants that want it are restarted. */
  ended(service: ResolvedService): void;
  gaveUp(service: ResolvedService, exit: ServiceExit): void;
  message(service: string, message: unknown): void;
}

/** One service over all its starts: a loop of wait, start, run, end, decide. */
export class Service {
  readonly options: ResolvedService;
  readonly #context: ServiceContext;
  readonly #logFile: LogFile | undefined;
  readonly #stop = new AbortController();
  #state: ServiceState = 'stopped';
  #since = Date.now();
  #starts = 0;
  #lastExit: ServiceExit | null = null;
  #nextStartAt: number | null = null;
  #running: RunningProcess | undefined;
  /** Why we ended the process; undefined when it ended by itself. */
  #reason: ServiceExit['reason'] | undefined;
  /** The next start was asked for: no part of a burst. */
  #asked = false;
  /** Ends a backoff early. */
  #wake = new AbortController();
  #loop: Promise<void> | undefined;
  /** The IPC channel is full: a child that does not read must not fill our memory. */
  #congested = false;

  constructor(options: ResolvedService, context: ServiceContext) {
    this.options = options;
    this.#context = context;
    const toFile = options.output === 'both' || options.output === 'file';
    this.#logFile = toFile ? context.logFiles?.open(options.name) : undefined;
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** True while a process of it runs. */
  get active(): boolean {
    return this.#running !== undefined;
  }

  start(): void {
    if (this.#loop !== undefined || this.#stop.signal.aborted) return;
    // Not the async function's own promise: #settle clears it at once, so that a restart can follow at once.
    const loop = Promise.withResolvers<void>();
    this.#loop = loop.promise;
    void this.#run()
      .finally(() => {
        if (this.#loop === loop.promise) this.#loop = undefined;
      })
      .then(loop.resolve, loop.reject);
  }

  /** Resolves when it is gone, with its lines written. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#end('stop');
    await this.#loop;
    if (this.#state !== 'completed' && this.#state !== 'failed' && this.#state !== 'exited') {
      this.#set('stopped');
    }
    await this.#logFile?.close();
  }

  kill(): void {
    this.#running?.kill();
  }

  /** A new start without counting as a failure; also out of a backoff, or after it was given up. */
  restart(): void {
    this.#asked = true;
    this.#wake.abort();
    if (this.#loop === undefined) this.start();
    else this.#end('restart');
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#running?.signal(signal) ?? false;
  }

  send(message: unknown): boolean {
    const child = this.#running?.child;
    if (child?.connected !== true || this.#congested) return false;
    const fits = child.send(message as string, () => {
      this.#congested = false;
    });
    this.#congested = !fits;
    return true;
  }

  status(): ServiceStatus {
    const pid = this.#running?.pid ?? null;
    return {
      name: this.options.name,
      state: this.#state,
      pid,
      since: this.#since,
      restarts: Math.max(0, this.#starts - 1),
      lastExit: this.#lastExit,
      ...(pid === null ? { cpuSeconds: null, memoryBytes: null } : processUsage(pid)),
      nextStartAt: this.#nextStartAt,
    };
  }

  async #run(): Promise<void> {
    const { options } = this;
    const context = this.#context;
    const plan = createRestartPlan(options.backoff, options.burst);
    for (;;) {
      if (options.dependsOn.length > 0) {
        this.#set('waiting');
        await context.dependencies(options, this.#stop.signal).catch(() => undefined);
      }
      if (this.#stop.signal.aborted) return;
      const exit = await this.#once(plan);
      this.#lastExit = exit;
      context.emit({ type: 'exit', at: exit.at, service: options.name, exit });
      if (exit.reason !== 'stop' && !this.#stop.signal.aborted) context.ended(options);
      if (!(await this.#again(exit, plan))) return;
    }
  }

  /** True when it shall be started again, after the delay. */
  async #again(exit: ServiceExit, plan: RestartPlan): Promise<boolean> {
    const { options } = this;
    const success =
      exit.reason === 'exit' && exit.code !== null && options.successExitCodes.includes(exit.code);
    if (success && options.ready.type === 'exit') return this.#settle('completed');
    if (this.#stop.signal.aborted) return false;
    if (exit.reason === 'restart') return true;
    if (success && options.restart !== 'always') return this.#settle('exited');
    const log = { service: options.name, code: exit.code, signal: exit.signal, reason: exit.reason };
    const hopeless =
      !success &&
      (options.restart === 'never' || (exit.code !== null && options.finalExitCodes.includes(exit.code)));
    const next = hopeless ? undefined : plan.next(performance.now());
    if (next === undefined) {
      this.#context.logger.error(log, `${options.name} is given up: ${describeExit(exit)}`);
      this.#settle('failed');
      this.#context.emit({ type: 'gave-up', at: Date.now(), service: options.name, exit });
      this.#context.gaveUp(options, exit);
      return false;
    }
    this.#context.logger.warn(
      { ...log, ...next },
      `${options.name} ended: ${describeExit(exit)}; it is started again in ${next.delayMs} ms`,
    );
    this.#nextStartAt = Date.now() + next.delayMs;
    this.#set('backoff');
    this.#context.emit({ type: 'restart', at: Date.now(), service: options.name, ...next });
    this.#wake = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, this.#wake.signal]);
    await delay(next.delayMs, undefined, { signal }).catch(() => undefined);
    this.#nextStartAt = null;
    return !this.#stop.signal.aborted;
  }

  #settle(state: ServiceState): false {
    this.#loop = undefined;
    this.#set(state);
    return false;
  }

  /** One start, to its end. */
  async #once(plan: RestartPlan): Promise<ServiceExit> {
    const { options } = this;
    this.#reason = undefined;
    this.#starts += 1;
    if (!this.#asked) plan.started(performance.now());
    this.#asked = false;
    this.#set('starting');
    const watch = watchReadiness(options);
    const run = randomUUID();
    let running: RunningProcess;
    try {
      await orAborted(options.beforeStart?.({ signal: this.#stop.signal }), this.#stop.signal);
      const sinks = serviceSinks(options, this.#context, this.#logFile, watch.sinks);
      running = await startProcess(options, run, sinks, this.#context.redactor);
    } catch (error) {
      // Not the error itself: Node's has the command line in it, and so perhaps a secret.
      const text = error instanceof Error ? error.message : String(error);
      this.#context.logger.error(
        { service: options.name },
        `${options.name} cannot be started: ${this.#context.redactor?.redact(text) ?? text}`,
      );
      const none = { code: null, signal: null, killed: false };
      return exitOf(none, 'spawn-failed', spawnExitCode(error));
    }
    this.#running = running;
    this.#congested = false;
    if (options.endWithParent) this.#context.guard.add(running.pid, runEntry(run));
    running.child.on('message', (message) => {
      this.#context.message(options.name, message);
    });
    // Asked to stop or restart while it was being started.
    if (this.#reason !== undefined) this.#end(this.#reason);
    const over = new AbortController();
    void running.exited.then(() => {
      over.abort();
    });
    const readySince = await this.#becomeReady(running, watch.wait(running, over.signal), over.signal);
    if (readySince !== undefined) this.#watch(running, over.signal);
    const end = await running.ended;
    plan.ended(performance.now(), readySince);
    if (options.endWithParent) this.#context.guard.remove(running.pid);
    this.#running = undefined;
    await this.#logFile?.flush();
    return exitOf(end, this.#reason ?? 'exit');
  }

  /** Monotonic ms at which it became ready, or undefined when it ended or was ended before. */
  async #becomeReady(
    running: RunningProcess,
    ready: Promise<void>,
    over: AbortSignal,
  ): Promise<number | undefined> {
    const { name, readyTimeoutMs } = this.options;
    const outcome = await readyOutcome(ready, readyTimeoutMs, over);
    if (outcome === 'late' && this.#reason === undefined) {
      this.#context.logger.warn(
        { service: name, pid: running.pid },
        `${name} is not ready after ${readyTimeoutMs} ms`,
      );
      this.#end('not-ready');
    }
    if (outcome !== 'ready' || this.#reason !== undefined) return undefined;
    this.#set('ready');
    return performance.now();
  }

  #watch(running: RunningProcess, over: AbortSignal): void {
    const { name, watchdog } = this.options;
    if (watchdog === undefined) return;
    const onFailure = (failures: number): void => {
      this.#context.emit({ type: 'watchdog', at: Date.now(), service: name, failures });
      this.#context.logger.warn({ service: name, failures }, `${name} does not answer its watchdog`);
    };
    void watchdogBites(watchdog, { service: name, pid: running.pid, signal: over }, onFailure).then(
      (bites) => {
        if (bites && this.#reason === undefined) this.#end('watchdog');
      },
    );
  }

  /** Ends the process, if there is one. The first reason stands, but for a stop. */
  #end(reason: ServiceExit['reason']): void {
    if (reason === 'stop' || this.#reason === undefined) this.#reason = reason;
    if (this.#running === undefined) return;
    this.#set('stopping');
    this.#running.terminate();
  }

  #set(to: ServiceState): void {
    const from = this.#state;
    if (from === to) return;
    this.#state = to;
    this.#since = Date.now();
    this.#context.emit({
      type: 'state',
      at: this.#since,
      service: this.options.name,
      from,
      to,
      pid: this.#running?.pid ?? null,
    });
  }
}
