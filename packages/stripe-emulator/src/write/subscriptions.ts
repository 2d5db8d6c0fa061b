import { at as valueAt, listItems } from '../api/filters.ts';
import { invalid } from '../http/failure.ts';
import * as shapes from '../shapes/billing.ts';
import { listOf } from '../shapes/shape.ts';
import { addMonths, dated } from '../synthetic/calendar.ts';
import type { StripeObject } from '../types.ts';
import { cardError } from './declines.ts';
import { randomId } from './ids.ts';
import {
  draftInvoice,
  endInvoice,
  finalizeInvoice,
  methodOf,
  payInvoice,
  pendingItems,
  retryDays,
} from './invoices.ts';
import { customerOf, save, update, type Actor, tell } from './kernel.ts';

type Values = Record<string, unknown>;
const day = 86_400;

/** One price of a subscription and how many. */
export interface Wanted {
  readonly price: StripeObject;
  readonly quantity: number;
  readonly metadata?: Values;
  readonly taxRates?: readonly StripeObject[];
}

/** What a subscription is made from. */
export interface NewSubscription {
  readonly customer: StripeObject;
  readonly items: readonly Wanted[];
  readonly trialEnd?: number | undefined;
  readonly behavior?: string | undefined;
  readonly coupons?: readonly {
    readonly coupon: StripeObject;
    readonly promotionCode?: string | undefined;
  }[];
  readonly values?: Values;
}

/** The end of a price's period that starts then. */
export function periodEnd(price: StripeObject, start: number, anchor: number = start): number {
  const interval = String(valueAt(price, 'recurring.interval'));
  const count = Number(valueAt(price, 'recurring.interval_count') ?? 1);
  if (interval === 'day') return start + count * day;
  if (interval === 'week') return start + count * 7 * day;
  const months = interval === 'year' ? 12 * count : count;
  // From the anchor, so that the 31st stays the 31st after a February.
  let end = addMonths(anchor, months);
  for (let n = 2; end <= start; n++) end = addMonths(anchor, months * n);
  return end;
}

/** The items of a subscription. */
export function itemsOf(subscription: StripeObject): StripeObject[] {
  return listItems(subscription['items']) as StripeObject[];
}

/** When the running period ends. */
export function currentEnd(subscription: StripeObject): number {
  return Math.min(...itemsOf(subscription).map((item) => Number(item['current_period_end'])));
}

const currentStart = (subscription: StripeObject): number =>
  Math.max(...itemsOf(subscription).map((item) => Number(item['current_period_start'])));

function withItems(subscription: StripeObject, items: readonly StripeObject[]): Values {
  return { items: listOf(`/v1/subscription_items?subscription=${subscription.id}`, items) };
}

/** Keeps the items also by themselves, so that they can be retrieved. */
function saveItems(actor: Actor, items: readonly StripeObject[]): void {
  for (const item of items) save(actor, item);
}

function makeDiscounts(actor: Actor, id: string, wanted: NewSubscription): StripeObject[] {
  return (wanted.coupons ?? []).map(({ coupon, promotionCode }) => {
    const months = coupon['duration'] === 'repeating' ? Number(coupon['duration_in_months']) : undefined;
    const made = shapes.discount(randomId(actor.account, 'di_'), {
      coupon: coupon.id,
      customer: wanted.customer.id,
      end: months === undefined ? null : addMonths(actor.at, months),
      promotion_code: promotionCode ?? null,
      start: actor.at,
      subscription: id,
    });
    save(actor, made, 'customer.discount.created');
    update(actor, coupon, { times_redeemed: Number(coupon['times_redeemed']) + 1 }, 'coupon.updated');
    const code =
      promotionCode === undefined ? undefined : actor.account.store.get('promotion_code', promotionCode);
    if (code)
      update(actor, code, { times_redeemed: Number(code['times_redeemed']) + 1 }, 'promotion_code.updated');
    return made;
  });
}

function periodLines(
  actor: Actor,
  subscription: StripeObject,
  trial: boolean,
): (invoice: string) => StripeObject[] {
  return (invoice) =>
    itemsOf(subscription).map((item) => {
      const price = item['price'] as StripeObject;
      const product = actor.account.store.get('product', String(price['product']));
      const name = typeof product?.['name'] === 'string' ? product['name'] : 'subscription';
      const quantity = Number(item['quantity'] ?? 1);
      return shapes.lineItem(randomId(actor.account, 'il_'), invoice, false, {
        price,
        quantity,
        amount: trial ? 0 : Number(price['unit_amount'] ?? 0) * quantity,
        description: trial ? `Trial period for ${name}` : `${quantity} × ${name}`,
        period: { start: Number(item['current_period_start']), end: Number(item['current_period_end']) },
        subscription: subscription.id,
        subscriptionItem: item.id,
        metadata: (subscription['metadata'] ?? {}) as Values,
      });
    });
}

