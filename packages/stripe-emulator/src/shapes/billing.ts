import type { StripeObject } from '../types.ts';
import { listOf, noAddress, shape } from './shape.ts';

type Values = Record<string, unknown>;

/** A customer. */
export function customer(id: string, values: Values): StripeObject {
  return shape('customer', id, {
    address: null,
    balance: 0,
    currency: null,
    default_source: null,
    delinquent: false,
    discount: null,
    invoice_prefix: id.slice(-8).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    metadata: {},
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
    ...values,
  });
}

/** A product. */
export function product(id: string, values: Values): StripeObject {
  return shape('product', id, {
    active: true,
    images: [],
    marketing_features: [],
    metadata: {},
    type: 'service',
    ...values,
  });
}

/** A price. */
export function price(id: string, values: Values): StripeObject {
  const amount = values['unit_amount'];
  return shape('price', id, {
    active: true,
    billing_scheme: 'per_unit',
    custom_unit_amount: null,
    metadata: {},
    tax_behavior: 'unspecified',
    type: values['recurring'] ? 'recurring' : 'one_time',
    unit_amount_decimal: typeof amount === 'number' ? String(amount) : null,
    ...values,
  });
}

/** A coupon. */
export function coupon(id: string, values: Values): StripeObject {
  return shape('coupon', id, { metadata: {}, valid: true, ...values });
}

/** A discount: a coupon at work. */
export function discount(id: string, values: Values & { coupon: string }): StripeObject {
  const { coupon: source, ...rest } = values;
  return shape('discount', id, { source: { coupon: source, type: 'coupon' }, ...rest });
}

/** A promotion code. */
export function promotionCode(id: string, values: Values & { coupon: string }): StripeObject {
  const { coupon: source, ...rest } = values;
  return shape('promotion_code', id, {
    active: true,
    metadata: {},
    promotion: { coupon: source, type: 'coupon' },
    restrictions: { first_time_transaction: false, minimum_amount: null, minimum_amount_currency: null },
    ...rest,
  });
}

/** A tax rate. */
export function taxRate(id: string, values: Values): StripeObject {
  return shape('tax_rate', id, {
    active: true,
    effective_percentage: values['percentage'] ?? null,
    flat_amount: null,
    jurisdiction_level: 'country',
    metadata: {},
    rate_type: 'percentage',
    tax_type: 'vat',
    ...values,
  });
}

/** The old view of a recurring price, which subscription items still carry. */
export function planOf(price: StripeObject): Values {
  const recurring = price['recurring'] as Values | null;
  return {
    id: price.id,
    object: 'plan',
    active: price['active'],
    amount: price['unit_amount'],
    amount_decimal: price['unit_amount_decimal'],
    billing_scheme: price['billing_scheme'],
    created: price['created'],
    currency: price['currency'],
    interval: recurring?.['interval'] ?? 'month',
    interval_count: recurring?.['interval_count'] ?? 1,
    livemode: price['livemode'],
    metadata: price['metadata'],
    meter: recurring?.['meter'] ?? null,
    nickname: price['nickname'],
    product: price['product'],
    tiers_mode: price['tiers_mode'] ?? null,
    transform_usage: null,
    trial_period_days: recurring?.['trial_period_days'] ?? null,
    usage_type: recurring?.['usage_type'] ?? 'licensed',
  };
}

/** A subscription item. */
export function subscriptionItem(id: string, price: StripeObject, values: Values): StripeObject {
  return shape('subscription_item', id, {
    billing_thresholds: null,
    discounts: [],
    metadata: {},
    plan: planOf(price),
    price,
    quantity: 1,
    tax_rates: [],
    ...values,
  });
}

/** A subscription. */
export function subscription(id: string, items: readonly StripeObject[], values: Values): StripeObject {
  return shape('subscription', id, {
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_mode: { flexible: null, type: 'classic' },
    cancel_at_period_end: false,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
    collection_method: 'charge_automatically',
    default_tax_rates: [],
    discounts: [],
    invoice_settings: { account_tax_ids: null, issuer: { type: 'self' } },
    items: listOf(`/v1/subscription_items?subscription=${id}`, items),
    metadata: {},
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: 'off',
    },
    trial_settings: { end_behavior: { missing_payment_method: 'create_invoice' } },
    ...values,
  });
}

/** What an invoice line charges for. */
export interface LineFacts {
  readonly price: StripeObject;
  readonly quantity: number;
  readonly amount: number;
  readonly description: string;
  readonly period: { readonly start: number; readonly end: number };
  readonly proration?: boolean;
  readonly subscription?: string | null;
  readonly subscriptionItem?: string | null;
  readonly invoiceItem?: string | null;
  readonly discounts?: readonly string[];
  readonly discountAmounts?: readonly Values[];
  readonly taxes?: readonly Values[];
  readonly metadata?: Values;
}

