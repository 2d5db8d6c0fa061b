import { invalid } from '../http/failure.ts';
import * as shapes from '../shapes/payments.ts';
import { shape } from '../shapes/shape.ts';
import type { StripeObject } from '../types.ts';
import { behaviourOf } from './behaviour.ts';
import type { TestCard } from './cards.ts';
import { cardError } from './declines.ts';
import { randomId } from './ids.ts';
import { customerOf, save, update, type Actor, tell } from './kernel.ts';
import { attach } from './payment-methods.ts';

const day = 86_400;
const midnight = (seconds: number): number => seconds - (seconds % day);

/** Days until money of a card payment is available. */
const settleDays = 3;

/** Records what moves the balance. */
export function move(
  actor: Actor,
  values: {
    readonly amount: number;
    readonly fee?: number;
    readonly currency: string;
    readonly type: string;
    readonly category?: string;
    readonly source: string;
    readonly description: string | null;
    readonly availableOn?: number;
  },
): StripeObject {
  const id = randomId(actor.account, 'txn_').replace('txn_1', 'txn_3');
  const fee = values.fee ?? 0;
  const availableOn = values.availableOn ?? midnight(actor.at) + settleDays * day;
  return save(
    actor,
    shapes.balanceTransaction(id, {
      amount: values.amount,
      available_on: availableOn,
      created: actor.at,
      currency: values.currency,
      description: values.description,
      fee,
      fee_details: shapes.stripeFee(fee, values.currency, 'Stripe processing fees'),
      net: values.amount - fee,
      reporting_category: values.category ?? values.type,
      source: values.source,
      status: availableOn <= actor.at ? 'available' : 'pending',
      type: values.type,
    }),
  );
}

/** Whether an intent waits for somebody. */
export type IntentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'requires_capture'
  | 'processing'
  | 'succeeded'
  | 'canceled';

/** Makes a payment intent and tells about it. */
export function createIntent(actor: Actor, values: Record<string, unknown>): StripeObject {
  const id = randomId(actor.account, 'pi_').replace('pi_1', 'pi_3');
  const method = values['payment_method'];
  const made = shapes.paymentIntent(id, {
    created: actor.at,
    livemode: false,
    status: typeof method === 'string' ? 'requires_confirmation' : 'requires_payment_method',
    ...values,
  });
  return save(actor, made, 'payment_intent.created');
}

function makeCharge(
  actor: Actor,
  intent: StripeObject,
  method: StripeObject,
  card: TestCard | undefined,
  captured: boolean,
): StripeObject {
  const id = randomId(actor.account, 'ch_').replace('ch_1', 'ch_3');
  const amount = Number(intent['amount']);
  const facts = method['card'] as Record<string, unknown>;
  const decline = card?.decline;
  return shapes.charge(id, actor.account.id, {
    amount,
    amount_captured: decline || !captured ? 0 : amount,
    billing_details: method['billing_details'],
    captured: decline ? false : captured,
    created: actor.at,
    currency: intent['currency'],
    customer: intent['customer'],
    description: intent['description'],
    failure_code: decline?.code ?? null,
    failure_message: decline?.message ?? null,
    livemode: false,
    metadata: intent['metadata'],
    outcome: shapes.outcome(decline, card?.review ? 74 : 24),
    paid: decline === undefined,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: shapes.cardDetails(
      {
        brand: String(facts['brand']),
        last4: String(facts['last4']),
        expMonth: Number(facts['exp_month']),
        expYear: Number(facts['exp_year']),
        country: String(facts['country']),
        funding: String(facts['funding']),
        fingerprint: String(facts['fingerprint']),
      },
      amount,
    ),
    receipt_email: intent['receipt_email'],
    shipping: intent['shipping'],
    statement_descriptor: intent['statement_descriptor'],
    statement_descriptor_suffix: intent['statement_descriptor_suffix'],
    status: decline ? 'failed' : 'succeeded',
    transfer_group: intent['transfer_group'],
  });
}

/** Books the money of a charge. */
function settle(actor: Actor, charge: StripeObject): StripeObject {
  const amount = Number(charge['amount_captured']);
  const currency = String(charge['currency']);
  const movement = move(actor, {
    amount,
    fee: shapes.cardFee(amount, currency),
    currency,
    type: 'charge',
    source: charge.id,
    description: charge['description'] as string | null,
  });
  return { ...charge, balance_transaction: movement.id };
}

