import type { Authenticator, Attempt, AuthResult } from './authenticator.ts';

/** One pair for {@link staticCredentials}. */
export interface StaticCredential {
  /** User name of Basic or the form. Leave out for a token: then it is the Bearer token, or Basic's user name with an empty password. */
  readonly username?: string;
  /** Password, or the token. Not empty. */
  readonly password: string;
}

/** Options of {@link htpasswd}. */
export interface HtpasswdOptions {
  /** File of lines `user:$2y$…` (bcrypt; `htpasswd -B`). Read again when it changes. */
  readonly file: string;
}

/** Decides by a function of the caller's. */
export interface FunctionAuthenticatorOptions {
  /** Shows in logs and counters. */
  readonly name: string;
  /** What the sign-in form asks for. @defaultValue 'none' */
  readonly form?: Authenticator['form'];
  /** Label of the form's field. */
  readonly formLabel?: string;
  /** Who is it? A label lets in, undefined does not. A thrown error refuses with 503. */
  readonly authenticate: (attempt: Attempt) => string | undefined | Promise<string | undefined>;
  /** Whether a session of this label may go on. @defaultValue always */
  readonly stillGood?: (label: string) => boolean | Promise<boolean>;
}

export type { AuthResult };
