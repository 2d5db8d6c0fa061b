import { invalid } from '../http/failure.ts';
import { at as valueAt, listItems } from '../api/filters.ts';
import * as shapes from '../shapes/billing.ts';
import { listOf } from '../shapes/shape.ts';
import type { StripeObject } from '../types.ts';
import { randomId } from './ids.ts';
import { customerOf, save, update, type Actor, tell } from './kernel.ts';
import { confirmIntent, createIntent, type Confirmation } from './payments.ts';

type Values = Record<string, unknown>;

/** Days after each failed attempt until the next; afterwards the subscription is cancelled. */
export const retryDays: readonly number[] = [3, 5, 7];

/** A discount of a percentage or an amount. */
interface Off {
  readonly id: string;
  readonly percent: number;
  readonly amount: number;
}

function offOf(actor: Actor, ids: unknown): Off[] {
  if (!Array.isArray(ids)) return [];
  return ids.flatMap((id) => {
    const discount = actor.account.store.get('discount', String(id));
    const couponId = valueAt(discount, 'source.coupon');
    const coupon = actor.account.store.get('coupon', String(couponId));
    if (discount === undefined || coupon === undefined) return [];
    return [
      {
        id: discount.id,
        percent: Number(coupon['percent_off'] ?? 0),
        amount: Number(coupon['amount_off'] ?? 0),
      },
    ];
  });
}

/** What an invoice's lines come to: discounts and taxes by line, then the sums. */
export function summed(actor: Actor, invoice: StripeObject, lines: readonly StripeObject[]): StripeObject {
  const offs = offOf(actor, invoice['discounts']);
  const rates = (invoice['default_tax_rates'] ?? []) as StripeObject[];
  const exempt = invoice['customer_tax_exempt'] !== 'none';
  const subtotal = lines.reduce((sum, line) => sum + Number(line['amount']), 0);
  const discountable = lines.filter((line) => line['discountable'] === true);
  const base = discountable.reduce((sum, line) => sum + Number(line['amount']), 0);
  const totals = new Map<string, number>();
  const taxes = new Map<string, { amount: number; taxable: number; rate: StripeObject }>();
  let left = base;
  const byLine = new Map<string, { amount: number; discount: string }[]>();
  for (const off of offs) {
    const total = Math.max(
      0,
      Math.min(left, off.percent > 0 ? Math.round((left * off.percent) / 100) : off.amount),
    );
    left -= total;
    totals.set(off.id, total);
    let spent = 0;
    for (const [index, line] of discountable.entries()) {
      const share =
        index === discountable.length - 1
          ? total - spent
          : Math.round((total * Number(line['amount'])) / (base || 1));
      spent += share;
      byLine.set(line.id, [...(byLine.get(line.id) ?? []), { amount: share, discount: off.id }]);
    }
  }
  let [added, included] = [0, 0];
  const priced = lines.map((line) => {
    const discounts = byLine.get(line.id) ?? [];
    const taxable = Number(line['amount']) - discounts.reduce((sum, one) => sum + one.amount, 0);
    const lineTaxes = rates.map((rate) => {
      const share = Number(rate['percentage']) / 100;
      const inclusive = rate['inclusive'] === true;
      const amount = exempt
        ? 0
        : inclusive
          ? taxable - Math.round(taxable / (1 + share))
          : Math.round(taxable * share);
      if (inclusive) included += amount;
      else added += amount;
      const known = taxes.get(rate.id) ?? { amount: 0, taxable: 0, rate };
      const net = inclusive ? taxable - amount : taxable;
      taxes.set(rate.id, { rate, amount: known.amount + amount, taxable: known.taxable + net });
      return taxOf(rate, amount, net, exempt);
    });
    return { ...line, discount_amounts: discounts, taxes: lineTaxes };
  });
  const total = subtotal - [...totals.values()].reduce((sum, one) => sum + one, 0) + added;
  const starting = Number(invoice['starting_balance'] ?? 0);
  const due = Math.max(0, total + starting);
  const paid = Number(invoice['amount_paid'] ?? 0);
  return {
    ...invoice,
    amount_due: due,
    amount_remaining: due - paid,
    lines: listOf(`/v1/invoices/${invoice.id}/lines`, priced),
    subtotal,
    subtotal_excluding_tax: subtotal - included,
    total,
    total_discount_amounts: [...totals].map(([discount, amount]) => ({ amount, discount })),
    total_excluding_tax: total - added - included,
    total_taxes: [...taxes.values()].map((one) => taxOf(one.rate, one.amount, one.taxable, exempt)),
  };
}

