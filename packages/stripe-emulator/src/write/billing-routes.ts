import type { Call } from '../api/context.ts';
import { shown } from '../api/lists.ts';
import type { Route } from '../api/routes.ts';
import { invalid, missing, parameterMissing } from '../http/failure.ts';
import { hash, hashes, integer, text, texts, type Params } from '../http/params.ts';
import * as shapes from '../shapes/billing.ts';
import type { StripeObject } from '../types.ts';
import { inlinePrice } from './catalogue-routes.ts';
import { createCreditNote } from './credit-notes.ts';
import { cardError } from './declines.ts';
import { randomId } from './ids.ts';
import {
  addLines,
  draftInvoice,
  endInvoice,
  finalizeInvoice,
  methodOf,
  mustBe,
  payInvoice,
  pendingItems,
  summed,
} from './invoices.ts';
import {
  actorOf,
  currency,
  customerOf,
  fields,
  inTimeOf,
  mergeMetadata,
  named,
  need,
  remove,
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
  followPayment,
  invoiceNow,
  itemsOf,
  periodEnd,
  type ItemChange,
  type Wanted,
} from './subscriptions.ts';

const day = 86_400;

/** A price named by an item: an id, or data of which one is made. */
function priceOf(call: Call, actor: Actor, item: Params, param: string): StripeObject | undefined {
  const data = hash(item, 'price_data');
  if (data !== undefined) return inlinePrice(call, actor, data);
  const id = text(item, 'price') ?? text(item, 'plan');
  if (id === undefined) return undefined;
  const price = call.account.store.get('price', id);
  if (price === undefined) throw missing('price', id, `${param}[price]`, 400);
  return price;
}

function ratesOf(call: Call, params: Params, name: string): StripeObject[] | undefined {
  if (params[name] === undefined) return undefined;
  return texts(params, name).map((id) => {
    const rate = call.account.store.get('tax_rate', id);
    if (rate === undefined) throw missing('tax_rate', id, name, 400);
    return rate;
  });
}

function couponsOf(call: Call): { coupon: StripeObject; promotionCode?: string | undefined }[] {
  const asked: Params[] = hashes(call.params, 'discounts');
  const [coupon, code] = [text(call.params, 'coupon'), text(call.params, 'promotion_code')];
  if (coupon !== undefined) asked.push({ coupon });
  if (code !== undefined) asked.push({ promotion_code: code });
  return asked.flatMap((one) => {
    const promotion = named({ ...call, params: one }, 'promotion_code', 'promotion_code');
    const id = promotion
      ? ((promotion['promotion'] as { coupon: string }).coupon ?? '')
      : (text(one, 'coupon') ?? '');
    if (promotion !== undefined && promotion['active'] !== true) {
      throw invalid('discounts', `Promotion code ${promotion.id} is not active.`);
    }
    const found = call.account.store.get('coupon', id);
    if (found === undefined) throw missing('coupon', id, 'discounts[0][coupon]', 400);
    return [{ coupon: found, promotionCode: promotion?.id }];
  });
}

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

const itemFields =
  'amount:i currency:s customer:x customer_account:x description:s discountable:b discounts:x invoice:x metadata:m period:x price:x price_data:x pricing:x quantity:i subscription:x tax_behavior:s tax_code:s tax_rates:x unit_amount:x unit_amount_decimal:x';

function makeItem(
  call: Call,
  actor: Actor,
  customer: StripeObject,
  price: StripeObject | undefined,
  quantity: number,
  values: Record<string, unknown>,
): StripeObject {
  const made = shapes.invoiceItem(randomId(call.account, 'ii_'), price, {
    amount: price ? Number(price['unit_amount'] ?? 0) * quantity : 0,
    currency: price?.['currency'] ?? customer['currency'],
    customer: customer.id,
    date: actor.at,
    livemode: false,
    period: { end: actor.at, start: actor.at },
    quantity,
    test_clock: customer['test_clock'] ?? null,
    ...values,
  });
  if (customer['currency'] === null)
    update(actor, customer, { currency: made['currency'] }, 'customer.updated');
  return save(actor, { ...made, net_amount: made['amount'] }, 'invoiceitem.created');
}

