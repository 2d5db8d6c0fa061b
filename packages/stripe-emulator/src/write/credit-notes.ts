import type { Call } from '../api/context.ts';
import { listItems } from '../api/filters.ts';
import { invalid } from '../http/failure.ts';
import { hashes, integer, text } from '../http/params.ts';
import { listOf, shape } from '../shapes/shape.ts';
import type { StripeObject } from '../types.ts';
import { randomId } from './ids.ts';
import { creditBalance, mustBe, paymentOf } from './invoices.ts';
import { actorOf, customerOf, fields, inTimeOf, named, required, save, update } from './kernel.ts';
import { refundCharge } from './payments.ts';

/** Takes back a part of a finalized invoice: refunded, credited, or off what is still to be paid. */
export function createCreditNote(call: Call): StripeObject {
  const values = fields(
    call.params,
    'invoice:x amount:x credit_amount:x refund_amount:x out_of_band_amount:x lines:x memo:s metadata:m reason:s effective_at:i email_type:x refund:x refunds:x shipping_cost:x',
  );
  required(call.params, 'invoice');
  const invoice = named(call, 'invoice', 'invoice') as StripeObject;
  mustBe(invoice, ['open', 'paid', 'uncollectible'], 'credit');
  const customer = customerOf(actorOf(call), invoice);
  const actor = inTimeOf(actorOf(call), customer);
  const asked = hashes(call.params, 'lines').map((line) => {
    const of = listItems(invoice['lines']).find((one) => one['id'] === text(line, 'invoice_line_item'));
    const quantity = integer(line, 'quantity');
    const unit =
      integer(line, 'unit_amount') ??
      (of ? Math.round(Number(of['amount']) / Number(of['quantity'] || 1)) : 0);
    const amount = integer(line, 'amount') ?? unit * (quantity ?? 1);
    const description = text(line, 'description') ?? (of?.['description'] as string | undefined) ?? null;
    return { amount, description, of, quantity: quantity ?? 1, unit };
  });
  const amount = integer(call.params, 'amount') ?? asked.reduce((sum, line) => sum + line.amount, 0);
  const paid = invoice['status'] === 'paid';
  const credited =
    Number(invoice['pre_payment_credit_notes_amount']) + Number(invoice['post_payment_credit_notes_amount']);
  if (amount < 1 || amount > Number(invoice['total']) - credited) {
    throw invalid(
      'amount',
      `The credit note amount (${amount}) must be between 1 and what is left of the invoice (${Number(invoice['total']) - credited}).`,
    );
  }
  const id = randomId(call.account, 'cn_');
  const refund = integer(call.params, 'refund_amount') ?? 0;
  const credit = integer(call.params, 'credit_amount') ?? 0;
  const outside = integer(call.params, 'out_of_band_amount') ?? 0;
  if (paid && refund + credit + outside !== amount) {
    throw invalid(
      'amount',
      'The sum of credit amount, refund amount and out of band amount must equal the credit note amount.',
    );
  }
  const lines = (
    asked.length > 0 ? asked : [{ amount, description: 'Credit', of: undefined, quantity: 1, unit: amount }]
  ).map((line) =>
    shape('credit_note_line_item', randomId(call.account, 'cnli_'), {
      amount: line.amount,
      description: line.description,
      discount_amounts: [],
      ...(line.of ? { invoice_line_item: line.of['id'] } : {}),
      livemode: false,
      metadata: {},
      pretax_credit_amounts: [],
      quantity: line.quantity,
      tax_rates: [],
      taxes: [],
      type: line.of ? 'invoice_line_item' : 'custom_line_item',
      unit_amount: line.unit,
      unit_amount_decimal: String(line.unit),
    }),
  );
  let refunded: StripeObject | undefined;
  if (refund > 0) {
    const known = paymentOf(actor, invoice);
    const charge = call.account.store.get('charge', String(known?.intent['latest_charge']));
    if (charge === undefined)
      throw invalid('refund_amount', 'The invoice has no charge that could be refunded.');
    refunded = refundCharge(actor, charge, refund, { metadata: {}, reason: 'requested_by_customer' });
  }
  let balance: StripeObject | undefined;
  if (credit > 0 && customer) {
    balance = creditBalance(
      actor,
      customer,
      -credit,
      Number(customer['balance']) - credit,
      'credit_note',
      invoice.id,
      null,
    );
  }
  const count =
    [...call.account.store.walk({ object: 'credit_note', direction: 'older', ref: invoice.id })].length + 1;
  const made = shape('credit_note', id, {
    amount,
    amount_shipping: 0,
    created: actor.at,
    currency: invoice['currency'],
    customer: invoice['customer'],
    customer_balance_transaction: balance?.id ?? null,
    discount_amount: 0,
    discount_amounts: [],
    effective_at: actor.at,
    invoice: invoice.id,
    lines: listOf(`/v1/credit_notes/${id}/lines`, lines),
    livemode: false,
    metadata: {},
    number: `${String(invoice['number'])}-CN-${String(count).padStart(2, '0')}`,
    out_of_band_amount: outside || null,
    pdf: `https://pay.stripe.com/credit_notes/${call.account.id}/${id}/pdf`,
    post_payment_amount: paid ? amount : 0,
    pre_payment_amount: paid ? 0 : amount,
    pretax_credit_amounts: [],
    refunds: refunded
      ? [{ amount_refunded: refund, payment_record_refund: null, refund: refunded.id, type: 'refund' }]
      : [],
    status: 'issued',
    subtotal: amount,
    subtotal_excluding_tax: amount,
    total: amount,
    total_excluding_tax: amount,
    total_taxes: [],
    type: paid ? 'post_payment' : 'pre_payment',
    ...values,
  });
  save(actor, made, 'credit_note.created');
  const key = paid ? 'post_payment_credit_notes_amount' : 'pre_payment_credit_notes_amount';
  const due = Number(invoice['amount_remaining']) - (paid ? 0 : amount);
  update(
    actor,
    invoice,
    {
      [key]: Number(invoice[key]) + amount,
      ...(paid ? {} : { amount_due: Number(invoice['amount_due']) - amount, amount_remaining: due }),
    },
    'invoice.updated',
  );
  return made;
}
