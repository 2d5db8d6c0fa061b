import { cardFee, type Decline } from '../shapes/payments.ts';
import type { StripeObject } from '../types.ts';
import { addMonths, day, dated, midnight } from './calendar.ts';
import { plans, type Company } from './company.ts';
import { eventsOf } from './events.ts';
import type {
  ChargeFact,
  CheckoutFact,
  CreditFact,
  CreditNoteFact,
  DiscountFact,
  DisputeFact,
  Fact,
  History,
  IntentFact,
  InvoiceFact,
  InvoicePaymentFact,
  ItemFact,
  LineFact,
  MovementFact,
  PhaseFact,
  QuoteFact,
  RefundFact,
  ReviewFact,
  SubscriptionFact,
  WarningFact,
} from './facts.ts';
import { personOf } from './person.ts';
import { mix, pick, seeded, weighted, type Random } from './random.ts';

/** What every history is drawn from. */
export interface Setting {
  readonly seed: number;
  readonly customers: number;
  /** When the account opened, and the moment up to which the history goes. Seconds since 1970. */
  readonly opened: number;
  readonly end: number;
  readonly company: Company;
}

/** When a customer signed up: few at first, more each month. */
export function signupOf(setting: Setting, owner: number): number {
  const span = setting.end - setting.opened - 3 * day;
  const share = ((owner + 0.5) / setting.customers) ** (1 / 1.8);
  return Math.floor(setting.opened + 2 * day + share * span);
}

const declines: readonly (readonly [Decline, number])[] = [
  [
    {
      code: 'card_declined',
      declineCode: 'insufficient_funds',
      message: 'Your card has insufficient funds.',
    },
    6,
  ],
  [{ code: 'card_declined', declineCode: 'generic_decline', message: 'Your card was declined.' }, 3],
  [{ code: 'expired_card', declineCode: 'expired_card', message: 'Your card has expired.' }, 1],
];

const retryDays = [3, 5, 7];

/** Part of the businesses that are sent their invoices, how long those have to pay, and how long after that one is given up. */
const SENT_SHARE = 0.15;
const DAYS_UNTIL_DUE = 14;
const DAYS_OVERDUE = 13;

/** Draws the history of one customer; the same seed and owner draw the same. */
export function drawHistory(setting: Setting, owner: number): History {
  return new Draw(setting, owner).run();
}

class Draw {
  readonly #setting: Setting;
  readonly #random: Random;
  readonly #owner: number;
  readonly #signup: number;
  readonly #lists: Record<string, Fact[]> = {};
  readonly #person: ReturnType<typeof personOf>;
  readonly #isSent: boolean;

  constructor(setting: Setting, owner: number) {
    this.#setting = setting;
    this.#owner = owner;
    this.#random = seeded(mix(setting.seed, owner, 99));
    this.#signup = signupOf(setting, owner);
    this.#person = personOf(this.#random, setting.company, this.#signup);
    // Drawn by itself: who is sent invoices changes nothing for the others.
    this.#isSent = this.#person.business && seeded(mix(setting.seed, owner, 98))() < SENT_SHARE;
  }