const taxOf = (rate: StripeObject, amount: number, taxable: number, exempt: boolean): Values => ({
  amount,
  tax_behavior: rate['inclusive'] === true ? 'inclusive' : 'exclusive',
  tax_rate_details: { tax_rate: rate.id },
  taxability_reason: exempt ? 'reverse_charge' : 'standard_rated',
  taxable_amount: taxable,
  type: 'tax_rate_details',
});

/** Items of a customer that wait for an invoice. */
export function pendingItems(
  actor: Actor,
  customer: string,
  currency: string,
  subscription?: string,
): StripeObject[] {
  const found: StripeObject[] = [];
  for (const row of actor.account.store.walk({ object: 'invoiceitem', direction: 'newer', ref: customer })) {
    const item = row.object();
    if (item['customer'] !== customer || item['invoice'] !== null || item['currency'] !== currency) continue;
    const of = valueAt(item, 'parent.subscription_details.subscription');
    if (of !== undefined && of !== null && of !== subscription) continue;
    found.push(item);
  }
  return found;
}

/** The line that an invoice item becomes. */
export function lineOfItem(actor: Actor, invoice: string, item: StripeObject): StripeObject {
  const priceId = valueAt(item, 'pricing.price_details.price');
  const price = actor.account.store.get('price', String(priceId));
  const subscription = valueAt(item, 'parent.subscription_details.subscription');
  const line = shapes.lineItem(randomId(actor.account, 'il_'), invoice, false, {
    price: price ?? {
      id: '',
      object: 'price',
      currency: item['currency'],
      product: null,
      unit_amount_decimal: null,
    },
    quantity: Number(item['quantity']),
    amount: Number(item['amount']),
    description: typeof item['description'] === 'string' ? item['description'] : '',
    period: item['period'] as { start: number; end: number },
    proration: item['proration'] === true,
    subscription: typeof subscription === 'string' ? subscription : null,
    invoiceItem: item.id,
    metadata: item['metadata'] as Values,
  });
  return {
    ...line,
    description: item['description'],
    discountable: item['discountable'],
    pricing: price === undefined ? null : line['pricing'],
  };
}

/** What a new invoice starts from. */
export interface InvoiceDraft {
  readonly customer: StripeObject;
  readonly currency: string;
  readonly reason: string;
  readonly subscription?: StripeObject;
  readonly period: { readonly start: number; readonly end: number };
  readonly lines: (invoice: string) => StripeObject[];
  readonly items: readonly StripeObject[];
  readonly values?: Values;
}