/** How a confirmation ended. */
export interface Confirmation {
  readonly intent: StripeObject;
  readonly charge: StripeObject | undefined;
  readonly declined: shapes.Decline | undefined;
}

/** Tries to take the money: a charge that succeeded, failed, or authentication that is needed. */
export function confirmIntent(
  actor: Actor,
  intent: StripeObject,
  method: StripeObject,
  offSession = false,
): Confirmation {
  const card = behaviourOf(actor, method.id);
  const customer = customerOf(actor, intent);
  if (card?.authenticate === true && !offSession) {
    const waiting = update(
      actor,
      intent,
      {
        payment_method: method.id,
        status: 'requires_action',
        next_action: {
          type: 'use_stripe_sdk',
          use_stripe_sdk: {
            type: 'three_d_secure_redirect',
            stripe_js: 'https://hooks.stripe.com/redirect/',
          },
        },
      },
      'payment_intent.requires_action',
    );
    return { intent: waiting, charge: undefined, declined: undefined };
  }
  const decline: shapes.Decline | undefined =
    card?.authenticate === true
      ? {
          code: 'authentication_required',
          declineCode: 'authentication_required',
          message: 'Your card was declined. This transaction requires authentication.',
        }
      : card?.decline;
  const manual = intent['capture_method'] === 'manual';
  let charge = makeCharge(actor, intent, method, card && decline ? { ...card, decline } : card, !manual);
  if (decline !== undefined) return fail(actor, intent, method, charge, decline);
  // A card that is saved for later is attached; so is one that the customer pays with now and is already theirs.
  if (customer !== undefined && intent['setup_future_usage'] !== null && method['customer'] === null) {
    attach(actor, method, customer);
  }
  if (!manual) charge = settle(actor, charge);
  save(actor, charge, 'charge.succeeded');
  const next = update(actor, intent, {
    amount_capturable: manual ? intent['amount'] : 0,
    amount_received: manual ? 0 : intent['amount'],
    last_payment_error: null,
    latest_charge: charge.id,
    next_action: null,
    payment_method: method.id,
    status: manual ? 'requires_capture' : 'succeeded',
  });
  tell(actor, manual ? 'payment_intent.amount_capturable_updated' : 'payment_intent.succeeded', next);
  afterwards(actor, charge, card);
  return { intent: next, charge, declined: undefined };
}

function fail(
  actor: Actor,
  intent: StripeObject,
  method: StripeObject,
  charge: StripeObject,
  decline: shapes.Decline,
): Confirmation {
  save(actor, charge, 'charge.failed');
  const error = cardError(decline, { charge: charge.id, payment_method: method });
  const failed = update(actor, intent, {
    last_payment_error: { ...error.details, ...(error.body()['error'] as object), message: decline.message },
    latest_charge: charge.id,
    payment_method: null,
    status: 'requires_payment_method',
  });
  tell(actor, 'payment_intent.payment_failed', failed);
  return { intent: failed, charge, declined: decline };
}

/** What some test cards bring along. */
function afterwards(actor: Actor, charge: StripeObject, card: TestCard | undefined): void {
  if (card?.warning === true) {
    const id = randomId(actor.account, 'issfr_');
    const values = {
      actionable: true,
      charge: charge.id,
      created: actor.at,
      fraud_type: 'made_with_stolen_card',
      livemode: false,
      payment_intent: charge['payment_intent'],
    };
    save(actor, shape('radar.early_fraud_warning', id, values), 'radar.early_fraud_warning.created');
  }
  if (card?.review === true) {
    const id = randomId(actor.account, 'prv_');
    const values = {
      charge: charge.id,
      created: actor.at,
      livemode: false,
      open: true,
      opened_reason: 'rule',
      payment_intent: charge['payment_intent'],
      reason: 'rule',
    };
    save(actor, shape('review', id, values), 'review.opened');
    update(actor, charge, { review: id }, 'charge.updated');
  }
  if (card?.dispute !== undefined) openDispute(actor, charge, card.dispute);
}

