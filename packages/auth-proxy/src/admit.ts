import type { IncomingMessage } from 'node:http';
import type { Attempt, Authenticator, AuthResult, Identity } from './authenticators/authenticator.ts';
import type { Guesses } from './guesses.ts';
import { readCookie } from './http/cookies.ts';
import { readAuthorization } from './http/credentials.ts';
import type { Session, Sessions } from './sessions.ts';
import type { Refusal, Visit } from './visit.ts';

/** What an attempt or a whole request came to. */
export type Admission =
  | { readonly identity: Identity; readonly session?: Session; readonly refusal?: undefined }
  | { readonly refusal: Refusal; readonly identity?: undefined };

/** Decides who may enter. */
export interface Admitter {
  /** Decides by what the request carries: Authorization, link, or session. */
  admit(req: IncomingMessage, visit: Visit): Promise<Admission>;
  /** Decides by one credential (the sign-in form). */
  tryCredential(
    req: IncomingMessage,
    visit: Visit,
    credential: Pick<Attempt, 'via' | 'username' | 'secret'>,
  ): Promise<Admission>;
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

  const gateRefusal = async (): Promise<Refusal | undefined> => {
    for (const authenticator of gates) {
      const pending = authenticator.gate?.();
      const gate = pending instanceof Promise ? await pending : pending;
      if (gate?.open === false) return { outcome: 'refused', authError: true, ...gate };
    }
    return undefined;
  };
  const enter = async (identity: Identity, session?: Session): Promise<Admission> => {
    const refusal = await gateRefusal();
    if (refusal !== undefined) return { refusal };
    return session === undefined ? { identity } : { identity, session };
  };

  const tryCredential: Admitter['tryCredential'] = async (req, visit, credential) => {
    const { key } = visit.client;
    let spent: boolean | undefined;
    const attempt: Attempt = {
      ...credential,
      clientKey: key,
      method: req.method ?? 'GET',
      target: visit.target.path + visit.target.search,
      headers: req.headers,
      // However many authenticators need it: one attempt is one guess.
      spendGuess: async () => (spent ??= (await guesses.wrong(key)) === 0),
    };
    let refused: Extract<AuthResult, { outcome: 'refused' }> | undefined;
    let reason: string | undefined;
    for (const authenticator of authenticators) {
      const pending = authenticator.authenticate(attempt);
      const result = pending instanceof Promise ? await pending : pending;
      if (result.outcome === 'granted') {
        if (spent === true) await guesses.giveBack(key);
        return enter(result.identity);
      }
      if (result.outcome === 'refused') refused ??= result;
      if (result.outcome === 'unknown') reason ??= result.reason;
    }
    if (refused !== undefined) {
      if (refused.known === true && spent === true) await guesses.giveBack(key);
      return { refusal: { ...refused, outcome: 'refused', authError: true } };
    }
    return wrong(key, spent, reason);
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

  const bySession = async (req: IncomingMessage, visit: Visit): Promise<Admission | undefined> => {
    const cookie = readCookie(req.headers.cookie, parts.cookieName(visit));
    if (cookie === undefined) return undefined;
    const session = sessions.find(cookie);
    if (session === undefined) return undefined;
    const pending = byName.get(session.identity.by)?.stillGood(session.identity);
    const result = pending instanceof Promise ? await pending : pending;
    if (result?.outcome === 'granted') {
      visit.sessionCookie = cookie;
      const admission = await enter(result.identity, session);
      // Refused by Stripe: the session is over for good, also if the key is accepted again.
      if (admission.refusal?.status === 401) sessions.end(cookie);
      return admission;
    }
    if (result?.outcome === 'refused' && result.status !== 401) {
      return { refusal: { ...result, outcome: 'refused', authError: true } };
    }
    sessions.end(cookie);
    return result?.outcome === 'refused'
      ? { refusal: { ...result, outcome: 'refused', authError: true } }
      : undefined;
  };

  return {
    tryCredential,
    admit: async (req, visit) => {
      const presented = readAuthorization(req.headers.authorization);
      if (presented.kind === 'malformed') return wrong(visit.client.key);
      if (presented.kind === 'basic') {
        const { username, password } = presented;
        return tryCredential(req, visit, { via: 'basic', username, secret: password });
      }
      if (presented.kind === 'bearer') {
        return tryCredential(req, visit, { via: 'bearer', username: '', secret: presented.token });
      }
      const session = await bySession(req, visit);
      if (session !== undefined) return session;
      if (takesLinks) {
        const link = visit.link ?? readCookie(req.headers.cookie, parts.linkCookieName(visit));
        if (link !== undefined) return tryCredential(req, visit, { via: 'url', username: '', secret: link });
      }
      return { refusal: NO_CREDENTIALS };
    },
    stillGood: async (identity) => {
      const result = await byName.get(identity.by)?.stillGood(identity);
      return result?.outcome === 'granted' && (await gateRefusal()) === undefined;
    },
  };
}