function createItem(call: Call): StripeObject {
  const values = fields(call.params, itemFields);
  required(call.params, 'customer');
  const customer = named(call, 'customer', 'customer') as StripeObject;
  const actor = inTimeOf(actorOf(call), customer);
  const pricing = hash(call.params, 'pricing');
  const price = priceOf(call, actor, { ...call.params, ...(pricing ?? {}) }, 'pricing');
  const quantity = integer(call.params, 'quantity') ?? 1;
  const unit = integer(call.params, 'unit_amount') ?? integer(call.params, 'unit_amount_decimal');
  if (price === undefined && values['amount'] === undefined && unit === undefined)
    throw parameterMissing('amount');
  if (values['amount'] === undefined && unit !== undefined) values['amount'] = unit * quantity;
  if (values['amount'] !== undefined) values['currency'] = currency(call.params);
  const period = hash(call.params, 'period');
  const invoice = named(call, 'invoice', 'invoice');
  if (invoice !== undefined) mustBe(invoice, ['draft'], 'add items to');
  const item = makeItem(call, actor, customer, price, quantity, {
    ...values,
    ...(period
      ? { period: { end: integer(period, 'end') ?? actor.at, start: integer(period, 'start') ?? actor.at } }
      : {}),
    tax_rates: ratesOf(call, call.params, 'tax_rates') ?? [],
  });
  if (invoice === undefined) return item;
  addLines(actor, invoice, [item]);
  return need({ ...call, path: { id: item.id } }, 'invoiceitem', 'id');
}

const invoiceFields =
  'account_tax_ids:a application_fee_amount:i auto_advance:b automatic_tax:x automatically_finalizes_at:i collection_method:s currency:x custom_fields:x customer:x customer_account:x days_until_due:x default_payment_method:x default_source:x default_tax_rates:x description:s discounts:x due_date:i effective_at:i footer:s from_invoice:x issuer:x metadata:m number:s on_behalf_of:s payment_settings:x pending_invoice_items_behavior:x rendering:x shipping_cost:x shipping_details:x statement_descriptor:s subscription:x transfer_data:x';

function createInvoice(call: Call): StripeObject {
  const values = fields(call.params, invoiceFields);
  const subscription = named(call, 'subscription', 'subscription');
  const customer =
    named(call, 'customer', 'customer') ?? (subscription && customerOf(actorOf(call), subscription));
  if (customer === undefined) throw parameterMissing('customer');
  const actor = inTimeOf(actorOf(call), customer);
  const unit =
    text(call.params, 'currency')?.toLowerCase() ??
    (typeof customer['currency'] === 'string' ? customer['currency'] : 'usd');
  const include =
    text(call.params, 'pending_invoice_items_behavior') === 'include' || subscription !== undefined;
  const days = integer(call.params, 'days_until_due');
  if (
    values['collection_method'] === 'send_invoice' &&
    days === undefined &&
    values['due_date'] === undefined
  ) {
    throw invalid(
      'days_until_due',
      "If collection_method is 'send_invoice', either days_until_due or due_date must be specified.",
    );
  }
  const rates = ratesOf(call, call.params, 'default_tax_rates');
  return draftInvoice(actor, {
    customer,
    currency: unit,
    reason: 'manual',
    ...(subscription ? { subscription } : {}),
    period: { start: actor.at, end: actor.at },
    lines: () => [],
    items: include ? pendingItems(actor, customer.id, unit, subscription?.id) : [],
    values: {
      ...values,
      ...(days === undefined ? {} : { due_date: actor.at + days * day }),
      ...(rates ? { default_tax_rates: rates } : {}),
      ...(values['auto_advance'] === true ? { automatically_finalizes_at: actor.at + 3600 } : {}),
    },
  });
}

