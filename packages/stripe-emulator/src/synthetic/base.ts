import { tables } from '../catalogue/catalogue.ts';
import { item, planOf } from '../shapes/billing.ts';
import type { Key, Layer, Row, Walk } from '../store/layer.ts';
import { flagHidden } from '../store/layer.ts';
import type { StripeObject } from '../types.ts';
import { day } from './calendar.ts';
import { makeCompany, type Company } from './company.ts';
import { eventDays } from './events.ts';
import type { EventFact, Fact, History, MovementFact, SubscriptionFact } from './facts.ts';
import { drawHistory, type Setting } from './history.ts';
import { Ids, maxOrdinal, nobody } from './ids.ts';
import { Ledger, type PayoutFacts } from './payouts.ts';
import { mix } from './random.ts';
import { Renderer } from './render.ts';

/** What a synthetic account is made of. */
export interface SyntheticOptions {
  readonly customers: number;
  readonly seed: number;
  readonly accountId: string;
  /** The moment up to which the history goes, seconds since 1970. */
  readonly end: number;
  /** Event payloads' version. */
  readonly apiVersion: string;
  /** The present, seconds since 1970: what is pending becomes available. */
  readonly now: () => number;
}

/** How long the account has been open. */
const years = 3;

interface Index {
  /** Ascending. */
  readonly created: Float64Array;
  readonly seq: Float64Array;
}

class Growing {
  #created = new Float64Array(1024);
  #seq = new Float64Array(1024);
  #length = 0;

