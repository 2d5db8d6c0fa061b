import type { Call } from '../api/context.ts';
import { shown } from '../api/lists.ts';
import type { Route } from '../api/routes.ts';
import { invalid, missing, parameterMissing } from '../http/failure.ts';
import { hash, hashes, integer, text } from '../http/params.ts';
import type { StripeObject } from '../types.ts';
import { couponsOf, makeItem, priceOf, ratesOf } from './billing-params.ts';

import { methodOf } from './invoices.ts';
import {
  actorOf,
  customerOf,
  fields,
  inTimeOf,
  mergeMetadata,
  named,
  need,
  required,
  save,
  update,
  type Actor,
} from './kernel.ts';
import { methodNamed } from './payment-methods.ts';
import {
  changeItems,
  createSubscription,
  currentEnd,
  endSubscription,
  invoiceNow,
  itemsOf,
  periodEnd,
  type ItemChange,
  type Wanted,
} from './subscriptions.ts';
import { post } from './post.ts';

const day = 86_400;

const subscriptionFields =
  'add_invoice_items:x application_fee_percent:n automatic_tax:x backdate_start_date:x billing_cycle_anchor:x billing_mode:x billing_thresholds:x cancel_at:i cancel_at_period_end:b cancellation_details:x collection_method:s coupon:x currency:x customer:x customer_account:x days_until_due:i default_payment_method:x default_source:x default_tax_rates:x description:s discounts:x invoice_settings:x items:x metadata:m off_session:x on_behalf_of:s pause_collection:x payment_behavior:x payment_settings:x pending_invoice_item_interval:x promotion_code:x proration_behavior:x proration_date:x transfer_data:x trial_end:x trial_from_plan:x trial_period_days:x trial_settings:x';

function trialEndOf(call: Call, at: number): number | undefined {
  const days = integer(call.params, 'trial_period_days');
  if (days !== undefined) return days > 0 ? at + days * day : undefined;
  return text(call.params, 'trial_end') === 'now' ? undefined : integer(call.params, 'trial_end');
}

function createSub(call: Call): StripeObject {
  const values = fields(call.params, subscriptionFields);
  required(call.params, 'customer');
  const customer = named(call, 'customer', 'customer') as StripeObject;
  const actor = inTimeOf(actorOf(call), customer);
  const items = hashes(call.params, 'items').map((item, index): Wanted => {
    const price = priceOf(call, actor, item, `items[${index}]`);
    if (price === undefined) throw parameterMissing(`items[${index}][price]`);
    if (price['recurring'] === null) {
      throw invalid(
        'items',
        `The price specified is set to \`type=one_time\` but this field only accepts prices with \`type=recurring\`.`,
      );
    }
    const rates = ratesOf(call, item, 'tax_rates');
    return {
      price,
      quantity: integer(item, 'quantity') ?? 1,
      metadata: mergeMetadata({}, item['metadata']),
      ...(rates ? { taxRates: rates } : {}),
    };
  });
  if (items.length === 0) throw parameterMissing('items');
  const method = text(call.params, 'default_payment_method');
  for (const extra of hashes(call.params, 'add_invoice_items')) {
    const price = priceOf(call, actor, extra, 'add_invoice_items[0]');
    if (price) makeItem(call, actor, customer, price, integer(extra, 'quantity') ?? 1, {});
  }
  const sends = values['collection_method'] === 'send_invoice';
  if (sends && values['days_until_due'] === undefined) throw parameterMissing('days_until_due');
  if (!sends && method === undefined && text(call.params, 'payment_behavior') !== 'default_incomplete') {
    const trial = trialEndOf(call, actor.at) !== undefined;
    const free = items.every((item) => item.price['unit_amount'] === 0);
    const found = methodOf(actor, { id: '', object: 'invoice', customer: customer.id });
    if (found === undefined && !trial && !free) {
      throw invalid(
        'customer',
        'This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.',
        'resource_missing',
      );
    }
  }
  return createSubscription(actor, {
    customer,
    items,
    trialEnd: trialEndOf(call, actor.at),
    behavior: text(call.params, 'payment_behavior'),
    coupons: couponsOf(call),
    values: {
      ...values,
      ...(values['cancel_at_period_end'] === true ? { canceled_at: actor.at } : {}),
      ...(method === undefined
        ? {}
        : { default_payment_method: methodNamed(actor, method, 'default_payment_method').id }),
      default_tax_rates: ratesOf(call, call.params, 'default_tax_rates') ?? [],
    },
  });
}

