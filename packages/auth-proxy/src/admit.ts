import type { IncomingMessage } from 'node:http';
import type {
  Attempt,
  Authenticator,
  AuthResult,
  GateResult,
  Identity,
} from './authenticators/authenticator.ts';
import type { Guesses } from './guesses.ts';
import { readCookie } from './http/cookies.ts';
import { readAuthorization } from './http/credentials.ts';
import type { Session, Sessions } from './sessions.ts';
import type { Refusal, Visit } from './visit.ts';

/** What an attempt or a whole request came to. */
export type Admission =
  | { readonly identity: Identity; readonly session?: Session; readonly refusal?: undefined }
  | { readonly refusal: Refusal; readonly identity?: undefined };

/** Known at once wherever nobody must be asked: nearly all requests take no detour over a promise. */
export type MaybePromise<T> = T | Promise<T>;

/** Decides who may enter. */
export interface Admitter {
  /** Decides by what the request carries: Authorization, link, or session. */
  admit(req: IncomingMessage, visit: Visit): MaybePromise<Admission>;
  /** Decides by one credential (the sign-in form). */
  tryCredential(
    req: IncomingMessage,
    visit: Visit,
    credential: Pick<Attempt, 'via' | 'username' | 'secret'>,
  ): MaybePromise<Admission>;
  /** Whether somebody who was let in earlier may stay (an open websocket). */
  stillGood(identity: Identity): Promise<boolean>;
}

const WRONG: Refusal = {
  outcome: 'wrongCredentials',
  status: 401,
  reason: 'The credentials are wrong',
  authError: true,
};
const NO_CREDENTIALS: Refusal = {
  outcome: 'unauthenticated',
  status: 401,
  reason: 'This site needs credentials',
};

