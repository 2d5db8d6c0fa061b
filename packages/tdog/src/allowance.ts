import type { Engine } from './engine.ts';
import { timestamp } from './model/values.ts';

/** Stripe counts reads: so many per transaction over 30 days … */
const READS_PER_TRANSACTION = 500;
/** … but at least so many. */
const MIN_READS = 10_000;
const DAYS = 30;
const DAY_MS = 86_400_000;

const FAST_MS = 1_000;
const QUIET_MS = 60_000;
const SPARING_MS = 300_000;
/** How long somebody's look or an event keeps the polling fast. */
const LIVELY_MS = 60_000;
/** Part of the allowance after which polling is sparing whatever happens. */
const NEARLY_USED = 0.9;

/** How much of Stripe's read allowance is there and used, over the last 30 days. */
export interface Allowance {
  readonly total: number;
  readonly used: number;
  readonly usedForProof: number;
}

/** Reads td_requests and counts transactions. */
export function readAllowance(engine: Engine): Allowance {
  const since = new Date(engine.options.now() - DAYS * DAY_MS).toISOString().slice(0, 10);
  let transactions = 0;
  if (engine.store.model.tables.has('charges')) {
    const row = engine.store.db
      .prepare('SELECT count(*) AS n FROM charges WHERE created >= ?')
      .get(timestamp(Math.floor(engine.options.now() / 1_000) - DAYS * 86_400));
    transactions = Number(row?.['n'] ?? 0);
  }
  return {
    total: Math.max(MIN_READS, transactions * READS_PER_TRANSACTION),
    used: engine.state.reads(since),
    usedForProof: engine.state.reads(since, 'proof'),
  };
}

/** When to poll next. */
export interface PollClock {
  /** Somebody looks, or something happened. */
  lively(): void;
  /** Milliseconds from a poll to the next. */
  interval(allowance: Allowance): number;
}

/** The adaptive interval: a second while it matters, then slower and slower, as the allowance permits. */
export function createPollClock(options: {
  readonly fixedMs: number | undefined;
  readonly ownBase: boolean;
  readonly now: () => number;
}): PollClock {
  let livelyUntil = options.now() + LIVELY_MS;
  let current = FAST_MS;
  return {
    lively: () => {
      livelyUntil = options.now() + LIVELY_MS;
      current = FAST_MS;
    },
    interval: (allowance) => {
      if (options.fixedMs !== undefined) return options.fixedMs;
      // Not Stripe's own: nobody counts.
      if (!options.ownBase) return FAST_MS;
      if (allowance.used >= allowance.total * NEARLY_USED) return SPARING_MS;
      if (options.now() < livelyUntil) return FAST_MS;
      const perDay = allowance.total / DAYS;
      // A poll a minute all day must leave a fifth of the day's part to everything else.
      const slowest = DAY_MS / QUIET_MS <= perDay * 0.8 ? QUIET_MS : SPARING_MS;
      current = Math.min(slowest, current * 2);
      return current;
    },
  };
}
