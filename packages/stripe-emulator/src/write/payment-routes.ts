import type { Call } from '../api/context.ts';
import { at as valueAt } from '../api/filters.ts';
import type { Route } from '../api/routes.ts';
import { invalid, missing, parameterMissing } from '../http/failure.ts';
import { hash, integer, text } from '../http/params.ts';
import { payout } from '../shapes/payments.ts';
import type { StripeObject } from '../types.ts';
import { cardError } from './declines.ts';
import { randomId } from './ids.ts';
import { settled } from './invoices.ts';
import {
  actorFor,
  actorOf,
  currency,
  fields,
  inTimeOf,
  named,
  need,
  save,
  tell,
  update,
  type Actor,
} from './kernel.ts';
import { methodNamed } from './payment-methods.ts';
import {
  captureIntent,
  closeDispute,
  confirmIntent,
  createIntent,
  move,
  refundCharge,
  type Confirmation,
} from './payments.ts';
import { followPayment } from './subscriptions.ts';
import { post } from './post.ts';

const intentFields =
  'amount:i automatic_payment_methods:x capture_method:s confirm:x confirmation_method:s currency:x customer:x customer_account:x description:s error_on_requires_action:x excluded_payment_method_types:a mandate:x mandate_data:x metadata:m off_session:x on_behalf_of:s payment_method:x payment_method_configuration:x payment_method_data:x payment_method_options:x payment_method_types:a radar_options:x receipt_email:s return_url:x setup_future_usage:s shipping:h statement_descriptor:s statement_descriptor_suffix:s transfer_data:x transfer_group:s application_fee_amount:i use_stripe_sdk:x confirmation_token:x amount_details:x payment_details:x hooks:x';

function positive(call: Call, name: string): number {
  const amount = integer(call.params, name);
  if (amount === undefined) throw parameterMissing(name);
  if (amount < 1)
    throw invalid(name, 'This value must be greater than or equal to 1.', 'parameter_invalid_integer');
  if (amount > 99_999_999) throw invalid(name, 'Amount must be no more than 999,999.99', 'amount_too_large');
  return amount;
}

/** Throws a decline as Stripe answers it: with the intent and the method. */
function answerOf(result: Confirmation): StripeObject {
  if (result.declined === undefined) return result.intent;
  throw cardError(result.declined, { charge: result.charge?.id, payment_intent: result.intent });
}

/** An intent that paid an invoice pays the invoice. */
function tellInvoice(actor: Actor, intent: StripeObject): void {
  if (intent['status'] !== 'succeeded') return;
  const { store } = actor.account;
  for (const row of store.walk({ object: 'invoice_payment', direction: 'older', ref: intent.id })) {
    const payment = row.object();
    const invoice = store.get('invoice', String(payment['invoice']));
    if (invoice?.['status'] === 'open') followPayment(actor, settled(actor, invoice, payment));
  }
}

function confirm(call: Call, actor: Actor, intent: StripeObject): StripeObject {
  const data = hash(call.params, 'payment_method_data');
  const id = text(call.params, 'payment_method') ?? intent['payment_method'];
  const card = data && hash(data, 'card') ? text(hash(data, 'card') ?? {}, 'token') : undefined;
  const name = typeof id === 'string' ? id : card;
  if (name === undefined) {
    throw invalid(
      'payment_method',
      "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
      'payment_intent_unexpected_state',
    );
  }
  if (
    !['requires_payment_method', 'requires_confirmation', 'requires_action'].includes(
      String(intent['status']),
    )
  ) {
    throw invalid(
      'payment_intent',
      `You cannot confirm this PaymentIntent because it has already ${intent['status'] === 'canceled' ? 'been canceled' : 'succeeded after being previously confirmed'}.`,
      'payment_intent_unexpected_state',
    );
  }
  const method = methodNamed(actor, name, 'payment_method');
  const owner = method['customer'];
  if (typeof owner === 'string' && owner !== intent['customer']) {
    throw invalid(
      'payment_method',
      `The provided PaymentMethod cannot be attached. To reuse a PaymentMethod, you must attach it to a Customer first.`,
      'payment_method_unexpected_state',
    );
  }
  const answer = answerOf(confirmIntent(actor, intent, method, text(call.params, 'off_session') === 'true'));
  tellInvoice(actor, answer);
  return answer;
}

