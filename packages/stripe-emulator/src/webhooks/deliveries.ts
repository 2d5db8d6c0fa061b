import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import type { Store } from '../store/store.ts';
import type { StripeEvent, StripeObject } from '../types.ts';

/** One attempt to deliver an event. */
export interface Attempt {
  readonly event: string;
  readonly type: string;
  readonly url: string;
  readonly attempt: number;
  /** HTTP status, or what went wrong. */
  readonly result: number | string;
  readonly at: number;
}

/** What deliveries need. */
export interface DeliveryOptions {
  readonly store: Store;
  readonly now: () => number;
  readonly retryDelaysMs: readonly number[];
  readonly logger: Logger;
}

const timeoutMs = 20_000;
const rememberedAttempts = 100;

/** `Stripe-Signature` of a payload. @see https://docs.stripe.com/webhooks#verify-manually */
export function signature(payload: string, secret: string, seconds: number): string {
  const v1 = createHmac('sha256', secret).update(`${seconds}.${payload}`).digest('hex');
  return `t=${seconds},v1=${v1}`;
}

/** Sends events to webhook endpoints, signed, and again while they are not taken. */
export class Deliveries {
  readonly #options: DeliveryOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #attempts: Attempt[] = [];

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** The last attempts, newest first. */
  get attempts(): readonly Attempt[] {
    return this.#attempts;
  }

  /** The endpoints that want an event of this type. */
  wanting(type: string): StripeObject[] {
    const { journal } = this.#options.store;
    if (!journal.holds('webhook_endpoint')) return [];
    return [...journal.walk({ object: 'webhook_endpoint', direction: 'older' })]
      .filter((row) => (row.flags & 1) === 0)
      .map((row) => row.object())
      .filter((endpoint) => {
        const wanted = endpoint['enabled_events'] as string[];
        return endpoint['status'] === 'enabled' && (wanted.includes('*') || wanted.includes(type));
      });
  }

  /** Delivers an event to whom it concerns. */
  deliver(event: StripeEvent): void {
    for (const endpoint of this.wanting(event.type)) this.#try(event, endpoint.id, 0);
  }

  #try(event: StripeEvent, endpointId: string, attempt: number): void {
    const run = this.#post(event, endpointId, attempt).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #post(event: StripeEvent, endpointId: string, attempt: number): Promise<void> {
    const { store, now, logger } = this.#options;
    const endpoint = store.get('webhook_endpoint', endpointId);
    if (endpoint === undefined || endpoint['status'] !== 'enabled' || this.#stop.signal.aborted) return;
    const version = endpoint['api_version'];
    const payload = JSON.stringify(
      { ...event, ...(typeof version === 'string' ? { api_version: version } : {}) },
      null,
      2,
    );
    const secret = String(store.find('webhook_secret', endpointId)?.object()['secret']);
    const url = String(endpoint['url']);
    let result: number | string;
    try {
      const response = await fetch(url, {
        method: 'POST',
        body: payload,
        redirect: 'manual',
        headers: {
          'Content-Type': 'application/json; charset=utf-8',
          'Stripe-Signature': signature(payload, secret, Math.floor(now() / 1000)),
          'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        },
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]),
      });
      await response.arrayBuffer();
      result = response.status;
    } catch (error) {
      result = error instanceof Error ? error.message : 'failed';
    }
    if (this.#stop.signal.aborted) return;
    this.#attempts.unshift({
      event: event.id,
      type: event.type,
      url,
      attempt: attempt + 1,
      result,
      at: now(),
    });
    this.#attempts.length = Math.min(this.#attempts.length, rememberedAttempts);
    if (typeof result === 'number' && result >= 200 && result < 300) {
      this.#taken(event.id);
      return;
    }
    const delay = this.#options.retryDelaysMs[attempt];
    logger.warn({ event: event.id, url, result, attempt: attempt + 1, delayMs: delay }, 'webhook: not taken');
    if (delay === undefined) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#try(event, endpointId, attempt + 1);
    }, delay);
    timer.unref();
    this.#timers.add(timer);
  }

  /** One endpoint fewer that the event waits for. */
  #taken(id: string): void {
    const { store } = this.#options;
    const row = store.find('event', id);
    if (row === undefined) return;
    const event = row.object();
    const pending = Math.max(0, Number(event['pending_webhooks']) - 1);
    store.put({ ...event, pending_webhooks: pending }, row.created);
  }

  /** Ends all attempts. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.allSettled(this.#running);
  }
}