/** A line of an invoice. */
export function lineItem(id: string, invoice: string, livemode: boolean, facts: LineFacts): StripeObject {
  const proration = facts.proration ?? false;
  const details = {
    proration,
    proration_details: { credited_items: null },
    subscription: facts.subscription ?? null,
  };
  const parent =
    facts.invoiceItem != null
      ? {
          invoice_item_details: { invoice_item: facts.invoiceItem, ...details },
          subscription_item_details: null,
          type: 'invoice_item_details',
        }
      : {
          invoice_item_details: null,
          subscription_item_details: {
            invoice_item: null,
            ...details,
            subscription_item: facts.subscriptionItem ?? null,
          },
          type: 'subscription_item_details',
        };
  return shape('line_item', id, {
    amount: facts.amount,
    currency: facts.price['currency'],
    description: facts.description,
    discount_amounts: facts.discountAmounts ?? [],
    discountable: !proration,
    discounts: facts.discounts ?? [],
    invoice,
    livemode,
    metadata: facts.metadata ?? {},
    parent,
    period: facts.period,
    pretax_credit_amounts: [],
    pricing: {
      price_details: { price: facts.price.id, product: facts.price['product'] },
      type: 'price_details',
      unit_amount_decimal: facts.price['unit_amount_decimal'],
    },
    quantity: facts.quantity,
    quantity_decimal: String(facts.quantity),
    subscription: facts.subscription ?? null,
    subtotal: facts.amount,
    taxes: facts.taxes ?? [],
  });
}

/** An invoice. */
export function invoice(id: string, lines: readonly StripeObject[], values: Values): StripeObject {
  const object = shape('invoice', id, {
    account_country: 'GB',
    account_name: 'Fernbrook Software',
    amount_overpaid: 0,
    amount_shipping: 0,
    auto_advance: false,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    collection_method: 'charge_automatically',
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_tax_rates: [],
    discounts: [],
    issuer: { type: 'self' },
    lines: listOf(`/v1/invoices/${id}/lines`, lines),
    metadata: {},
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    starting_balance: 0,
    total_discount_amounts: [],
    total_pretax_credit_amounts: [],
    total_taxes: [],
    ...values,
  });
  delete object['payments'];
  return object;
}

/** `parent` of an invoice that a subscription made. */
export function subscriptionParent(subscription: string, metadata: Values = {}): Values {
  return {
    quote_details: null,
    subscription_details: { metadata, subscription },
    type: 'subscription_details',
  };
}

/** How an invoice is paid. */
export function invoicePayment(id: string, values: Values & { paymentIntent: string }): StripeObject {
  const { paymentIntent, ...rest } = values;
  return shape('invoice_payment', id, {
    is_default: true,
    payment: { payment_intent: paymentIntent, type: 'payment_intent' },
    status_transitions: { canceled_at: null, paid_at: null },
    ...rest,
  });
}

/** An item that waits for, or went into, an invoice. */
export function invoiceItem(id: string, price: StripeObject | undefined, values: Values): StripeObject {
  return shape('invoiceitem', id, {
    discountable: true,
    discounts: [],
    metadata: {},
    net_amount: values['amount'],
    pricing:
      price === undefined
        ? null
        : {
            price_details: { price: price.id, product: price['product'] },
            type: 'price_details',
            unit_amount_decimal: price['unit_amount_decimal'],
          },
    proration: false,
    quantity: 1,
    quantity_decimal: String(Number(values['quantity'] ?? 1)),
    tax_rates: [],
    ...values,
  });
}

/** A customer's tax id. */
export function taxId(id: string, customerId: string, values: Values): StripeObject {
  return shape('tax_id', id, {
    customer: customerId,
    owner: { customer: customerId, customer_account: null, type: 'customer' },
    verification: { status: 'verified', verified_address: null, verified_name: null },
    ...values,
  });
}

/** A line of a checkout session, payment link or quote. */
export function item(id: string, price: StripeObject, quantity: number, description: string): StripeObject {
  const total = Number(price['unit_amount'] ?? 0) * quantity;
  return shape('item', id, {
    amount_discount: 0,
    amount_subtotal: total,
    amount_tax: 0,
    amount_total: total,
    currency: price['currency'],
    description,
    metadata: {},
    price,
    quantity,
  });
}

/** An address of a customer. */
export function address(facts: Values): Values {
  return { ...noAddress(), ...facts };
}
