import type { Account } from '../api/context.ts';
import { flagHidden } from '../store/layer.ts';
import type { Store } from '../store/store.ts';
import type { StripeObject } from '../types.ts';
import { realSeconds, save, update, type Actor, tell } from './kernel.ts';
import { advanceInvoice, currentEnd, endSubscription, renewSubscription } from './subscriptions.ts';

const warningSeconds = 3 * 86_400;
const toldId = (subscription: StripeObject): string =>
  `${subscription.id}/${Number(subscription['trial_end'])}`;

/** When the end of a trial is announced; undefined when it was, or there is none. */
function warningOf(subscription: StripeObject, store: Store): number | undefined {
  const end = subscription['trial_end'];
  if (subscription['status'] !== 'trialing' || typeof end !== 'number') return undefined;
  if (store.find('trial_told', toldId(subscription)) !== undefined) return undefined;
  return Math.max(Number(subscription['created']), end - warningSeconds);
}

/** Notes that the end of a trial was announced. */
export function told(subscription: StripeObject, store: Store): void {
  store.put({ id: toldId(subscription), object: 'trial_told' }, 0, flagHidden);
}

/** When something happens to an object by itself; undefined: never. Seconds since 1970, in the object's world. */
export function dueOf(object: StripeObject, store: Store): number | undefined {
  const { status } = object;
  if (object.object === 'subscription') {
    if (status === 'incomplete') return Number(object['created']) + 23 * 3600;
    if (!['active', 'trialing', 'past_due'].includes(String(status))) return undefined;
    const cancelAt = object['cancel_at'];
    return Math.min(
      currentEnd(object),
      typeof cancelAt === 'number' ? cancelAt : Infinity,
      warningOf(object, store) ?? Infinity,
    );
  }
  if (object.object === 'invoice') {
    const at =
      status === 'draft'
        ? object['automatically_finalizes_at']
        : status === 'open'
          ? object['next_payment_attempt']
          : null;
    return typeof at === 'number' && object['auto_advance'] !== false ? at : undefined;
  }
  if (object.object === 'payout') {
    return status === 'in_transit' || status === 'pending' ? Number(object['arrival_date']) : undefined;
  }
  if (object.object === 'balance_transaction') {
    return status === 'pending' ? Number(object['available_on']) : undefined;
  }
  return undefined;
}

/** Does what is due. */
export function happen(actor: Actor, object: StripeObject): void {
  if (object.object === 'subscription') {
    if (object['status'] === 'incomplete') {
      const expired = update(
        actor,
        object,
        { ended_at: actor.at, status: 'incomplete_expired' },
        'customer.subscription.updated',
      );
      tell(actor, 'customer.subscription.deleted', expired);
    } else if ((warningOf(object, actor.account.store) ?? Infinity) <= actor.at) {
      told(object, actor.account.store);
      tell(actor, 'customer.subscription.trial_will_end', object);
    } else if (currentEnd(object) <= actor.at) renewSubscription(actor, object);
    else endSubscription(actor, object, 'cancellation_requested');
  } else if (object.object === 'invoice') {
    advanceInvoice(actor, object);
  } else if (object.object === 'payout') {
    const paid = update(actor, object, { status: 'paid' });
    const movement = actor.account.store.get('balance_transaction', String(object['balance_transaction']));
    if (movement) save(actor, { ...movement, status: 'available' });
    tell(actor, 'payout.paid', paid);
  } else if (object.object === 'balance_transaction') {
    save(actor, { ...object, status: 'available' }); // no event tells
  }
}

interface Entry {
  readonly at: number;
  readonly object: string;
  readonly id: string;
}

/** What will happen by itself, soonest first. Entries are hints: what counts is what the object says when its time comes. */
export class Schedule {
  readonly #account: Account;
  readonly #heap: Entry[] = [];

  constructor(account: Account) {
    this.#account = account;
  }

  /** Notes an object; those of test clocks move with their clock only. */
  note(object: StripeObject): void {
    if (typeof object['test_clock'] === 'string') return;
    const at = dueOf(object, this.#account.store);
    if (at !== undefined) this.push({ at, object: object.object, id: object.id });
  }

  push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as Entry).at <= entry.at) break;
      heap[i] = heap[parent] as Entry;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Entry).at < (heap[child] as Entry).at) child++;
      if ((heap[child] as Entry).at >= last.at) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  /** Does what is due by now, at most `limit` things. @returns how many were done */
  run(limit: number): number {
    const now = realSeconds(this.#account);
    let done = 0;
    while (done < limit && (this.#heap[0]?.at ?? Infinity) <= now) {
      const entry = this.#pop() as Entry;
      const object = this.#account.store.get(entry.object, entry.id);
      const at = object === undefined ? undefined : dueOf(object, this.#account.store);
      if (object === undefined || at === undefined) continue;
      if (at > now) {
        this.push({ ...entry, at });
        continue;
      }
      happen({ account: this.#account, request: undefined, at: now }, object);
      // What was told of, but not changed, has more to come.
      const next = this.#account.store.get(entry.object, entry.id);
      if (next !== undefined) this.note(next);
      done++;
    }
    return done;
  }
}
