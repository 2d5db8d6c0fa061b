import type { BillingFacts, CardFacts, Decline } from '../shapes/payments.ts';
import type { StripeObject } from '../types.ts';
import type { Country } from './names.ts';

/** Something that exists from `created` on; `ordinal` counts the objects of its type of one customer. */
export interface Fact {
  readonly created: number;
  ordinal: number;
}

/** A price and how many, from a moment on. */
export interface PhaseFact {
  readonly from: number;
  readonly price: StripeObject;
  readonly quantity: number;
}

/** A coupon at work. */
export interface DiscountFact extends Fact {
  readonly coupon: StripeObject;
  readonly promotionCode: StripeObject | undefined;
  readonly end: number | null;
}

export interface SubscriptionFact extends Fact {
  readonly anchor: number;
  readonly trialEnd: number | null;
  /** Days that its invoices may be paid in; undefined = the card is charged. */
  readonly daysUntilDue: number | undefined;
  readonly phases: PhaseFact[];
  readonly periods: { readonly start: number; readonly end: number }[];
  readonly pastDue: { readonly from: number; readonly to: number }[];
  discount: DiscountFact | undefined;
  /** When the customer asked for the end. */
  canceledAt: number | null;
  cancelAtPeriodEnd: boolean;
  endedAt: number | null;
  reason: string | null;
  feedback: string | null;
}

export interface LineFact {
  readonly price: StripeObject;
  readonly quantity: number;
  readonly amount: number;
  readonly description: string;
  readonly start: number;
  readonly end: number;
  readonly item: ItemFact | undefined;
}

export interface InvoiceFact extends Fact {
  readonly number: number;
  readonly subscription: SubscriptionFact;
  readonly reason: 'subscription_create' | 'subscription_cycle';
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly lines: readonly LineFact[];
  readonly subtotal: number;
  readonly discount: number;
  readonly tax: number;
  readonly total: number;
  readonly finalizedAt: number;
  /** Until when it is to be paid, where it is sent rather than charged. */
  readonly dueAt: number | null;
  paidAt: number | null;
  uncollectibleAt: number | null;
  readonly attempts: number[];
  intent: IntentFact | undefined;
  payment: InvoicePaymentFact | undefined;
  creditNote: CreditNoteFact | undefined;
}

export interface InvoicePaymentFact extends Fact {
  readonly invoice: InvoiceFact;
}

export interface ItemFact extends Fact {
  readonly price: StripeObject;
  readonly quantity: number;
  readonly amount: number;
  readonly description: string;
  readonly start: number;
  readonly end: number;
  readonly subscription: SubscriptionFact;
  invoice: InvoiceFact | undefined;
}

export interface IntentFact extends Fact {
  readonly amount: number;
  readonly description: string;
  readonly invoice: InvoiceFact | undefined;
  readonly charges: ChargeFact[];
  succeededAt: number | null;
  canceledAt: number | null;
}

export interface ChargeFact extends Fact {
  readonly amount: number;
  readonly intent: IntentFact;
  readonly decline: Decline | undefined;
  readonly risk: number;
  readonly refunds: RefundFact[];
  dispute: DisputeFact | undefined;
  review: ReviewFact | undefined;
  movement: MovementFact | undefined;
}

export interface RefundFact extends Fact {
  readonly charge: ChargeFact;
  readonly amount: number;
  readonly reason: string | null;
  movement: MovementFact | undefined;
}

export interface DisputeFact extends Fact {
  readonly charge: ChargeFact;
  readonly amount: number;
  readonly reason: string;
  readonly evidenceAt: number | null;
  readonly closedAt: number | null;
  readonly won: boolean;
  readonly movements: MovementFact[];
}

/** A balance transaction. */
export interface MovementFact extends Fact {
  readonly kind: 'charge' | 'refund' | 'dispute' | 'dispute_reversal';
  readonly amount: number;
  readonly fee: number;
  readonly availableOn: number;
  readonly description: string;
  readonly source: ChargeFact | RefundFact | DisputeFact;
}

export interface ReviewFact extends Fact {
  readonly charge: ChargeFact;
  readonly closedAt: number | null;
}

export interface WarningFact extends Fact {
  readonly charge: ChargeFact;
}

export interface CreditNoteFact extends Fact {
  readonly invoice: InvoiceFact;
  readonly refund: RefundFact;
}

export interface CheckoutFact extends Fact {
  readonly intent: IntentFact | undefined;
  readonly price: StripeObject;
  readonly expiresAt: number;
}

export interface CreditFact extends Fact {
  readonly amount: number;
  readonly ending: number;
  readonly description: string;
}

export interface QuoteFact extends Fact {
  readonly price: StripeObject;
  readonly quantity: number;
  readonly status: 'draft' | 'open' | 'accepted' | 'canceled';
  readonly expiresAt: number;
}

/** Something that happened, and to what. */
export interface EventFact extends Fact {
  readonly type: string;
  readonly object: string;
  readonly fact: Fact;
  readonly previous: Record<string, unknown> | undefined;
}

/** Everything about one customer, as numbers; objects are made of it when they are asked for. */
export interface History {
  readonly owner: number;
  readonly country: Country;
  readonly currency: string;
  readonly name: string;
  readonly business: boolean;
  readonly billing: BillingFacts & { readonly address: Record<string, unknown> };
  readonly shortName: string;
  readonly card: CardFacts;
  readonly taxRate: StripeObject | undefined;
  readonly taxIdValue: string | undefined;
  readonly exempt: 'none' | 'reverse';
  readonly lists: Readonly<Record<string, Fact[]>>;
}
