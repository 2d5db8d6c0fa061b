import type { Logger } from 'pino';
import type { Check, CheckResult, HealthItem, HealthStatus } from './types.ts';

const defaultIntervalMs = 10_000;
const defaultTimeoutMs = 5_000;
const statuses: ReadonlySet<unknown> = new Set<HealthStatus>(['pass', 'warn', 'fail']);
/** A longer timer would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Runs one check on its schedule and keeps its verdict. */
export interface CheckRunner {
  readonly name: string;
  readonly check: Check;
  start(): void;
  /** Runs it now, or joins the run under way. */
  refresh(): Promise<void>;
  /** Resolves at the end of the first run. */
  readonly first: Promise<void>;
  item(): HealthItem;
  /** False until the first verdict: what has not been looked at is not ready. */
  isOk(): boolean;
  stats(): CheckStats;
  close(): Promise<void>;
}

/** For the Prometheus text. */
export interface CheckStats {
  readonly runs: number;
  readonly lastMs: number | undefined;
  readonly ageMs: number | undefined;
  readonly result: CheckResult | undefined;
}

/** `started` is set at the start of the health object; before it nothing runs. */
export function createCheckRunner(
  name: string,
  check: Check,
  environment: {
    readonly logger: Logger;
    readonly now: () => number;
    readonly monotonic: () => number;
    readonly signal: AbortSignal;
  },
): CheckRunner {
  const { logger, now, monotonic, signal } = environment;
  const intervalMs = check.intervalMs ?? defaultIntervalMs;
  const timeoutMs = check.timeoutMs ?? defaultTimeoutMs;
  const expiresMs = check.expiresMs ?? 3 * (intervalMs + timeoutMs);
  const failAfter = check.failAfter ?? 1;
  const first = Promise.withResolvers<void>();
  let startedAt: number | undefined;
  let last:
    | { readonly result: CheckResult; readonly at: number; readonly time: number; readonly tookMs: number }
    | undefined;
  let running: Promise<void> | undefined;
  /** A run that did not end at its time limit: no other is started while it hangs. */
  let hanging: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  let everWell = false;
  let runs = 0;
  let logged: HealthStatus | undefined;

  const judge = (raw: CheckResult): CheckResult => {
    failures = raw.status === 'fail' ? failures + 1 : 0;
    if (raw.status !== 'fail') {
      everWell = true;
      return raw;
    }
    // What has never been well is not flapping: it has not come up.
    const softened = check.severity === 'warn' || (everWell && failures < failAfter);
    return softened ? { ...raw, status: 'warn' } : raw;
  };

  const attempt = async (): Promise<void> => {
    const begun = monotonic();
    const limit = new AbortController();
    const context = { signal: AbortSignal.any([signal, limit.signal]), now, monotonic };
    const late = Promise.withResolvers<CheckResult>();
    const limitTimer = setTimeout(
      () => {
        late.resolve({ status: 'fail', message: `No answer within ${timeoutMs} ms` });
        limit.abort(new DOMException(`No answer within ${timeoutMs} ms`, 'TimeoutError'));
      },
      Math.min(timeoutMs, longestTimerMs),
    );
    const onAbort = (): void => {
      late.resolve({ status: 'fail', message: 'Closed' });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    runs += 1;
    const work = Promise.resolve()
      .then(() => check.run(context))
      .then(asVerdict)
      .catch((error: unknown): CheckResult => ({ status: 'fail', message: messageOf(error) }));
    const settled = work.then(() => {
      if (hanging === settled) hanging = undefined;
    });
    hanging = settled;
    const result = judge(await Promise.race([work, late.promise]));
    clearTimeout(limitTimer);
    signal.removeEventListener('abort', onAbort);
    // A check that was cut short by close() says nothing.
    if (signal.aborted) return;
    last = { result, at: monotonic(), time: now(), tookMs: monotonic() - begun };
    report(result);
  };

  const report = (result: CheckResult): void => {
    if (result.status === logged) return;
    const line = { check: name, status: result.status, observed: result.observed, message: result.message };
    if (result.status !== 'pass') logger.warn(line, `${name}: ${result.message ?? result.status}`);
    else if (logged !== undefined) logger.info(line, `${name} is well again`);
    logged = result.status;
  };

  const run = (): Promise<void> => {
    if (running !== undefined) return running;
    if (signal.aborted || hanging !== undefined) return Promise.resolve();
    running = attempt().finally(() => {
      running = undefined;
      first.resolve();
    });
    return running;
  };

  const schedule = (): void => {
    if (signal.aborted) return;
    clearTimeout(timer);
    const waitMs = Math.min(last?.result.againInMs ?? intervalMs, longestTimerMs);
    timer = setTimeout(() => void run().then(schedule), waitMs);
    // Health must not keep a program alive that has nothing else to do.
    timer.unref();
  };

  const verdict = (): CheckResult => {
    if (last === undefined) {
      const waited = startedAt === undefined ? 0 : monotonic() - startedAt;
      return waited > expiresMs
        ? { status: 'fail', message: `No verdict since the start ${seconds(waited)} ago` }
        : { status: 'warn', message: 'Not checked yet' };
    }
    const age = monotonic() - last.at;
    if (age <= expiresMs) return last.result;
    const status = check.severity === 'warn' ? 'warn' : 'fail';
    return { ...last.result, status, message: `The last verdict is ${seconds(age)} old` };
  };

  return {
    name,
    check,
    first: first.promise,
    start(): void {
      if (startedAt !== undefined) return;
      startedAt = monotonic();
      void run().then(schedule);
    },
    async refresh(): Promise<void> {
      await run();
      schedule();
    },
    item(): HealthItem {
      const { status, observed, unit, message } = verdict();
      return {
        ok: status !== 'fail',
        status,
        ...(observed === undefined ? {} : { observed }),
        ...(unit === undefined ? {} : { unit }),
        ...(last === undefined ? {} : { time: new Date(last.time).toISOString() }),
        ...(message === undefined ? {} : { message }),
      };
    },
    isOk: () => last !== undefined && verdict().status !== 'fail',
    stats: () => ({
      runs,
      lastMs: last?.tookMs,
      ageMs: last === undefined ? undefined : monotonic() - last.at,
      result: last?.result,
    }),
    async close(): Promise<void> {
      clearTimeout(timer);
      first.resolve();
      await running;
    },
  };
}

/** What a check returned, or a failure that says what is wrong with it: a check of plain JavaScript may return anything. */
function asVerdict(returned: CheckResult | undefined | null): CheckResult {
  const status: unknown = returned?.status;
  if (returned === undefined || returned === null || !statuses.has(status)) {
    const got = JSON.stringify(status) ?? 'none';
    return {
      status: 'fail',
      message: `The check returned no verdict: expected status pass, warn or fail, got ${got}`,
    };
  }
  try {
    JSON.stringify(returned.observed);
    return returned;
  } catch (error) {
    // One value that cannot be told must not take the whole report with it.
    return {
      ...returned,
      observed: undefined,
      status: 'fail',
      message: `\`observed\` is no JSON: ${messageOf(error)}`,
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
