import type { ColumnType } from '../catalog.ts';

/** How a column is made of the object when it is not just the property of its name. */
export interface Fill {
  readonly column: string;
  readonly type: ColumnType | 'ids';
  /** Dotted paths, the pinned version's first; the first that is there wins. */
  readonly from: readonly string[];
  /** What is done to the value found; `from` in order, each value with the transform of its index or the only one. */
  readonly as?: readonly Transform[];
  /** Value when nothing is found. */
  readonly otherwise?: number;
  /** Neither version sends it inline always: a stored value is not erased by its absence. */
  readonly keep?: boolean;
  /** What a kept column begins with; the same value in an object later says nothing new. */
  readonly initial?: string;
}

/** Named transforms of values whose form has changed between API versions. */
export type Transform =
  | 'same'
  | 'isPaid'
  | 'lineType'
  | 'sumAmounts'
  | 'taxAmounts'
  | 'taxRateIds'
  | 'wholeNumber'
  | 'min'
  | 'max'
  | 'firstId'
  | 'emptyAsNull';

const ids = (column: string, ...from: string[]): Fill => ({ column, type: 'ids', from });
const text = (column: string, ...from: string[]): Fill => ({ column, type: 'text', from });
const ref = (column: string, ...from: string[]): Fill => ({ column, type: 'expandable-id', from });

/**
 * Columns of tdog 0.7 whose property was renamed, moved or is held as ids only. They keep their name; they are filled
 * from the pinned version's shape and, where that is absent, from that of 2020-08-27.
 */