/** Joins authenticators, guess limits and sessions. */
export function createAdmitter(parts: {
  readonly authenticators: readonly Authenticator[];
  readonly guesses: Guesses;
  readonly sessions: Sessions;
  readonly cookieName: (visit: Visit) => string;
  readonly linkCookieName: (visit: Visit) => string;
}): Admitter {
  const { authenticators, guesses, sessions } = parts;
  const byName = new Map(authenticators.map((authenticator) => [authenticator.name, authenticator]));
  const gates = authenticators.filter((authenticator) => authenticator.gate !== undefined);
  const takesLinks = byName.has('share-link');

  const closed = (gate: GateResult | undefined): Refusal | undefined =>
    gate?.open === false ? { outcome: 'refused', authError: true, ...gate } : undefined;
  const gateRefusal = (from = 0): MaybePromise<Refusal | undefined> => {
    for (let i = from; i < gates.length; i++) {
      const gate = gates[i]?.gate?.();
      if (gate instanceof Promise) return gate.then((asked) => closed(asked) ?? gateRefusal(i + 1));
      const refusal = closed(gate);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  };
  const enter = (identity: Identity, session?: Session): MaybePromise<Admission> => {
    const decide = (refusal: Refusal | undefined): Admission => {
      if (refusal !== undefined) return { refusal };
      return session === undefined ? { identity } : { identity, session };
    };
    const refusal = gateRefusal();
    return refusal instanceof Promise ? refusal.then(decide) : decide(refusal);
  };

  const tryCredential: Admitter['tryCredential'] = (req, visit, credential) => {
    const { key } = visit.client;
    const guess: { spent?: boolean } = {};
    const attempt: Attempt = {
      ...credential,
      clientKey: key,
      method: req.method ?? 'GET',
      target: visit.target.path + visit.target.search,
      headers: req.headers,
      // However many authenticators need it: one attempt is one guess.
      spendGuess: async () => (guess.spent ??= (await guesses.wrong(key)) === 0),
    };
    const first = authenticators[0]?.authenticate(attempt);
    if (first !== undefined && 'outcome' in first && first.outcome === 'granted')
      return enter(first.identity);
    return askAll(key, attempt, guess, first);
  };
  const askAll = async (
    key: string,
    attempt: Attempt,
    guess: { readonly spent?: boolean },
    first: MaybePromise<AuthResult> | undefined,
  ): Promise<Admission> => {
    let refused: Extract<AuthResult, { outcome: 'refused' }> | undefined;
    let reason: string | undefined;
    for (const [index, authenticator] of authenticators.entries()) {
      const result = await (index === 0 && first !== undefined ? first : authenticator.authenticate(attempt));
      if (result.outcome === 'granted') {
        if (guess.spent === true) await guesses.giveBack(key);
        return enter(result.identity);
      }
      if (result.outcome === 'refused') refused ??= result;
      if (result.outcome === 'unknown') reason ??= result.reason;
    }
    if (refused !== undefined) {
      if (refused.known === true && guess.spent === true) await guesses.giveBack(key);
      return { refusal: { ...refused, outcome: 'refused', authError: true } };
    }
    return wrong(key, guess.spent, reason);
  };

  const wrong = async (key: string, spent?: boolean, reason?: string): Promise<Admission> => {
    const wait =
      spent === undefined
        ? await guesses.wrong(key)
        : spent
          ? 0
          : Math.max(1, await guesses.waitSeconds(key));
    if (wait > 0) {
      return {
        refusal: {
          outcome: 'limited',
          status: 429,
          reason: 'Too many wrong credentials from this address',
          retryAfterSeconds: wait,
          authError: true,
        },
      };
    }
    return { refusal: reason === undefined ? WRONG : { ...WRONG, reason } };
  };

  const bySession = (cookie: string, visit: Visit): MaybePromise<Admission | undefined> => {
    const session = sessions.find(cookie);
    if (session === undefined) return undefined;
    const endIfRefused = (admission: Admission): Admission => {
      // Refused by Stripe: the session is over for good, also if the key is accepted again.
      if (admission.refusal?.status === 401) sessions.end(cookie);
      return admission;
    };
    const decide = (result: AuthResult | undefined): MaybePromise<Admission | undefined> => {
      if (result?.outcome === 'granted') {
        visit.sessionCookie = cookie;
        const admission = enter(result.identity, session);
        return admission instanceof Promise ? admission.then(endIfRefused) : endIfRefused(admission);
      }
      if (result?.outcome !== 'refused') {
        sessions.end(cookie);
        return undefined;
      }
      return endIfRefused({ refusal: { ...result, outcome: 'refused', authError: true } });
    };
    const still = byName.get(session.identity.by)?.stillGood(session.identity);
    return still instanceof Promise ? still.then(decide) : decide(still);
  };
  const byLink = (req: IncomingMessage, visit: Visit): MaybePromise<Admission> => {
    const link = takesLinks
      ? (visit.link ?? readCookie(req.headers.cookie, parts.linkCookieName(visit)))
      : undefined;
    if (link === undefined) return { refusal: NO_CREDENTIALS };
    return tryCredential(req, visit, { via: 'url', username: '', secret: link });
  };

  return {
    tryCredential,
    admit: (req, visit) => {
      const presented = readAuthorization(req.headers.authorization);
      if (presented.kind === 'malformed') return wrong(visit.client.key);
      if (presented.kind === 'basic') {
        const { username, password } = presented;
        return tryCredential(req, visit, { via: 'basic', username, secret: password });
      }
      if (presented.kind === 'bearer') {
        return tryCredential(req, visit, { via: 'bearer', username: '', secret: presented.token });
      }
      const cookie = readCookie(req.headers.cookie, parts.cookieName(visit));
      const admission = cookie === undefined ? undefined : bySession(cookie, visit);
      if (admission instanceof Promise) return admission.then((known) => known ?? byLink(req, visit));
      return admission ?? byLink(req, visit);
    },
    stillGood: async (identity) => {
      const result = await byName.get(identity.by)?.stillGood(identity);
      return result?.outcome === 'granted' && (await gateRefusal()) === undefined;
    },
  };
}
