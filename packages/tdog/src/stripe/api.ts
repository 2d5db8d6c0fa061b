import { setTimeout as sleep } from 'node:timers/promises';

import type { Logger } from 'pino';
import Stripe from 'stripe';

import type { ResolvedOptions } from '../options.ts';
import type { StripeObject } from '../model/values.ts';
import { createGate, type Gate } from './gate.ts';
import { MirrorHttpClient, type StripeHttpClient } from './http.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { ApiProblem, toProblem } from './problem.ts';

/** What a read is for; td_requests counts by it. */
export type Purpose = 'key' | 'download' | 'fan-out' | 'poll' | 'refetch' | 'proof' | 'verify';

/** How one read is made. */
export interface GetOptions {
  /** The named operation whose rate limit applies. */
  readonly endpoint: string;
  readonly purpose: Purpose;
  /** Higher goes first. */
  readonly priority?: () => number;
  /** Tries in vain after which the problem is thrown, if other requests succeeded meanwhile; without it, never. */
  readonly maxAttempts?: number;
}

/** A page of a list. */
export interface Page {
  readonly data: readonly StripeObject[];
  readonly has_more: boolean;
}

/** Reads of Stripe: limited, counted, tried again. */
export interface Api {
  /**
   * GETs `path` (with its query). Rejects with {@link ApiProblem} for what trying again cannot cure.
   */
  get(path: string, options: GetOptions): Promise<StripeObject>;
  /** Like {@link Api.get}, for a list. */
  list(path: string, options: GetOptions): Promise<Page>;
  readonly gate: Gate;
  readonly limiter: Limiter;
  readonly requests: number;
  readonly limited: number;
  /** Why Stripe cannot be reached, while it cannot. */
  readonly trouble: string | undefined;
  close(): void;
}

/** Callbacks of {@link createApi}. */
export interface ApiHooks {
  readonly onRead: (purpose: Purpose) => void;
  readonly onAccepted: () => void;
  readonly onRefused: () => void;
}

/** First and longest wait between two tries. */
const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;

/** Connects to Stripe with the official client. */
export function createApi(
  options: ResolvedOptions,
  hooks: ApiHooks,
  signal: AbortSignal,
  logger: Logger,
): Api {
  const base = new URL(options.stripe.apiBase);
  const secure = base.protocol === 'https:';
  const http = new MirrorHttpClient(secure, options.stripe.maxConnections, signal);
  const stripe = new Stripe(options.stripe.secretKey, {
    apiVersion: options.stripe.apiVersion as typeof Stripe.API_VERSION,
    host: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port === '' ? (secure ? 443 : 80) : Number(base.port),
    protocol: secure ? 'https' : 'http',
    httpClient: http as unknown as StripeHttpClient,
    // Tries again only by way of the limiter: retries beside it turn one 429 into a storm.
    maxNetworkRetries: 0,
    telemetry: false,
    timeout: options.stripe.timeoutMs,
    appInfo: { name: 'tdog' },
    ...(options.stripe.stripeContext === undefined ? {} : { stripeContext: options.stripe.stripeContext }),
  });
  const limiter = createLimiter({
    perSecond: options.maxRequestsPerSecond * options.share,
    // Stripe's default for one named operation is 25, a quarter of the account's.
    perEndpoint:
      Math.min(options.maxRequestsPerSecond, Math.max(25, options.maxRequestsPerSecond / 4)) * options.share,
    now: options.steady,
    random: options.random,
  });
  const gate = createGate(limiter, options.stripe.maxConnections, options.steady);
  let requests = 0;
  let limited = 0;
  let successes = 0;
  let trouble: string | undefined;
  const onAbort = (): void => gate.close(new ApiProblem('stopped', 'the engine stops'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();

  async function once(path: string, get: GetOptions, priority: () => number): Promise<StripeObject> {
    await gate.enter(get.endpoint, priority);
    const startedAt = options.steady();
    requests += 1;
    hooks.onRead(get.purpose);
    try {
      const body = (await stripe.rawRequest('GET', path)) as StripeObject;
      limiter.succeeded(get.endpoint, startedAt);
      successes += 1;
      trouble = undefined;
      hooks.onAccepted();
      return body;
    } catch (error) {
      const problem = toProblem(error, signal.aborted);
      if (problem.kind === 'limited') {
        limited += 1;
        limiter.limited(get.endpoint, startedAt, problem.limitReason ?? 'unknown', problem.retryAfterMs);
      }
      // 403, 404, 429 and other 4xx are answers to a key that Stripe knows.
      if (problem.kind === 'refused') hooks.onRefused();
      else if (problem.status !== undefined && problem.status < 500) hooks.onAccepted();
      throw problem;
    } finally {
      gate.leave(get.endpoint);
    }
  }

  async function get(path: string, options_: GetOptions): Promise<StripeObject> {
    const before = successes;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(path, options_, attempt === 1 ? (options_.priority ?? zero) : () => Infinity);
      } catch (error) {
        if (!(error instanceof ApiProblem)) throw error;
        const { kind } = error;
        if (kind === 'limited') {
          if (options.exitOn429) throw error;
          if (error.limitReason === 'lock') await pause(backoff(attempt));
          continue;
        }
        if (kind !== 'trouble') throw error;
        const last = options_.maxAttempts;
        // Only when others get through is it this request; else Stripe or the network is down, and one waits.
        if (last !== undefined && attempt >= last && (successes > before || (await getsThrough())))
          throw error;
        trouble = error.message;
        const wait = error.retryAfterMs ?? backoff(attempt);
        logger.warn(
          {
            attempt,
            waitMs: Math.round(wait),
            status: error.status,
            requestId: error.requestId,
            endpoint: options_.endpoint,
          },
          `stripe: ${error.message}; trying again`,
        );
        await pause(wait);
      }
    }
  }

  /** Whether Stripe answers at all. */
  async function getsThrough(): Promise<boolean> {
    try {
      await once('/v1/events?limit=1', { endpoint: 'GET /v1/events', purpose: 'key' }, zero);
      return true;
    } catch (error) {
      return error instanceof ApiProblem && error.kind !== 'trouble' && error.kind !== 'stopped';
    }
  }

  function backoff(attempt: number): number {
    const full = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(attempt - 1, 10));
    return full / 2 + options.random() * (full / 2);
  }

  async function pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal });
    } catch (cause) {
      throw new ApiProblem('stopped', 'the engine stops', { cause });
    }
  }

  return {
    get,
    list: async (path, options_) => {
      for (let attempt = 1; ; attempt += 1) {
        const body = await get(path, options_);
        if (Array.isArray(body['data'])) return body as unknown as Page;
        // A proxy's own 200: no list, so no end of one either.
        if (attempt >= (options_.maxAttempts ?? 8))
          throw new ApiProblem('trouble', `the answer to ${path.split('?')[0] ?? path} is no list`);
        await pause(backoff(attempt));
      }
    },
    gate,
    limiter,
    get requests() {
      return requests;
    },
    get limited() {
      return limited;
    },
    get trouble() {
      return trouble;
    },
    close: () => {
      signal.removeEventListener('abort', onAbort);
      http.close();
    },
  };
}

function zero(): number {
  return 0;
}