/** Starts a subscription with its first invoice, paid or not as `payment_behavior` says. @throws Failure 402 */
export function createSubscription(actor: Actor, wanted: NewSubscription): StripeObject {
  const id = randomId(actor.account, 'sub_');
  const { customer } = wanted;
  const [first] = wanted.items;
  if (first === undefined) throw invalid('items', 'Missing required param: items.', 'parameter_missing');
  const trialEnd = wanted.trialEnd !== undefined && wanted.trialEnd > actor.at ? wanted.trialEnd : undefined;
  const currency = String(first.price['currency']);
  const items = wanted.items.map((one) =>
    shapes.subscriptionItem(randomId(actor.account, 'si_'), one.price, {
      created: actor.at,
      current_period_end: trialEnd ?? periodEnd(one.price, actor.at),
      current_period_start: actor.at,
      metadata: one.metadata ?? {},
      quantity: one.quantity,
      subscription: id,
      tax_rates: one.taxRates ?? [],
    }),
  );
  if (customer['currency'] === null) update(actor, customer, { currency }, 'customer.updated');
  const discounts = makeDiscounts(actor, id, wanted);
  const made = shapes.subscription(id, items, {
    billing_cycle_anchor: trialEnd ?? actor.at,
    created: actor.at,
    currency,
    customer: customer.id,
    discounts: discounts.map((one) => one.id),
    livemode: false,
    start_date: actor.at,
    status: trialEnd === undefined ? 'incomplete' : 'trialing',
    test_clock: customer['test_clock'] ?? null,
    trial_end: trialEnd ?? null,
    trial_start: trialEnd === undefined ? null : actor.at,
    ...wanted.values,
  });
  return start(actor, made, wanted.behavior ?? 'allow_incomplete', trialEnd !== undefined);
}

function start(actor: Actor, made: StripeObject, behavior: string, trial: boolean): StripeObject {
  const customer = customerOf(actor, made);
  if (customer === undefined) throw invalid('customer', 'The customer has been deleted.');
  const currency = String(made['currency']);
  const draft = draftInvoice(actor, {
    customer,
    currency,
    reason: 'subscription_create',
    subscription: made,
    period: { start: actor.at, end: actor.at },
    lines: periodLines(actor, made, trial),
    items: pendingItems(actor, customer.id, currency, made.id),
  });
  let invoice = finalizeInvoice(actor, draft);
  const sends = made['collection_method'] === 'send_invoice';
  let error: ReturnType<typeof cardError> | undefined;
  if (invoice['status'] === 'open' && !sends && behavior !== 'default_incomplete') {
    const paid = payInvoice(
      actor,
      invoice,
      methodOf(actor, { ...invoice, default_payment_method: made['default_payment_method'] }),
    );
    invoice = paid.invoice;
    if (paid.result?.declined) {
      error = cardError(paid.result.declined, {
        charge: paid.result.charge?.id,
        payment_intent: paid.result.intent,
      });
    } else if (paid.result === undefined && invoice['status'] !== 'paid' && behavior !== 'allow_incomplete') {
      error = undefined;
    }
  }
  const paid = invoice['status'] === 'paid';
  const status = trial ? 'trialing' : paid || sends ? 'active' : 'incomplete';
  const saved: StripeObject = { ...made, latest_invoice: invoice.id, status };
  if (error !== undefined && behavior === 'error_if_incomplete') {
    endInvoice(actor, invoice, 'void');
    throw error;
  }
  saveItems(actor, itemsOf(saved));
  save(actor, saved, 'customer.subscription.created');
  dropOnce(actor, saved);
  return actor.account.store.get('subscription', saved.id) ?? saved;
}

/** Discounts that are good for one invoice only, or whose time is over, come off. */
function dropOnce(actor: Actor, subscription: StripeObject): StripeObject {
  const { store } = actor.account;
  const ids = subscription['discounts'] as string[];
  const over = ids.filter((id) => {
    const discount = store.get('discount', id);
    const coupon = store.get('coupon', String(valueAt(discount, 'source.coupon')));
    const end = discount?.['end'];
    const once = coupon?.['duration'] === 'once' && subscription['status'] !== 'trialing';
    return once || (typeof end === 'number' && end <= actor.at);
  });
  if (over.length === 0) return subscription;
  for (const id of over) {
    const discount = store.get('discount', id);
    if (discount) tell(actor, 'customer.discount.deleted', discount);
  }
  const left = ids.filter((id) => !over.includes(id));
  return update(actor, subscription, { discounts: left }, 'customer.subscription.updated');
}

