import type { IncomingMessage } from 'node:http';
import type { CacheKey } from './cache.ts';
import type { Identity } from './authenticators/authenticator.ts';
import type { Client } from './http/client-address.ts';
import type { Target } from './http/target.ts';
import type { Counters } from './options.ts';

/** What became of a request; the names are those of the counters. */
export type Outcome = keyof Counters['requests'];

/** One request on its way through the door. */
export interface Visit {
  readonly id: string;
  readonly startedAt: number;
  readonly client: Client;
  /** Path and query without the link parameter. */
  readonly target: Target;
  /** Value of the link parameter. */
  readonly link: string | undefined;
  /** No credentials needed. */
  readonly open: boolean;
  /** Set once let in. */
  identity: Identity | undefined;
  /** Cookie value of the session that let it in. */
  sessionCookie: string | undefined;
  /** Set once it may go on, with or without credentials. */
  admitted: boolean;
  outcome: Outcome | undefined;
  /** Under which name its answer may be kept in memory. */
  cacheKey: CacheKey | undefined;
  /** Whether the end of its response is being waited for, to log and count it. */
  followed: boolean;
}

/** Why a request goes no further. */
export interface Refusal {
  readonly outcome: Outcome;
  readonly status: 308 | 400 | 401 | 403 | 429 | 503;
  /** For the caller, in one line; also in `TableDog-Auth-Error` when `authError` is set. */
  readonly reason: string;
  readonly authError?: boolean;
  readonly retryAfterSeconds?: number;
  readonly location?: string;
}

/** The address bar's form of the site, from the Host header. */
export function hostOf(req: IncomingMessage): string | undefined {
  const host = req.headers.host;
  return host !== undefined && /^[A-Za-z0-9.:[\]_-]+$/.test(host) ? host : undefined;
}
