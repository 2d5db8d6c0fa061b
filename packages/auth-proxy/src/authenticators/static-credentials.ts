import { AuthProxyError } from '../errors.ts';
import { digest, sameDigest } from '../secrets.ts';
import type { Attempt, Authenticator, AuthResult, Identity } from './authenticator.ts';
import { createKnownGood } from './known-good.ts';

/** One pair for {@link staticCredentials}. */
export interface StaticCredential {
  /** User name of Basic or the form. Leave it out for a token: Bearer, or Basic's user name with an empty password. */
  readonly username?: string;
  /** Password, or the token. Not empty. */
  readonly password: string;
}

// From here on a secret cannot be guessed at the rate of a network, so the guess limit need not hold it back.
const UNGUESSABLE_LENGTH = 16;

/**
 * Lets in fixed user names and passwords, or tokens.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_OPTIONS_INVALID`
 */
export function staticCredentials(credentials: readonly StaticCredential[]): Authenticator {
  if (credentials.length === 0 || credentials.some(({ password }) => password === '')) {
    throw new AuthProxyError(
      'AUTH_PROXY_OPTIONS_INVALID',
      'staticCredentials: give at least one credential, each with a password that is not empty.',
    );
  }
  const entries = credentials.map(({ username, password }) => {
    const both = pair(username ?? '', password, username === undefined);
    const identity: Identity = {
      by: 'static',
      label: username ?? `token ...${password.slice(-4)}`,
      fingerprint: digest(both).toString('base64url'),
    };
    return { hash: digest(both), identity };
  });
  const guessable = credentials.some(({ password }) => password.length < UNGUESSABLE_LENGTH);
  const knownGood = createKnownGood();

  return {
    name: 'static',
    form: credentials.some(({ username }) => username !== undefined) ? 'user-password' : 'key',
    formLabel: credentials.some(({ username }) => username !== undefined) ? 'Password' : 'Token',
    authenticate: async (attempt): Promise<AuthResult> => {
      const presented = presentedPair(attempt);
      const remembered = guessable && knownGood.has(attempt.clientKey, presented);
      if (guessable && !remembered && !(await attempt.spendGuess())) return { outcome: 'limited' };
      // Every entry is compared, whichever it is: the time tells nothing.
      const hash = digest(presented);
      let identity: Identity | undefined;
      for (const entry of entries) if (sameDigest(entry.hash, hash)) identity = entry.identity;
      if (identity === undefined) return { outcome: 'unknown' };
      if (guessable) knownGood.add(attempt.clientKey, presented);
      return { outcome: 'granted', identity };
    },
    stillGood: ({ fingerprint }) => {
      const entry = entries.find(({ identity }) => identity.fingerprint === fingerprint);
      return entry === undefined ? { outcome: 'unknown' } : { outcome: 'granted', identity: entry.identity };
    },
  };
}

function pair(username: string, password: string, token: boolean): string {
  return JSON.stringify(token ? ['token', password] : ['pair', username, password]);
}

function presentedPair({ via, username, secret }: Attempt): string {
  if (via === 'bearer') return pair('', secret, true);
  if (via === 'basic' && secret === '') return pair('', username, true);
  if (via === 'form' && username === '') return pair('', secret, true);
  return pair(username, secret, false);
}