const invoiceDo = (
  path: string,
  spec: string,
  run: (call: Call, actor: Actor, invoice: StripeObject) => StripeObject,
): Route => ({
  method: 'POST',
  path: `/v1/invoices/{invoice}${path}`,
  object: 'invoice',
  handle: (call) => {
    const invoice = need(call, 'invoice', 'invoice');
    fields(call.params, spec);
    return shown(call, run(call, inTimeOf(actorOf(call), customerOf(actorOf(call), invoice)), invoice));
  },
});

function pay(call: Call, actor: Actor, invoice: StripeObject): StripeObject {
  const draft = invoice['status'] === 'draft' ? finalizeInvoice(actor, invoice) : invoice;
  if (draft['status'] === 'paid') {
    if (invoice['status'] === 'draft') return draft;
    throw invalid('invoice', 'Invoice is already paid', 'invoice_already_paid');
  }
  const outside = text(call.params, 'paid_out_of_band') === 'true';
  const id = text(call.params, 'payment_method') ?? text(call.params, 'source');
  const method = id === undefined ? methodOf(actor, draft) : methodNamed(actor, id, 'payment_method');
  if (method === undefined && !outside) {
    throw invalid('invoice', 'Cannot charge a customer that has no active card', 'missing');
  }
  const result = payInvoice(actor, draft, method, outside);
  followPayment(actor, result.invoice);
  if (result.result?.declined) {
    throw cardError(result.result.declined, {
      charge: result.result.charge?.id,
      payment_intent: result.result.intent,
    });
  }
  return call.account.store.get('invoice', draft.id) ?? result.invoice;
}

