import type { IncomingHttpHeaders } from 'node:http';

/** Who was let in. Holds no secret: it may be logged and shown. */
export interface Identity {
  /** Name of the authenticator that let them in, such as `stripe-key`. */
  readonly by: string;
  /** What to call them in logs and to the upstream: the last 4 characters of a key, a user name, a link's id. */
  readonly label: string;
  /**
   * Which credential it was, as an unguessable fingerprint (never the credential): a session stays good only
   * while its authenticator still knows this fingerprint.
   */
  readonly fingerprint: string;
  /** Set for a share link: nothing but the linked page is open. */
  readonly restricted?: true;
}

/** What somebody presents: one user name and password, bearer token, or link. */
export interface Attempt {
  /** Where it came from. A `form` has one secret field and, if an authenticator asks for it, a user name. */
  readonly via: 'basic' | 'bearer' | 'form' | 'url';
  /** User name of Basic or the form; empty for a bearer token. */
  readonly username: string;
  /** Password of Basic; the secret of the form; the bearer token; the value of the link parameter. */
  readonly secret: string;
  /** Client address after trusted proxies, IPv6 cut to its /64. */
  readonly clientKey: string;
  /** `GET`, `POST`, … */
  readonly method: string;
  /** Path and query exactly as received (checked for hygiene), without the link parameter. */
  readonly target: string;
  /** The request's headers, read only. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  /**
   * Counts one guess against the caller before work that costs somebody something is done (a question to
   * Stripe, bcrypt). False: the caller's budget is spent, refuse. A guess that proves right is given back.
   */
  readonly spendGuess: () => Promise<boolean>;
}

/** What an authenticator says about an attempt. */
export type AuthResult =
  /** Right: let in. */
  | { readonly outcome: 'granted'; readonly identity: Identity }
  /** Not this authenticator's, or wrong: the next one is asked; if none grants, it was a guess. */
  | { readonly outcome: 'unknown'; readonly reason?: string }
  /** The caller's guess budget was spent before the credential could be checked. */
  | { readonly outcome: 'limited' }
  /**
   * The credential is recognised, and yet not let in (401 revoked, 403 permission missing, 503 cannot be
   * checked now). `reason` is shown to the caller in `TableDog-Auth-Error`.
   */
  | {
      readonly outcome: 'refused';
      readonly status: 401 | 403 | 503;
      readonly reason: string;
      readonly retryAfterSeconds?: number;
      /** True when it was no guess: the credential itself is right. */
      readonly known?: boolean;
    };

/** Whether the door as a whole is open. */
export type GateResult =
  | { readonly open: true }
  | {
      readonly open: false;
      readonly status: 401 | 503;
      readonly reason: string;
      readonly retryAfterSeconds?: number;
    };

/** One way to get in. Authenticators are asked in order; the first that grants wins. */
export interface Authenticator {
  /** Shows in logs, sessions and counters. */
  readonly name: string;
  /** What the sign-in form must ask for; `none` when this one cannot be used from a form. */
  readonly form: 'key' | 'user-password' | 'none';
  /** Words of the sign-in page for its field, such as `Stripe secret key`. */
  readonly formLabel?: string;
  /** Checks one credential. Equal work for every wrong one. */
  authenticate(attempt: Attempt): AuthResult | Promise<AuthResult>;
  /** Whether a session made from this identity may go on. Called on each request with a session. */
  stillGood(identity: Identity): AuthResult | Promise<AuthResult>;
  /**
   * Asked on every request that would be let in, whoever it is: closed shuts the whole site (the mirror's own
   * key was refused).
   */
  gate?(): GateResult | Promise<GateResult>;
  /** Releases timers and files, and writes what must survive. Called by the proxy's `close()`. */
  close?(): Promise<void>;
}
