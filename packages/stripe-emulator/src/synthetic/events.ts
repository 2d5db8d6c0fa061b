import { day } from './calendar.ts';
import type * as F from './facts.ts';

/** Days for which events are kept. */
export const eventDays = 30;

/**
 * Adds the events of the last 30 days to a history. Each change of an object has one, at the moment of the change, so
 * that the newest event of an object carries its present state.
 */
export function eventsOf(h: F.History, end: number): void {
  const since = end - eventDays * day;
  const events: F.EventFact[] = [];
  const tell = (
    at: number | null | undefined,
    type: string,
    object: string,
    fact: F.Fact | undefined,
    previous?: Record<string, unknown>,
  ): void => {
    if (at == null || fact === undefined || at < since || at > end) return;
    events.push({ created: at, ordinal: 0, type, object, fact, previous });
  };
  const list = <T extends F.Fact>(type: string): T[] => (h.lists[type] ?? []) as T[];
  const customer = list('customer')[0];

  tell(customer?.created, 'customer.created', 'customer', customer);
  for (const one of list('setup_intent')) {
    tell(one.created, 'setup_intent.created', 'setup_intent', one);
    tell(one.created, 'setup_intent.succeeded', 'setup_intent', one);
  }
  for (const one of list('payment_method')) {
    tell(one.created, 'payment_method.attached', 'payment_method', one);
    const before = { invoice_settings: { default_payment_method: null } };
    tell(one.created + 1, 'customer.updated', 'customer', customer, before);
  }
  for (const type of ['card', 'bank_account', 'source']) {
    for (const one of list(type)) tell(one.created, 'customer.source.created', type, one);
  }
  for (const one of list('tax_id')) tell(one.created, 'customer.tax_id.created', 'tax_id', one);
  for (const one of list<F.QuoteFact>('quote')) {
    tell(one.created, 'quote.created', 'quote', one);
    tell(one.created + 60, 'quote.finalized', 'quote', one);
    if (one.status === 'accepted') tell(one.created + 600, 'quote.accepted', 'quote', one);
  }
  for (const one of list<F.SubscriptionFact>('subscription')) subscriptionEvents(one, customer, tell);
  for (const one of list<F.ItemFact>('invoiceitem'))
    tell(one.created, 'invoiceitem.created', 'invoiceitem', one);
  for (const one of list<F.InvoiceFact>('invoice')) invoiceEvents(one, tell);
  for (const one of list<F.IntentFact>('payment_intent')) {
    tell(one.created, 'payment_intent.created', 'payment_intent', one);
    for (const charge of one.charges) chargeEvents(charge, tell);
    tell(one.succeededAt, 'payment_intent.succeeded', 'payment_intent', one);
  }
  for (const one of list<F.InvoicePaymentFact>('invoice_payment')) {
    tell(one.invoice.paidAt, 'invoice_payment.paid', 'invoice_payment', one);
  }
  for (const one of list<F.CheckoutFact>('checkout.session')) {
    const done = one.intent?.succeededAt;
    tell(done, 'checkout.session.completed', 'checkout.session', one);
    if (done == null) tell(one.expiresAt, 'checkout.session.expired', 'checkout.session', one);
  }
  for (const one of list<F.CreditNoteFact>('credit_note')) {
    tell(one.created, 'credit_note.created', 'credit_note', one);
    tell(one.created, 'invoice.updated', 'invoice', one.invoice, { post_payment_credit_notes_amount: 0 });
  }
  for (const one of list<F.WarningFact>('radar.early_fraud_warning')) {
    tell(one.created, 'radar.early_fraud_warning.created', 'radar.early_fraud_warning', one);
    const disputed = one.charge.dispute?.created;
    const type = 'radar.early_fraud_warning.updated';
    tell(disputed, type, 'radar.early_fraud_warning', one, { actionable: true });
  }
  if (events.length === 0) return;
  events.sort((a, b) => a.created - b.created);
  for (const [index, event] of events.entries()) event.ordinal = index;
  (h.lists as Record<string, F.Fact[]>)['event'] = events;
}

type Tell = (
  at: number | null | undefined,
  type: string,
  object: string,
  fact: F.Fact | undefined,
  previous?: Record<string, unknown>,
) => void;