function changesOf(call: Call, actor: Actor): ItemChange[] {
  return hashes(call.params, 'items').map((item, index) => ({
    id: text(item, 'id'),
    price: priceOf(call, actor, item, `items[${index}]`),
    quantity: integer(item, 'quantity'),
    deleted: text(item, 'deleted') === 'true',
    metadata: item['metadata'] === undefined ? undefined : mergeMetadata({}, item['metadata']),
  }));
}

function updateSub(call: Call): StripeObject {
  const subscription = need(call, 'subscription', 'subscription');
  const actor = inTimeOf(actorOf(call), subscription);
  let patch = fields(call.params, subscriptionFields, subscription);
  if (subscription['status'] === 'canceled') {
    throw invalid(
      'subscription',
      'A canceled subscription can only update its cancellation_details and metadata.',
    );
  }
  const method = text(call.params, 'default_payment_method');
  if (method !== undefined)
    patch['default_payment_method'] = methodNamed(actor, method, 'default_payment_method').id;
  const rates = ratesOf(call, call.params, 'default_tax_rates');
  if (rates !== undefined) patch['default_tax_rates'] = rates;
  const details = hash(call.params, 'cancellation_details');
  const asked = patch['cancel_at_period_end'];
  if (asked !== undefined || patch['cancel_at'] !== undefined || details !== undefined) {
    const ending = asked === true || typeof patch['cancel_at'] === 'number';
    patch = {
      ...patch,
      ...(asked === true
        ? { cancel_at: currentEnd(subscription) }
        : asked === false
          ? { cancel_at: null }
          : {}),
      canceled_at: ending ? (subscription['canceled_at'] ?? actor.at) : null,
      cancellation_details: {
        ...(subscription['cancellation_details'] as object),
        reason: ending ? 'cancellation_requested' : null,
        ...(details
          ? { comment: text(details, 'comment') ?? null, feedback: text(details, 'feedback') ?? null }
          : {}),
      },
    };
  }
  if (call.params['pause_collection'] === '') patch['pause_collection'] = null;
  const pause = hash(call.params, 'pause_collection');
  if (pause)
    patch['pause_collection'] = {
      behavior: required(pause, 'behavior'),
      resumes_at: integer(pause, 'resumes_at') ?? null,
    };
  let now = false;
  if (call.params['items'] !== undefined) {
    const behavior = text(call.params, 'proration_behavior') ?? 'create_prorations';
    const change = changeItems(actor, subscription, changesOf(call, actor), behavior);
    patch = { ...patch, ...change.values };
    now = change.invoiceNow;
  }
  const trial = text(call.params, 'trial_end');
  if (trial === 'now' && subscription['status'] === 'trialing') {
    const due = itemsOf(subscription).map((item) => ({ ...item, current_period_end: actor.at }));
    const ended = update(actor, subscription, {
      ...patch,
      billing_cycle_anchor: actor.at,
      items: { ...(subscription['items'] as object), data: due },
      trial_end: actor.at,
    });
    const change = changeItems(actor, { ...ended, status: 'active' }, [], 'none');
    const renewed = update(
      actor,
      ended,
      { ...change.values, status: 'active' },
      'customer.subscription.updated',
    );
    return invoiceNow(actor, restarted(actor, renewed), true);
  }
  if (trial !== undefined && trial !== 'now') patch['trial_end'] = integer(call.params, 'trial_end');
  const next = update(actor, subscription, patch, 'customer.subscription.updated');
  return now ? invoiceNow(actor, next, patch['billing_cycle_anchor'] !== undefined) : next;
}