  run(): History {
    this.#add('customer', { created: this.#signup, ordinal: 0 });
    this.#add('payment_method', { created: this.#signup + 40, ordinal: 0 });
    if (this.#random() < 0.5) this.#add('setup_intent', { created: this.#signup + 20, ordinal: 0 });
    if (this.#person.taxIdValue !== undefined)
      this.#add('tax_id', { created: this.#signup + 90, ordinal: 0 });
    this.#rarities();
    if (this.#random() < 0.94) this.#subscribe();
    if (this.#random() < 0.12) this.#workshop();
    const history: History = { owner: this.#owner, ...this.#person, lists: this.#lists };
    eventsOf(history, this.#setting.end);
    return history;
  }

  #add<T extends Fact>(type: string, fact: T): T {
    const list = (this.#lists[type] ??= []);
    fact.ordinal = list.length;
    list.push(fact);
    return fact;
  }

  /** What few customers have: sources of old, credit, quotes. */
  #rarities(): void {
    const chance = this.#random();
    if (chance < 0.04) this.#add('card', { created: this.#signup + 30, ordinal: 0 });
    else if (chance < 0.05) this.#add('bank_account', { created: this.#signup + 30, ordinal: 0 });
    else if (chance < 0.06) this.#add('source', { created: this.#signup + 30, ordinal: 0 });
    else if (chance < 0.09) {
      // Given and taken back: the balance is what it was, and no invoice has to use it up.
      const created = this.#signup + 2 * day;
      if (created + 600 < this.#setting.end) {
        const credit = (at: number, amount: number, ending: number, description: string): CreditFact =>
          this.#add('customer_balance_transaction', { created: at, ordinal: 0, amount, ending, description });
        credit(created, -1000, -1000, 'Sorry for the outage');
        credit(created + 600, 1000, 0, 'Paid back by bank transfer instead');
      }
    } else if (chance < 0.12) {
      const price = this.#price('business', 'year');
      const status = this.#random() < 0.6 ? 'accepted' : 'open';
      const created = this.#signup + 3600;
      if (price !== undefined && created < this.#setting.end) {
        const expiresAt = created + 30 * day;
        this.#add<QuoteFact>('quote', { created, ordinal: 0, price, quantity: 1, status, expiresAt });
      }
    }
  }

  #price(plan: string, interval: string): StripeObject | undefined {
    return this.#setting.company.prices.get(`${plan}.${interval}.${this.#person.currency}`);
  }

  #firstPhase(): PhaseFact | undefined {
    const { opened } = this.#setting;
    const plan = weighted(this.#random, [
      ['starter', 46],
      ['team', 36],
      ['business', 15],
      ['enterprise', 3],
    ] as const);
    const interval = this.#random() < 0.14 ? 'year' : 'month';
    const early = plan === 'starter' && interval === 'month' && this.#signup < opened + 365 * day;
    const price = early ? this.#price('legacy', 'month') : this.#price(plan, interval);
    const quantity = plan === 'team' ? 2 + Math.floor(this.#random() ** 2 * 30) : 1;
    return price && { from: this.#signup, price, quantity };
  }

  #subscribe(): void {
    const phase = this.#firstPhase();
    if (phase === undefined) return;
    const { end, company } = this.#setting;
    const created = this.#signup + 60 + Math.floor(this.#random() * 1800);
    if (created >= end) return;
    const trial = this.#random() < 0.55;
    const trialEnd = trial ? created + 14 * day : null;
    const subscription: SubscriptionFact = {
      created,
      ordinal: 0,
      anchor: trialEnd ?? created,
      trialEnd,
      daysUntilDue: this.#isSent ? DAYS_UNTIL_DUE : undefined,
      phases: [{ ...phase, from: created }],
      periods: [],
      pastDue: [],
      discount: undefined,
      canceledAt: null,
      cancelAtPeriodEnd: false,
      endedAt: null,
      reason: null,
      feedback: null,
    };
    this.#add('subscription', subscription);
    this.#add('subscription_item', { created, ordinal: 0 });
    if (this.#random() < 0.16) {
      const coupon = pick(this.#random, company.coupons);
      const months = coupon['duration'] === 'once' ? 1 : (coupon['duration_in_months'] as number | null);
      const promotionCode =
        this.#random() < 0.6 ? company.promotionCodes[company.coupons.indexOf(coupon)] : undefined;
      const ends = months === null ? null : addMonths(trialEnd ?? created, months);
      const fact: DiscountFact = { created, ordinal: 0, coupon, promotionCode, end: ends };
      subscription.discount = this.#add('discount', fact);
    }
    if (trialEnd !== null) {
      subscription.periods.push({ start: created, end: trialEnd });
      this.#invoice(subscription, created, trialEnd, 'subscription_create', []);
      if (this.#random() < 0.24) {
        if (trialEnd < end)
          this.#endSubscription(subscription, trialEnd, created + 5 * day, 'cancellation_requested');
        else if (created + 5 * day < end) this.#ask(subscription, created + 5 * day);
        return;
      }
    }
    this.#bill(subscription);
  }

  /** Period after period, until it is cancelled or now. */
  #bill(subscription: SubscriptionFact): void {
    const { end } = this.#setting;
    const yearly =
      (subscription.phases[0]?.price['recurring'] as { interval?: string } | null)?.interval === 'year';
    const step = yearly ? 12 : 1;
    let waiting: ItemFact[] = [];
    for (let n = 0; ; n++) {
      const start = addMonths(subscription.anchor, n * step);
      if (start >= end) return;
      const stop = addMonths(subscription.anchor, (n + 1) * step);
      subscription.periods.push({ start, end: stop });
      const first = n === 0 && subscription.trialEnd === null;
      const reason = first ? 'subscription_create' : 'subscription_cycle';
      const invoice = this.#invoice(subscription, start, stop, reason, waiting);
      waiting = [];
      if (!this.#pay(invoice, subscription)) return;
      const churn = yearly ? 0.2 : n < 2 ? 0.05 : 0.022;
      if (this.#random() < churn) {
        const asked = start + Math.floor((stop - start) * (0.2 + 0.7 * this.#random()));
        if (stop < end) this.#endSubscription(subscription, stop, asked, 'cancellation_requested');
        else if (asked < end) this.#ask(subscription, asked);
        return;
      }
      if (!yearly && this.#random() < 0.03) waiting = this.#upgrade(subscription, start, stop);
    }
  }

  #ask(subscription: SubscriptionFact, asked: number): void {
    subscription.canceledAt = asked;
    subscription.cancelAtPeriodEnd = true;
    subscription.reason = 'cancellation_requested';
    subscription.feedback = pick(this.#random, [
      'too_expensive',
      'unused',
      'missing_features',
      'switched_service',
    ]);
  }

  #endSubscription(subscription: SubscriptionFact, at: number, asked: number, reason: string): void {
    if (reason === 'cancellation_requested') this.#ask(subscription, Math.min(asked, at));
    else subscription.canceledAt = at;
    subscription.reason = reason;
    subscription.endedAt = at;
  }

  /** More seats or a larger plan in the middle of a period: the difference waits for the next invoice. */
  #upgrade(subscription: SubscriptionFact, start: number, stop: number): ItemFact[] {
    const at = Math.floor(start + (stop - start) * (0.2 + 0.6 * this.#random()));
    const before = subscription.phases.at(-1);
    if (at >= this.#setting.end || before === undefined) return [];
    const key = plans.findIndex(
      (plan) => this.#price(plan.key, 'month')?.['product'] === before.price['product'],
    );
    const next = plans[key + 1];
    const seats = plans[key]?.seats === true;
    const price = seats || next === undefined ? before.price : this.#price(next.key, 'month');
    if (price === undefined) return [];
    const quantity = seats ? before.quantity + 1 + Math.floor(this.#random() * 5) : next?.seats ? 3 : 1;
    if (price === before.price && quantity === before.quantity) return [];
    subscription.phases.push({ from: at, price, quantity });
    const share = (stop - at) / (stop - start);
    const old = Math.round(Number(before.price['unit_amount']) * before.quantity * share);
    const fresh = Math.round(Number(price['unit_amount']) * quantity * share);
    const item = (phase: Omit<PhaseFact, 'from'>, amount: number, text: string): ItemFact =>
      this.#add<ItemFact>('invoiceitem', {
        created: at,
        ordinal: 0,
        price: phase.price,
        quantity: phase.quantity,
        amount,
        description: `${text} ${dated(at)}`,
        start: at,
        end: stop,
        subscription,
        invoice: undefined,
      });
    const name = (of: StripeObject): string => this.#productName(of);
    return [
      item(before, -old, `Unused time on ${name(before.price)} after`),
      item({ price, quantity }, fresh, `Remaining time on ${name(price)} after`),
    ];
  }

  #productName(price: StripeObject): string {
    for (const made of this.#setting.company.products.values()) {
      if (made.id === price['product']) return String(made['name']);
    }
    return 'subscription';
  }

  #invoice(
    subscription: SubscriptionFact,
    start: number,
    stop: number,
    reason: InvoiceFact['reason'],
    items: readonly ItemFact[],
  ): InvoiceFact {
    const phase = subscription.phases.at(-1) as PhaseFact;
    const trial = subscription.trialEnd === stop && reason === 'subscription_create';
    const name = this.#productName(phase.price);
    const amount = trial ? 0 : Number(phase.price['unit_amount']) * phase.quantity;
    const line: LineFact = {
      price: phase.price,
      quantity: phase.quantity,
      amount,
      description: trial ? `Trial period for ${name}` : `${phase.quantity} × ${name}`,
      start,
      end: stop,
      item: undefined,
    };
    const lines: LineFact[] = [...items.map((item) => ({ ...item, item })), line];
    const subtotal = lines.reduce((sum, one) => sum + one.amount, 0);
    const coupon = subscription.discount;
    const discounted = coupon !== undefined && !trial && (coupon.end === null || start < coupon.end);
    const percent = discounted ? Number(coupon.coupon['percent_off']) : 0;
    const discount = Math.max(0, Math.round((subtotal * percent) / 100));
    const rate = this.#person.taxRate;
    const net = subtotal - discount;
    const percentage =
      rate === undefined || this.#person.exempt === 'reverse' ? 0 : Number(rate['percentage']);
    const inclusive = rate?.['inclusive'] === true;
    const tax = inclusive
      ? net - Math.round(net / (1 + percentage / 100))
      : Math.round((net * percentage) / 100);
    const first = reason === 'subscription_create';
    const finalizedAt = first ? start : start + 3600;
    const invoice: InvoiceFact = {
      created: start,
      ordinal: 0,
      number: (this.#lists['invoice']?.length ?? 0) + 1,
      subscription,
      reason,
      periodStart: first ? start : Math.min(start, this.#previousStart(subscription, start)),
      periodEnd: start,
      lines,
      subtotal,
      discount,
      tax,
      total: inclusive ? net : net + tax,
      finalizedAt,
      dueAt: subscription.daysUntilDue === undefined ? null : finalizedAt + subscription.daysUntilDue * day,
      paidAt: null,
      uncollectibleAt: null,
      attempts: [],
      intent: undefined,
      payment: undefined,
      creditNote: undefined,
    };
    for (const item of items) item.invoice = invoice;
    this.#add('invoice', invoice);
    if (invoice.total <= 0 && invoice.finalizedAt < this.#setting.end) invoice.paidAt = invoice.finalizedAt;
    return invoice;
  }

  #previousStart(subscription: SubscriptionFact, start: number): number {
    return subscription.periods.findLast((period) => period.start < start)?.start ?? start;
  }

  /** Charges an invoice, and again after days when it fails. False: the subscription is over, or now is reached. */
  #pay(invoice: InvoiceFact, subscription: SubscriptionFact): boolean {
    const { end } = this.#setting;
    if (invoice.total <= 0) return true;
    if (invoice.finalizedAt >= end) return true;
    const intent = this.#add<IntentFact>('payment_intent', {
      created: invoice.finalizedAt,
      ordinal: 0,
      amount: invoice.total,
      description: invoice.reason === 'subscription_create' ? 'Subscription creation' : 'Subscription update',
      invoice,
      charges: [],
      succeededAt: null,
      canceledAt: null,
    });
    invoice.intent = intent;
    invoice.payment = this.#add<InvoicePaymentFact>('invoice_payment', {
      created: invoice.finalizedAt,
      ordinal: 0,
      invoice,
    });
    if (invoice.dueAt !== null) return this.#settle(invoice, intent, subscription, invoice.dueAt);
    const failures =
      invoice.reason === 'subscription_create' ? 0 : this.#random() < 0.06 ? this.#failures() : 0;
    let at = invoice.finalizedAt;
    for (let n = 0; n <= retryDays.length; n++) {
      if (n > 0) at += (retryDays[n - 1] ?? 7) * day;
      if (at >= end) {
        // The next try is still to come.
        if (n > 0) subscription.pastDue.push({ from: invoice.finalizedAt, to: Infinity });
        return false;
      }
      invoice.attempts.push(at);
      if (n >= failures) {
        this.#succeed(intent, at + 1);
        invoice.paidAt = at + 1;
        if (n > 0) subscription.pastDue.push({ from: invoice.finalizedAt, to: at + 1 });
        return true;
      }
      this.#charge(intent, at + 1, weighted(this.#random, declines));
    }
    const over = at + day;
    if (over >= end) {
      subscription.pastDue.push({ from: invoice.finalizedAt, to: Infinity });
      return false;
    }
    subscription.pastDue.push({ from: invoice.finalizedAt, to: over });
    this.#endSubscription(subscription, over, over, 'payment_failed');
    invoice.uncollectibleAt = over;
    return false;
  }

