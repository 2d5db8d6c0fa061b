import type { Logger } from 'pino';
import { AuthProxyError } from '../errors.ts';
import { comparison, keyLabel, randomToken, saltedHash } from '../secrets.ts';
import { openStateFile } from '../state-file.ts';
import { askStripe } from '../stripe/ask.ts';
import type { Attempt, Authenticator, AuthResult, GateResult } from './authenticator.ts';

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

/** Stripe's key formats; a publishable key is not a secret and opens nothing. */
export const STRIPE_KEY: RegExp = /^(?:sk|rk)_(?:org_)?(?:test|live)_\w+$/;

// While Stripe is out of reach the next question waits this long, so that requests are not held up one by one.
const RETRY_AFTER_UNKNOWN_MS = 5_000;

interface SavedVerdict {
  readonly salt: string;
  readonly keyHash: string;
  readonly state: 'live' | 'refused' | undefined;
  readonly at: number | undefined;
  readonly reason: string | undefined;
}

/**
 * Makes the door's own key: who presents it gets in, as long as Stripe accepts it.
 *
 * The verdict comes from whoever talks to Stripe anyway ({@link StripeKeyAuthenticator.feed}), else from one
 * coalesced question. 401 is the only refusal; no answer leaves the last verdict standing for `holdMs`.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_OPTIONS_INVALID`, `AUTH_PROXY_STATE_UNREADABLE`
 */
export function stripeKey(options: StripeKeyOptions): StripeKeyAuthenticator {
  const { key, apiBase = 'https://api.stripe.com', context, stateDir, onAsk, logger } = options;
  const { maxAgeMs = 30_000, holdMs = 86_400_000, idleCheckMs = 600_000, timeoutMs = 5_000 } = options;
  const { fetch: fetchFn = fetch, now = Date.now } = options;
  if (!STRIPE_KEY.test(key)) {
    throw new AuthProxyError(
      'AUTH_PROXY_OPTIONS_INVALID',
      'stripeKey: `key` must be a secret or restricted Stripe key (sk_… or rk_…).',
    );
  }
  const isKey = comparison(key);
  const listeners = new Set<(verdict: KeyVerdict) => void>();
  const stop = new AbortController();

  let state: 'live' | 'refused' | undefined;
  let at: number | undefined;
  let reason: string | undefined;
  let unreachable: string | undefined;
  let retryAt = 0;
  let underWay: Promise<void> | undefined;

  const file = openStateFile(stateDir, 'stripe-key.json', (): SavedVerdict => ({
    salt,
    keyHash: fingerprint,
    state,
    at,
    reason,
  }));
  const saved = (file.initial ?? {}) as Partial<SavedVerdict>;
  const salt = typeof saved.salt === 'string' && saved.salt.length >= 16 ? saved.salt : randomToken(16);
  const fingerprint = saltedHash(salt, key);
  const identity = { by: 'stripe-key', label: keyLabel(key), fingerprint } as const;
  // The verdict on another key says nothing about this one.
  if (saved.keyHash === fingerprint && typeof saved.at === 'number' && saved.at <= now()) {
    if (saved.state === 'live' || saved.state === 'refused') ({ state, at } = saved);
    reason = typeof saved.reason === 'string' ? saved.reason : undefined;
  } else {
    file.changed();
  }

  const verdict = (): KeyVerdict => {
    const held = state !== undefined && at !== undefined && now() - at <= holdMs;
    return { state: held && state !== undefined ? state : 'unknown', at, unreachable };
  };
  const learn = (next: 'live' | 'refused', when: number, why: string | undefined): void => {
    // An answer that was under way while a later one came in tells nothing new.
    if (at !== undefined && when < at) return;
    const changed = state !== next;
    state = next;
    at = when;
    reason = why;
    unreachable = undefined;
    retryAt = 0;
    file.changed();
    if (!changed) return;
    file.flush();
    logger?.[next === 'live' ? 'info' : 'warn']({ verdict: next, reason }, 'auth: verdict on the Stripe key');
    for (const listener of listeners) listener(verdict());
  };
  const ask = async (): Promise<void> => {
    onAsk?.();
    const answer = await askStripe({
      apiBase,
      key,
      context,
      path: '/v1/account',
      timeoutMs,
      fetch: fetchFn,
      signal: stop.signal,
    });
    if (answer.state === 'unknown') {
      if (stop.signal.aborted) return;
      if (unreachable === undefined) logger?.warn({ reason: answer.reason }, 'auth: Stripe not reached');
      unreachable = answer.reason;
      retryAt = now() + RETRY_AFTER_UNKNOWN_MS;
      return;
    }
    learn(answer.state, now(), answer.state === 'refused' ? answer.reason : undefined);
  };
  const check = async (): Promise<KeyVerdict> => {
    underWay ??= ask().finally(() => {
      underWay = undefined;
    });
    await underWay;
    return verdict();
  };

  /** The verdict to serve by; a promise only when Stripe must be asked first. */
  const current = (): KeyVerdict | Promise<KeyVerdict> => {
    const age = at === undefined ? Infinity : now() - at;
    if (age > maxAgeMs) return now() < retryAt ? verdict() : check();
    // Renewed ahead of time under steady use, so that no request has to wait for Stripe.
    if (age > maxAgeMs / 2 && underWay === undefined && now() >= retryAt) void check();
    return verdict();
  };
  const asGate = ({ state: known }: KeyVerdict): GateResult => {
    if (known === 'live') return { open: true };
    if (known === 'refused') {
      return {
        open: false,
        status: 401,
        reason: `The Stripe key was refused by Stripe: ${reason ?? 'revoked'}`,
      };
    }
    return {
      open: false,
      status: 503,
      reason: 'The Stripe key cannot be checked: Stripe is not reachable',
      retryAfterSeconds: RETRY_AFTER_UNKNOWN_MS / 1000,
    };
  };
  const gate = (): GateResult | Promise<GateResult> => {
    const known = current();
    return known instanceof Promise ? known.then(asGate) : asGate(known);
  };

  const idle =
    idleCheckMs > 0
      ? setInterval(
          () => {
            if (at === undefined || now() - at >= idleCheckMs) void check();
          },
          Math.min(idleCheckMs, 60_000),
        ).unref()
      : undefined;

  return {
    name: 'stripe-key',
    form: 'key',
    formLabel: 'Stripe secret key',
    authenticate: (attempt): AuthResult => {
      if (isKey(presentedKey(attempt))) return { outcome: 'granted', identity };
      // Said only to who holds the key: it went in the wrong field.
      return attempt.via === 'basic' && isKey(attempt.secret)
        ? { outcome: 'unknown', reason: 'Give the key as the user name and leave the password empty' }
        : { outcome: 'unknown' };
    },
    stillGood: (session) =>
      session.fingerprint === fingerprint ? { outcome: 'granted', identity } : { outcome: 'unknown' },
    gate,
    feed: (next, when = now()) =>
      learn(next, Math.min(when, now()), next === 'refused' ? 'revoked' : undefined),
    verdict,
    check,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      clearInterval(idle);
      stop.abort();
      await underWay;
      file.close();
    },
  };
}

/** As at Stripe's own API: Basic user name with an empty password, or Bearer; the form has one field for it. */
export function presentedKey(attempt: Pick<Attempt, 'via' | 'username' | 'secret'>): string {
  if (attempt.via === 'basic') return attempt.secret === '' ? attempt.username : '';
  return attempt.via === 'url' ? '' : attempt.secret;
}
