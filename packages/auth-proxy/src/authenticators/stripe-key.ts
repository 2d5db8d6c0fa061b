import type { Logger } from 'pino';
import type { Authenticator } from './authenticator.ts';

/** What is known of the configured key. */
export interface KeyVerdict {
  /** `unknown`: Stripe was never reached, or not within the hold time. */
  readonly state: 'live' | 'refused' | 'unknown';
  /** When Stripe last said so, ms since 1970. */
  readonly at: number | undefined;
  /** Why the last question brought no answer; then `state` is the verdict from before. */
  readonly unreachable: string | undefined;
}

/** Options of {@link stripeKey}. */
export interface StripeKeyOptions {
  /** The key that opens the door, `sk_…` or `rk_…`. */
  readonly key: string;
  /** @defaultValue `https://api.stripe.com` */
  readonly apiBase?: string;
  /** `Stripe-Context` for an organisation key. */
  readonly context?: string;
  /** Folder for `stripe-key.json`: the last verdict with a salted hash of the key. Without it a restart forgets. */
  readonly stateDir?: string;
  /** A verdict older than this is renewed before a request is served, ms. @defaultValue 30,000 */
  readonly maxAgeMs?: number;
  /** For how long the last verdict stands while Stripe cannot be reached, ms. @defaultValue 86,400,000 */
  readonly holdMs?: number;
  /** An idle site asks this often, ms; 0 never. @defaultValue 600,000 */
  readonly idleCheckMs?: number;
  /** Time limit of one question to Stripe, ms. @defaultValue 5,000 */
  readonly timeoutMs?: number;
  /** Called for each question that goes to Stripe, so that it can be counted against the read allowance. */
  readonly onAsk?: () => void;
  /** @defaultValue the global `fetch` */
  readonly fetch?: typeof fetch;
  /** Clock, ms. @defaultValue `Date.now` */
  readonly now?: () => number;
  /** @defaultValue silent */
  readonly logger?: Logger;
}

/** Lets in who holds the configured Stripe key, while Stripe accepts it. */
export interface StripeKeyAuthenticator extends Authenticator {
  /** Another part learned from Stripe that the key is live or refused (401); `at` is when, ms since 1970. */
  feed(verdict: 'live' | 'refused', at?: number): void;
  /** What is known now, without asking. */
  verdict(): KeyVerdict;
  /** Asks Stripe now (coalesced with a question under way). */
  check(): Promise<KeyVerdict>;
  /** Calls back whenever `state` changes; returns a function that stops it. */
  onChange(listener: (verdict: KeyVerdict) => void): () => void;
}
