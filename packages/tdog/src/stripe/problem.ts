import type { LimitReason } from './limiter.ts';

/** What is wrong with an answer, as far as the engine treats it differently. */
export type ProblemKind =
  /** 401: the key. */
  | 'refused'
  /** 403: the key lacks a permission. */
  | 'forbidden'
  /** 404 `resource_missing`: no such object. */
  | 'missing'
  /** 404 otherwise: no such endpoint for this account or version. */
  | 'no-endpoint'
  /** 400 and other 4xx: the request itself. */
  | 'rejected'
  /** 429. */
  | 'limited'
  /** 5xx, a broken connection, an unreadable body: try again. */
  | 'trouble'
  /** The engine stops. */
  | 'stopped';

/** An answer of Stripe (or its absence) that is no success. */
export class ApiProblem extends Error {
  readonly kind: ProblemKind;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly param: string | undefined;
  /** Of a 403: the permission that a restricted key needs. */
  readonly permission: string | undefined;
  readonly limitReason: LimitReason | undefined;
  readonly retryAfterMs: number | undefined;
  /** `Stripe-Should-Retry`, if it was sent. */
  readonly shouldRetry: boolean | undefined;
  /** Account named in the answer's headers. */
  readonly account: string | undefined;

  /** Perhaps it is only what was to be expanded that the key may not read, or the object has not: without it the request may pass. */
  get mayBeExpansion(): boolean {
    return this.kind === 'forbidden' || this.kind === 'rejected';
  }

  /** What td_progress says of a table that cannot be read for it. */
  get whyUnreadable(): string {
    return this.kind === 'forbidden'
      ? `the key lacks ${this.permission ?? 'a permission'}: ${this.message}`
      : `not available to this account: ${this.message}`;
  }

  constructor(kind: ProblemKind, message: string, details: Partial<ApiProblem> = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ApiProblem';
    this.kind = kind;
    this.status = details.status;
    this.requestId = details.requestId;
    this.param = details.param;
    this.permission = details.permission;
    this.limitReason = details.limitReason;
    this.retryAfterMs = details.retryAfterMs;
    this.shouldRetry = details.shouldRetry;
    this.account = details.account;
  }
}

interface ClientError {
  readonly message?: unknown;
  readonly statusCode?: unknown;
  readonly code?: unknown;
  readonly param?: unknown;
  readonly requestId?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Sorts what the official client threw. */
export function toProblem(error: unknown, stopped: boolean): ApiProblem {
  const e = (typeof error === 'object' && error !== null ? error : {}) as ClientError;
  const message = withoutKeys(text(e.message) ?? String(error));
  if (stopped) return new ApiProblem('stopped', 'the engine stops', { cause: error });
  const status = typeof e.statusCode === 'number' ? e.statusCode : undefined;
  const headers = e.headers ?? {};
  const details = {
    cause: error,
    status,
    requestId: text(e.requestId) ?? headers['request-id'],
    param: text(e.param),
    account: headers['stripe-account'],
    retryAfterMs: retryAfter(headers['retry-after']),
    shouldRetry: shouldRetry(headers['stripe-should-retry']),
  };
  if (status === undefined || status >= 500 || status === 409)
    return new ApiProblem('trouble', message, details);
  if (status === 401) return new ApiProblem('refused', message, details);
  if (status === 403)
    return new ApiProblem('forbidden', message, { ...details, permission: /rak_\w+/.exec(message)?.[0] });
  if (status === 404)
    return new ApiProblem(e.code === 'resource_missing' ? 'missing' : 'no-endpoint', message, details);
  if (status === 429) {
    const reason = headers['stripe-rate-limited-reason'];
    return new ApiProblem('limited', message, {
      ...details,
      limitReason: e.code === 'lock_timeout' && reason === undefined ? 'lock' : limitReason(reason),
    });
  }
  if (e.code === 'resource_missing') return new ApiProblem('missing', message, details);
  return new ApiProblem(details.shouldRetry === true ? 'trouble' : 'rejected', message, details);
}

/** Stripe's messages name the key in part; a log shall not. */
function withoutKeys(message: string): string {
  return message.replaceAll(/\b(sk|rk|pk)_(live|test|org)_[\w*]+/g, '$1_$2_…');
}

function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds) && seconds >= 0) return Math.min(seconds, 300) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(date - Date.now(), 0), 300_000);
}

function shouldRetry(value: string | undefined): boolean | undefined {
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

const REASONS: readonly LimitReason[] = [
  'global-rate',
  'endpoint-rate',
  'global-concurrency',
  'endpoint-concurrency',
  'resource-specific',
];

function limitReason(value: string | undefined): LimitReason {
  return REASONS.find((reason) => reason === value) ?? 'unknown';
}
