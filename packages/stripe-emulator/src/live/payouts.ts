import { balances, type BaseBalance } from '../api/balance.ts';
import { flagHidden } from '../store/layer.ts';
import { payout } from '../shapes/payments.ts';
import { midnight, day } from '../synthetic/calendar.ts';
import { randomId } from '../write/ids.ts';
import { save, type Actor } from '../write/kernel.ts';
import { move } from '../write/payments.ts';

/** Where it is noted up to when money was paid out. */
const setting = 'paid out';

/** The payouts that Stripe makes by itself: on weekdays, of all that is available. At most once a day. */
export class AutomaticPayouts {
  readonly #base: (BaseBalance & { lastPayouts(): Map<string, number> }) | undefined;
  readonly #last: Map<string, number>;

  constructor(actor: Actor, base: (BaseBalance & { lastPayouts(): Map<string, number> }) | undefined) {
    this.#base = base;
    const kept = actor.account.store.journal.setting(setting);
    this.#last = new Map(
      kept === undefined
        ? (base?.lastPayouts() ?? [])
        : Object.entries(JSON.parse(kept) as Record<string, number>),
    );
  }

  /** Makes the day's payouts. @returns how many */
  run(actor: Actor): number {
    const today = midnight(actor.at);
    const weekday = new Date(actor.at * 1000).getUTCDay();
    if (weekday === 0 || weekday === 6 || actor.at < today + 6 * 3600) return 0;
    if ([...this.#last.values()].some((at) => at >= today) || this.#last.size === 0) return 0;
    let made = 0;
    const { store } = actor.account;
    for (const [currency, sum] of balances(store, this.#base, today)) {
      const after = this.#last.get(currency) ?? 0;
      this.#last.set(currency, today);
      if (sum.available <= 0) continue;
      this.#pay(actor, currency, sum.available, after, today);
      made++;
    }
    store.journal.set(setting, JSON.stringify(Object.fromEntries(this.#last)));
    return made;
  }

  #pay(actor: Actor, currency: string, amount: number, after: number, until: number): void {
    const { store } = actor.account;
    const id = randomId(actor.account, 'po_');
    const arrival = until + 2 * day;
    const movement = move(actor, {
      amount: -amount,
      currency,
      type: 'payout',
      source: id,
      description: 'STRIPE PAYOUT',
      availableOn: arrival,
    });
    const ids: string[] = [movement.id];
    const walk = { object: 'balance_transaction', direction: 'older', from: after - 30 * day } as const;
    for (const row of store.walk(walk)) {
      const one = row.object();
      const on = Number(one['available_on']);
      if (one['currency'] === currency && one['type'] !== 'payout' && on > after && on <= until)
        ids.push(one.id);
    }
    store.put({ id, object: 'payout_members', ids }, actor.at, flagHidden);
    const made = payout(id, {
      amount,
      arrival_date: arrival,
      balance_transaction: movement.id,
      created: actor.at,
      currency,
      livemode: false,
      status: 'in_transit',
    });
    save(actor, made, 'payout.created');
  }
}