/** Ends a subscription now. */
export function endSubscription(
  actor: Actor,
  subscription: StripeObject,
  reason: string,
  details: Values = {},
): StripeObject {
  const asked = subscription['canceled_at'];
  const ended = update(actor, subscription, {
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: typeof asked === 'number' ? asked : actor.at,
    cancellation_details: { ...(subscription['cancellation_details'] as Values), reason, ...details },
    ended_at: actor.at,
    status: 'canceled',
  });
  tell(actor, 'customer.subscription.deleted', ended);
  for (const id of ended['discounts'] as string[]) {
    const discount = actor.account.store.get('discount', id);
    if (discount) tell(actor, 'customer.discount.deleted', discount);
  }
  return ended;
}

/** The next period begins: an invoice is drafted, to be finalized an hour later. */
export function renewSubscription(actor: Actor, subscription: StripeObject): StripeObject {
  const cancelAt = subscription['cancel_at'];
  if (
    subscription['cancel_at_period_end'] === true ||
    (typeof cancelAt === 'number' && cancelAt <= actor.at)
  ) {
    return endSubscription(actor, subscription, 'cancellation_requested');
  }
  const current = dropOnce(actor, subscription);
  const customer = customerOf(actor, current);
  if (customer === undefined) return endSubscription(actor, current, 'cancellation_requested');
  const previous = { start: currentStart(current), end: currentEnd(current) };
  const anchor = Number(current['billing_cycle_anchor']);
  const items = itemsOf(current).map((item) => {
    const begins = Number(item['current_period_end']);
    const end = periodEnd(item['price'] as StripeObject, begins, anchor);
    return { ...item, current_period_end: end, current_period_start: begins };
  });
  const next = { ...current, ...withItems(current, items) };
  const currency = String(current['currency']);
  const draft = draftInvoice(actor, {
    customer,
    currency,
    reason: 'subscription_cycle',
    subscription: next,
    period: previous,
    lines: periodLines(actor, next, false),
    items: pendingItems(actor, customer.id, currency, current.id),
  });
  saveItems(actor, items);
  const status = current['status'] === 'trialing' ? 'active' : current['status'];
  return update(
    actor,
    current,
    { ...withItems(current, items), latest_invoice: draft.id, status },
    'customer.subscription.updated',
  );
}

/** An invoice of a subscription was paid, or not: the subscription and its customer follow. */
export function followPayment(actor: Actor, invoice: StripeObject): void {
  const { store } = actor.account;
  const subscription = store.get(
    'subscription',
    String(valueAt(invoice, 'parent.subscription_details.subscription')),
  );
  if (subscription === undefined || subscription['status'] === 'canceled') return;
  const customer = customerOf(actor, invoice);
  if (invoice['status'] === 'paid') {
    if (['past_due', 'unpaid', 'incomplete'].includes(String(subscription['status']))) {
      update(actor, subscription, { status: 'active' }, 'customer.subscription.updated');
    }
    if (customer?.['delinquent'] === true) update(actor, customer, { delinquent: false }, 'customer.updated');
    return;
  }
  if (invoice['status'] !== 'open' || invoice['billing_reason'] === 'subscription_create') return;
  if (customer && customer['delinquent'] !== true)
    update(actor, customer, { delinquent: true }, 'customer.updated');
  const over = Number(invoice['attempt_count']) > retryDays.length;
  if (over) {
    endInvoice(actor, invoice, 'uncollectible');
    endSubscription(actor, subscription, 'payment_failed');
    if (customer) {
      const fresh = store.get('customer', customer.id);
      if (fresh) update(actor, fresh, { delinquent: false }, 'customer.updated');
    }
  } else if (subscription['status'] === 'active') {
    update(actor, subscription, { status: 'past_due' }, 'customer.subscription.updated');
  }
}

/** Finalizes a draft whose hour is over, and pays it when that goes by itself. */
export function advanceInvoice(actor: Actor, invoice: StripeObject): StripeObject {
  const open = invoice['status'] === 'draft' ? finalizeInvoice(actor, invoice) : invoice;
  if (open['status'] !== 'open' || open['collection_method'] !== 'charge_automatically') {
    followPayment(actor, open);
    return open;
  }
  const { invoice: paid } = payInvoice(actor, open, methodOf(actor, open));
  followPayment(actor, paid);
  return paid;
}

/** How prices and numbers are to change. */
export interface ItemChange {
  readonly id: string | undefined;
  readonly price: StripeObject | undefined;
  readonly quantity: number | undefined;
  readonly deleted: boolean;
  readonly metadata: Values | undefined;
}

