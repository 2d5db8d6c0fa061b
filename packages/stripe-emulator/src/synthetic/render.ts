import * as billing from '../shapes/billing.ts';
import * as payments from '../shapes/payments.ts';
import { listOf, shape } from '../shapes/shape.ts';
import type { StripeObject } from '../types.ts';
import { day } from './calendar.ts';
import type * as F from './facts.ts';
import type { Ids } from './ids.ts';

/** What renderers need besides the facts. */
export interface RenderContext {
  readonly ids: Ids;
  readonly accountId: string;
  /** The moment up to which the history goes. */
  readonly end: number;
  /** The present, seconds since 1970: what is pending becomes available without an event. */
  readonly now: () => number;
  readonly chargeDescriptor: string;
}

type Values = Record<string, unknown>;
const livemode = false;

/** The account counts its invoices; the owner's number keeps them apart without counting. */
const invoiceNumber = (h: F.History, invoice: F.InvoiceFact): string =>
  `FERN-${String(h.owner).padStart(5, '0')}-${String(invoice.number).padStart(3, '0')}`;

/** Makes the object a fact stands for, as it was at a moment. */
export class Renderer {
  readonly #context: RenderContext;

  constructor(context: RenderContext) {
    this.#context = context;
  }

  /** Ids of what a customer has one of, and that nearly each of its objects names. */
  readonly #firsts = new WeakMap<F.History, Map<string, string>>();