/** Makes a draft and tells about it. */
export function draftInvoice(actor: Actor, draft: InvoiceDraft): StripeObject {
  const id = randomId(actor.account, 'in_');
  const { customer, subscription } = draft;
  const lines = [...draft.items.map((item) => lineOfItem(actor, id, item)), ...draft.lines(id)];
  const taxIds = [
    ...actor.account.store.walk({ object: 'tax_id', direction: 'older', ref: customer.id }),
  ].map((row) => {
    const { type, value } = row.object();
    return { type, value };
  });
  const made = shapes.invoice(id, [], {
    amount_paid: 0,
    auto_advance: draft.reason !== 'manual',
    automatically_finalizes_at: draft.reason === 'manual' ? null : actor.at + 3600,
    billing_reason: draft.reason,
    collection_method: subscription?.['collection_method'] ?? 'charge_automatically',
    created: actor.at,
    currency: draft.currency,
    customer: customer.id,
    customer_address: customer['address'],
    customer_email: customer['email'],
    customer_name: customer['name'],
    customer_phone: customer['phone'],
    customer_shipping: customer['shipping'],
    customer_tax_exempt: customer['tax_exempt'] ?? 'none',
    customer_tax_ids: taxIds,
    default_payment_method: null,
    default_tax_rates: subscription?.['default_tax_rates'] ?? [],
    discounts: subscription?.['discounts'] ?? [],
    livemode: false,
    parent: subscription
      ? shapes.subscriptionParent(subscription.id, subscription['metadata'] as Values)
      : null,
    period_end: draft.period.end,
    period_start: draft.period.start,
    status: 'draft',
    status_transitions: { finalized_at: null, marked_uncollectible_at: null, paid_at: null, voided_at: null },
    test_clock: customer['test_clock'] ?? null,
    webhooks_delivered_at: actor.at,
    ...draft.values,
  });
  for (const item of draft.items) update(actor, item, { invoice: id });
  return save(actor, summed(actor, made, lines), 'invoice.created');
}

/** Adds to the lines of a draft. */
export function addLines(actor: Actor, invoice: StripeObject, items: readonly StripeObject[]): StripeObject {
  const lines = [
    ...(listItems(invoice['lines']) as StripeObject[]),
    ...items.map((item) => lineOfItem(actor, invoice.id, item)),
  ];
  for (const item of items) update(actor, item, { invoice: invoice.id });
  return update(actor, invoice, summed(actor, invoice, lines), 'invoice.updated');
}

/** Only drafts may change. @throws Failure 400 */
export function mustBe(invoice: StripeObject, wanted: readonly string[], doing: string): void {
  if (wanted.includes(String(invoice['status']))) return;
  throw invalid(
    'invoice',
    `You can only ${doing} ${wanted.join(' or ')} invoices. This invoice is ${String(invoice['status'])}.`,
    'invoice_not_editable',
  );
}

function numberOf(actor: Actor, customer: StripeObject): string {
  const ofAccount = actor.account.nextInvoiceNumber();
  if (ofAccount !== undefined) return ofAccount;
  const n = Number(customer['next_invoice_sequence'] ?? 1);
  // Counted without an event, as Stripe does.
  save(actor, { ...customer, next_invoice_sequence: n + 1 });
  return `${String(customer['invoice_prefix'])}-${String(n).padStart(4, '0')}`;
}

