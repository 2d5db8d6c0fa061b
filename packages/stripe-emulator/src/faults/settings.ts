/** The reasons Stripe gives with a 429 (`Stripe-Rate-Limited-Reason`), and its lock time-out, which has no header. */
export type RateLimitReason =
  | 'global-rate'
  | 'endpoint-rate'
  | 'global-concurrency'
  | 'endpoint-concurrency'
  | 'resource-specific'
  | 'lock_timeout';

/** Things that go wrong on purpose; what is left out does not. Rates are shares of requests, 0 to 1. */
export interface FaultSettings {
  /** Added to each answer. @defaultValue 0 */
  readonly latencyMs?: number;
  /** Up to so much more, at random. @defaultValue 0 */
  readonly jitterMs?: number;
  /** Requests per second over all endpoints; above it 429 global-rate. */
  readonly requestsPerSecond?: number;
  /** Requests per second of one endpoint; above it 429 endpoint-rate. */
  readonly requestsPerSecondPerEndpoint?: number;
  /** Requests in flight; above it 429 global-concurrency. */
  readonly concurrency?: number;
  /** Requests in flight at one endpoint; above it 429 endpoint-concurrency. */
  readonly concurrencyPerEndpoint?: number;
  /** Seconds to send as Retry-After with a 429. Stripe promises none. */
  readonly retryAfterSeconds?: number;
  /** Share of requests answered 429 with this reason. */
  readonly rateLimited?: { readonly rate: number; readonly reason?: RateLimitReason };
  /** Share of requests answered with a 5xx. */
  readonly serverError?: { readonly rate: number; readonly status?: number; readonly shouldRetry?: boolean };
  /** Share of answers whose connection is reset in the middle of the body. */
  readonly resetMidBody?: number;
  /** Answers flow at this many bytes per second. */
  readonly bytesPerSecond?: number;
  /** Events are dated up to five seconds back, at random: they show up behind newer ones. */
  readonly reorderEvents?: boolean;
  /** Share of events that happen twice, with two ids, and are delivered twice each. */
  readonly duplicateEvents?: number;
  /** Events show up in lists and webhooks so much later than they happened. */
  readonly delayEventsMs?: number;
  /** Share of events that never show up. */
  readonly loseEvents?: number;
  /** Events older than this are gone, as after 30 days. */
  readonly expireEventsAfterSeconds?: number;
  /** Every request is answered 401, as after the key was revoked. */
  readonly keyRevoked?: boolean;
  /** Tables (or objects, or path beginnings) that the key may not read: 403 that names the permission. */
  readonly forbidden?: readonly string[];
  /** Only requests whose path begins so are hit by latency, limits, errors, resets and slow bodies. */
  readonly paths?: readonly string[];
  /** So many requests are hit, then the faults of the request are over. */
  readonly times?: number;
  /** Deletes every object and event, without a word, as "delete all test data" does. Done once, when it is set. */
  readonly deleteTestData?: boolean;
}

type Check = (value: unknown) => boolean;

const amount: Check = (value) => typeof value === 'number' && value >= 0 && Number.isFinite(value);
const share: Check = (value) => amount(value) && (value as number) <= 1;
const flag: Check = (value) => typeof value === 'boolean';
const texts: Check = (value) => Array.isArray(value) && value.every((item) => typeof item === 'string');
const isHash = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const reasons: ReadonlySet<unknown> = new Set<RateLimitReason>([
  'global-rate',
  'endpoint-rate',
  'global-concurrency',
  'endpoint-concurrency',
  'resource-specific',
  'lock_timeout',
]);

const checks: Readonly<Record<keyof FaultSettings, Check>> = {
  latencyMs: amount,
  jitterMs: amount,
  requestsPerSecond: amount,
  requestsPerSecondPerEndpoint: amount,
  concurrency: amount,
  concurrencyPerEndpoint: amount,
  retryAfterSeconds: amount,
  rateLimited: (value) =>
    isHash(value) && share(value['rate']) && (value['reason'] === undefined || reasons.has(value['reason'])),
  serverError: (value) =>
    isHash(value) && share(value['rate']) && (value['status'] === undefined || amount(value['status'])),
  resetMidBody: share,
  bytesPerSecond: amount,
  reorderEvents: flag,
  duplicateEvents: share,
  delayEventsMs: amount,
  loseEvents: share,
  expireEventsAfterSeconds: amount,
  keyRevoked: flag,
  forbidden: texts,
  paths: texts,
  times: amount,
  deleteTestData: flag,
};

/** The names of all faults. */
export const faultNames: readonly string[] = Object.keys(checks);

/** What is wrong with settings that came from outside; nothing: they are good. */
export function wrongFaults(value: unknown): string[] {
  if (!isHash(value)) return ['the faults must be an object'];
  return Object.entries(value).flatMap(([name, one]) => {
    const check = Object.hasOwn(checks, name) ? checks[name as keyof FaultSettings] : undefined;
    if (check === undefined) return [`unknown fault \`${name}\``];
    return check(one) ? [] : [`\`${name}\` cannot be ${JSON.stringify(one)}`];
  });
}