  #id(type: string, h: F.History, fact: F.Fact): string {
    return fact.ordinal === 0 ? this.#first(type, h) : this.#context.ids.make(type, h.owner, fact.ordinal);
  }

  #first(type: string, h: F.History): string {
    let known = this.#firsts.get(h);
    if (known === undefined) this.#firsts.set(h, (known = new Map<string, string>()));
    let id = known.get(type);
    if (id === undefined) known.set(type, (id = this.#context.ids.make(type, h.owner, 0)));
    return id;
  }

  /** @returns the object; undefined for a type that is not rendered */
  render(type: string, h: F.History, fact: F.Fact, at: number = this.#context.end): StripeObject | undefined {
    const make = this.#makers[type];
    return make?.(h, fact as never, at, this.#id(type, h, fact));
  }

  readonly #makers: Readonly<
    Record<string, (h: F.History, fact: never, at: number, id: string) => StripeObject>
  > = {
    customer: (h, fact: F.Fact, at, id) => this.#customer(h, fact, at, id),
    payment_method: (h, fact: F.Fact, _at, id) =>
      payments.paymentMethod(id, h.card, h.billing, {
        created: fact.created,
        customer: this.#first('customer', h),
        livemode,
      }),
    setup_intent: (h, fact: F.Fact, _at, id) =>
      payments.setupIntent(id, {
        created: fact.created,
        customer: this.#first('customer', h),
        livemode,
        payment_method: this.#first('payment_method', h),
        status: 'succeeded',
      }),
    tax_id: (h, fact: F.Fact, _at, id) =>
      billing.taxId(id, this.#first('customer', h), {
        country: h.country.code,
        created: fact.created,
        livemode,
        type: h.country.taxId?.[0] ?? 'eu_vat',
        value: h.taxIdValue ?? '',
        verification: { status: 'verified', verified_address: null, verified_name: h.name },
      }),
    card: (h, _fact: F.Fact, _at, id) =>
      shape('card', id, {
        address_zip: h.billing.address['postal_code'],
        address_zip_check: 'pass',
        brand: 'Visa',
        country: h.country.code,
        customer: this.#first('customer', h),
        cvc_check: 'pass',
        exp_month: h.card.expMonth,
        exp_year: h.card.expYear,
        fingerprint: h.card.fingerprint,
        funding: 'credit',
        last4: '4242',
        metadata: {},
        name: h.shortName,
      }),
    bank_account: (h, _fact: F.Fact, _at, id) =>
      shape('bank_account', id, {
        account_holder_name: h.shortName,
        account_holder_type: h.business ? 'company' : 'individual',
        bank_name: 'STRIPE TEST BANK',
        country: h.country.code,
        currency: h.currency,
        customer: this.#first('customer', h),
        fingerprint: h.card.fingerprint,
        last4: '6789',
        metadata: {},
        routing_number: '110000000',
        status: 'verified',
      }),
    source: (h, fact: F.Fact, _at, id) =>
      shape('source', id, {
        client_secret: `${id}_secret`,
        created: fact.created,
        currency: h.currency,
        customer: this.#first('customer', h),
        flow: 'none',
        livemode,
        metadata: {},
        owner: {
          address: h.billing.address,
          email: h.billing.email,
          name: h.name,
          phone: null,
          verified_address: null,
          verified_email: null,
          verified_name: null,
          verified_phone: null,
        },
        status: 'chargeable',
        type: 'card',
        card: { brand: 'Visa', exp_month: h.card.expMonth, exp_year: h.card.expYear, last4: '4242' },
        usage: 'reusable',
      }),
    customer_balance_transaction: (h, fact: F.CreditFact, _at, id) =>
      shape('customer_balance_transaction', id, {
        amount: fact.amount,
        created: fact.created,
        currency: h.currency,
        customer: this.#first('customer', h),
        description: fact.description,
        ending_balance: fact.ending,
        livemode,
        metadata: {},
        type: 'adjustment',
      }),
    subscription: (h, fact: F.SubscriptionFact, at, id) => this.#subscription(h, fact, at, id),
    subscription_item: (h, _fact: F.Fact, at) => {
      const facts = h.lists['subscription']?.[0] as F.SubscriptionFact;
      return this.#subscriptionItem(h, facts, at);
    },
    discount: (h, fact: F.DiscountFact, _at, id) => this.#discount(h, fact, id),
    invoice: (h, fact: F.InvoiceFact, at, id) => this.#invoice(h, fact, at, id),
    invoice_payment: (h, fact: F.InvoicePaymentFact, at, id) => this.#invoicePayment(h, fact, at, id),
    invoiceitem: (h, fact: F.ItemFact, at, id) =>
      billing.invoiceItem(id, fact.price, {
        amount: fact.amount,
        currency: h.currency,
        customer: this.#first('customer', h),
        date: fact.created,
        description: fact.description,
        discountable: false,
        invoice: fact.invoice && fact.invoice.created <= at ? this.#id('invoice', h, fact.invoice) : null,
        livemode,
        parent: {
          subscription_details: {
            subscription: this.#id('subscription', h, fact.subscription),
            subscription_item: this.#first('subscription_item', h),
          },
          type: 'subscription_details',
        },
        period: { end: fact.end, start: fact.start },
        proration: true,
        quantity: fact.quantity,
      }),
    payment_intent: (h, fact: F.IntentFact, at, id) => this.#intent(h, fact, at, id),
    charge: (h, fact: F.ChargeFact, at, id) => this.#charge(h, fact, at, id),
    refund: (h, fact: F.RefundFact, _at, id) =>
      payments.refund(id, {
        amount: fact.amount,
        balance_transaction: fact.movement ? this.#id('balance_transaction', h, fact.movement) : null,
        charge: this.#id('charge', h, fact.charge),
        created: fact.created,
        currency: h.currency,
        payment_intent: this.#id('payment_intent', h, fact.charge.intent),
        reason: fact.reason,
      }),
    balance_transaction: (h, fact: F.MovementFact, _at, id) => this.#movement(h, fact, id),
    dispute: (h, fact: F.DisputeFact, at, id) => this.#dispute(h, fact, at, id),
    review: (h, fact: F.ReviewFact, at, id) => {
      const open = fact.closedAt === null || fact.closedAt > at;
      return shape('review', id, {
        billing_zip: h.billing.address['postal_code'],
        charge: this.#id('charge', h, fact.charge),
        closed_reason: open ? null : 'approved',
        created: fact.created,
        livemode,
        open,
        opened_reason: 'rule',
        payment_intent: this.#id('payment_intent', h, fact.charge.intent),
        reason: open ? 'rule' : 'approved',
      });
    },
    'radar.early_fraud_warning': (h, fact: F.WarningFact, at, id) =>
      shape('radar.early_fraud_warning', id, {
        actionable: fact.charge.dispute === undefined || fact.charge.dispute.created > at,
        charge: this.#id('charge', h, fact.charge),
        created: fact.created,
        fraud_type: 'made_with_stolen_card',
        livemode,
        payment_intent: this.#id('payment_intent', h, fact.charge.intent),
      }),
    credit_note: (h, fact: F.CreditNoteFact, _at, id) => this.#creditNote(h, fact, id),
    'checkout.session': (h, fact: F.CheckoutFact, at, id) => this.#checkout(h, fact, at, id),
    quote: (h, fact: F.QuoteFact, _at, id) => this.#quote(h, fact, id),
  };

  #customer(h: F.History, fact: F.Fact, at: number, id: string): StripeObject {
    const subscriptions = (h.lists['subscription'] ?? []) as F.SubscriptionFact[];
    const delinquent = subscriptions.some((one) =>
      one.pastDue.some((span) => span.from <= at && at < span.to),
    );
    const attached = (h.lists['payment_method']?.[0]?.created ?? Infinity) < at;
    return billing.customer(id, {
      address: h.billing.address,
      created: fact.created,
      currency: subscriptions.some((one) => one.created <= at) ? h.currency : null,
      delinquent,
      description: h.business ? h.shortName : null,
      email: h.billing.email,
      invoice_settings: {
        custom_fields: null,
        default_payment_method: attached ? this.#first('payment_method', h) : null,
        footer: null,
        rendering_options: null,
      },
      livemode,
      metadata: h.business ? { company_size: String(5 + ((h.owner * 37) % 400)) } : {},
      name: h.name,
      phone: h.billing.phone ?? null,
      preferred_locales: [h.country.locale],
      tax_exempt: h.exempt,
    });
  }

  #subscriptionItem(h: F.History, fact: F.SubscriptionFact, at: number): StripeObject {
    const phase = fact.phases.findLast((one) => one.from <= at) ?? fact.phases[0];
    const period = fact.periods.findLast((one) => one.start <= at) ?? fact.periods[0];
    if (phase === undefined) throw new Error('a subscription without a phase');
    return billing.subscriptionItem(this.#first('subscription_item', h), phase.price, {
      created: fact.created,
      current_period_end: period?.end ?? fact.created,
      current_period_start: period?.start ?? fact.created,
      quantity: phase.quantity,
      subscription: this.#id('subscription', h, fact),
    });
  }

  #status(fact: F.SubscriptionFact, at: number): string {
    if (fact.endedAt !== null && fact.endedAt <= at) return 'canceled';
    if (fact.trialEnd !== null && at < fact.trialEnd) return 'trialing';
    return fact.pastDue.some((span) => span.from <= at && at < span.to) ? 'past_due' : 'active';
  }

  #subscription(h: F.History, fact: F.SubscriptionFact, at: number, id: string): StripeObject {
    const ended = fact.endedAt !== null && fact.endedAt <= at;
    const asked = fact.canceledAt !== null && fact.canceledAt <= at;
    const period = fact.periods.findLast((one) => one.start <= at);
    const invoices = (h.lists['invoice'] ?? []) as F.InvoiceFact[];
    const latest = invoices.findLast((one) => one.created <= at);
    const discounted = fact.discount !== undefined && (fact.discount.end === null || at < fact.discount.end);
    return billing.subscription(id, [this.#subscriptionItem(h, fact, at)], {
      billing_cycle_anchor: fact.anchor,
      cancel_at: asked && fact.cancelAtPeriodEnd && !ended ? (period?.end ?? null) : null,
      cancel_at_period_end: asked && fact.cancelAtPeriodEnd && !ended,
      canceled_at: asked ? fact.canceledAt : null,
      cancellation_details: {
        comment: null,
        feedback: asked ? fact.feedback : null,
        feedback_option: null,
        reason: asked ? fact.reason : null,
      },
      collection_method: fact.daysUntilDue === undefined ? 'charge_automatically' : 'send_invoice',
      created: fact.created,
      currency: h.currency,
      customer: this.#first('customer', h),
      days_until_due: fact.daysUntilDue ?? null,
      default_payment_method: this.#first('payment_method', h),
      default_tax_rates: h.taxRate && h.exempt !== 'reverse' ? [h.taxRate] : [],
      discounts: discounted && fact.discount ? [this.#id('discount', h, fact.discount)] : [],
      ended_at: ended ? fact.endedAt : null,
      latest_invoice: latest ? this.#id('invoice', h, latest) : null,
      livemode,
      start_date: fact.created,
      status: this.#status(fact, at),
      trial_end: fact.trialEnd,
      trial_start: fact.trialEnd === null ? null : fact.created,
    });
  }

  #discount(h: F.History, fact: F.DiscountFact, id: string): StripeObject {
    return billing.discount(id, {
      coupon: fact.coupon.id,
      customer: this.#first('customer', h),
      end: fact.end,
      promotion_code: fact.promotionCode?.id ?? null,
      start: fact.created,
      subscription: this.#first('subscription', h),
    });
  }

  #lines(h: F.History, fact: F.InvoiceFact, invoice: string): StripeObject[] {
    const discountId = fact.discount > 0 && fact.subscription.discount;
    const share = (total: number, index: number, amount: number, spent: number): number =>
      index === fact.lines.length - 1 ? total - spent : Math.round((total * amount) / (fact.subtotal || 1));
    let [discounted, taxed] = [0, 0];
    return fact.lines.map((line, index) => {
      const discount = share(fact.discount, index, line.amount, discounted);
      const tax = share(fact.tax, index, line.amount, taxed);
      discounted += discount;
      taxed += tax;
      return billing.lineItem(
        this.#context.ids.make('line_item', h.owner, fact.ordinal * 8 + index),
        invoice,
        livemode,
        {
          price: line.price,
          quantity: line.quantity,
          amount: line.amount,
          description: line.description,
          period: { start: line.start, end: line.end },
          proration: line.item !== undefined,
          subscription: this.#id('subscription', h, fact.subscription),
          subscriptionItem: this.#first('subscription_item', h),
          invoiceItem: line.item === undefined ? null : this.#id('invoiceitem', h, line.item),
          discounts: discountId ? [this.#id('discount', h, discountId)] : [],
          discountAmounts: discountId
            ? [{ amount: discount, discount: this.#id('discount', h, discountId) }]
            : [],
          taxes: this.#taxes(h, tax, line.amount - discount),
        },
      );
    });
  }

  #taxes(h: F.History, amount: number, taxable: number): Values[] {
    if (h.taxRate === undefined) return [];
    const reverse = h.exempt === 'reverse';
    return [
      {
        amount: reverse ? 0 : amount,
        tax_behavior: h.taxRate['inclusive'] === true ? 'inclusive' : 'exclusive',
        tax_rate_details: { tax_rate: h.taxRate.id },
        taxability_reason: reverse ? 'reverse_charge' : 'standard_rated',
        taxable_amount: h.taxRate['inclusive'] === true ? taxable - amount : taxable,
        type: 'tax_rate_details',
      },
    ];
  }

  #invoice(h: F.History, fact: F.InvoiceFact, at: number, id: string): StripeObject {
    const finalized = fact.finalizedAt <= at;
    const sent = fact.dueAt !== null;
    const paid = fact.paidAt !== null && fact.paidAt <= at;
    const uncollectible = !paid && fact.uncollectibleAt !== null && fact.uncollectibleAt <= at;
    const tries = fact.attempts.filter((one) => one <= at);
    const note = fact.creditNote && fact.creditNote.created <= at ? fact.creditNote : undefined;
    const inclusive = h.taxRate?.['inclusive'] === true;
    const status = paid ? 'paid' : uncollectible ? 'uncollectible' : finalized ? 'open' : 'draft';
    const discountId = fact.discount > 0 && fact.subscription.discount;
    const discounts = discountId ? [this.#id('discount', h, discountId)] : [];
    const retry = [3, 5, 7][tries.length - 1];
    const lastTry = tries.at(-1);
    const url = `https://invoice.stripe.com/i/${this.#context.accountId}/${id}`;
    const exempt = h.exempt === 'reverse';
    return billing.invoice(id, this.#lines(h, fact, id), {
      amount_due: fact.total,
      amount_paid: paid ? fact.total : 0,
      amount_paid_off_stripe: 0,
      amount_remaining: paid ? 0 : fact.total,
      attempt_count: tries.length,
      attempted: tries.length > 0 || (finalized && fact.total === 0) || (sent && paid),
      auto_advance: status === 'draft' || status === 'open',
      automatically_finalizes_at: finalized ? null : fact.finalizedAt,
      billing_reason: fact.reason,
      collection_method: sent ? 'send_invoice' : 'charge_automatically',
      created: fact.created,
      currency: h.currency,
      customer: this.#first('customer', h),
      customer_address: h.billing.address,
      customer_email: h.billing.email,
      customer_name: h.name,
      customer_phone: h.billing.phone ?? null,
      customer_tax_exempt: h.exempt,
      customer_tax_ids:
        h.taxIdValue === undefined ? [] : [{ type: h.country.taxId?.[0], value: h.taxIdValue }],
      default_tax_rates: h.taxRate && !exempt ? [h.taxRate] : [],
      discounts,
      due_date: finalized ? fact.dueAt : null,
      effective_at: finalized ? fact.finalizedAt : null,
      ending_balance: finalized ? 0 : null,
      hosted_invoice_url: finalized ? url : null,
      invoice_pdf: finalized ? `${url}/pdf` : null,
      livemode,
      next_payment_attempt:
        status === 'draft' && !sent
          ? fact.finalizedAt
          : status === 'open' && retry !== undefined && lastTry !== undefined
            ? lastTry + retry * day
            : null,
      number: finalized ? invoiceNumber(h, fact) : null,
      parent: billing.subscriptionParent(this.#id('subscription', h, fact.subscription)),
      period_end: fact.periodEnd,
      period_start: fact.periodStart,
      post_payment_credit_notes_amount: note?.refund.amount ?? 0,
      status,
      status_transitions: {
        finalized_at: finalized ? fact.finalizedAt : null,
        marked_uncollectible_at: uncollectible ? fact.uncollectibleAt : null,
        paid_at: paid ? fact.paidAt : null,
        voided_at: null,
      },
      subtotal: fact.subtotal,
      subtotal_excluding_tax: inclusive ? fact.subtotal - fact.tax : fact.subtotal,
      total: fact.total,
      total_discount_amounts: discounts.map((discount) => ({ amount: fact.discount, discount })),
      total_excluding_tax: fact.total - fact.tax,
      total_taxes: this.#taxes(h, fact.tax, fact.subtotal - fact.discount),
      webhooks_delivered_at: fact.created + 1,
    });
  }

  #invoicePayment(h: F.History, fact: F.InvoicePaymentFact, at: number, id: string): StripeObject {
    const { invoice } = fact;
    const paid = invoice.paidAt !== null && invoice.paidAt <= at;
    return billing.invoicePayment(id, {
      amount_paid: paid ? invoice.total : null,
      amount_requested: invoice.total,
      created: fact.created,
      currency: h.currency,
      invoice: this.#id('invoice', h, invoice),
      livemode,
      paymentIntent: invoice.intent ? this.#id('payment_intent', h, invoice.intent) : '',
      status: paid ? 'paid' : 'open',
      status_transitions: { canceled_at: null, paid_at: paid ? invoice.paidAt : null },
    });
  }

  #intent(h: F.History, fact: F.IntentFact, at: number, id: string): StripeObject {
    const succeeded = fact.succeededAt !== null && fact.succeededAt <= at;
    const charges = fact.charges.filter((one) => one.created <= at);
    const last = charges.at(-1);
    const decline = last?.decline;
    return payments.paymentIntent(id, {
      amount: fact.amount,
      amount_received: succeeded ? fact.amount : 0,
      created: fact.created,
      currency: h.currency,
      customer: this.#first('customer', h),
      description: fact.description,
      last_payment_error:
        decline === undefined
          ? null
          : {
              charge: last ? this.#id('charge', h, last) : null,
              code: decline.code,
              decline_code: decline.declineCode,
              doc_url: `https://stripe.com/docs/error-codes/${decline.code.replaceAll('_', '-')}`,
              message: decline.message,
              type: 'card_error',
            },
      latest_charge: last ? this.#id('charge', h, last) : null,
      livemode,
      payment_method: decline ? null : this.#first('payment_method', h),
      receipt_email: h.billing.email,
      setup_future_usage: fact.invoice ? 'off_session' : null,
      status: succeeded ? 'succeeded' : last ? 'requires_payment_method' : 'requires_confirmation',
    });
  }

  #charge(h: F.History, fact: F.ChargeFact, at: number, id: string): StripeObject {
    const refunded = fact.refunds.reduce((sum, one) => sum + (one.created <= at ? one.amount : 0), 0);
    const paid = fact.decline === undefined;
    return payments.charge(id, this.#context.accountId, {
      amount: fact.amount,
      amount_captured: paid ? fact.amount : 0,
      amount_refunded: refunded,
      balance_transaction: fact.movement ? this.#id('balance_transaction', h, fact.movement) : null,
      billing_details: payments.billingDetails(h.billing),
      calculated_statement_descriptor: this.#context.chargeDescriptor,
      captured: paid,
      created: fact.created,
      currency: h.currency,
      customer: this.#first('customer', h),
      description: fact.intent.description,
      disputed: fact.dispute !== undefined && fact.dispute.created <= at,
      failure_code: fact.decline?.code ?? null,
      failure_message: fact.decline?.message ?? null,
      livemode,
      outcome: payments.outcome(fact.decline, fact.risk),
      paid,
      payment_intent: this.#id('payment_intent', h, fact.intent),
      payment_method: this.#first('payment_method', h),
      payment_method_details: payments.cardDetails(h.card, fact.amount),
      receipt_email: h.billing.email,
      refunded: refunded === fact.amount,
      review:
        fact.review && (fact.review.closedAt ?? Infinity) > at ? this.#id('review', h, fact.review) : null,
      status: paid ? 'succeeded' : 'failed',
    });
  }

  #movement(h: F.History, fact: F.MovementFact, id: string): StripeObject {
    const kinds = {
      charge: ['charge', 'charge', 'charge'],
      refund: ['refund', 'refund', 'refund'],
      dispute: ['adjustment', 'dispute', 'dispute'],
      dispute_reversal: ['adjustment', 'dispute_reversal', 'dispute'],
    } as const;
    const [type, category, source] = kinds[fact.kind];
    const what = fact.kind === 'dispute' ? 'Dispute fee' : 'Stripe processing fees';
    return payments.balanceTransaction(id, {
      amount: fact.amount,
      available_on: fact.availableOn,
      created: fact.created,
      currency: h.currency,
      description: fact.description,
      fee: fact.fee,
      fee_details: payments.stripeFee(fact.fee, h.currency, what),
      net: fact.amount - fact.fee,
      reporting_category: category,
      source: this.#id(source, h, fact.source),
      status: fact.availableOn <= this.#context.now() ? 'available' : 'pending',
      type,
    });
  }

  #dispute(h: F.History, fact: F.DisputeFact, at: number, id: string): StripeObject {
    const closed = fact.closedAt !== null && fact.closedAt <= at;
    const submitted = fact.evidenceAt !== null && fact.evidenceAt <= at;
    return payments.dispute(id, {
      amount: fact.amount,
      balance_transactions: fact.movements
        .filter((one) => one.created <= at)
        .map((one) => this.#movement(h, one, this.#id('balance_transaction', h, one))),
      charge: this.#id('charge', h, fact.charge),
      created: fact.created,
      currency: h.currency,
      evidence_details: {
        due_by: fact.created + 9 * day,
        enhanced_eligibility: {},
        has_evidence: submitted,
        past_due: !submitted && at > fact.created + 9 * day,
        submission_count: submitted ? 1 : 0,
      },
      livemode,
      payment_intent: this.#id('payment_intent', h, fact.charge.intent),
      payment_method_details: {
        card: { brand: h.card.brand, case_type: 'chargeback', network_reason_code: '10.4' },
        type: 'card',
      },
      reason: fact.reason,
      status: closed ? (fact.won ? 'won' : 'lost') : submitted ? 'under_review' : 'needs_response',
    });
  }

  #creditNote(h: F.History, fact: F.CreditNoteFact, id: string): StripeObject {
    const { invoice, refund } = fact;
    const line = invoice.lines.at(-1);
    const tax = Math.round((refund.amount * invoice.tax) / (invoice.total || 1));
    const net = refund.amount - tax;
    const taxes = this.#taxes(h, tax, net);
    const lines = [
      shape('credit_note_line_item', this.#context.ids.make('credit_note_line_item', h.owner, fact.ordinal), {
        amount: net,
        description: line?.description ?? 'Refund',
        discount_amounts: [],
        livemode,
        metadata: {},
        pretax_credit_amounts: [],
        quantity: 1,
        tax_rates: h.taxRate && h.exempt !== 'reverse' ? [h.taxRate] : [],
        taxes,
        type: 'custom_line_item',
        unit_amount: net,
        unit_amount_decimal: String(net),
      }),
    ];
    const number = invoiceNumber(h, invoice);
    return shape('credit_note', id, {
      amount: refund.amount,
      amount_shipping: 0,
      created: fact.created,
      currency: h.currency,
      customer: this.#first('customer', h),
      discount_amount: 0,
      discount_amounts: [],
      effective_at: fact.created,
      invoice: this.#id('invoice', h, invoice),
      lines: listOf(`/v1/credit_notes/${id}/lines`, lines),
      livemode,
      metadata: {},
      number: `${number}-CN-01`,
      pdf: `https://pay.stripe.com/credit_notes/${this.#context.accountId}/${id}/pdf`,
      post_payment_amount: refund.amount,
      pre_payment_amount: 0,
      pretax_credit_amounts: [],
      reason: refund.reason === 'duplicate' ? 'duplicate' : 'order_change',
      refunds: [
        {
          amount_refunded: refund.amount,
          payment_record_refund: null,
          refund: this.#id('refund', h, refund),
          type: 'refund',
        },
      ],
      status: 'issued',
      subtotal: net,
      subtotal_excluding_tax: net,
      total: refund.amount,
      total_excluding_tax: net,
      total_taxes: taxes,
      type: 'post_payment',
    });
  }

  #checkout(h: F.History, fact: F.CheckoutFact, at: number, id: string): StripeObject {
    const complete = fact.intent?.succeededAt != null && fact.intent.succeededAt <= at;
    const expired = !complete && fact.expiresAt <= at;
    const amount = Number(fact.price['unit_amount']);
    return shape('checkout.session', id, {
      adaptive_pricing: { enabled: false },
      amount_subtotal: amount,
      amount_total: amount,
      automatic_tax: { enabled: false, liability: null, provider: null, status: null },
      cancel_url: 'https://fernbrook.example/pricing',
      created: fact.created,
      currency: h.currency,
      custom_fields: [],
      custom_text: {
        after_submit: null,
        shipping_address: null,
        submit: null,
        terms_of_service_acceptance: null,
      },
      customer: this.#first('customer', h),
      customer_details: {
        address: h.billing.address,
        business_name: null,
        email: h.billing.email,
        individual_name: null,
        name: h.name,
        phone: null,
        tax_exempt: h.exempt,
        tax_ids: [],
      },
      expires_at: fact.expiresAt,
      livemode,
      metadata: {},
      mode: 'payment',
      payment_intent: fact.intent && complete ? this.#id('payment_intent', h, fact.intent) : null,
      payment_method_options: {},
      payment_method_types: ['card'],
      payment_status: complete ? 'paid' : 'unpaid',
      phone_number_collection: { enabled: false },
      shipping_options: [],
      status: complete ? 'complete' : expired ? 'expired' : 'open',
      success_url: 'https://fernbrook.example/thanks',
      total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
      ui_mode: 'hosted',
      url: complete || expired ? null : `https://checkout.stripe.com/c/pay/${id}`,
    });
  }

  #quote(h: F.History, fact: F.QuoteFact, id: string): StripeObject {
    const amount = Number(fact.price['unit_amount']) * fact.quantity;
    const accepted = fact.status === 'accepted';
    const total = { amount_discount: 0, amount_shipping: 0, amount_tax: 0 };
    return shape('quote', id, {
      amount_subtotal: amount,
      amount_total: amount,
      automatic_tax: { enabled: false, liability: null, provider: null, status: null },
      collection_method: 'charge_automatically',
      computed: {
        recurring: {
          amount_subtotal: amount,
          amount_total: amount,
          interval: 'year',
          interval_count: 1,
          total_details: total,
        },
        upfront: { amount_subtotal: amount, amount_total: amount, total_details: total },
      },
      created: fact.created,
      currency: h.currency,
      customer: this.#first('customer', h),
      default_tax_rates: [],
      description: 'Business plan, paid yearly',
      discounts: [],
      expires_at: fact.expiresAt,
      invoice_settings: { days_until_due: null, issuer: { type: 'self' } },
      livemode,
      metadata: {},
      number: `QT-${id.slice(-8).toUpperCase()}-0001-1`,
      status: accepted ? 'accepted' : 'open',
      status_transitions: {
        accepted_at: accepted ? fact.created + 600 : null,
        canceled_at: null,
        finalized_at: fact.created + 60,
      },
      subscription_data: {
        billing_mode: { type: 'classic' },
        description: null,
        effective_date: null,
        metadata: {},
        trial_period_days: null,
      },
      total_details: total,
    });
  }

  /** Line items of a checkout session or quote, which no object shows by itself. */
  lineItems(type: string, h: F.History, fact: F.Fact): StripeObject[] {
    const { price } = fact as F.CheckoutFact | F.QuoteFact;
    const quantity = type === 'quote' ? (fact as F.QuoteFact).quantity : 1;
    const id = this.#context.ids.make('item', h.owner, fact.ordinal + (type === 'quote' ? 2000 : 0));
    return [
      billing.item(id, price, quantity, type === 'quote' ? 'Fernbrook Business' : 'Onboarding workshop'),
    ];
  }
}