/** Changes items; what was paid for but not used, and what is used but not paid for, goes on the next invoice. */
export function changeItems(
  actor: Actor,
  subscription: StripeObject,
  changes: readonly ItemChange[],
  behavior: string,
): { values: Values; invoiceNow: boolean } {
  const items = [...itemsOf(subscription)];
  const customer = customerOf(actor, subscription);
  let reset = false;
  for (const change of changes) {
    const index = items.findIndex((item) => item.id === change.id);
    const old = items[index];
    if (change.id !== undefined && old === undefined) {
      throw invalid('items', `No such subscription item: '${change.id}'`, 'resource_missing');
    }
    const price = change.price ?? (old?.['price'] as StripeObject | undefined);
    if (price === undefined)
      throw invalid('items', 'Missing required param: items[0][price].', 'parameter_missing');
    const sameInterval =
      old === undefined ||
      JSON.stringify(valueAt(old['price'], 'recurring.interval')) ===
        JSON.stringify(valueAt(price, 'recurring.interval'));
    reset ||= !sameInterval;
    const quantity = change.quantity ?? Number(old?.['quantity'] ?? 1);
    const [start, end] = [currentStart(subscription), currentEnd(subscription)];
    const left = subscription['status'] === 'trialing' ? 0 : Math.max(0, end - actor.at) / (end - start);
    const prorate = (
      of: StripeObject,
      count: number,
      sign: number,
      text: string,
      until: number,
      share: number,
    ): void => {
      const amount = Math.round(Number(of['unit_amount'] ?? 0) * count * share) * sign;
      if (behavior === 'none' || customer === undefined || amount === 0) return;
      const product = actor.account.store.get('product', String(of['product']));
      const name = `${count > 1 ? `${count} × ` : ''}${String((product?.['name'] as string | undefined) ?? 'subscription')}`;
      const item = shapes.invoiceItem(randomId(actor.account, 'ii_'), of, {
        amount,
        currency: subscription['currency'],
        customer: customer.id,
        date: actor.at,
        description: `${text} ${name} after ${dated(actor.at)}`,
        discountable: false,
        livemode: false,
        parent: {
          subscription_details: { subscription: subscription.id, subscription_item: change.id ?? null },
          type: 'subscription_details',
        },
        period: { end: until, start: actor.at },
        proration: true,
        quantity: count,
        test_clock: customer['test_clock'] ?? null,
      });
      save(actor, item, 'invoiceitem.created');
    };
    if (old !== undefined)
      prorate(old['price'] as StripeObject, Number(old['quantity']), -1, 'Unused time on', end, left);
    if (change.deleted) {
      items.splice(index, 1);
      if (change.id !== undefined) actor.account.store.remove('subscription_item', change.id);
      continue;
    }
    if (sameInterval) prorate(price, quantity, 1, 'Remaining time on', end, left);
    const next = shapes.subscriptionItem(old?.id ?? randomId(actor.account, 'si_'), price, {
      ...(old ?? {}),
      created: old?.['created'] ?? actor.at,
      current_period_end: old?.['current_period_end'] ?? end,
      current_period_start: old?.['current_period_start'] ?? start,
      metadata: change.metadata ?? old?.['metadata'] ?? {},
      plan: shapes.planOf(price),
      price,
      quantity,
      subscription: subscription.id,
    });
    if (index < 0) items.push(next);
    else items[index] = next;
  }
  if (items.length === 0) throw invalid('items', 'A subscription must have at least one active item.');
  const values: Values = {};
  if (reset && subscription['status'] !== 'trialing') {
    values['billing_cycle_anchor'] = actor.at;
    for (const [index, item] of items.entries()) {
      const end = periodEnd(item['price'] as StripeObject, actor.at);
      items[index] = { ...item, current_period_end: end, current_period_start: actor.at };
    }
  }
  saveItems(actor, items);
  return {
    values: { ...values, ...withItems(subscription, items) },
    invoiceNow: reset || behavior === 'always_invoice',
  };
}

/** Invoices right away what waits, and the new period when the interval changed. */
export function invoiceNow(actor: Actor, subscription: StripeObject, newPeriod: boolean): StripeObject {
  const customer = customerOf(actor, subscription);
  if (customer === undefined) return subscription;
  const currency = String(subscription['currency']);
  const draft = draftInvoice(actor, {
    customer,
    currency,
    reason: 'subscription_update',
    subscription,
    period: { start: currentStart(subscription), end: actor.at },
    lines: newPeriod ? periodLines(actor, subscription, false) : () => [],
    items: pendingItems(actor, customer.id, currency, subscription.id),
  });
  const invoice = advanceInvoice(actor, draft);
  const fresh = actor.account.store.get('subscription', subscription.id) ?? subscription;
  return update(actor, fresh, { latest_invoice: invoice.id }, 'customer.subscription.updated');
}
