import type { Call } from '../api/context.ts';
import type { Route } from '../api/routes.ts';
import { invalid, parameterMissing } from '../http/failure.ts';
import { hash, hashes, integer, text } from '../http/params.ts';
import type { StripeObject } from '../types.ts';
import { makeItem, priceOf, ratesOf } from './billing-params.ts';
import { createCreditNote } from './credit-notes.ts';
import { cardError } from './declines.ts';

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
  actorFor,
  actorOf,
  currency,
  customerOf,
  fields,
  inTimeOf,
  named,
  need,
  remove,
  required,
  tell,
  update,
  type Actor,
} from './kernel.ts';
import { methodNamed } from './payment-methods.ts';
import { followPayment } from './subscriptions.ts';
import { post } from './post.ts';

const day = 86_400;

const itemFields =
  'amount:i currency:s customer:x customer_account:x description:s discountable:b discounts:x invoice:x metadata:m period:x price:x price_data:x pricing:x quantity:i subscription:x tax_behavior:s tax_code:s tax_rates:x unit_amount:x unit_amount_decimal:x';

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
): Route =>
  post(`/v1/invoices/{invoice}${path}`, 'invoice', (call, actor) => {
    const invoice = need(call, 'invoice', 'invoice');
    fields(call.params, spec);
    return run(call, inTimeOf(actor, customerOf(actor, invoice)), invoice);
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

/** Invoices, their items and credit notes. */
export const invoiceRoutes: readonly Route[] = [
  post('/v1/invoiceitems', 'invoiceitem', createItem),
  post('/v1/invoiceitems/{invoiceitem}', 'invoiceitem', (call, actor) => {
    const item = need(call, 'invoiceitem', 'invoiceitem');
    return update(
      actor,
      item,
      fields(call.params, 'amount:i description:s discountable:b metadata:m quantity:i', item),
    );
  }),
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
  post('/v1/invoices', 'invoice', createInvoice),
  post('/v1/invoices/{invoice}', 'invoice', (call) => {
    const invoice = need(call, 'invoice', 'invoice');
    const actor = actorFor(call, invoice);
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
    return update(actor, invoice, next, 'invoice.updated');
  }),
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
    tell(actor, 'invoice.sent', open);
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
  post('/v1/credit_notes', 'credit_note', createCreditNote),
];