/** Finalizes: it gets its number, and a payment intent when there is something to pay. */
export function finalizeInvoice(actor: Actor, draft: StripeObject): StripeObject {
  mustBe(draft, ['draft'], 'finalize');
  let customer = customerOf(actor, draft);
  if (customer === undefined) throw invalid('invoice', 'The customer of this invoice has been deleted.');
  const total = Number(draft['total']);
  // A customer's credit pays first; what is over, or a negative total, stays with the customer.
  const balance = Number(customer['balance'] ?? 0);
  const due = Math.max(0, total + Math.min(0, balance));
  const ending = balance === 0 && total >= 0 ? 0 : balance < 0 || total < 0 ? balance + total - due : balance;
  if (ending !== balance && (balance < 0 || total < 0)) {
    applyBalance(actor, customer, draft, balance - ending, ending);
    customer = customerOf(actor, draft) ?? customer;
  }
  const url = `https://invoice.stripe.com/i/${actor.account.id}/${draft.id}`;
  const days = Number(draft['days_until_due'] ?? 30);
  const sent = draft['collection_method'] === 'send_invoice';
  let open: StripeObject = {
    ...draft,
    amount_due: due,
    amount_remaining: due,
    attempted: due === 0,
    automatically_finalizes_at: null,
    due_date: draft['due_date'] ?? (sent ? actor.at + days * 86_400 : null),
    effective_at: actor.at,
    ending_balance: ending,
    hosted_invoice_url: url,
    invoice_pdf: `${url}/pdf`,
    next_payment_attempt: null,
    number: numberOf(actor, customer),
    starting_balance: balance,
    status: 'open',
    status_transitions: { ...(draft['status_transitions'] as Values), finalized_at: actor.at },
  };
  const intent =
    due === 0
      ? undefined
      : createIntent(actor, {
          amount: due,
          currency: draft['currency'],
          customer: customer.id,
          description:
            draft['billing_reason'] === 'subscription_create'
              ? 'Subscription creation'
              : draft['billing_reason'] === 'manual'
                ? `Payment for Invoice`
                : 'Subscription update',
          receipt_email: draft['customer_email'],
          setup_future_usage: draft['parent'] ? 'off_session' : null,
        });
  if (intent !== undefined) open = { ...open, confirmation_secret: null };
  save(actor, open);
  if (intent !== undefined) {
    const payment = shapes.invoicePayment(randomId(actor.account, 'inpay_'), {
      amount_requested: due,
      created: actor.at,
      currency: draft['currency'],
      invoice: draft.id,
      livemode: false,
      paymentIntent: intent.id,
      status: 'open',
    });
    save(actor, payment);
  }
  tell(actor, 'invoice.finalized', open);
  if (due === 0) return markPaid(actor, open);
  return open;
}

function applyBalance(
  actor: Actor,
  customer: StripeObject,
  invoice: StripeObject,
  used: number,
  ending: number,
): void {
  creditBalance(actor, customer, -used, ending, 'applied_to_invoice', invoice.id, null);
}

/** Changes the customer's credit. */
export function creditBalance(
  actor: Actor,
  customer: StripeObject,
  amount: number,
  ending: number,
  type: string,
  invoice: string | null,
  description: string | null,
): StripeObject {
  const made: StripeObject = {
    id: randomId(actor.account, 'cbtxn_'),
    object: 'customer_balance_transaction',
    amount,
    checkout_session: null,
    created: actor.at,
    credit_note: null,
    currency: customer['currency'] ?? 'usd',
    customer: customer.id,
    customer_account: null,
    description,
    ending_balance: ending,
    invoice,
    livemode: false,
    metadata: {},
    type,
  };
  save(actor, made);
  update(actor, customer, { balance: ending }, 'customer.updated');
  return made;
}

/** The payment (and its intent) of an invoice. */
export function paymentOf(
  actor: Actor,
  invoice: StripeObject,
): { payment: StripeObject; intent: StripeObject } | undefined {
  for (const row of actor.account.store.walk({
    object: 'invoice_payment',
    direction: 'older',
    ref: invoice.id,
  })) {
    const payment = row.object();
    if (payment['invoice'] !== invoice.id) continue;
    const intent = actor.account.store.get(
      'payment_intent',
      String(valueAt(payment, 'payment.payment_intent')),
    );
    if (intent !== undefined) return { payment, intent };
  }
  return undefined;
}

function markPaid(actor: Actor, invoice: StripeObject, offStripe = false): StripeObject {
  const due = Number(invoice['amount_due']);
  const paid = update(actor, invoice, {
    amount_paid: due,
    amount_paid_off_stripe: offStripe ? due : 0,
    amount_remaining: 0,
    attempted: true,
    next_payment_attempt: null,
    status: 'paid',
    status_transitions: { ...(invoice['status_transitions'] as Values), paid_at: actor.at },
  });
  tell(actor, 'invoice.paid', paid);
  tell(actor, 'invoice.payment_succeeded', paid);
  return paid;
}

