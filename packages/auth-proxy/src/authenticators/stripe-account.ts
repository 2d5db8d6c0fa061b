import type { Logger } from 'pino';
import type { Authenticator } from './authenticator.ts';

/** An object of the mirror that only the mirrored account has. */
export interface SampleObject {
  /** Its id, such as `cus_123`. */
  readonly id: string;
  /** Path of the API that retrieves it, such as `/v1/customers/cus_123`. */
  readonly path: string;
}

/** Options of {@link stripeAccount}. */
export interface StripeAccountOptions {
  /** Mode of the mirror: a key of the other mode is refused without asking. */
  readonly livemode: boolean;
  /**
   * Objects of the mirror, best first: a key proves that it is of the same account by retrieving one of them.
   * Empty (nothing mirrored yet) lets nobody in this way.
   */
  readonly samples: () => readonly SampleObject[] | Promise<readonly SampleObject[]>;
  /**
   * Lists the key must be able to read, as API paths.
   * @defaultValue `['/v1/customers', '/v1/charges', '/v1/invoices', '/v1/events']`
   */
  readonly mustRead?: readonly string[];
  /** @defaultValue `https://api.stripe.com` */
  readonly apiBase?: string;
  /** A verdict on a teammate's key is good for this long, ms. @defaultValue 30,000 */
  readonly maxAgeMs?: number;
  /** While Stripe cannot be reached, a key that was let in stays in for this long, ms. @defaultValue 86,400,000 */
  readonly holdMs?: number;
  /** Time limit of one question to Stripe, ms. @defaultValue 5,000 */
  readonly timeoutMs?: number;
  /** Called for each question that goes to Stripe. */
  readonly onAsk?: () => void;
  /** @defaultValue the global `fetch` */
  readonly fetch?: typeof fetch;
  /** Clock, ms. @defaultValue `Date.now` */
  readonly now?: () => number;
  /** @defaultValue silent */
  readonly logger?: Logger;
}

/** Lets in any live key of the same Stripe account and mode that may read what the mirror shows. */
export type StripeAccountAuthenticator = Authenticator;
