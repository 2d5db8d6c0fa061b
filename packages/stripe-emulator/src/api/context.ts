import type { Store } from '../store/store.ts';
import type { Params } from '../http/params.ts';
import type { StripeEvent, StripeObject } from '../types.ts';

/** What the API works on. */
export interface Account {
  readonly id: string;
  readonly store: Store;
  /** Whether a recorded timeline is served: its shapes are older, its events never expire. */
  readonly recorded: boolean;
  /** The account's default API version. */
  readonly apiVersion: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: () => number;
  /** What GET /v1/account answers. */
  own(): StripeObject;
  /** What GET /v1/balance answers. */
  balance(): Record<string, unknown>;
  /** The next invoice number, where the account and not each customer counts its invoices. */
  nextInvoiceNumber(): string | undefined;
  /** Events that faults hide from lists. */
  eventVisible(event: { id: string; created: number }): boolean;
  /** Stores the object and tells about it. */
  emit(
    type: string,
    object: StripeObject,
    previous?: Record<string, unknown>,
    request?: RequestFacts,
  ): StripeEvent;
}

/** Who caused an event. */
export interface RequestFacts {
  readonly id: string | null;
  readonly idempotencyKey: string | null;
}

/** One request, decoded. */
export interface Call {
  readonly account: Account;
  /** Path parameters. */
  readonly path: Readonly<Record<string, string>>;
  readonly params: Params;
  readonly request: RequestFacts;
}