/** A period that begins now. */
function restarted(actor: Actor, subscription: StripeObject): StripeObject {
  const items = itemsOf(subscription).map((item) => {
    const price = item['price'] as StripeObject;
    return {
      ...item,
      current_period_start: actor.at,
      current_period_end: periodEnd(price, actor.at),
    };
  });
  const next = {
    ...subscription,
    items: { ...(subscription['items'] as object), data: items },
  } as StripeObject;
  for (const item of items) save(actor, item);
  return save(actor, next);
}

function cancelSub(call: Call): StripeObject {
  fields(call.params, 'cancellation_details:x invoice_now:x prorate:x');
  const subscription = need(call, 'subscription', 'subscription');
  const actor = inTimeOf(actorOf(call), subscription);
  if (['canceled', 'incomplete_expired'].includes(String(subscription['status']))) {
    throw missing('subscription', subscription.id, 'id');
  }
  const details = hash(call.params, 'cancellation_details') ?? {};
  if (text(call.params, 'prorate') === 'true') {
    const customer = customerOf(actor, subscription);
    const [start, end] = [
      Math.max(...itemsOf(subscription).map((item) => Number(item['current_period_start']))),
      currentEnd(subscription),
    ];
    const share = Math.max(0, end - actor.at) / (end - start);
    for (const item of customer ? itemsOf(subscription) : []) {
      const price = item['price'] as StripeObject;
      const amount = -Math.round(Number(price['unit_amount'] ?? 0) * Number(item['quantity']) * share);
      makeItem(call, actor, customer as StripeObject, price, Number(item['quantity']), {
        amount,
        description: 'Unused time after cancellation',
        period: { end, start: actor.at },
        proration: true,
      });
    }
  }
  const ended = endSubscription(actor, subscription, 'cancellation_requested', {
    comment: text(details, 'comment') ?? null,
    feedback: text(details, 'feedback') ?? null,
  });
  return text(call.params, 'invoice_now') === 'true' ? invoiceNow(actor, ended, false) : ended;
}

/** Subscriptions and their items. */
export const subscriptionRoutes: readonly Route[] = [
  post('/v1/subscriptions', 'subscription', createSub),
  post('/v1/subscriptions/{subscription}', 'subscription', updateSub),
  {
    method: 'DELETE',
    path: '/v1/subscriptions/{subscription}',
    object: 'subscription',
    handle: (call) => shown(call, cancelSub(call)),
  },
  post('/v1/subscription_items/{item}', 'subscription', (call) => {
    fields(
      call.params,
      'price:x plan:x price_data:x quantity:x metadata:x proration_behavior:x payment_behavior:x proration_date:x tax_rates:x discounts:x off_session:x billing_thresholds:x',
    );
    const item = need(call, 'subscription_item', 'item');
    const subscription = call.account.store.get('subscription', String(item['subscription']));
    if (subscription === undefined)
      throw missing('subscription', String(item['subscription']), 'subscription');
    const actor = inTimeOf(actorOf(call), subscription);
    const change: ItemChange = {
      id: item.id,
      price: priceOf(call, actor, call.params, 'price'),
      quantity: integer(call.params, 'quantity'),
      deleted: false,
      metadata:
        call.params['metadata'] === undefined
          ? undefined
          : mergeMetadata(item['metadata'], call.params['metadata']),
    };
    const { values } = changeItems(
      actor,
      subscription,
      [change],
      text(call.params, 'proration_behavior') ?? 'create_prorations',
    );
    update(actor, subscription, values, 'customer.subscription.updated');
    return need(call, 'subscription_item', 'item');
  }),
];
