// Makes the timelines under test/timelines: `node packages/tdog/test/timeline/make.ts`. The objects are in the shape
// of API version 2020-08-27, as small as they can be; the downloads to compare with are made at test time.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

type Json = Record<string, unknown>;
interface Step {
  readonly tag: string;
  readonly events: readonly (readonly [type: string, object: Json, previous?: Json])[];
}

const folder = fileURLToPath(new URL('../timelines', import.meta.url));
const START = 1_650_000_000;
const common = { livemode: false, metadata: {} };

const customer = {
  id: 'cus_made1',
  object: 'customer',
  created: START,
  email: 'a@example.com',
  name: 'Ada',
  balance: 0,
  discount: null,
  currency: null,
  default_source: null,
  ...common,
};
const product = {
  id: 'prod_made1',
  object: 'product',
  created: START,
  updated: START,
  active: true,
  name: 'Plan',
  type: 'service',
  images: [],
  ...common,
};
const price = {
  id: 'price_made1',
  object: 'price',
  created: START,
  active: true,
  product: product.id,
  type: 'one_time',
  currency: 'eur',
  unit_amount: 1200,
  unit_amount_decimal: '1200',
  billing_scheme: 'per_unit',
  recurring: null,
  ...common,
};
const coupon = {
  id: 'coupon_made1',
  object: 'coupon',
  created: START,
  valid: true,
  duration: 'once',
  percent_off: 10,
  times_redeemed: 0,
  redeem_by: START + 1_000_000,
  ...common,
};
const sku = {
  id: 'sku_made1',
  object: 'sku',
  created: START,
  updated: START,
  active: true,
  attributes: { size: 'M' },
  currency: 'eur',
  inventory: { type: 'infinite' },
  price: 500,
  product: product.id,
  image: null,
  package_dimensions: null,
  ...common,
};
const charge = {
  id: 'ch_made1',
  object: 'charge',
  created: START + 20,
  amount: 1200,
  amount_captured: 1200,
  amount_refunded: 0,
  captured: true,
  currency: 'eur',
  customer: customer.id,
  disputed: false,
  paid: true,
  refunded: false,
  status: 'succeeded',
  billing_details: {},
  invoice: null,
  payment_intent: null,
  refunds: { object: 'list', data: [] as Json[], has_more: false, url: '/v1/charges/ch_made1/refunds' },
  ...common,
};
const refund = {
  id: 're_made1',
  object: 'refund',
  created: START + 40,
  amount: 300,
  charge: charge.id,
  currency: 'eur',
  status: 'succeeded',
  payment_intent: null,
  metadata: { why: 'test' },
};
const line = (id: string, amount: number): Json => ({
  id,
  object: 'line_item',
  type: 'invoiceitem',
  amount,
  currency: 'eur',
  description: 'A line',
  discountable: true,
  discounts: [],
  discount_amounts: [],
  invoice_item: `ii_${id}`,
  period: { start: START, end: START },
  plan: null,
  price,
  proration: false,
  quantity: 1,
  subscription: null,
  tax_amounts: [],
  tax_rates: [],
  ...common,
});
const lines = (...data: Json[]): Json => ({
  object: 'list',
  data,
  has_more: false,
  total_count: data.length,
  url: '/v1/invoices/in_made1/lines',
});
const invoice = {
  id: 'in_made1',
  object: 'invoice',
  created: START + 10,
  customer: customer.id,
  currency: 'eur',
  status: 'draft',
  paid: false,
  total: 1200,
  subtotal: 1200,
  amount_due: 1200,
  amount_paid: 0,
  amount_remaining: 1200,
  attempt_count: 0,
  attempted: false,
  auto_advance: false,
  default_tax_rates: [],
  discounts: [],
  charge: null,
  payment_intent: null,
  subscription: null,
  period_start: START,
  period_end: START,
  post_payment_credit_notes_amount: 0,
  pre_payment_credit_notes_amount: 0,
  starting_balance: 0,
  status_transitions: {},
  tax: null,
  total_tax_amounts: [],
  lines: lines(line('il_made1', 700), line('il_made2', 500)),
  ...common,
};
const paid = {
  ...invoice,
  status: 'paid',
  paid: true,
  amount_paid: 1200,
  amount_remaining: 0,
  attempted: true,
  charge: charge.id,
};
const creditNote = {
  id: 'cn_made1',
  object: 'credit_note',
  created: START + 60,
  type: 'post_payment',
  customer: customer.id,
  invoice: invoice.id,
  amount: 300,
  currency: 'eur',
  discount_amount: 0,
  discount_amounts: [],
  number: 'CN-1',
  pdf: 'https://example.com/cn.pdf',
  status: 'issued',
  subtotal: 300,
  total: 300,
  tax_amounts: [],
  refund: refund.id,
  lines: {
    object: 'list',
    data: [
      {
        id: 'cnli_made1',
        object: 'credit_note_line_item',
        type: 'invoice_line_item',
        amount: 300,
        discount_amount: 0,
        discount_amounts: [],
        invoice_line_item: 'il_made1',
        livemode: false,
        quantity: 1,
        tax_amounts: [],
        tax_rates: [],
        unit_amount: 300,
        unit_amount_decimal: '300',
      },
    ],
    has_more: false,
    url: '/v1/credit_notes/cn_made1/lines',
  },
  ...common,
};
const schedule = {
  id: 'sub_sched_made1',
  object: 'subscription_schedule',
  created: START,
  customer: customer.id,
  status: 'not_started',
  end_behavior: 'release',
  phases: [],
  default_settings: {},
  subscription: null,
  ...common,
};
const quote = {
  id: 'qt_made1',
  object: 'quote',
  created: START + 5,
  customer: customer.id,
  status: 'draft',
  amount_total: 1200,
  amount_subtotal: 1200,
  default_tax_rates: [],
  discounts: [],
  ...common,
};

