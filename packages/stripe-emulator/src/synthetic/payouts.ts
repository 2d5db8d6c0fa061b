import { balanceTransaction, payout } from '../shapes/payments.ts';
import type { StripeObject } from '../types.ts';
import { day, midnight } from './calendar.ts';
import { nobody, type Ids } from './ids.ts';

/** What a payout consists of. */
export interface PayoutFacts {
  readonly payout: StripeObject;
  readonly transaction: StripeObject;
  readonly currency: string;
  /** Money that became available after this moment, up to and including `until`, went into it. */
  readonly after: number;
  readonly until: number;
}

/** Money by currency and by the day on which it becomes available. */
export class Ledger {
  readonly #days = new Map<string, Map<number, number>>();

  /** Adds what a balance transaction brings. */
  add(currency: string, availableOn: number, net: number): void {
    let days = this.#days.get(currency);
    if (days === undefined) this.#days.set(currency, (days = new Map<number, number>()));
    const at = midnight(availableOn);
    days.set(at, (days.get(at) ?? 0) + net);
  }

  /** The sum of everything that has been, or will be, available by currency. */
  sum(keep: (day: number) => boolean): Map<string, number> {
    const sums = new Map<string, number>();
    for (const [currency, days] of this.#days) {
      let sum = 0;
      for (const [at, net] of days) if (keep(at)) sum += net;
      sums.set(currency, sum);
    }
    return sums;
  }

  /** Pays out: each weekday of a large account, each Monday of a small one, whatever is available. */
  payouts(ids: Ids, opened: number, end: number, daily: boolean): PayoutFacts[] {
    const made: PayoutFacts[] = [];
    for (const [currency, days] of [...this.#days].sort(([a], [b]) => a.localeCompare(b))) {
      const dates = [...days.keys()].sort((a, b) => a - b);
      let waiting = 0;
      let after = 0;
      let next = 0;
      for (let at = midnight(opened); at + 12 * 3600 < end; at += day) {
        while (next < dates.length && (dates[next] ?? Infinity) <= at)
          waiting += days.get(dates[next++] ?? 0) ?? 0;
        const weekday = new Date(at * 1000).getUTCDay();
        if (waiting <= 0 || (daily ? weekday === 0 || weekday === 6 : weekday !== 1)) continue;
        made.push(this.#make(ids, made.length, currency, waiting, at, after, end));
        after = at;
        waiting = 0;
      }
    }
    return made;
  }

  #make(
    ids: Ids,
    index: number,
    currency: string,
    amount: number,
    at: number,
    after: number,
    end: number,
  ): PayoutFacts {
    const id = ids.make('payout', nobody, index);
    const transactionId = ids.make('balance_transaction', nobody, index);
    const created = at + 6 * 3600;
    const arrival = at + 2 * day;
    const paid = arrival <= end;
    return {
      currency,
      after,
      until: at,
      payout: payout(id, {
        amount,
        arrival_date: arrival,
        balance_transaction: transactionId,
        created,
        currency,
        destination: ids.make('bank_account', nobody, currency.charCodeAt(0)),
        livemode: false,
        reconciliation_status: 'completed',
        status: paid ? 'paid' : 'in_transit',
      }),
      transaction: balanceTransaction(transactionId, {
        amount: -amount,
        available_on: arrival,
        created,
        currency,
        description: 'STRIPE PAYOUT',
        net: -amount,
        reporting_category: 'payout',
        source: id,
        status: paid ? 'available' : 'pending',
        type: 'payout',
      }),
    };
  }
}
