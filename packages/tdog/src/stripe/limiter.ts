/** Options of {@link createLimiter}. */
export interface LimiterOptions {
  /** Ceiling of all requests together, per second. */
  readonly perSecond: number;
  /** Ceiling of one endpoint, per second. */
  readonly perEndpoint: number;
  readonly now: () => number;
  readonly random: () => number;
}

/** Why a request was refused with 429, by Stripe's `Stripe-Rate-Limited-Reason`. */
export type LimitReason =
  | 'global-rate'
  | 'endpoint-rate'
  | 'global-concurrency'
  | 'endpoint-concurrency'
  | 'resource-specific'
  | 'lock'
  | 'unknown';

/** Keeps the request rate at what Stripe allows: grows while all goes well, halves on 429, waits as it is told. */
export interface Limiter {
  /** Milliseconds until a request to `endpoint` may start; 0 = now. */
  wait(endpoint: string): number;
  /** Counts a request that starts now. */
  take(endpoint: string): void;
  /** A request came back well. */
  succeeded(endpoint: string): void;
  /** A request was refused; `retryAfterMs` is what Stripe asked for, if it did. */
  limited(endpoint: string, reason: LimitReason, retryAfterMs: number | undefined): void;
  /** Requests per second that the account's bucket allows at present. */
  readonly rate: number;
  /** How many of one endpoint may be in flight at once. */
  concurrency(endpoint: string): number;
}

/** How much time's worth of requests may start at once after a pause: timers are not exact. */
const BURST_MS = 60;
/** One cut per this time: a burst of 429s is one message, not many. */
const CUT_EVERY_MS = 1_000;

interface Bucket {
  rate: number;
  readonly ceiling: number;
  /** Where the last cut happened: below it growing is quick, near it slow. */
  known: number;
  next: number;
  pausedUntil: number;
  lastCut: number;
  lastGrowth: number;
  concurrency: number;
  /** When the answers of the last second came. */
  readonly answered: number[];
}

/** Makes a limiter; it has no timers of its own. */
export function createLimiter(options: LimiterOptions): Limiter {
  const { now } = options;
  const bucket = (ceiling: number): Bucket => ({
    // Other software of the account shares the limit: begin at half and see.
    rate: Math.max(ceiling / 2, Math.min(ceiling, 5)),
    ceiling,
    known: ceiling,
    next: 0,
    pausedUntil: 0,
    lastCut: -Infinity,
    lastGrowth: now(),
    concurrency: 16,
    answered: [],
  });
  const account = bucket(options.perSecond);
  const endpoints = new Map<string, Bucket>();
  const of = (endpoint: string): Bucket => {
    let found = endpoints.get(endpoint);
    if (found === undefined) endpoints.set(endpoint, (found = bucket(options.perEndpoint)));
    return found;
  };

  function grow(bucket: Bucket, at: number): void {
    const elapsed = Math.min(at - bucket.lastGrowth, 1_000);
    if (elapsed < 100) return;
    bucket.lastGrowth = at;
    if (bucket.rate >= bucket.ceiling) return;
    const quick = bucket.rate < bucket.known * 0.9;
    // Quick: doubling in about a second. Slow: 1 % a second, so that a lower limit is met rarely.
    const factor = quick ? 1 + 0.8 * (elapsed / 1_000) : 1 + 0.01 * (elapsed / 1_000);
    bucket.rate = Math.min(bucket.ceiling, bucket.rate * factor + (quick ? 0.5 : 0));
    if (bucket.rate > bucket.known) bucket.known = bucket.rate;
  }

  function cut(bucket: Bucket, at: number, retryAfterMs: number | undefined): void {
    if (at - bucket.lastCut >= CUT_EVERY_MS) {
      bucket.lastCut = at;
      // What got through in the last second is what is allowed, however high the ceiling was.
      const through = bucket.answered.filter((time) => time > at - 1_000).length;
      bucket.known = Math.max(0.5, Math.min(bucket.rate * 0.95, Math.max(1, through)));
      bucket.rate = Math.max(0.5, bucket.known / 2);
      bucket.lastGrowth = at;
    }
    const wait = retryAfterMs ?? 250 + options.random() * 250;
    bucket.pausedUntil = Math.max(bucket.pausedUntil, at + wait);
  }

  function waitOf(bucket: Bucket, at: number): number {
    return Math.max(bucket.pausedUntil - at, bucket.next - BURST_MS - at, 0);
  }

  function advance(bucket: Bucket, at: number): void {
    bucket.next = Math.max(bucket.next, at) + 1_000 / bucket.rate;
  }

  return {
    wait: (endpoint) => {
      const at = now();
      return Math.max(waitOf(account, at), waitOf(of(endpoint), at));
    },
    take: (endpoint) => {
      const at = now();
      advance(account, at);
      advance(of(endpoint), at);
    },
    succeeded: (endpoint) => {
      const at = now();
      for (const bucket of [account, of(endpoint)]) {
        bucket.answered.push(at);
        while ((bucket.answered[0] ?? at) < at - 1_000) bucket.answered.shift();
        grow(bucket, at);
      }
    },
    limited: (endpoint, reason, retryAfterMs) => {
      const at = now();
      if (reason === 'lock') return;
      if (reason === 'endpoint-rate' || reason === 'resource-specific') cut(of(endpoint), at, retryAfterMs);
      else if (reason === 'endpoint-concurrency') {
        const one = of(endpoint);
        one.concurrency = Math.max(1, Math.floor(one.concurrency / 2));
        one.pausedUntil = Math.max(one.pausedUntil, at + (retryAfterMs ?? 250));
      } else if (reason === 'global-concurrency') {
        for (const one of endpoints.values()) one.concurrency = Math.max(1, Math.floor(one.concurrency / 2));
        account.pausedUntil = Math.max(account.pausedUntil, at + (retryAfterMs ?? 250));
      } else cut(account, at, retryAfterMs);
    },
    get rate() {
      return account.rate;
    },
    concurrency: (endpoint) => of(endpoint).concurrency,
  };
}
