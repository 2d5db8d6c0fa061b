import type { Logger } from 'pino';
import { createHmac, randomBytes } from 'node:crypto';
import { keyLabel } from '../secrets.ts';
import { askStripe, type StripeAnswer } from '../stripe/ask.ts';
import type { Authenticator, AuthResult } from './authenticator.ts';
import { presentedKey } from './stripe-key.ts';

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

const MEMBER_KEY = /^(?:sk|rk)_(test|live)_\w{8,240}$/;
const MAX_KEYS = 1_000;
const MAX_SAMPLES = 4;
// Permissions of a restricted key seldom change; whether it is live is asked far more often.
const PERMISSIONS_EVERY_MS = 600_000;

// So long after an answer that told nothing no unknown key is asked about.
const REST_MS = 5_000;

/** What is known of one teammate's key. The key itself stays in memory only, to ask again with it. */
interface Member {
  readonly key: string;
  result: AuthResult;
  /** When `result` was learned, ms. */
  at: number;
  /** When it was last let in by Stripe's answer, ms. */
  goodAt: number | undefined;
  permissionsAt: number;
  underWay: Promise<void> | undefined;
}

/**
 * Lets in teammates with a key of their own of the same account, made and revoked in Stripe's dashboard.
 *
 * An unknown key costs the caller one guess before Stripe is asked, so nobody can make us flood Stripe.
 */
export function stripeAccount(options: StripeAccountOptions): StripeAccountAuthenticator {
  const { livemode, samples, apiBase = 'https://api.stripe.com', onAsk, logger } = options;
  const { mustRead = ['/v1/customers', '/v1/charges', '/v1/invoices', '/v1/events'] } = options;
  const { maxAgeMs = 30_000, holdMs = 86_400_000, timeoutMs = 5_000 } = options;
  const { fetch: fetchFn = fetch, now = Date.now } = options;
  const hmacKey = randomBytes(32);
  const members = new Map<string, Member>();
  const stop = new AbortController();

  let restUntil = 0;

  const ask = async (key: string, path: string): Promise<StripeAnswer> => {
    onAsk?.();
    const answer = await askStripe({ apiBase, key, path, timeoutMs, fetch: fetchFn, signal: stop.signal });
    if (answer.state === 'unknown' || (answer.state === 'live' && answer.status === 429)) {
      restUntil = now() + REST_MS;
    }
    return answer;
  };
  const examine = async (fingerprint: string, member: Member): Promise<void> => {
    const { key } = member;
    const proof = await proveAccount(await samples(), (path) => ask(key, path));
    let result = proof;
    if (proof.outcome === 'granted' && now() - member.permissionsAt > PERMISSIONS_EVERY_MS) {
      const answers = await Promise.all(mustRead.map((path) => ask(key, `${path}?limit=1`)));
      result = missingPermission(mustRead, answers) ?? proof;
      if (result.outcome === 'granted') member.permissionsAt = now();
    }
    const held = member.goodAt !== undefined && now() - member.goodAt <= holdMs;
    member.at = now();
    // Stripe is out of reach: who was in stays in, for a time.
    if (result.outcome === 'refused' && result.status === 503 && held) return;
    if (result.outcome === 'granted') {
      member.goodAt = member.at;
      const identity = { by: 'stripe-account', label: keyLabel(key), fingerprint };
      member.result = { outcome: 'granted', identity };
    } else {
      member.goodAt = undefined;
      member.permissionsAt = 0;
      member.result = result;
    }
    logger?.debug(
      { who: keyLabel(key), outcome: member.result.outcome },
      'auth: verdict on a key of the account',
    );
  };
  const current = async (fingerprint: string, member: Member): Promise<AuthResult> => {
    if (now() - member.at <= maxAgeMs) return member.result;
    member.underWay ??= examine(fingerprint, member).finally(() => {
      member.underWay = undefined;
    });
    await member.underWay;
    return member.result;
  };
  const remember = (fingerprint: string, key: string): Member => {
    const member: Member = {
      key,
      result: { outcome: 'unknown' },
      at: -Infinity,
      goodAt: undefined,
      permissionsAt: 0,
      underWay: undefined,
    };
    members.set(fingerprint, member);
    if (members.size > MAX_KEYS) {
      // Keys that were never right go first.
      const [oldest] = [...members].find(([, { goodAt }]) => goodAt === undefined) ?? [...members][0] ?? [];
      if (oldest !== undefined && oldest !== fingerprint) members.delete(oldest);
    }
    return member;
  };

  return {
    name: 'stripe-account',
    form: 'key',
    formLabel: 'Stripe secret key',
    authenticate: async (attempt) => {
      const key = presentedKey(attempt);
      const mode = MEMBER_KEY.exec(key)?.[1];
      if (mode === undefined) return { outcome: 'unknown' };
      if ((mode === 'live') !== livemode) {
        return {
          outcome: 'unknown',
          reason: `This site shows ${livemode ? 'live' : 'test'} mode; the key is of the other`,
        };
      }
      const fingerprint = createHmac('sha256', hmacKey).update(key).digest('base64url');
      const known = members.get(fingerprint);
      // Guesses that Stripe cannot answer are given back, so they must not reach it one by one.
      if (known?.goodAt === undefined && now() < restUntil) {
        return unavailable('The key cannot be checked at present: Stripe is not reachable or asks to wait');
      }
      if (known?.goodAt === undefined && !(await attempt.spendGuess())) return { outcome: 'limited' };
      return current(fingerprint, known ?? remember(fingerprint, key));
    },
    stillGood: ({ fingerprint }) => {
      const member = members.get(fingerprint);
      return member === undefined ? { outcome: 'unknown' } : current(fingerprint, member);
    },
    close: async () => {
      stop.abort();
      for (const { underWay } of members.values()) await underWay;
      members.clear();
    },
  };
}