  /** A sent invoice is paid when the customer gets round to it: mostly in time, some late, a few not at all. */
  #settle(invoice: InvoiceFact, intent: IntentFact, subscription: SubscriptionFact, due: number): boolean {
    const { end } = this.#setting;
    const owes = subscription.pastDue.at(-1)?.to === Infinity;
    const chance = this.#random();
    const days = this.#random();
    const paid =
      owes || chance >= 0.95
        ? Infinity
        : chance < 0.72
          ? due - Math.ceil(days * (DAYS_UNTIL_DUE - 1) * day)
          : due + Math.ceil(days * (DAYS_OVERDUE - 1) * day);
    const givenUp = !owes && chance >= 0.98 ? due + DAYS_OVERDUE * day : Infinity;
    const over = Math.min(paid, givenUp);
    if (due < over && due < end && !owes)
      subscription.pastDue.push({ from: due, to: over < end ? over : Infinity });
    if (paid < end) {
      this.#succeed(intent, paid);
      invoice.paidAt = paid;
    } else if (givenUp < end) {
      this.#endSubscription(subscription, givenUp, givenUp, 'payment_failed');
      invoice.uncollectibleAt = givenUp;
      return false;
    }
    // One who owes is sent the next ones all the same.
    return true;
  }

  #failures(): number {
    const chance = this.#random();
    return chance < 0.5 ? 1 : chance < 0.65 ? 2 : chance < 0.7 ? 3 : 4;
  }

  #charge(intent: IntentFact, created: number, decline: Decline | undefined): ChargeFact {
    const charge = this.#add<ChargeFact>('charge', {
      created,
      ordinal: 0,
      amount: intent.amount,
      intent,
      decline,
      risk: Math.floor(this.#random() ** 3 * 90),
      refunds: [],
      dispute: undefined,
      review: undefined,
      movement: undefined,
    });
    intent.charges.push(charge);
    return charge;
  }

  #move(fact: Omit<MovementFact, 'ordinal'>): MovementFact {
    return this.#add<MovementFact>('balance_transaction', { ...fact, ordinal: 0 });
  }

  #succeed(intent: IntentFact, at: number): void {
    const charge = this.#charge(intent, at, undefined);
    intent.succeededAt = at;
    charge.movement = this.#move({
      created: at,
      kind: 'charge',
      amount: charge.amount,
      fee: cardFee(charge.amount, this.#person.currency),
      availableOn: midnight(at) + 3 * day,
      description: intent.description,
      source: charge,
    });
    this.#afterwards(charge);
  }

  /** What may happen to a paid charge: a refund, a dispute, a review. */
  #afterwards(charge: ChargeFact): void {
    const { end } = this.#setting;
    const chance = this.#random();
    const at = charge.created + Math.floor((0.2 + this.#random() * 12) * day);
    if (chance < 0.016) {
      if (at < end)
        this.#refund(charge, at, this.#random() < 0.7 ? charge.amount : Math.ceil(charge.amount / 2));
    } else if (chance < 0.02) {
      const disputed = charge.created + Math.floor((10 + this.#random() * 30) * day);
      if (disputed < end) this.#dispute(charge, disputed);
    } else if (chance < 0.026) {
      const closed = charge.created + 2 * day;
      const review = { created: charge.created, ordinal: 0, charge, closedAt: closed < end ? closed : null };
      charge.review = this.#add<ReviewFact>('review', review);
    }
  }

  #refund(charge: ChargeFact, created: number, amount: number): RefundFact {
    const reason = pick(this.#random, ['requested_by_customer', 'duplicate', null]);
    const refund = this.#add<RefundFact>('refund', {
      created,
      ordinal: 0,
      charge,
      amount,
      reason,
      movement: undefined,
    });
    charge.refunds.push(refund);
    refund.movement = this.#move({
      created,
      kind: 'refund',
      amount: -amount,
      fee: 0,
      availableOn: midnight(created) + 3 * day,
      description: `REFUND FOR CHARGE (${charge.intent.description})`,
      source: refund,
    });
    const invoice = charge.intent.invoice;
    if (invoice !== undefined && this.#random() < 0.35) {
      const note: CreditNoteFact = { created, ordinal: 0, invoice, refund };
      invoice.creditNote = this.#add('credit_note', note);
    }
    return refund;
  }

  #dispute(charge: ChargeFact, created: number): void {
    const { end } = this.#setting;
    const closes = created + Math.floor((20 + this.#random() * 40) * day);
    const evidence = created + 5 * day;
    const dispute: DisputeFact = {
      created,
      ordinal: 0,
      charge,
      amount: charge.amount,
      reason: pick(this.#random, [
        'fraudulent',
        'fraudulent',
        'product_not_received',
        'subscription_canceled',
      ]),
      evidenceAt: evidence < end ? evidence : null,
      closedAt: closes < end ? closes : null,
      won: this.#random() < 0.35,
      movements: [],
    };
    if (dispute.reason === 'fraudulent') {
      this.#add<WarningFact>('radar.early_fraud_warning', { created: created - day, ordinal: 0, charge });
    }
    charge.dispute = this.#add('dispute', dispute);
    const fee = { jpy: 1500, usd: 1500, eur: 1500, gbp: 2000 }[this.#person.currency] ?? 1500;
    const move = (at: number, kind: 'dispute' | 'dispute_reversal', amount: number, cost: number): void => {
      const text = kind === 'dispute' ? 'Chargeback withdrawal for' : 'Chargeback reversal for';
      const description = `${text} charge`;
      const availableOn = midnight(at) + day;
      dispute.movements.push(
        this.#move({ created: at, kind, amount, fee: cost, availableOn, description, source: dispute }),
      );
    };
    move(created, 'dispute', -dispute.amount, fee);
    if (dispute.closedAt !== null && dispute.won)
      move(dispute.closedAt, 'dispute_reversal', dispute.amount, 0);
  }

  /** Something bought once, through Checkout. */
  #workshop(): void {
    const { end, company } = this.#setting;
    const created = this.#signup + Math.floor(day * (1 + this.#random() * 20));
    const price = company.workshop.get(this.#person.currency);
    if (created + 120 >= end || price === undefined) return;
    const expiresAt = created + day;
    if (this.#random() < 0.2) {
      this.#add<CheckoutFact>('checkout.session', {
        created,
        ordinal: 0,
        intent: undefined,
        price,
        expiresAt,
      });
      return;
    }
    const intent = this.#add<IntentFact>('payment_intent', {
      created: created + 60,
      ordinal: 0,
      amount: Number(price['unit_amount']),
      description: 'Onboarding workshop',
      invoice: undefined,
      charges: [],
      succeededAt: null,
      canceledAt: null,
    });
    this.#succeed(intent, created + 61);
    this.#add<CheckoutFact>('checkout.session', { created, ordinal: 0, intent, price, expiresAt });
  }
}
