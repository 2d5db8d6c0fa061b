import type { StripeObject } from '../types.ts';
import { noAddress, shape } from './shape.ts';

type Values = Record<string, unknown>;

/** What is known of a payment card. */
export interface CardFacts {
  readonly brand: string;
  readonly last4: string;
  readonly expMonth: number;
  readonly expYear: number;
  readonly country: string;
  readonly funding: string;
  readonly fingerprint: string;
}

/** Who pays. */
export interface BillingFacts {
  readonly name: string | null;
  readonly email: string | null;
  readonly phone?: string | null;
  readonly address?: Values | null;
}

/** `billing_details` of payment methods and charges. */
export function billingDetails(facts: BillingFacts): Values {
  return {
    address: facts.address ?? noAddress(),
    email: facts.email,
    name: facts.name,
    phone: facts.phone ?? null,
    tax_id: null,
  };
}

const checks = { address_line1_check: null, address_postal_code_check: 'pass', cvc_check: 'pass' };

/** A payment method that is a card. */
export function paymentMethod(
  id: string,
  card: CardFacts,
  billing: BillingFacts,
  values: Values,
): StripeObject {
  return shape('payment_method', id, {
    allow_redisplay: 'unspecified',
    billing_details: billingDetails(billing),
    card: {
      brand: card.brand,
      checks,
      country: card.country,
      display_brand: card.brand,
      exp_month: card.expMonth,
      exp_year: card.expYear,
      fingerprint: card.fingerprint,
      funding: card.funding,
      generated_from: null,
      last4: card.last4,
      networks: { available: [card.brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    metadata: {},
    type: 'card',
    ...values,
  });
}

/** `payment_method_details` of a charge. */
export function cardDetails(card: CardFacts, amount: number): Values {
  return {
    card: {
      amount_authorized: amount,
      authorization_code: null,
      brand: card.brand,
      checks,
      country: card.country,
      exp_month: card.expMonth,
      exp_year: card.expYear,
      extended_authorization: { status: 'disabled' },
      fingerprint: card.fingerprint,
      funding: card.funding,
      incremental_authorization: { status: 'unavailable' },
      installments: null,
      last4: card.last4,
      mandate: null,
      multicapture: { status: 'unavailable' },
      network: card.brand,
      network_token: { used: false },
      network_transaction_id: null,
      overcapture: { maximum_amount_capturable: amount, status: 'unavailable' },
      regulated_status: 'unregulated',
      three_d_secure: null,
      wallet: null,
    },
    type: 'card',
  };
}

/** A payment intent. */
export function paymentIntent(id: string, values: Values): StripeObject {
  return shape('payment_intent', id, {
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: 0,
    capture_method: 'automatic',
    client_secret: `${id}_secret_${id.slice(-12)}`,
    confirmation_method: 'automatic',
    metadata: {},
    payment_method_options: {
      card: { installments: null, mandate_options: null, network: null, request_three_d_secure: 'automatic' },
    },
    payment_method_types: ['card'],
    ...values,
  });
}

/** Why a charge was declined, as Stripe words it. */
export interface Decline {
  readonly code: string;
  readonly declineCode: string;
  readonly message: string;
}

/** `outcome` of a charge. */
export function outcome(decline?: Decline, risk = 24): Values {
  return {
    advice_code: decline ? 'try_again_later' : null,
    network_advice_code: null,
    network_decline_code: decline ? '51' : null,
    network_status: decline ? 'declined_by_network' : 'approved_by_network',
    reason: decline?.declineCode ?? null,
    risk_level: risk >= 65 ? 'elevated' : 'normal',
    risk_score: risk,
    seller_message: decline
      ? `The bank returned the decline code \`${decline.declineCode}\`.`
      : 'Payment complete.',
    type: decline ? 'issuer_declined' : 'authorized',
  };
}

/** A charge; without `refunds`, which a list shows only when asked. */
export function charge(id: string, account: string, values: Values): StripeObject {
  const object = shape('charge', id, {
    amount_captured: 0,
    billing_details: billingDetails({ name: null, email: null }),
    calculated_statement_descriptor: 'FERNBROOK SOFTWARE',
    fraud_details: {},
    metadata: {},
    receipt_url: `https://pay.stripe.com/receipts/payment/${account}/${id}`,
    source: null,
    ...values,
  });
  delete object['refunds'];
  return object;
}

/** A refund. */
export function refund(id: string, values: Values): StripeObject {
  return shape('refund', id, {
    destination_details: {
      card: {
        reference: '0551234890123',
        reference_status: 'available',
        reference_type: 'acquirer_reference_number',
        type: 'refund',
      },
      type: 'card',
    },
    metadata: {},
    status: 'succeeded',
    ...values,
  });
}

/** A balance transaction. */
export function balanceTransaction(id: string, values: Values): StripeObject {
  return shape('balance_transaction', id, { balance_type: 'payments', fee: 0, fee_details: [], ...values });
}

/** `fee_details` of a Stripe fee. */
export function stripeFee(amount: number, currency: string, description: string): Values[] {
  return amount === 0 ? [] : [{ amount, application: null, currency, description, type: 'stripe_fee' }];
}

const evidence = [
  'access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal',
  'customer_communication customer_email_address customer_name customer_purchase_ip customer_signature',
  'duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt',
  'refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation',
  'shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number',
  'uncategorized_file uncategorized_text',
]
  .join(' ')
  .split(' ');

/** A dispute. */
export function dispute(id: string, values: Values): StripeObject {
  return shape('dispute', id, {
    evidence: { ...Object.fromEntries(evidence.map((name) => [name, null])), enhanced_evidence: {} },
    enhanced_eligibility_types: [],
    is_charge_refundable: false,
    metadata: {},
    network_reason_code: '10.4',
    payment_method_details: {
      card: { brand: 'visa', case_type: 'chargeback', network_reason_code: '10.4' },
      type: 'card',
    },
    reason: 'fraudulent',
    ...values,
  });
}

/** A payout to the bank. */
export function payout(id: string, values: Values): StripeObject {
  return shape('payout', id, {
    automatic: true,
    description: 'STRIPE PAYOUT',
    metadata: {},
    method: 'standard',
    reconciliation_status: 'completed',
    source_type: 'card',
    trace_id: null,
    type: 'bank_account',
    ...values,
  });
}

/** A setup intent. */
export function setupIntent(id: string, values: Values): StripeObject {
  return shape('setup_intent', id, {
    client_secret: `${id}_secret_${id.slice(-12)}`,
    metadata: {},
    payment_method_options: {
      card: { mandate_options: null, network: null, request_three_d_secure: 'automatic' },
    },
    payment_method_types: ['card'],
    usage: 'off_session',
    ...values,
  });
}

/** Stripe's fee for a card payment: a share and a fixed part, by currency. */
export function cardFee(amount: number, currency: string): number {
  const [share, fixed] = fees[currency] ?? [0.029, 30];
  return amount <= 0 ? 0 : Math.min(Math.round(amount * share) + fixed, amount);
}

const fees: Readonly<Record<string, readonly [number, number]>> = {
  usd: [0.029, 30],
  eur: [0.015, 25],
  gbp: [0.015, 20],
  jpy: [0.036, 0],
  cad: [0.029, 30],
};