  push(created: number, seq: number): void {
    if (this.#length === this.#created.length) {
      const [created2, seq2] = [new Float64Array(this.#length * 2), new Float64Array(this.#length * 2)];
      created2.set(this.#created);
      seq2.set(this.#seq);
      [this.#created, this.#seq] = [created2, seq2];
    }
    this.#created[this.#length] = created;
    this.#seq[this.#length++] = seq;
  }

  /** Sorts by created, then seq: places are packed into one number each, so that a typed array can sort them. */
  sorted(): Index {
    const n = this.#length;
    const bits = 2 ** 21;
    const order =
      n < bits
        ? Float64Array.from({ length: n }, (_, i) => (this.#created[i] ?? 0) * bits + i).sort()
        : undefined;
    const at =
      order === undefined
        ? Uint32Array.from({ length: n }, (_, i) => i).sort(
            (a, b) =>
              (this.#created[a] ?? 0) - (this.#created[b] ?? 0) || (this.#seq[a] ?? 0) - (this.#seq[b] ?? 0),
          )
        : Uint32Array.from(order, (value) => value % bits);
    const created = new Float64Array(n);
    const seq = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      created[i] = this.#created[at[i] ?? 0] ?? 0;
      seq[i] = this.#seq[at[i] ?? 0] ?? 0;
    }
    // Owners are drawn in the order of their numbers, ties by seq come out right but where a small `created` ties.
    for (let i = 1; i < n; i++) {
      for (let j = i; j > 0 && created[j] === created[j - 1] && (seq[j] ?? 0) < (seq[j - 1] ?? 0); j--) {
        [seq[j], seq[j - 1]] = [seq[j - 1] ?? 0, seq[j] ?? 0];
      }
    }
    return { created, seq };
  }
}

class BaseRow implements Row {
  readonly id: string;
  readonly created: number;
  readonly seq: number;
  readonly flags: number;
  readonly #make: () => StripeObject;
  #object: StripeObject | undefined;

  constructor(id: string, key: Key, flags: number, make: () => StripeObject) {
    this.id = id;
    this.created = key.created;
    this.seq = key.seq;
    this.flags = flags;
    this.#make = make;
  }

  object(): StripeObject {
    return (this.#object ??= this.#make());
  }

  text(): string {
    return JSON.stringify(this.object());
  }
}

const prefixes = new Map<string, string>([
  ...tables.filter((one) => one.prefix !== '').map((one) => [one.object, one.prefix] as const),
  ['dispute', 'du_'],
  ['checkout.session', 'cs_test_'],
  ['item', 'li_'],
]);

const historiesKept = 8000;

/** Three years of a made-up company. Objects are made when they are asked for; only their order is kept. */
export class SyntheticBase implements Layer {
  readonly company: Company;
  readonly opened: number;
  readonly #options: SyntheticOptions;
  readonly #ids: Ids;
  readonly #setting: Setting;
  readonly #renderer: Renderer;
  readonly #histories = new Map<number, History>();
  readonly #indexes = new Map<string, Index>();
  readonly #fixed = new Map<string, { place: number; object: StripeObject }>();
  readonly #fixedByPlace = new Map<string, StripeObject>();
  readonly #ledger = new Ledger();
  readonly #payouts: readonly PayoutFacts[];

  constructor(options: SyntheticOptions) {
    this.#options = options;
    this.opened = options.end - years * 365 * day;
    this.#ids = new Ids(options.seed, options.accountId, prefixes);
    this.company = makeCompany(options.seed, this.#ids, this.opened, options.accountId);
    this.#setting = {
      seed: options.seed,
      customers: options.customers,
      opened: this.opened,
      end: options.end,
      company: this.company,
    };
    this.#renderer = new Renderer({
      ids: this.#ids,
      accountId: options.accountId,
      end: options.end,
      now: options.now,
      chargeDescriptor: 'FERNBROOK SOFTWARE',
    });
    const growing = new Map<string, Growing>();
    this.#drawAll(growing);
    this.#payouts = this.#ledger.payouts(this.#ids, this.opened, options.end, options.customers >= 300);
    this.#fixAll(growing);
    for (const [type, list] of growing) this.#indexes.set(type, list.sorted());
  }

  #drawAll(growing: Map<string, Growing>): void {
    for (let owner = 0; owner < this.#options.customers; owner++) {
      const history = drawHistory(this.#setting, owner);
      if (owner >= this.#options.customers - historiesKept) this.#histories.set(owner, history);
      for (const [type, facts] of Object.entries(history.lists)) {
        let list = growing.get(type);
        if (list === undefined) growing.set(type, (list = new Growing()));
        for (const fact of facts) list.push(fact.created, owner * maxOrdinal + fact.ordinal);
      }
      for (const fact of (history.lists['balance_transaction'] ?? []) as MovementFact[]) {
        this.#ledger.add(history.currency, fact.availableOn, fact.amount - fact.fee);
      }
    }
  }

  /** What belongs to no customer is made once and kept. */
  #fixAll(growing: Map<string, Growing>): void {
    const since = this.#options.end - eventDays * day;
    let place = 0;
    const fix = (object: StripeObject, created: number): void => {
      const key = `${object.object}/${object.id}`;
      const seq = nobody * maxOrdinal + place++;
      this.#fixed.set(key, { place: seq, object });
      this.#fixedByPlace.set(`${object.object}/${seq}`, object);
      let list = growing.get(object.object);
      if (list === undefined) growing.set(object.object, (list = new Growing()));
      list.push(created, seq);
    };
    for (const object of this.company.all) {
      fix(object, Number(object['created'] ?? this.opened + 7200));
      if (object.object === 'price' && object['recurring'] !== null) {
        fix(planOf(object) as StripeObject, Number(object['created']));
      }
    }
    for (const { payout, transaction } of this.#payouts) {
      const created = Number(payout['created']);
      fix(payout, created);
      fix(transaction, created);
      if (created >= since) fix(this.#fixedEvent('payout.created', payout, created, 'in_transit'), created);
      const arrival = Number(payout['arrival_date']);
      if (payout['status'] === 'paid' && arrival >= since) {
        fix(this.#fixedEvent('payout.paid', payout, arrival, 'paid'), arrival);
      }
    }
  }

  #fixedEvent(type: string, object: StripeObject, created: number, status: string): StripeObject {
    const id = this.#ids.make('event', nobody, mix(created, type.length, this.#fixed.size) % maxOrdinal ** 2);
    return this.#event(id, type, created, { ...object, status }, undefined);
  }

  #event(
    id: string,
    type: string,
    created: number,
    object: StripeObject,
    previous: Record<string, unknown> | undefined,
  ): StripeObject {
    return {
      id,
      object: 'event',
      api_version: this.#options.apiVersion,
      created,
      data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: 0,
      request: { id: null, idempotency_key: null },
      type,
    };
  }

  /** The history of a customer; kept for a while. */
  history(owner: number): History {
    const known = this.#histories.get(owner);
    if (known !== undefined) return known;
    const history = drawHistory(this.#setting, owner);
    if (this.#histories.size >= historiesKept) {
      const oldest = this.#histories.keys().next().value;
      if (oldest !== undefined) this.#histories.delete(oldest);
    }
    this.#histories.set(owner, history);
    return history;
  }

  /** How many customers the history has. */
  get customers(): number {
    return this.#options.customers;
  }

  /** The subscriptions that still run, for who lives on from here: their ids. */
  *running(): Generator<{ id: string; periodEnd: number; trialEnd: number | null }> {
    for (let owner = 0; owner < this.#options.customers; owner++) {
      const history = this.history(owner);
      for (const fact of (history.lists['subscription'] ?? []) as SubscriptionFact[]) {
        if (fact.endedAt !== null) continue;
        const periodEnd = fact.periods.at(-1)?.end ?? Infinity;
        const id = this.#ids.make('subscription', owner, fact.ordinal);
        yield { id, periodEnd, trialEnd: fact.trialEnd };
      }
    }
  }

  /** Balance by currency: what is available at a moment, and what is not yet. Payouts have left. */
  balance(at: number): Map<string, { available: number; pending: number }> {
    const result = new Map<string, { available: number; pending: number }>();
    const available = this.#ledger.sum((on) => on <= at);
    const pending = this.#ledger.sum((on) => on > at);
    for (const [currency, sum] of available) {
      const paid = this.#payouts.reduce(
        (total, one) => total + (one.currency === currency ? Number(one.payout['amount']) : 0),
        0,
      );
      result.set(currency, { available: sum - paid, pending: pending.get(currency) ?? 0 });
    }
    return result;
  }

  /** The id of a customer by number. */
  customerId(owner: number): string {
    return this.#ids.make('customer', owner, 0);
  }

  /** When money was last paid out by currency. */
  lastPayouts(): Map<string, number> {
    return new Map(this.#payouts.map((one) => [one.currency, one.until]));
  }

  #make(type: string, history: History, fact: Fact): StripeObject {
    if (type === 'event') {
      const event = fact as EventFact;
      const id = this.#ids.make('event', history.owner, fact.ordinal);
      const object = this.#renderer.render(event.object, history, event.fact, event.created);
      if (object === undefined) throw new Error(`no renderer of ${event.object}`);
      return this.#event(id, event.type, event.created, object, event.previous);
    }
    const object = this.#renderer.render(type, history, fact);
    if (object === undefined) throw new Error(`no renderer of ${type}`);
    return object;
  }

  #row(type: string, created: number, seq: number): Row {
    const owner = Math.floor(seq / maxOrdinal);
    if (owner >= nobody) {
      const object = this.#fixedByPlace.get(`${type}/${seq}`);
      if (object === undefined) throw new Error(`no ${type} at ${seq}`);
      return new BaseRow(object.id, { created, seq }, 0, () => object);
    }
    const ordinal = seq % maxOrdinal;
    return new BaseRow(this.#ids.make(type, owner, ordinal), { created, seq }, 0, () => {
      const history = this.history(owner);
      const fact = history.lists[type]?.[ordinal];
      if (fact === undefined) throw new Error(`no ${type} ${ordinal} of ${owner}`);
      return this.#make(type, history, fact);
    });
  }

  find(type: string, id: string): Row | undefined {
    if (type === 'line_items_of') return this.#lineItems(id);
    if (type === 'payout_members') return this.#members(id);
    const fixed = this.#fixed.get(`${type}/${id}`);
    if (fixed !== undefined) {
      const created = Number(fixed.object['created'] ?? this.opened + 7200);
      return new BaseRow(id, { created, seq: fixed.place }, 0, () => fixed.object);
    }
    const place = this.#ids.read(type, id);
    if (place === undefined || place.owner >= this.#options.customers) return undefined;
    const fact = this.history(place.owner).lists[type]?.[place.ordinal];
    if (fact === undefined) return undefined;
    return this.#row(type, fact.created, place.owner * maxOrdinal + place.ordinal);
  }

  /** The line items of a session, quote or payment link, kept as one hidden object. */
  #lineItems(id: string): Row | undefined {
    const type = id.startsWith('cs_') ? 'checkout.session' : id.startsWith('qt_') ? 'quote' : 'payment_link';
    const row = this.find(type, id);
    if (row === undefined) return undefined;
    const items = (): StripeObject[] => {
      if (type === 'payment_link') {
        const price = this.company.workshop.get(String(row.object()['currency']));
        return price
          ? [item(this.#ids.make('item', nobody, row.seq % maxOrdinal), price, 1, 'Onboarding workshop')]
          : [];
      }
      const place = this.#ids.read(type, id);
      const history = place && this.history(place.owner);
      const fact = place && history?.lists[type]?.[place.ordinal];
      return history && fact ? this.#renderer.lineItems(type, history, fact) : [];
    };
    return new BaseRow(id, row, flagHidden, () => ({ id, object: 'line_items_of', items: items() }));
  }

  /** The balance transactions that went into a payout. */
  #members(id: string): Row | undefined {
    const facts = this.#payouts.find((one) => one.payout.id === id);
    if (facts === undefined) return undefined;
    const key = { created: Number(facts.payout['created']), seq: 0 };
    return new BaseRow(id, key, flagHidden, () => {
      const ids: string[] = [facts.transaction.id];
      const walk: Walk = {
        object: 'balance_transaction',
        direction: 'older',
        from: facts.after - 30 * day,
        to: facts.until + day,
      };
      for (const row of this.walk(walk)) {
        const one = row.object();
        const at = Number(one['available_on']);
        if (one['currency'] !== facts.currency || one['type'] === 'payout') continue;
        if (at > facts.after && at <= facts.until) ids.push(one.id);
      }
      return { id, object: 'payout_members', ids };
    });
  }

  /** Whose object an id is; `nobody` for what belongs to no customer; undefined for what is not ours. */
  #ownerOf(id: string): number | undefined {
    for (const [type, prefix] of prefixes) {
      if (!id.startsWith(prefix)) continue;
      if (this.#fixed.has(`${type}/${id}`)) return nobody;
      const place = this.#ids.read(type, id);
      if (place !== undefined && place.owner < this.#options.customers) return place.owner;
    }
    if (id === this.#options.accountId) return nobody;
    return this.company.coupons.some((coupon) => coupon.id === id) ? nobody : undefined;
  }

  *walk(walk: Walk): Generator<Row> {
    if (walk.ref !== undefined) {
      const owner = this.#ownerOf(walk.ref);
      if (owner === undefined) return;
      if (owner !== nobody) {
        yield* this.#walkOwner(walk, owner);
        return;
      }
    }
    const index = this.#indexes.get(walk.object);
    if (index === undefined) return;
    const n = index.created.length;
    const older = walk.direction === 'older';
    const { from = -Infinity, to = Infinity } = walk;
    // The first place that is not before (created, seq).
    const search = (created: number, seq: number): number => {
      let [low, high] = [0, n];
      while (low < high) {
        const middle = (low + high) >>> 1;
        const at = index.created[middle] ?? 0;
        if (at < created || (at === created && (index.seq[middle] ?? 0) < seq)) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    if (older) {
      let i = Math.min(
        to === Infinity ? n : search(to + 1, -1),
        walk.after ? search(walk.after.created, walk.after.seq) : n,
      );
      for (i -= 1; i >= 0; i--) {
        const created = index.created[i] ?? 0;
        if (created < from) return;
        yield this.#row(walk.object, created, index.seq[i] ?? 0);
      }
      return;
    }
    let i = Math.max(
      from === -Infinity ? 0 : search(from, -1),
      walk.after ? search(walk.after.created, walk.after.seq + 1) : 0,
    );
    for (; i < n; i++) {
      const created = index.created[i] ?? 0;
      if (created > to) return;
      yield this.#row(walk.object, created, index.seq[i] ?? 0);
    }
  }

  *#walkOwner(walk: Walk, owner: number): Generator<Row> {
    const sign = walk.direction === 'older' ? 1 : -1;
    const { from = -Infinity, to = Infinity, after } = walk;
    const facts = (this.history(owner).lists[walk.object] ?? []).toSorted(
      (a, b) => sign * (b.created - a.created || b.ordinal - a.ordinal),
    );
    for (const fact of facts) {
      const seq = owner * maxOrdinal + fact.ordinal;
      if (fact.created < from || fact.created > to) continue;
      if (after !== undefined && sign * (after.created - fact.created || after.seq - seq) <= 0) continue;
      yield this.#row(walk.object, fact.created, seq);
    }
  }

  count(type: string): number {
    return this.#indexes.get(type)?.created.length ?? 0;
  }

  /** The types that there are. */
  types(): string[] {
    return [...this.#indexes.keys()];
  }
}
