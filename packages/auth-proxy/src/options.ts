import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { Authenticator, Identity } from './authenticators/authenticator.ts';

/** A request that needs no credentials. Compared exactly: no patterns, no query, no trailing slash. */
export interface OpenPath {
  /** @defaultValue `['GET', 'HEAD']` */
  readonly methods?: readonly string[];
  /** Exactly this path; a query string after it is allowed. */
  readonly path: string;
  /** Also answered over plain http when TLS is required (probes). @defaultValue false */
  readonly plainHttp?: boolean;
}

/** Answers from memory while the data has not changed. */
export interface CacheOptions {
  /**
   * Says which version the data is at. Called once per request that might be answered from the cache, so it
   * must be cheap. `undefined`: no caching now.
   */
  readonly dataVersion: () => string | number | undefined;
  /** Upper bound of the bodies kept, bytes. @defaultValue 67,108,864 */
  readonly maxBytes?: number;
  /** A larger body is not kept, bytes. @defaultValue 2,097,152 */
  readonly maxEntryBytes?: number;
  /**
   * Whether the answer to this path and query depends on the data alone.
   * @defaultValue {@link dependsOnDataOnly}: no `/-/` pages but the static ones, nothing whose SQL reads the clock or a random number
   */
  readonly cacheable?: (target: string) => boolean;
}

/** Guess limits of one client address (IPv6: one /64). */
export interface GuessLimits {
  /** Wrong credentials a day. @defaultValue 30 */
  readonly perDay?: number;
  /** So many in a row are answered at once; then each doubles the wait (1 s, 2 s, 4 s … 1 h). @defaultValue 10 */
  readonly burst?: number;
}

/** Time limits, ms. 0 means none. */
export interface Timeouts {
  /** The upstream must begin its answer within this time. @defaultValue 120,000 */
  readonly upstreamMs?: number;
}

/** Options of {@link createAuthProxy}. */
export interface AuthProxyOptions {
  /** Where requests go: `http://host:port` or `unix:/path/to.sock`. */
  readonly upstream: string;
  /** Who gets in, asked in order. An empty list needs `allowAnyone`. */
  readonly authenticators: readonly Authenticator[];
  /** Switches authentication off: everybody is let in. @defaultValue false */
  readonly allowAnyone?: boolean;
  /**
   * Proxies whose forwarding headers are believed: addresses, CIDRs, or the presets `fly`, `cloudflare`,
   * `loopback`, `private`. @defaultValue none: the socket's address counts
   */
  readonly trustedProxies?: readonly string[];
  /** Refuses plain http: 403, or 308 to https when a trusted proxy says it was http. @defaultValue false */
  readonly requireTls?: boolean;
  /** Requests that need no credentials. @defaultValue none */
  readonly openPaths?: readonly OpenPath[];
  /** `page`: browsers get a sign-in page; `basic`: the browser's own prompt. @defaultValue 'page' */
  readonly signIn?: 'page' | 'basic';
  /** Name of the site on the sign-in page and in the Basic realm. @defaultValue 'Datasette' */
  readonly siteName?: string;
  /** A line under the name on the sign-in page, plain text (a demo says so here). */
  readonly notice?: string;
  /** Path under which the proxy's own pages lie. @defaultValue '/tdog' */
  readonly basePath?: string;
  /** Folder for `sessions.json` and `guesses.json`, mode 0600. Without it a restart signs everybody out. */
  readonly stateDir?: string;
  /** A session ends after this long without a request, ms. @defaultValue 1,209,600,000 (14 days) */
  readonly sessionIdleMs?: number;
  /** See {@link GuessLimits}. */
  readonly guessLimits?: GuessLimits;
  /** See {@link Timeouts}. */
  readonly timeouts?: Timeouts;
  /** Tells the upstream who it is in `X-Forwarded-User` (the identity's label). @defaultValue false */
  readonly forwardUser?: boolean;
  /** `Content-Security-Policy` of proxied answers; false sets none. @defaultValue {@link DATASETTE_CSP} */
  readonly contentSecurityPolicy?: string | false;
  /** Caching of answers. @defaultValue off */
  readonly cache?: CacheOptions;
  /** Access log (info), refusals and faults (warn). @defaultValue silent */
  readonly logger?: Logger;
  /** Stops everything as `close()` does. */
  readonly signal?: AbortSignal;
  /** Clock, ms. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** Figures since the start, as plain data (a Prometheus exporter names them as it likes). */
export interface Counters {
  /** Requests that reached the proxy, by what became of them. */
  readonly requests: {
    readonly proxied: number;
    readonly cached: number;
    readonly notModified: number;
    readonly open: number;
    readonly own: number;
    readonly unauthenticated: number;
    readonly wrongCredentials: number;
    readonly limited: number;
    readonly refused: number;
    readonly malformed: number;
    readonly insecure: number;
    readonly crossSite: number;
    readonly upstreamFailed: number;
  };
  /** Let in, by authenticator's name; a session counts for the authenticator that it came from. */
  readonly granted: Readonly<Record<string, number>>;
  readonly signIns: number;
  readonly signOuts: number;
  readonly websockets: number;
  /** Now, not since the start. */
  readonly openWebsockets: number;
  readonly sessions: number;
  readonly guessers: number;
  readonly cacheEntries: number;
  readonly cacheBytes: number;
}

/** Fits express 5, connect, and a plain `http.createServer` listener. */
export type Handler = (
  req: IncomingMessage,
  res: import('node:http').ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** What {@link createAuthProxy} returns. */
export interface AuthProxy {
  /** Checks, authenticates, serves sign-in and sign-out, and proxies everything else. Mount it last. */
  readonly handler: Handler;
  /** For `server.on('upgrade', …)`: checks and authenticates a websocket, then connects it. */
  readonly upgrade: (req: IncomingMessage, socket: import('node:stream').Duplex, head: Buffer) => void;
  /**
   * For the caller's own routes, mounted before `handler`: runs every check (address, TLS rule, path hygiene,
   * security headers, guess limits, session, credentials) and calls `next` for who is let in and for open
   * paths. Sign-in and sign-out are answered here too.
   */
  readonly requireAuth: Handler;
  /** Who made this request, once `requireAuth` or `handler` let it in with credentials. */
  identity(req: IncomingMessage): Identity | undefined;
  /**
   * Whether an open path's request comes with good credentials or session (for more detail in the answer).
   * Never writes to the response. Wrong credentials count as a guess.
   */
  isAuthorised(req: IncomingMessage): Promise<boolean>;
  /** Figures so far. */
  counters(): Counters;
  /** Writes state, closes authenticators, cuts upstream connections. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