/** Subscriptions, invoices and their items. */
export const billingRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/subscriptions',
    object: 'subscription',
    handle: (call) => shown(call, createSub(call)),
  },
  {
    method: 'POST',
    path: '/v1/subscriptions/{subscription}',
    object: 'subscription',
    handle: (call) => shown(call, updateSub(call)),
  },
  {
    method: 'DELETE',
    path: '/v1/subscriptions/{subscription}',
    object: 'subscription',
    handle: (call) => shown(call, cancelSub(call)),
  },
  {
    method: 'POST',
    path: '/v1/subscription_items/{item}',
    object: 'subscription',
    handle: (call) => {
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
      return shown(call, need(call, 'subscription_item', 'item'));
    },
  },
  {
    method: 'POST',
    path: '/v1/invoiceitems',
    object: 'invoiceitem',
    handle: (call) => shown(call, createItem(call)),
  },
  {
    method: 'POST',
    path: '/v1/invoiceitems/{invoiceitem}',
    object: 'invoiceitem',
    handle: (call) => {
      const item = need(call, 'invoiceitem', 'invoiceitem');
      return shown(
        call,
        update(
          actorOf(call),
          item,
          fields(call.params, 'amount:i description:s discountable:b metadata:m quantity:i', item),
        ),
      );
    },
  },
  {
    method: 'DELETE',
    path: '/v1/invoiceitems/{invoiceitem}',
    object: 'invoiceitem',
    handle: (call) => {
      const item = need(call, 'invoiceitem', 'invoiceitem');
      const actor = actorOf(call);
      const invoice = call.account.store.get('invoice', String(item['invoice']));
      if (invoice !== undefined) {
        mustBe(invoice, ['draft'], 'delete items of');
        const lines = (invoice['lines'] as { data: StripeObject[] }).data.filter(
          (line) =>
            (line['parent'] as { invoice_item_details?: { invoice_item?: unknown } | null })
              .invoice_item_details?.invoice_item !== item.id,
        );
        update(actor, invoice, summed(actor, invoice, lines), 'invoice.updated');
      }
      return remove(actor, item, 'invoiceitem.deleted');
    },
  },
  {
    method: 'POST',
    path: '/v1/invoices',
    object: 'invoice',
    handle: (call) => shown(call, createInvoice(call)),
  },
  {
    method: 'POST',
    path: '/v1/invoices/{invoice}',
    object: 'invoice',
    handle: (call) => {
      const invoice = need(call, 'invoice', 'invoice');
      const actor = inTimeOf(actorOf(call), customerOf(actorOf(call), invoice));
      const values = fields(call.params, invoiceFields, invoice);
      const rates = ratesOf(call, call.params, 'default_tax_rates');
      if (rates !== undefined) values['default_tax_rates'] = rates;
      const method = text(call.params, 'default_payment_method');
      if (method !== undefined)
        values['default_payment_method'] = methodNamed(actor, method, 'default_payment_method').id;
      if (
        invoice['status'] !== 'draft' &&
        Object.keys(values).some(
          (name) => !['metadata', 'auto_advance', 'description', 'default_payment_method'].includes(name),
        )
      ) {
        mustBe(invoice, ['draft'], 'update');
      }
      const lines = (invoice['lines'] as { data: StripeObject[] }).data;
      const next =
        invoice['status'] === 'draft'
          ? summed(actor, { ...invoice, ...values }, lines)
          : { ...invoice, ...values };
      return shown(call, update(actor, invoice, next, 'invoice.updated'));
    },
  },
  {
    method: 'DELETE',
    path: '/v1/invoices/{invoice}',
    object: 'invoice',
    handle: (call) => {
      const invoice = need(call, 'invoice', 'invoice');
      if (invoice['status'] !== 'draft') {
        throw invalid(
          'invoice',
          "You can't delete invoices created by subscriptions, or invoices that are no longer drafts.",
          'invoice_not_editable',
        );
      }
      const actor = actorOf(call);
      for (const row of [
        ...call.account.store.walk({ object: 'invoiceitem', direction: 'older', ref: invoice.id }),
      ]) {
        remove(actor, row.object(), 'invoiceitem.deleted');
      }
      return remove(actor, invoice, 'invoice.deleted');
    },
  },
  invoiceDo('/finalize', 'auto_advance:b', (call, actor, invoice) => {
    const open = finalizeInvoice(actor, invoice);
    const advance = text(call.params, 'auto_advance');
    return advance === undefined ? open : update(actor, open, { auto_advance: advance === 'true' });
  }),
  invoiceDo('/pay', 'forgive:b mandate:s off_session:b paid_out_of_band:b payment_method:s source:s', pay),
  invoiceDo('/void', 'expand:x', (_call, actor, invoice) => endInvoice(actor, invoice, 'void')),
  invoiceDo('/mark_uncollectible', 'expand:x', (_call, actor, invoice) =>
    endInvoice(actor, invoice, 'uncollectible'),
  ),
  invoiceDo('/send', 'expand:x', (_call, actor, invoice) => {
    const open = invoice['status'] === 'draft' ? finalizeInvoice(actor, invoice) : invoice;
    actor.account.emit('invoice.sent', open, undefined, actor.request);
    return open;
  }),
  invoiceDo('/add_lines', 'lines:x invoice_metadata:x', (call, actor, invoice) => {
    mustBe(invoice, ['draft'], 'add lines to');
    const customer = customerOf(actor, invoice) as StripeObject;
    const items = hashes(call.params, 'lines').map((line) => {
      const existing = text(line, 'invoice_item');
      if (existing !== undefined) return need({ ...call, path: { id: existing } }, 'invoiceitem', 'id');
      const price = priceOf(call, actor, { ...line, ...(hash(line, 'pricing') ?? {}) }, 'lines');
      const quantity = integer(line, 'quantity') ?? 1;
      const amount = integer(line, 'amount') ?? Number(price?.['unit_amount'] ?? 0) * quantity;
      const description = text(line, 'description') ?? null;
      return makeItem(call, actor, customer, price, quantity, {
        amount,
        description,
        currency: invoice['currency'],
      });
    });
    return addLines(actor, invoice, items);
  }),
  {
    method: 'POST',
    path: '/v1/credit_notes',
    object: 'credit_note',
    handle: (call) => shown(call, createCreditNote(call)),
  },
];