export const FILLS: Readonly<Record<string, readonly Fill[]>> = {
  cards: [ref('recipient', 'recipient')],
  charges: [
    { column: 'invoice', type: 'expandable-id', from: ['invoice'], keep: true },
    ref('order_id', 'order'),
    text('payment_method_details_type', 'payment_method_details.type'),
    { column: 'refunds', type: 'ids', from: ['refunds.data'], keep: true, initial: '[]' },
  ],
  // tdog 0.7 keeps this one time as raw unix seconds.
  coupons: [{ column: 'redeem_by', type: 'integer', from: ['redeem_by'] }],
  credit_note_line_items: [
    {
      column: 'tax_amounts',
      type: 'json',
      from: ['taxes', 'tax_amounts'],
      as: ['taxAmounts', 'same'],
    },
    ids('tax_rates', 'tax_rates'),
  ],
  credit_notes: [
    { column: 'refund', type: 'expandable-id', from: ['refunds.0.refund', 'refund'] },
    ids('lines_first_x', 'lines.data'),
    { column: 'tax_amounts', type: 'json', from: ['total_taxes', 'tax_amounts'], as: ['taxAmounts', 'same'] },
  ],
  customers: [ref('discount', 'discount')],
  discounts: [
    ref('coupon', 'source.coupon', 'coupon'),
    { column: 'end_ts', type: 'timestamp', from: ['end'] },
  ],
  invoice_line_items: [
    { column: 'type', type: 'text', from: ['type', 'parent.type'], as: ['same', 'lineType'] },
    ref(
      'invoice_item',
      'parent.invoice_item_details.invoice_item',
      'parent.subscription_item_details.invoice_item',
      'invoice_item',
    ),
    ref(
      'subscription',
      'subscription',
      'parent.subscription_item_details.subscription',
      'parent.invoice_item_details.subscription',
    ),
    ref('subscription_item', 'parent.subscription_item_details.subscription_item', 'subscription_item'),
    ids('discounts', 'discounts'),
    { column: 'period_json', type: 'json', from: ['period'] },
    ref('price', 'pricing.price_details.price', 'price'),
    {
      column: 'proration',
      type: 'boolean',
      from: [
        'parent.invoice_item_details.proration',
        'parent.subscription_item_details.proration',
        'proration',
      ],
      otherwise: 0,
    },
    { column: 'tax_amounts', type: 'json', from: ['taxes', 'tax_amounts'], as: ['taxAmounts', 'same'] },
    { column: 'tax_rates', type: 'ids', from: ['taxes', 'tax_rates'], as: ['taxRateIds', 'same'] },
  ],
  invoiceitems: [
    ref('subscription', 'parent.subscription_details.subscription', 'subscription'),
    ref('subscription_item', 'parent.subscription_details.subscription_item', 'subscription_item'),
    ids('discounts', 'discounts'),
    { column: 'date_ts', type: 'timestamp', from: ['date'] },
    { column: 'period_json', type: 'json', from: ['period'] },
    ref('price', 'pricing.price_details.price', 'price'),
    ids('tax_rates', 'tax_rates'),
    {
      column: 'unit_amount',
      type: 'integer',
      from: ['pricing.unit_amount_decimal', 'unit_amount'],
      as: ['wholeNumber', 'same'],
    },
    text('unit_amount_decimal', 'pricing.unit_amount_decimal', 'unit_amount_decimal'),
  ],
  invoices: [
    { column: 'paid', type: 'boolean', from: ['paid', 'status'], as: ['same', 'isPaid'], otherwise: 0 },
    { column: 'charge', type: 'expandable-id', from: ['charge'], keep: true },
    ids('discounts', 'discounts'),
    { column: 'payment_intent', type: 'expandable-id', from: ['payment_intent'], keep: true },
    ref('subscription', 'parent.subscription_details.subscription', 'subscription'),
    { column: 'application_fee_amount', type: 'integer', from: ['application_fee_amount'], keep: true },
    ids('default_tax_rates', 'default_tax_rates'),
    ids('lines_newest_10', 'lines.data'),
    {
      column: 'subscription_proration_date',
      type: 'integer',
      from: ['parent.subscription_details.subscription_proration_date', 'subscription_proration_date'],
    },
    { column: 'tax', type: 'integer', from: ['total_taxes', 'tax'], as: ['sumAmounts', 'same'] },
    {
      column: 'total_tax_amounts',
      type: 'json',
      from: ['total_taxes', 'total_tax_amounts'],
      as: ['taxAmounts', 'same'],
    },
    { column: 'transfer_data', type: 'json', from: ['transfer_data'], keep: true },
  ],
  payment_intents: [
    { column: 'invoice', type: 'expandable-id', from: ['invoice'], keep: true },
    ref('transfer_data_destination', 'transfer_data.destination'),
    { column: 'transfer_data_amount', type: 'integer', from: ['transfer_data.amount'] },
  ],
  products: [
    { column: 'attributes', type: 'json', from: ['attributes'] },
    text('caption', 'caption'),
    { column: 'deactivate_on', type: 'json', from: ['deactivate_on'] },
  ],
  promotion_codes: [ref('coupon', 'promotion.coupon', 'coupon')],
  setup_intents: [text('usage_x', 'usage')],
  sources: [text('usage_x', 'usage')],
  subscription_items: [
    ref('price', 'price'),
    { column: 'tax_rates', type: 'ids', from: ['tax_rates'], as: ['emptyAsNull'] },
  ],
  subscriptions: [
    {
      column: 'current_period_end',
      type: 'timestamp',
      from: ['items.data.*.current_period_end', 'current_period_end'],
      as: ['min', 'same'],
      keep: true,
    },
    {
      column: 'current_period_start',
      type: 'timestamp',
      from: ['items.data.*.current_period_start', 'current_period_start'],
      as: ['max', 'same'],
      keep: true,
    },
    { column: 'default_tax_rates', type: 'ids', from: ['default_tax_rates'], as: ['emptyAsNull'] },
    { column: 'discount', type: 'expandable-id', from: ['discounts', 'discount'], as: ['firstId', 'same'] },
    ids('items', 'items.data'),
  ],
};

/** A column of tdog 0.7 that comes from other rows where the pinned version's object does not say. */
export interface Join {
  /** The table whose rows decide. */
  readonly on: string;
  /** The table that is filled. */
  readonly table: string;
  /** SQL: `{where}` stands for a condition on the filled table's rows. */
  readonly sql: string;
  /** SQL giving the ids to fill after the row ?1 of `on` has changed. */
  readonly ids: string;
  readonly needs: readonly string[];
}