function subscriptionEvents(one: F.SubscriptionFact, customer: F.Fact | undefined, tell: Tell): void {
  const updated = (at: number | null | undefined, previous: Record<string, unknown>): void =>
    tell(at, 'customer.subscription.updated', 'subscription', one, previous);
  tell(one.created, 'customer.updated', 'customer', customer, { currency: null });
  if (one.discount !== undefined) tell(one.created, 'customer.discount.created', 'discount', one.discount);
  tell(one.created, 'customer.subscription.created', 'subscription', one);
  if (one.trialEnd !== null) {
    tell(one.trialEnd - 3 * day, 'customer.subscription.trial_will_end', 'subscription', one);
  }
  for (const period of one.periods.slice(1)) {
    if (one.endedAt === null || period.start < one.endedAt) updated(period.start, { latest_invoice: null });
  }
  for (const phase of one.phases.slice(1)) updated(phase.from, { quantity: 1 });
  for (const span of one.pastDue) {
    updated(span.from, { status: 'active' });
    tell(span.from, 'customer.updated', 'customer', customer, { delinquent: false });
    if (span.to === Infinity) continue;
    if (one.endedAt !== span.to) updated(span.to, { status: 'past_due' });
    tell(span.to, 'customer.updated', 'customer', customer, { delinquent: true });
  }
  if (one.cancelAtPeriodEnd) updated(one.canceledAt, { cancel_at_period_end: false, canceled_at: null });
  if (one.discount !== undefined && one.discount.end !== null) {
    tell(one.discount.end, 'customer.discount.deleted', 'discount', one.discount);
    updated(one.discount.end, { discounts: ['di'] });
  }
  tell(one.endedAt, 'customer.subscription.deleted', 'subscription', one);
}

function invoiceEvents(one: F.InvoiceFact, tell: Tell): void {
  const about = (at: number | null | undefined, type: string): void => tell(at, type, 'invoice', one);
  about(one.created, 'invoice.created');
  about(one.finalizedAt, 'invoice.finalized');
  if (one.dueAt !== null && one.total > 0) {
    about(one.finalizedAt, 'invoice.sent');
    if (one.paidAt === null || one.paidAt > one.dueAt) about(one.dueAt, 'invoice.overdue');
  }
  for (const [before, at] of one.attempts.entries()) {
    if (one.paidAt === null || at + 1 < one.paidAt) {
      about(at + 1, 'invoice.payment_failed');
      const old = before === 0 ? { attempt_count: 0, attempted: false } : { attempt_count: before };
      tell(at + 1, 'invoice.updated', 'invoice', one, old);
    }
  }
  about(one.paidAt, 'invoice.paid');
  about(one.paidAt, 'invoice.payment_succeeded');
  about(one.uncollectibleAt, 'invoice.marked_uncollectible');
}

function chargeEvents(one: F.ChargeFact, tell: Tell): void {
  tell(one.created, one.decline === undefined ? 'charge.succeeded' : 'charge.failed', 'charge', one);
  if (one.decline !== undefined) {
    tell(one.created, 'payment_intent.payment_failed', 'payment_intent', one.intent);
  }
  for (const refund of one.refunds) {
    tell(refund.created, 'refund.created', 'refund', refund);
    tell(refund.created, 'charge.refunded', 'charge', one, { amount_refunded: 0, refunded: false });
  }
  if (one.review !== undefined) {
    tell(one.review.created, 'review.opened', 'review', one.review);
    tell(one.review.closedAt, 'review.closed', 'review', one.review);
    tell(one.review.closedAt, 'charge.updated', 'charge', one, { review: 'prv' });
  }
  const dispute = one.dispute;
  if (dispute === undefined) return;
  tell(dispute.created, 'charge.dispute.created', 'dispute', dispute);
  tell(dispute.created, 'charge.updated', 'charge', one, { disputed: false });
  tell(dispute.created, 'charge.dispute.funds_withdrawn', 'dispute', dispute);
  tell(dispute.evidenceAt, 'charge.dispute.updated', 'dispute', dispute, { status: 'needs_response' });
  if (dispute.closedAt === null) return;
  if (dispute.won) tell(dispute.closedAt, 'charge.dispute.funds_reinstated', 'dispute', dispute);
  tell(dispute.closedAt, 'charge.dispute.closed', 'dispute', dispute);
}
