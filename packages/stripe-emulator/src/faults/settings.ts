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
  /** Events of the last minute are listed in a wrong order. */
  readonly reorderEvents?: boolean;
  /** Share of events that are listed and delivered twice. */
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
}