// EXISTS, not IN: SQLite would read the whole other table for an IN over an expression, each time.
// The unary + below takes the column's affinity away: with it SQLite does not use the index on the expression.
const INTENT = "json_extract(payment, '$.payment_intent')";
const BEST_PAYMENT = `FROM invoice_payments WHERE invoice = invoices.id ORDER BY status = 'paid' DESC,
  json_extract(status_transitions, '$.paid_at') DESC, is_default DESC LIMIT 1`;

/** The joins behind columns of tdog 0.7 that the current objects no longer carry; run after the rows they need. */
export const JOINS: readonly Join[] = [
  {
    on: 'refunds',
    table: 'charges',
    needs: ['charges', 'refunds'],
    ids: 'SELECT charge FROM refunds WHERE id = ?1',
    sql: `UPDATE charges SET refunds = (SELECT json_group_array(id) FROM
      (SELECT id FROM refunds WHERE charge = charges.id ORDER BY created DESC, id DESC))
      WHERE {where} AND EXISTS (SELECT 1 FROM refunds WHERE charge = charges.id)`,
  },
  {
    on: 'invoice_payments',
    table: 'invoices',
    needs: ['invoices', 'invoice_payments', 'payment_intents'],
    ids: 'SELECT invoice FROM invoice_payments WHERE id = ?1',
    sql: `UPDATE invoices SET
      payment_intent = coalesce((SELECT ${INTENT} ${BEST_PAYMENT}), payment_intent),
      charge = coalesce((SELECT coalesce(json_extract(payment, '$.charge'),
        (SELECT latest_charge FROM payment_intents WHERE id = ${INTENT})) ${BEST_PAYMENT}), charge)
      WHERE {where} AND EXISTS (SELECT 1 FROM invoice_payments WHERE invoice = invoices.id)`,
  },
  {
    on: 'invoice_payments',
    table: 'payment_intents',
    needs: ['payment_intents', 'invoice_payments'],
    ids: `SELECT ${INTENT} FROM invoice_payments WHERE id = ?1`,
    sql: `UPDATE payment_intents SET invoice = (SELECT invoice FROM invoice_payments WHERE ${INTENT} = +payment_intents.id LIMIT 1)
      WHERE {where} AND EXISTS (SELECT 1 FROM invoice_payments WHERE ${INTENT} = +payment_intents.id)`,
  },
  {
    on: 'invoice_payments',
    table: 'charges',
    needs: ['charges', 'invoice_payments'],
    ids: `SELECT json_extract(payment, '$.charge') FROM invoice_payments WHERE id = ?1 UNION ALL
      SELECT id FROM charges WHERE payment_intent = (SELECT ${INTENT} FROM invoice_payments WHERE id = ?1)`,
    sql: `UPDATE charges SET invoice = coalesce(
      (SELECT invoice FROM invoice_payments WHERE ${INTENT} = +charges.payment_intent LIMIT 1),
      (SELECT invoice FROM invoice_payments WHERE json_extract(payment, '$.charge') = +charges.id LIMIT 1))
      WHERE {where} AND (EXISTS (SELECT 1 FROM invoice_payments WHERE ${INTENT} = +charges.payment_intent)
        OR EXISTS (SELECT 1 FROM invoice_payments WHERE json_extract(payment, '$.charge') = +charges.id))`,
  },
  {
    on: 'payment_intents',
    table: 'invoices',
    needs: ['invoices', 'payment_intents'],
    ids: 'SELECT id FROM invoices WHERE payment_intent = ?1',
    sql: `UPDATE invoices SET (application_fee_amount, transfer_data, charge) =
      (SELECT coalesce(p.application_fee_amount, invoices.application_fee_amount),
        coalesce(p.transfer_data, invoices.transfer_data), coalesce(invoices.charge, p.latest_charge)
        FROM payment_intents p WHERE p.id = invoices.payment_intent)
      WHERE {where} AND EXISTS (SELECT 1 FROM payment_intents p WHERE p.id = invoices.payment_intent
        AND (p.application_fee_amount IS NOT invoices.application_fee_amount OR p.transfer_data IS NOT invoices.transfer_data
          OR (invoices.charge IS NULL AND p.latest_charge IS NOT NULL)))`,
  },
];