/** A key that can retrieve an object which only the mirrored account has is a key of that account. */
async function proveAccount(
  samples: readonly SampleObject[],
  ask: (path: string) => Promise<StripeAnswer>,
): Promise<AuthResult> {
  if (samples.length === 0) {
    return unavailable('Nothing is mirrored yet, so a key of the same account cannot be recognised');
  }
  let forbidden: string | undefined;
  for (const { id, path } of samples.slice(0, MAX_SAMPLES)) {
    const answer = await ask(path);
    if (answer.state === 'refused') return { outcome: 'unknown', reason: 'Stripe does not accept this key' };
    if (answer.state === 'unknown') return unavailable('The key cannot be checked: Stripe is not reachable');
    // A deleted object's stub has the id too, and only its own account gets it.
    if (answer.status === 200 && idOf(answer.body) === id) {
      return { outcome: 'granted', identity: { by: '', label: '', fingerprint: '' } };
    }
    if (answer.status === 403) forbidden ??= lackOf(path, answer.message);
    if (answer.status === 429) return unavailable('Stripe asks to wait before the key can be checked');
  }
  if (forbidden !== undefined) return { outcome: 'refused', status: 403, reason: forbidden };
  return { outcome: 'unknown', reason: 'The key is of another Stripe account' };
}

function missingPermission(
  paths: readonly string[],
  answers: readonly StripeAnswer[],
): AuthResult | undefined {
  for (const [index, answer] of answers.entries()) {
    const path = paths[index] ?? '';
    if (answer.state === 'refused') return { outcome: 'unknown', reason: 'Stripe does not accept this key' };
    if (answer.state === 'unknown') return unavailable('The key cannot be checked: Stripe is not reachable');
    if (answer.status === 403) {
      return { outcome: 'refused', status: 403, reason: lackOf(path, answer.message), known: true };
    }
  }
  return undefined;
}

/** Stripe names the permission (`rak_customer_read`) in its message. */
function lackOf(path: string, message: string): string {
  const permission = /\brak_\w+/.exec(message)?.[0];
  return `The key may not read ${path}${permission === undefined ? '' : ` (permission ${permission})`}`;
}

function unavailable(reason: string): AuthResult {
  return { outcome: 'refused', status: 503, reason, retryAfterSeconds: 5, known: true };
}

function idOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'id' in body ? body.id : undefined;
}
