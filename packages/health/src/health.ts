import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { createCheckRunner, type CheckRunner } from './check-runner.ts';
import { HealthError } from './errors.ts';
import { checkOptions } from './options.ts';
import { checkMetrics, processMetrics, prometheusText } from './prometheus.ts';
import { healthJsonBody, plainBody, refusedMethod, respond, wantsHealthJson } from './respond.ts';
import type {
  Health,
  HealthHandler,
  HealthItem,
  HealthOptions,
  HealthReport,
  HealthStatus,
  Metric,
} from './types.ts';

/** The first answer waits this long for the first verdicts; later ones never wait. */
const firstAnswerMs = 2_000;

/** Names checks and answers for them. @throws {@link HealthError} OPTIONS */
export function createHealth(options: HealthOptions): Health {
  checkOptions(options);
  const logger = options.logger ?? pino({ level: 'silent' });
  const closing = new AbortController();
  const signal =
    options.signal === undefined ? closing.signal : AbortSignal.any([options.signal, closing.signal]);
  const environment = {
    logger,
    signal,
    now: options.now ?? Date.now,
    monotonic: options.monotonic ?? ((): number => performance.now()),
  };
  const checks = { ...options.checks };
  const runners = new Map<string, CheckRunner>(
    Object.entries(checks).map(([name, check]) => [name, createCheckRunner(name, check, environment)]),
  );
  const all = Promise.all([...runners.values()].map((runner) => runner.first)).then(() => undefined);
  let started = false;
  let firstRound: Promise<void> | undefined;

  const start = (): void => {
    if (started) return;
    started = true;
    for (const runner of runners.values()) runner.start();
  };

  /** Starts the checks and lets the first callers wait for them, so that a probe right after the start is honest. */
  const prepared = async (): Promise<void> => {
    start();
    firstRound ??= settled(firstAnswerMs);
    await firstRound;
  };

  const settled = async (timeoutMs?: number): Promise<void> => {
    start();
    if (timeoutMs === undefined) return all;
    const limit = new AbortController();
    await Promise.race([all, delay(timeoutMs, undefined, { signal: limit.signal }).catch(() => undefined)]);
    limit.abort();
  };

  const reportOf = (chosen: Iterable<CheckRunner>): HealthReport => {
    const items: Record<string, HealthItem> = {};
    let status: HealthStatus = 'pass';
    for (const runner of chosen) {
      const item = runner.item();
      items[runner.name] = item;
      if (item.status === 'fail' || (item.status === 'warn' && status === 'pass')) status = item.status;
    }
    return { ok: status !== 'fail', status, items };
  };

  const readiness = (): HealthReport => {
    const chosen = [...runners.values()].filter((runner) => runner.check.readiness === true);
    const report = reportOf(chosen);
    const ready = !signal.aborted && chosen.every((runner) => runner.isOk());
    return ready ? report : { ...report, ok: false, status: 'fail' };
  };

  const authorised = async (request: IncomingMessage): Promise<boolean> => {
    try {
      return (await options.isAuthorised?.(request)) === true;
    } catch (error) {
      // Details are a favour; an error of the caller's must not take the verdict away.
      logger.warn({ err: error }, 'isAuthorised failed: the caller gets verdicts only');
      return false;
    }
  };

  const answer =
    (report: () => HealthReport): HealthHandler =>
    async (request, response) => {
      if (refusedMethod(request, response)) return;
      await prepared();
      const details = await authorised(request);
      const found = report();
      const code = found.ok ? 200 : 503;
      if (wantsHealthJson(request)) {
        const { version, releaseId } = options;
        const body = healthJsonBody(found, details, checks, { version, releaseId });
        respond(request, response, code, 'application/health+json', body);
      } else respond(request, response, code, 'application/json; charset=utf-8', plainBody(found, details));
    };

  const collected = (): readonly Metric[] => {
    try {
      return options.collect?.() ?? [];
    } catch (error) {
      logger.warn({ err: error }, 'collect failed: its samples are left out');
      return [];
    }
  };

  const health: Health = {
    start,
    live: (request, response) => {
      if (!refusedMethod(request, response)) {
        respond(request, response, 200, 'application/json; charset=utf-8', '{"ok":true,"status":"pass"}\n');
      }
      return Promise.resolve();
    },
    ready: answer(readiness),
    report: answer(() => reportOf(runners.values())),
    metrics: async (request, response) => {
      if (refusedMethod(request, response)) return;
      await prepared();
      const samples = [
        ...checkMetrics([...runners.values()], readiness().ok),
        ...collected(),
        ...processMetrics(),
      ];
      respond(request, response, 200, 'text/plain; version=0.0.4; charset=utf-8', prometheusText(samples));
    },
    status(): HealthReport {
      start();
      return reportOf(runners.values());
    },
    isReady: () => readiness().ok,
    settled,
    async refresh(name): Promise<HealthItem> {
      const runner = runners.get(name);
      if (runner === undefined) {
        const known = [...runners.keys()].join(', ');
        throw new HealthError('UNKNOWN_CHECK', `There is no check ${name}; there are ${known}`);
      }
      if (closing.signal.aborted) throw new HealthError('CLOSED', 'close() was called');
      start();
      await runner.refresh();
      return runner.item();
    },
    async close(): Promise<void> {
      closing.abort();
      await Promise.all([...runners.values()].map((runner) => runner.close()));
    },
    [Symbol.asyncDispose]: () => health.close(),
  };
  return health;
}