function createPaymentIntent(call: Call): StripeObject {
  const values = fields(call.params, intentFields);
  positive(call, 'amount');
  const customer = named(call, 'customer', 'customer');
  const actor = inTimeOf(actorOf(call), customer);
  const methodId = text(call.params, 'payment_method');
  const method = methodId === undefined ? undefined : methodNamed(actor, methodId, 'payment_method');
  const automatic = hash(call.params, 'automatic_payment_methods');
  const intent = createIntent(actor, {
    setup_future_usage: null,
    ...values,
    ...(automatic
      ? {
          automatic_payment_methods: {
            allow_redirects: text(automatic, 'allow_redirects') ?? 'always',
            enabled: text(automatic, 'enabled') === 'true',
          },
        }
      : {}),
    currency: currency(call.params),
    customer: customer?.id ?? null,
    payment_method: method?.id ?? null,
  });
  return text(call.params, 'confirm') === 'true' ? confirm(call, actor, intent) : intent;
}

const payable = ['requires_payment_method', 'requires_confirmation', 'requires_action'];

function chargeOf(call: Call): StripeObject {
  const charge = named(call, 'charge', 'charge');
  if (charge !== undefined) return charge;
  const intent = named(call, 'payment_intent', 'payment_intent');
  if (intent === undefined) {
    throw invalid(
      'charge',
      'One of the following params should be provided for this request: payment_intent or charge.',
      'parameter_missing',
    );
  }
  const found = call.account.store.get('charge', String(intent['latest_charge']));
  if (found === undefined || intent['status'] !== 'succeeded') {
    throw invalid(
      'payment_intent',
      `This PaymentIntent (${intent.id}) does not have a successful charge to refund.`,
      'charge_not_refundable',
    );
  }
  return found;
}