/** The customer's bank takes the money back. */
export function openDispute(actor: Actor, charge: StripeObject, reason: string): StripeObject {
  const id = randomId(actor.account, 'du_');
  const amount = Number(charge['amount']);
  const currency = String(charge['currency']);
  const withdrawn = move(actor, {
    amount: -amount,
    fee: 1500,
    currency,
    type: 'adjustment',
    category: 'dispute',
    source: id,
    description: `Chargeback withdrawal for ${charge.id}`,
    availableOn: midnight(actor.at) + day,
  });
  const made = shapes.dispute(id, {
    amount,
    balance_transactions: [withdrawn],
    charge: charge.id,
    created: actor.at,
    currency,
    evidence_details: {
      due_by: actor.at + 9 * day,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    livemode: false,
    payment_intent: charge['payment_intent'],
    reason,
    status: 'needs_response',
  });
  save(actor, made, 'charge.dispute.created');
  const fresh = actor.account.store.get('charge', charge.id) ?? charge;
  update(actor, fresh, { disputed: true }, 'charge.updated');
  tell(actor, 'charge.dispute.funds_withdrawn', made);
  return made;
}

/** Ends a dispute; won: the money comes back. */
export function closeDispute(actor: Actor, dispute: StripeObject, won: boolean): StripeObject {
  const movements = [...(dispute['balance_transactions'] as StripeObject[])];
  if (won) {
    const amount = Number(dispute['amount']);
    movements.push(
      move(actor, {
        amount,
        currency: String(dispute['currency']),
        type: 'adjustment',
        category: 'dispute_reversal',
        source: dispute.id,
        description: `Chargeback reversal for ${String(dispute['charge'])}`,
        availableOn: midnight(actor.at) + day,
      }),
    );
  }
  const closed = update(actor, dispute, { balance_transactions: movements, status: won ? 'won' : 'lost' });
  if (won) tell(actor, 'charge.dispute.funds_reinstated', closed);
  tell(actor, 'charge.dispute.closed', closed);
  return closed;
}

/** Takes money that was reserved. */
export function captureIntent(actor: Actor, intent: StripeObject, amount: number): StripeObject {
  if (intent['status'] !== 'requires_capture') {
    throw invalid(
      'payment_intent',
      `This PaymentIntent could not be captured because it has a status of ${String(intent['status'])}. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.`,
      'payment_intent_unexpected_state',
    );
  }
  if (amount > Number(intent['amount_capturable'])) {
    throw invalid(
      'amount_to_capture',
      `The requested capture amount is greater than the amount you can capture for this charge.`,
      'amount_too_large',
    );
  }
  const charge = actor.account.store.get('charge', String(intent['latest_charge'])) as StripeObject;
  const rest = Number(intent['amount']) - amount;
  const captured = settle(actor, {
    ...charge,
    amount_captured: amount,
    amount_refunded: rest,
    captured: true,
  });
  save(actor, captured, 'charge.captured', { amount_captured: 0, captured: false });
  const next = update(actor, intent, { amount_capturable: 0, amount_received: amount, status: 'succeeded' });
  tell(actor, 'payment_intent.succeeded', next);
  return next;
}

/** Gives money back. @throws Failure 400 when there is not as much */
export function refundCharge(
  actor: Actor,
  charge: StripeObject,
  wanted: number | undefined,
  values: Record<string, unknown>,
): StripeObject {
  const left = Number(charge['amount_captured']) - Number(charge['amount_refunded']);
  if (charge['status'] !== 'succeeded') {
    throw invalid(
      'charge',
      `Charge ${charge.id} has failed and cannot be refunded.`,
      'charge_not_refundable',
    );
  }
  if (left <= 0) {
    throw invalid('charge', `Charge ${charge.id} has already been refunded.`, 'charge_already_refunded');
  }
  const amount = wanted ?? left;
  if (amount <= 0) throw invalid('amount', 'Invalid positive integer', 'parameter_invalid_integer');
  if (amount > left) {
    throw invalid(
      'amount',
      `Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`,
      'amount_too_large',
    );
  }
  const id = randomId(actor.account, 're_').replace('re_1', 're_3');
  const currency = String(charge['currency']);
  const movement = move(actor, {
    amount: -amount,
    currency,
    type: 'refund',
    source: id,
    description: `REFUND FOR CHARGE${typeof charge['description'] === 'string' ? ` (${charge['description']})` : ''}`,
  });
  const refund = shapes.refund(id, {
    amount,
    balance_transaction: movement.id,
    charge: charge.id,
    created: actor.at,
    currency,
    payment_intent: charge['payment_intent'],
    ...values,
  });
  save(actor, refund);
  const refunded = Number(charge['amount_refunded']) + amount;
  update(
    actor,
    charge,
    { amount_refunded: refunded, refunded: refunded === Number(charge['amount_captured']) },
    'charge.refunded',
  );
  tell(actor, 'refund.created', refund);
  return refund;
}
