import type { Store } from '../store/store.ts';

/** Money by currency. */
export interface Money {
  readonly available: number;
  readonly pending: number;
}

/** What a synthetic history brings along. */
export interface BaseBalance {
  /** Sums of everything up to the history's end: available by `at`, or not yet. */
  balance(at: number): Map<string, Money>;
}

/** What the account has: the sum of all balance transactions, payouts included. */
export function balances(store: Store, base: BaseBalance | undefined, at: number): Map<string, Money> {
  const sums = new Map<string, Money>(base?.balance(at) ?? []);
  for (const row of store.journal.walk({ object: 'balance_transaction', direction: 'older' })) {
    if (store.journal.replaces('balance_transaction', row.id)) continue; // a status that moved, counted already
    const {
      currency,
      net,
      available_on: on,
      type,
    } = row.object() as unknown as {
      currency: string;
      net: number;
      available_on: number;
      type: string;
    };
    const sum = sums.get(currency) ?? { available: 0, pending: 0 };
    // A payout leaves at once, whenever it arrives.
    const there = on <= at || type === 'payout';
    sums.set(
      currency,
      there ? { ...sum, available: sum.available + net } : { ...sum, pending: sum.pending + net },
    );
  }
  return sums;
}

/** GET /v1/balance. */
export function balanceObject(sums: Map<string, Money>): Record<string, unknown> {
  const side = (of: 'available' | 'pending'): unknown[] =>
    [...sums].map(([currency, sum]) => ({ amount: sum[of], currency, source_types: { card: sum[of] } }));
  return { object: 'balance', available: side('available'), livemode: false, pending: side('pending') };
}