/** Payment intents, charges, refunds, disputes, payouts. */
export const paymentRoutes: readonly Route[] = [
  post('/v1/payment_intents', 'payment_intent', createPaymentIntent),
  post('/v1/payment_intents/{intent}', 'payment_intent', (call) => {
    const intent = need(call, 'payment_intent', 'intent');
    const values = fields(call.params, intentFields, intent);
    if (!payable.includes(String(intent['status'])) && values['amount'] !== undefined) {
      throw invalid(
        'payment_intent',
        `This PaymentIntent's amount could not be updated because it has a status of ${String(intent['status'])}.`,
        'payment_intent_unexpected_state',
      );
    }
    const customer = named(call, 'customer', 'customer');
    const actor = actorFor(call, intent);
    const methodId = text(call.params, 'payment_method');
    if (customer !== undefined) values['customer'] = customer.id;
    if (methodId !== undefined) {
      values['payment_method'] = methodNamed(actor, methodId, 'payment_method').id;
      values['status'] = 'requires_confirmation';
    }
    return update(actor, intent, values);
  }),
  post('/v1/payment_intents/{intent}/confirm', 'payment_intent', (call) => {
    fields(call.params, intentFields + ' client_secret:x');
    const intent = need(call, 'payment_intent', 'intent');
    const actor = actorFor(call, intent);
    return confirm(call, actor, intent);
  }),
  post('/v1/payment_intents/{intent}/capture', 'payment_intent', (call, actor) => {
    fields(
      call.params,
      'amount_to_capture:i metadata:m final_capture:b application_fee_amount:i statement_descriptor:s statement_descriptor_suffix:s transfer_data:x',
    );
    const intent = need(call, 'payment_intent', 'intent');
    const amount = integer(call.params, 'amount_to_capture') ?? Number(intent['amount_capturable']);
    return captureIntent(actor, intent, amount);
  }),
  post('/v1/payment_intents/{intent}/cancel', 'payment_intent', (call, actor) => {
    const values = fields(call.params, 'cancellation_reason:s');
    const intent = need(call, 'payment_intent', 'intent');
    if (![...payable, 'requires_capture', 'processing'].includes(String(intent['status']))) {
      throw invalid(
        'payment_intent',
        `You cannot cancel this PaymentIntent because it has a status of ${String(intent['status'])}. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.`,
        'payment_intent_unexpected_state',
      );
    }
    if (intent['status'] === 'requires_capture') {
      const charge = call.account.store.get('charge', String(intent['latest_charge']));
      if (charge)
        update(actor, charge, { amount_refunded: charge['amount'], refunded: true }, 'charge.refunded');
    }
    const canceled = update(actor, intent, {
      amount_capturable: 0,
      canceled_at: actor.at,
      status: 'canceled',
      ...values,
    });
    tell(actor, 'payment_intent.canceled', canceled);
    return canceled;
  }),
  post('/v1/charges', 'charge', (call, actor) => {
    const values = fields(
      call.params,
      'amount:i currency:x customer:x source:x card:x capture:x description:s metadata:m receipt_email:s shipping:h statement_descriptor:s statement_descriptor_suffix:s transfer_group:s application_fee_amount:i on_behalf_of:s destination:x transfer_data:x radar_options:x',
    );
    positive(call, 'amount');
    const customer = named(call, 'customer', 'customer');
    const source =
      text(call.params, 'source') ??
      text(call.params, 'card') ??
      valueAt(customer, 'invoice_settings.default_payment_method');
    if (typeof source !== 'string')
      throw invalid('source', 'Must provide source or customer.', 'parameter_missing');
    // As payment intents do it, but the intent is not part of the answer: old charges have none.
    const intent = createIntent(actor, {
      setup_future_usage: null,
      ...values,
      currency: currency(call.params),
      customer: customer?.id ?? null,
      capture_method: text(call.params, 'capture') === 'false' ? 'manual' : 'automatic',
    });
    const result = confirmIntent(actor, intent, methodNamed(actor, source, 'source'), true);
    if (result.declined) throw cardError(result.declined, { charge: result.charge?.id });
    return call.account.store.get('charge', result.charge?.id ?? '') as StripeObject;
  }),
  post('/v1/charges/{charge}', 'charge', (call, actor) => {
    const charge = need(call, 'charge', 'charge');
    const values = fields(
      call.params,
      'customer:x description:s fraud_details:h metadata:m receipt_email:s shipping:h transfer_group:s',
      charge,
    );
    return update(actor, charge, values, 'charge.updated');
  }),
  post('/v1/charges/{charge}/capture', 'charge', (call, actor) => {
    fields(
      call.params,
      'amount:i receipt_email:s statement_descriptor:s statement_descriptor_suffix:s transfer_group:s application_fee_amount:i transfer_data:x',
    );
    const charge = need(call, 'charge', 'charge');
    const intent = call.account.store.get('payment_intent', String(charge['payment_intent']));
    if (intent === undefined || charge['captured'] === true) {
      throw invalid('charge', `Charge ${charge.id} has already been captured.`, 'charge_already_captured');
    }
    captureIntent(actor, intent, integer(call.params, 'amount') ?? Number(charge['amount']));
    return need(call, 'charge', 'charge');
  }),
  post('/v1/refunds', 'refund', (call) => {
    const values = fields(
      call.params,
      'amount:x charge:x payment_intent:x reason:s metadata:m instructions_email:s refund_application_fee:x reverse_transfer:x origin:x customer:x currency:x',
    );
    const charge = chargeOf(call);
    const actor = actorFor(call, charge);
    return refundCharge(actor, charge, integer(call.params, 'amount'), values);
  }),
  post('/v1/charges/{charge}/refunds', 'refund', (call, actor) => {
    const values = fields(call.params, 'amount:x reason:s metadata:m');
    return refundCharge(actor, need(call, 'charge', 'charge'), integer(call.params, 'amount'), values);
  }),
  post('/v1/refunds/{refund}', 'refund', (call, actor) => {
    const refund = need(call, 'refund', 'refund');
    const values = fields(call.params, 'metadata:m', refund);
    const next = update(actor, refund, values, 'refund.updated');
    if (next !== refund) tell(actor, 'charge.refund.updated', next, { metadata: refund['metadata'] });
    return next;
  }),
  post('/v1/disputes/{dispute}', 'dispute', (call, actor) => {
    const dispute = need(call, 'dispute', 'dispute');
    const values = fields(call.params, 'evidence:h metadata:m submit:x', dispute);
    const submit = text(call.params, 'submit') === 'true';
    const evidence = hash(call.params, 'evidence');
    const details = dispute['evidence_details'] as Record<string, unknown>;
    if (evidence !== undefined) {
      values['evidence_details'] = {
        ...details,
        has_evidence: true,
        submission_count: Number(details['submission_count']) + (submit ? 1 : 0),
      };
    }
    if (submit) values['status'] = 'under_review';
    const next = update(actor, dispute, values, 'charge.dispute.updated');
    // The words by which test mode decides. @see https://docs.stripe.com/testing#evidence
    const words = evidence === undefined ? undefined : text(evidence, 'uncategorized_text');
    if (submit && words === 'winning_evidence') return closeDispute(actor, next, true);
    if (submit && words === 'losing_evidence') return closeDispute(actor, next, false);
    return next;
  }),
  post('/v1/disputes/{dispute}/close', 'dispute', (call, actor) => {
    fields(call.params, 'expand:x');
    return closeDispute(actor, need(call, 'dispute', 'dispute'), false);
  }),
  post('/v1/payouts', 'payout', (call, actor) => {
    const values = fields(
      call.params,
      'amount:i currency:x description:s destination:s metadata:m method:s source_type:s statement_descriptor:s payout_method:s',
    );
    const amount = positive(call, 'amount');
    const unit = currency(call.params);
    const balance = call.account.balance()['available'] as { amount: number; currency: string }[];
    const there = balance.find((one) => one.currency === unit)?.amount ?? 0;
    if (amount > there) {
      throw invalid(
        'amount',
        'You have insufficient funds in your Stripe account for this transfer.',
        'balance_insufficient',
      );
    }
    const id = randomId(call.account, 'po_');
    const arrival = actor.at + 2 * 86_400;
    const movement = move(actor, {
      amount: -amount,
      currency: unit,
      type: 'payout',
      source: id,
      description: 'STRIPE PAYOUT',
      availableOn: arrival,
    });
    const made = payout(id, {
      automatic: false,
      arrival_date: arrival,
      balance_transaction: movement.id,
      created: actor.at,
      livemode: false,
      reconciliation_status: 'not_applicable',
      status: 'pending',
      ...values,
      amount,
      currency: unit,
    });
    return save(actor, made, 'payout.created');
  }),
  post('/v1/payouts/{payout}', 'payout', (call, actor) => {
    const found = need(call, 'payout', 'payout');
    return update(actor, found, fields(call.params, 'metadata:m', found), 'payout.updated');
  }),
  post('/v1/payouts/{payout}/cancel', 'payout', (call, actor) => {
    fields(call.params, 'expand:x');
    const found = need(call, 'payout', 'payout');
    if (found['status'] !== 'pending')
      throw invalid('payout', 'Payouts can only be canceled while they are pending.');
    const back = move(actor, {
      amount: Number(found['amount']),
      currency: String(found['currency']),
      type: 'payout_cancel',
      category: 'payout_reversal',
      source: found.id,
      description: 'STRIPE PAYOUT CANCELED',
      availableOn: actor.at,
    });
    const canceled = update(actor, found, { failure_balance_transaction: back.id, status: 'canceled' });
    tell(actor, 'payout.canceled', canceled);
    return canceled;
  }),
  post('/v1/reviews/{review}/approve', 'review', (call, actor) => {
    fields(call.params, 'expand:x');
    const review = need(call, 'review', 'review');
    const closed = update(actor, review, { closed_reason: 'approved', open: false, reason: 'approved' });
    tell(actor, 'review.closed', closed);
    const charge = call.account.store.get('charge', String(review['charge']));
    if (charge === undefined) throw missing('charge', String(review['charge']), 'charge');
    update(actor, charge, { review: null }, 'charge.updated');
    return closed;
  }),
];