const TIMELINES: Readonly<Record<string, readonly Step[]>> = {
  invoice_and_credit_note: [
    {
      tag: 'c',
      events: [
        ['customer.created', customer],
        ['product.created', product],
        ['price.created', price],
        ['invoice.created', invoice],
      ],
    },
    {
      tag: 'u',
      events: [
        ['invoice.updated', { ...invoice, lines: lines(line('il_made1', 1200)) }, { lines: invoice.lines }],
      ],
    },
    {
      tag: 'pay',
      events: [
        ['charge.succeeded', charge],
        ['invoice.paid', { ...paid, lines: lines(line('il_made1', 1200)) }],
      ],
    },
    {
      tag: 'refund',
      events: [
        [
          'charge.refunded',
          { ...charge, amount_refunded: 300, refunds: { ...charge.refunds, data: [refund] } },
        ],
        ['charge.refund.updated', { ...refund, metadata: { why: 'changed' } }],
        ['credit_note.created', creditNote],
      ],
    },
    { tag: 'void', events: [['credit_note.voided', { ...creditNote, status: 'void' }]] },
    { tag: 'end', events: [] },
  ],
  catalogue_and_coupons: [
    {
      tag: 'c',
      events: [
        ['product.created', product],
        ['price.created', price],
        ['coupon.created', coupon],
        ['sku.created', sku],
      ],
    },
    {
      tag: 'u',
      events: [
        ['price.updated', { ...price, active: false }, { active: true }],
        ['coupon.updated', { ...coupon, name: 'Ten' }, { name: null }],
        ['sku.updated', { ...sku, price: 550, updated: START + 30 }, { price: 500 }],
      ],
    },
    {
      tag: 'd',
      events: [
        ['sku.deleted', { ...sku, price: 550, updated: START + 30 }],
        ['coupon.deleted', { ...coupon, name: 'Ten' }],
        ['product.updated', { ...product, name: 'Plan B', updated: START + 40 }, { name: 'Plan' }],
      ],
    },
    { tag: 'end', events: [] },
  ],
  quote_and_schedule: [
    {
      tag: 'c',
      events: [
        ['customer.created', customer],
        ['quote.created', quote],
        ['subscription_schedule.created', schedule],
      ],
    },
    {
      tag: 'u',
      events: [
        ['quote.finalized', { ...quote, status: 'open' }],
        ['subscription_schedule.canceled', { ...schedule, status: 'canceled', canceled_at: START + 50 }],
      ],
    },
    { tag: 'd', events: [['customer.deleted', customer]] },
    { tag: 'end', events: [] },
  ],
};

for (const [name, steps] of Object.entries(TIMELINES)) {
  const events: Json[] = [];
  const meta: Json[] = [];
  for (const [i, step] of steps.entries()) {
    const indexes: number[] = [];
    for (const [type, object, previous] of step.events) {
      indexes.push(events.length);
      events.push({
        id: `evt_${name}_${events.length}`,
        object: 'event',
        api_version: '2020-08-27',
        created: START + i * 20 + indexes.length,
        data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
        livemode: false,
        pending_webhooks: 0,
        request: { id: null, idempotency_key: null },
        type,
      });
    }
    meta.push({
      i,
      tags: [step.tag],
      event_indexes: indexes,
      event_types: step.events.map(([type]) => type),
    });
  }
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'events.json'), `${JSON.stringify({ events }, null, 1)}\n`);
  writeFileSync(join(folder, name, 'meta.json'), `${JSON.stringify({ steps: meta }, null, 1)}\n`);
}
