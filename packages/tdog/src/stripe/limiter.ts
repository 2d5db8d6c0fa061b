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
  /** A request that started at `startedAt` came back well. */
  succeeded(endpoint: string, startedAt: number): void;
  /** A request was refused; `retryAfterMs` is what Stripe asked for, if it did. */
  limited(endpoint: string, startedAt: number, reason: LimitReason, retryAfterMs: number | undefined): void;
  /** Requests per second that the account's bucket allows at present. */
  readonly rate: number;
  /** How many of one endpoint may be in flight at once. */
  concurrency(endpoint: string): number;
}

/** How much time's worth of requests may start at once after a pause: parsing and writing take their turns. */
const BURST_MS = 250;
/** How far back is looked when a limit is met for the first time. */
const FIRST_LIMIT_MS = 5_000;
/** Doubling takes so many times as long as an answer: what is on its way when a limit is met stays in proportion. */
const LATENCIES_TO_DOUBLE = 6;
const MIN_LATENCY_MS = 100;
/** The account's rate begins no higher, where the ceiling does not tell what is allowed. */
const FIRST_RATE = 100;
/** The same for an endpoint: Stripe's default. */
const FIRST_ENDPOINT_RATE = 25;

interface Bucket {
  rate: number;
  readonly ceiling: number;
  /** What is allowed, by the last cut: below it growing is quick, near it slow. */
  known: number;
  next: number;
  pausedUntil: number;
  lastCut: number | undefined;
  readonly began: number;
  lastGrowth: number;
  concurrency: number;
  /** When answers came: since the beginning until the first cut, then of the last second. */
  readonly passed: number[];
}

/** Makes a limiter; it has no timers of its own. */
export function createLimiter(options: LimiterOptions): Limiter {
  const { now } = options;
  const bucket = (ceiling: number, first: number): Bucket => ({
    rate: Math.min(ceiling, Math.max(first, 5)),
    ceiling,
    known: ceiling,
    next: 0,
    pausedUntil: 0,
    lastCut: undefined,
    began: now(),
    lastGrowth: now(),
    concurrency: 16,
    passed: [],
  });
  // Other software of the account shares the limit: begin at half and see.
  const account = bucket(options.perSecond, Math.min(options.perSecond / 2, FIRST_RATE));
  const endpoints = new Map<string, Bucket>();
  const of = (endpoint: string): Bucket => {
    let found = endpoints.get(endpoint);
    if (found === undefined)
      endpoints.set(
        endpoint,
        (found = bucket(options.perEndpoint, Math.min(options.perEndpoint, FIRST_ENDPOINT_RATE))),
      );
    return found;
  };

  function grow(bucket: Bucket, at: number, latency: number): void {
    const elapsed = Math.min(at - bucket.lastGrowth, 1_000);
    if (elapsed < 20) return;
    bucket.lastGrowth = at;
    if (bucket.rate >= bucket.ceiling) return;
    const quick = bucket.rate < bucket.known * 0.9;
    // Near a known limit 1 % a second, so that it is met rarely; faster when it has not been met for long.
    const calm = bucket.lastCut === undefined ? 0 : (at - bucket.lastCut) / 1_000;
    const perSecond = Math.min(0.1, 0.01 * Math.max(1, calm / 20));
    const factor = quick
      ? 2 ** (elapsed / (LATENCIES_TO_DOUBLE * Math.max(latency, MIN_LATENCY_MS)))
      : 1 + perSecond * (elapsed / 1_000);
    bucket.rate = Math.min(bucket.ceiling, bucket.rate * factor);
    if (bucket.rate > bucket.known) bucket.known = bucket.rate;
  }

  function cut(bucket: Bucket, at: number, startedAt: number, retryAfterMs: number | undefined): void {
    // A burst of refusals is one message: requests that were on their way at the last cut tell nothing new.
    if (bucket.lastCut === undefined || startedAt > bucket.lastCut) {
      // Before the first refusal Stripe's bucket was full, which holds about a second's worth; later, what got through
      // of late is what is allowed.
      const through =
        bucket.lastCut === undefined
          ? (bucket.passed.length * 1_000) / (Math.min(at - bucket.began, FIRST_LIMIT_MS) + 1_000)
          : bucket.passed.filter((time) => time > at - 1_000).length;
      // Not below a quarter: little may have been asked for.
      bucket.known = Math.max(0.5, Math.min(bucket.rate * 0.95, Math.max(bucket.rate / 4, through)));
      bucket.rate = Math.max(0.5, bucket.known / 2);
      bucket.lastCut = at;
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
    succeeded: (endpoint, startedAt) => {
      const at = now();
      for (const bucket of [account, of(endpoint)]) {
        bucket.passed.push(at);
        const from = bucket.lastCut === undefined ? at - FIRST_LIMIT_MS : at - 1_000;
        while ((bucket.passed[0] ?? at) < from) bucket.passed.shift();
        grow(bucket, at, at - startedAt);
      }
    },
    limited: (endpoint, startedAt, reason, retryAfterMs) => {
      const at = now();
      if (reason === 'lock') return;
      if (reason === 'endpoint-rate' || reason === 'resource-specific')
        cut(of(endpoint), at, startedAt, retryAfterMs);
      else if (reason === 'endpoint-concurrency') {
        const one = of(endpoint);
        one.concurrency = Math.max(1, Math.floor(one.concurrency / 2));
        one.pausedUntil = Math.max(one.pausedUntil, at + (retryAfterMs ?? 250));
      } else if (reason === 'global-concurrency') {
        for (const one of endpoints.values()) one.concurrency = Math.max(1, Math.floor(one.concurrency / 2));
        account.pausedUntil = Math.max(account.pausedUntil, at + (retryAfterMs ?? 250));
      } else cut(account, at, startedAt, retryAfterMs);
    },
    get rate() {
      return account.rate;
    },
    concurrency: (endpoint) => of(endpoint).concurrency,
  };
}
