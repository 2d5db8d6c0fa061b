import { setTimeout as wait } from 'node:timers/promises';
import { masked } from '../http/auth.ts';
import { Failure } from '../http/failure.ts';
import { parseParams, texts } from '../http/params.ts';
import type { RequestInfo } from '../http/server.ts';
import { tables } from '../catalogue/catalogue.ts';
import type { FaultSettings, RateLimitReason } from './settings.ts';

/** Allows so many per second on average, and as many at once. */
class Bucket {
  #tokens: number;
  #last: number;
  readonly #rate: number;

  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#tokens = Math.max(1, rate);
    this.#last = now;
  }

  take(now: number): boolean {
    this.#tokens = Math.min(Math.max(1, this.#rate), this.#tokens + ((now - this.#last) / 1000) * this.#rate);
    this.#last = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

const tooMany =
  'Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.';
const locked =
  'This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single object, make your requests serially or at a lower rate. For more details, see https://stripe.com/docs/rate-limits#object-lock-timeouts.';

/** Makes requests fail on purpose, as the settings say. */
export class Faults {
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #accountId: string;
  #settings: FaultSettings;
  #left: number;
  #all: Bucket | undefined;
  readonly #endpoints = new Map<string, Bucket>();
  readonly #flying = new Map<string, number>();
  #inFlight = 0;

  constructor(settings: FaultSettings, accountId: string, now: () => number, random: () => number) {
    this.#random = random;
    this.#now = now;
    this.#accountId = accountId;
    this.#settings = settings;
    this.#left = Infinity;
    this.set(settings);
  }

  /** What goes wrong now. */
  get settings(): FaultSettings {
    return this.#settings;
  }

  /** Replaces the settings. */
  set(settings: FaultSettings): void {
    this.#settings = Object.freeze({ ...settings });
    this.#left = settings.times ?? Infinity;
    this.#endpoints.clear();
    const rate = settings.requestsPerSecond;
    this.#all = rate === undefined ? undefined : new Bucket(rate, this.#now());
  }

  /** Whether something happens that has this share. */
  chance(share: number | undefined): boolean {
    return share !== undefined && share > 0 && this.#random() < share;
  }

  #hits(info: RequestInfo): boolean {
    const { paths } = this.#settings;
    return paths === undefined || paths.some((path) => info.path.startsWith(path));
  }

  #use(): void {
    this.#left -= 1;
    if (this.#left <= 0) this.set({});
  }

  /** Runs before a request is handled. @throws Failure */
  async before(info: RequestInfo): Promise<void> {
    const endpoint = endpointOf(info);
    this.#inFlight += 1;
    this.#flying.set(endpoint, (this.#flying.get(endpoint) ?? 0) + 1);
    const s = this.#settings;
    if (s.keyRevoked === true) {
      throw new Failure(401, `Expired API Key provided: ${masked(info.key)}`, { code: 'api_key_expired' });
    }
    this.#permit(info);
    if (!this.#hits(info)) return;
    const delay = (s.latencyMs ?? 0) + (s.jitterMs ?? 0) * this.#random();
    if (delay > 0) await wait(delay, undefined, { ref: false });
    this.#limit(endpoint);
    if (s.rateLimited !== undefined && this.chance(s.rateLimited.rate)) {
      this.#use();
      throw this.#rateLimited(s.rateLimited.reason ?? 'global-rate');
    }
    if (s.serverError !== undefined && this.chance(s.serverError.rate)) {
      const headers =
        s.serverError.shouldRetry === undefined
          ? {}
          : { 'Stripe-Should-Retry': String(s.serverError.shouldRetry) };
      const status = s.serverError.status ?? 500;
      this.#use();
      throw new Failure(status, 'An unknown error occurred', { type: 'api_error' }, headers);
    }
  }

  #limit(endpoint: string): void {
    const s = this.#settings;
    const now = this.#now();
    if (s.concurrency !== undefined && this.#inFlight > s.concurrency)
      throw this.#rateLimited('global-concurrency');
    if (
      s.concurrencyPerEndpoint !== undefined &&
      (this.#flying.get(endpoint) ?? 0) > s.concurrencyPerEndpoint
    ) {
      throw this.#rateLimited('endpoint-concurrency');
    }
    if (this.#all !== undefined && !this.#all.take(now)) throw this.#rateLimited('global-rate');
    const rate = s.requestsPerSecondPerEndpoint;
    if (rate === undefined) return;
    let bucket = this.#endpoints.get(endpoint);
    if (bucket === undefined) this.#endpoints.set(endpoint, (bucket = new Bucket(rate, now)));
    if (!bucket.take(now)) throw this.#rateLimited('endpoint-rate');
  }

  #rateLimited(reason: RateLimitReason): Failure {
    const after = this.#settings.retryAfterSeconds;
    const headers = after === undefined ? {} : { 'Retry-After': String(after) };
    if (reason === 'lock_timeout') return new Failure(429, locked, { code: 'lock_timeout' }, headers);
    return new Failure(
      429,
      tooMany,
      { code: 'rate_limit' },
      { ...headers, 'Stripe-Rate-Limited-Reason': reason },
    );
  }

  /** 403 when the key may not read (or write) this kind of object. */
  #permit(info: RequestInfo): void {
    const { forbidden } = this.#settings;
    if (forbidden === undefined || info.match === undefined) return;
    const refuse = (object: string): never => {
      const permission = `rak_${object.replaceAll('.', '_')}_${info.method === 'GET' ? 'read' : 'write'}`;
      throw new Failure(
        403,
        `The provided key '${masked(info.key)}' does not have the required permissions for this endpoint on account '${this.#accountId}'. Having the '${permission}' permission would allow this request to continue.`,
        { code: 'more_permissions_required_for_application' },
      );
    };
    const names = (object: string): string[] => [
      object,
      ...tables.filter((one) => one.object === object).map((one) => one.table),
    ];
    const { object } = info.match.route;
    const path = forbidden.some((one) => one.startsWith('/') && info.path.startsWith(one));
    if (path || names(object).some((name) => forbidden.includes(name))) refuse(object);
    // What is expanded needs its own permission.
    const query = info.request.url?.split('?')[1];
    if (query === undefined || !query.includes('expand')) return;
    for (const expanded of texts(parseParams(query), 'expand')) {
      const last = expanded.split('.').at(-1) ?? '';
      const kind = last.replace(/^default_/, '').replace(/^latest_/, '');
      if (forbidden.includes(kind) || forbidden.includes(`${kind}s`)) refuse(kind.replace(/s$/, ''));
    }
  }

  /** Runs when a request is over. */
  after(info: RequestInfo): void {
    const endpoint = endpointOf(info);
    this.#inFlight -= 1;
    this.#flying.set(endpoint, (this.#flying.get(endpoint) ?? 1) - 1);
  }

  /** How an answer is sent badly; undefined: it is not. */
  mangle(
    info: RequestInfo,
  ): { readonly reset: boolean; readonly bytesPerSecond: number | undefined } | undefined {
    if (!this.#hits(info)) return undefined;
    const reset = this.chance(this.#settings.resetMidBody);
    const { bytesPerSecond } = this.#settings;
    if (!reset && bytesPerSecond === undefined) return undefined;
    if (reset) this.#use();
    return { reset, bytesPerSecond };
  }
}

const endpointOf = (info: RequestInfo): string => `${info.method} ${info.match?.route.path ?? info.path}`;
