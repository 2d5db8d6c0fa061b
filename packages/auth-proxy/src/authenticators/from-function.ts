import { digest } from '../secrets.ts';
import type { Attempt, Authenticator, AuthResult } from './authenticator.ts';

/** Options of {@link fromFunction}. */
export interface FunctionAuthenticatorOptions {
  /** Shows in logs and counters. */
  readonly name: string;
  /** What the sign-in form asks for. @defaultValue 'none' */
  readonly form?: Authenticator['form'];
  /** Label of the form's field. @defaultValue 'Password' */
  readonly formLabel?: string;
  /** Who is it? A label lets in, undefined does not. A thrown error refuses with 503. */
  readonly authenticate: (attempt: Attempt) => string | undefined | Promise<string | undefined>;
  /** Whether a session of this label may go on. @defaultValue always */
  readonly stillGood?: (label: string) => boolean | Promise<boolean>;
}

/** Lets in whom a function of the caller's recognises. */
export function fromFunction(options: FunctionAuthenticatorOptions): Authenticator {
  const { name, authenticate, stillGood = () => true } = options;
  const failed: AuthResult = {
    outcome: 'refused',
    status: 503,
    reason: 'The credentials cannot be checked at present',
    retryAfterSeconds: 5,
  };
  const granted = (label: string): AuthResult => ({
    outcome: 'granted',
    identity: { by: name, label, fingerprint: digest(JSON.stringify([name, label])).toString('base64url') },
  });
  return {
    name,
    form: options.form ?? 'none',
    formLabel: options.formLabel ?? 'Password',
    authenticate: async (attempt) => {
      try {
        const label = await authenticate(attempt);
        return label === undefined ? { outcome: 'unknown' } : granted(label);
      } catch {
        return failed;
      }
    },
    stillGood: async ({ label }) => {
      try {
        return (await stillGood(label)) ? granted(label) : { outcome: 'unknown' };
      } catch {
        return failed;
      }
    },
  };
}