/** The payment method by which an invoice would be paid. */
export function methodOf(actor: Actor, invoice: StripeObject): StripeObject | undefined {
  const { store } = actor.account;
  const subscription = store.get(
    'subscription',
    String(valueAt(invoice, 'parent.subscription_details.subscription')),
  );
  const customer = customerOf(actor, invoice);
  for (const id of [
    invoice['default_payment_method'],
    subscription?.['default_payment_method'],
    valueAt(customer, 'invoice_settings.default_payment_method'),
  ]) {
    const method = typeof id === 'string' ? store.get('payment_method', id) : undefined;
    if (method !== undefined) return method;
  }
  return undefined;
}

/** Pays an open invoice; a decline is told by event and returned. */
export function payInvoice(
  actor: Actor,
  invoice: StripeObject,
  method: StripeObject | undefined,
  offStripe = false,
): { invoice: StripeObject; result: Confirmation | undefined } {
  mustBe(invoice, ['open', 'uncollectible'], 'pay');
  const known = paymentOf(actor, invoice);
  if (offStripe || known === undefined) {
    if (known)
      update(actor, known.payment, {
        status: 'canceled',
        status_transitions: { canceled_at: actor.at, paid_at: null },
      });
    return { invoice: markPaid(actor, invoice, offStripe), result: undefined };
  }
  if (method === undefined) {
    const missed = attempted(actor, invoice);
    return { invoice: missed, result: undefined };
  }
  const result = confirmIntent(actor, known.intent, method, true);
  if (result.charge === undefined || result.declined !== undefined) {
    return { invoice: attempted(actor, invoice), result };
  }
  return { invoice: settled(actor, invoice, known.payment), result };
}

/** What follows when the intent of an invoice has been paid. */
export function settled(actor: Actor, invoice: StripeObject, payment: StripeObject): StripeObject {
  const paidPayment = update(actor, payment, {
    amount_paid: payment['amount_requested'],
    status: 'paid',
    status_transitions: { canceled_at: null, paid_at: actor.at },
  });
  tell(actor, 'invoice_payment.paid', paidPayment);
  return markPaid(actor, { ...invoice, attempt_count: Number(invoice['attempt_count']) + 1 });
}

function attempted(actor: Actor, invoice: StripeObject): StripeObject {
  const count = Number(invoice['attempt_count']) + 1;
  const retry = retryDays[count - 1];
  const automatic =
    invoice['auto_advance'] === true && invoice['collection_method'] === 'charge_automatically';
  const failed = update(
    actor,
    invoice,
    {
      attempt_count: count,
      attempted: true,
      next_payment_attempt: automatic && retry !== undefined ? actor.at + retry * 86_400 : null,
    },
    'invoice.updated',
  );
  tell(actor, 'invoice.payment_failed', failed);
  return failed;
}

/** Voids, or gives up on, an open invoice. */
export function endInvoice(
  actor: Actor,
  invoice: StripeObject,
  status: 'void' | 'uncollectible',
): StripeObject {
  mustBe(
    invoice,
    status === 'void' ? ['open', 'uncollectible'] : ['open'],
    status === 'void' ? 'void' : 'mark as uncollectible',
  );
  const key = status === 'void' ? 'voided_at' : 'marked_uncollectible_at';
  const known = paymentOf(actor, invoice);
  if (status === 'void' && known !== undefined) {
    update(actor, known.payment, {
      status: 'canceled',
      status_transitions: { canceled_at: actor.at, paid_at: null },
    });
    update(
      actor,
      known.intent,
      { canceled_at: actor.at, cancellation_reason: 'void_invoice', status: 'canceled' },
      'payment_intent.canceled',
    );
  }
  const ended = update(actor, invoice, {
    auto_advance: false,
    next_payment_attempt: null,
    status,
    status_transitions: { ...(invoice['status_transitions'] as Values), [key]: actor.at },
  });
  tell(actor, status === 'void' ? 'invoice.voided' : 'invoice.marked_uncollectible', ended);
  return ended;
}
