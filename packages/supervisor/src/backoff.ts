import type { BackoffOptions, BurstOptions } from './types.ts';

/** Decides how long to wait before the next start, or that there have been too many. */
export interface RestartPlan {
  /** Notes a start. `now` is monotonic ms. */
  started(now: number): void;
  /** Notes since when the service had been ready when it ended, if it was. */
  ended(now: number, readySince: number | undefined): void;
  /** ms until the next start, or undefined when the burst limit is reached. */
  next(now: number): { readonly attempt: number; readonly delayMs: number } | undefined;
}

/** 2 to this is more than any delay. */
const maxExponent = 60;

/** `random` is 0 to 1, as Math.random. */
export function createRestartPlan(
  backoff: Required<BackoffOptions>,
  burst: Required<BurstOptions>,
  random: () => number = Math.random,
): RestartPlan {
  let attempt = 0;
  let starts: number[] = [];
  return {
    started(now): void {
      starts = [...starts.filter((at) => now - at < burst.withinMs), now];
    },
    ended(now, readySince): void {
      if (readySince !== undefined && now - readySince >= backoff.resetAfterMs) attempt = 0;
    },
    next(now): { attempt: number; delayMs: number } | undefined {
      // The exponent is limited: 0 × Infinity would be no number.
      const grown = Math.min(
        backoff.maxMs,
        backoff.initialMs * backoff.factor ** Math.min(attempt, maxExponent),
      );
      const delayMs = Math.round(grown * (1 - backoff.jitter * random()));
      // Judged at the moment of the next start, so that a slow pace is never a burst.
      const recent = starts.filter((at) => now + delayMs - at < burst.withinMs).length;
      if (burst.starts > 0 && recent >= burst.starts) return undefined;
      attempt += 1;
      return { attempt, delayMs };
    },
  };
}
