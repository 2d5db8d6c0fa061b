import type { Account, RequestFacts } from './api/context.ts';
import type { Faults } from './faults/faults.ts';
import { flagHidden } from './store/layer.ts';
import type { StripeEvent, StripeObject } from './types.ts';
import type { Deliveries } from './webhooks/deliveries.ts';
import { randomId } from './write/ids.ts';

/** Makes events, shows them in lists and sends them to webhooks; faults lose, delay, double and misdate them. */
export class Events {
  readonly #account: Account;
  readonly #faults: Faults;
  readonly #deliveries: Deliveries;
  readonly #timers = new Set<NodeJS.Timeout>();
  #count = 0;

  constructor(account: Account, faults: Faults, deliveries: Deliveries) {
    this.#account = account;
    this.#faults = faults;
    this.#deliveries = deliveries;
  }

  /** How many there have been since the start. */
  get count(): number {
    return this.#count;
  }

  /** Tells that something happened to an object. */
  emit(
    type: string,
    object: StripeObject,
    previous: Record<string, unknown> | undefined,
    request: RequestFacts | undefined,
  ): StripeEvent {
    const { settings } = this.#faults;
    const event = this.#make(type, object, previous, request);
    if (this.#faults.chance(settings.loseEvents)) {
      this.#account.store.put(event, event.created, flagHidden);
      return event;
    }
    this.#show(event, settings.delayEventsMs ?? 0);
    if (this.#faults.chance(settings.duplicateEvents)) {
      this.#show({ ...event, id: randomId(this.#account, 'evt_') }, settings.delayEventsMs ?? 0);
      this.#deliveries.deliver(event);
    }
    return event;
  }

  #make(
    type: string,
    object: StripeObject,
    previous: Record<string, unknown> | undefined,
    request: RequestFacts | undefined,
  ): StripeEvent {
    this.#count += 1;
    const now = Math.floor(this.#account.now() / 1000);
    const back = this.#faults.settings.reorderEvents ? Math.floor(this.#account.random() * 6) : 0;
    return {
      id: randomId(this.#account, 'evt_'),
      object: 'event',
      api_version: this.#account.apiVersion,
      created: now - back,
      data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: this.#deliveries.wanting(type).length,
      request: { id: request?.id ?? null, idempotency_key: request?.idempotencyKey ?? null },
      type,
    };
  }

  #show(event: StripeEvent, delayMs: number): void {
    const { store } = this.#account;
    store.put(event, event.created, delayMs > 0 ? flagHidden : 0);
    if (delayMs === 0) {
      this.#deliveries.deliver(event);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      store.put(event, event.created, 0);
      this.#deliveries.deliver(event);
    }, delayMs);
    timer.unref();
    this.#timers.add(timer);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
