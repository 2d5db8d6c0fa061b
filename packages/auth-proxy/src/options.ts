import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pino, type Logger } from 'pino';
import type { Authenticator, Identity } from './authenticators/authenticator.ts';
import { AuthProxyError } from './errors.ts';
import { isProxyEntry, PROXY_PRESETS } from './http/client-address.ts';
import { DATASETTE_CSP } from './http/response-headers.ts';
import { parseTarget } from './http/target.ts';
import { isUpstream } from './http/upstream.ts';

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
  /**
   * Where requests go: `http://host:port` or `unix:/path/to.sock`. Several addresses are processes that serve the same site:
   * a request goes to the one that is working on the fewest, and one that cannot be connected to is passed over.
   */
  readonly upstream: string | readonly string[];
  /**
   * Of several upstreams: whether the request for this path and query may go to any of them; the others go to the first, which
   * then keeps alone what it takes long to work out.
   * @defaultValue all may
   */
  readonly balanced?: (target: string) => boolean;
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
export type Handler = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => void;

/** What {@link createAuthProxy} returns. */
export interface AuthProxy {
  /** Checks, authenticates, serves sign-in and sign-out, and proxies everything else. Mount it last. */
  readonly handler: Handler;
  /** For `server.on('upgrade', …)`: checks and authenticates a websocket, then connects it. */
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void;
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

/** Options with every default filled in. */
export interface ResolvedOptions extends Required<
  Omit<AuthProxyOptions, 'upstream' | 'notice' | 'stateDir' | 'cache' | 'signal' | 'guessLimits' | 'timeouts'>
> {
  readonly upstream: readonly string[];
  readonly notice: string | undefined;
  readonly stateDir: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly cache: Required<CacheOptions> | undefined;
  readonly guessLimits: Required<GuessLimits>;
  readonly timeouts: Required<Timeouts>;
}

const DAY_MS = 86_400_000;

/**
 * Checks all options at once and fills in the defaults.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_OPTIONS_INVALID`, naming every fault
 */
export function resolveOptions(options: AuthProxyOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    upstream: [options.upstream].flat(),
    balanced: options.balanced ?? (() => true),
    authenticators: [...options.authenticators],
    allowAnyone: options.allowAnyone ?? false,
    trustedProxies: [...(options.trustedProxies ?? [])],
    requireTls: options.requireTls ?? false,
    openPaths: [...(options.openPaths ?? [])],
    signIn: options.signIn ?? 'page',
    siteName: options.siteName ?? 'Datasette',
    notice: options.notice,
    basePath: options.basePath ?? '/tdog',
    stateDir: options.stateDir,
    sessionIdleMs: options.sessionIdleMs ?? 14 * DAY_MS,
    guessLimits: { perDay: 30, burst: 10, ...options.guessLimits },
    timeouts: { upstreamMs: 120_000, ...options.timeouts },
    forwardUser: options.forwardUser ?? false,
    contentSecurityPolicy: options.contentSecurityPolicy ?? DATASETTE_CSP,
    cache:
      options.cache === undefined
        ? undefined
        : { maxBytes: 67_108_864, maxEntryBytes: 2_097_152, cacheable: dependsOnDataOnly, ...options.cache },
    logger: options.logger ?? pino({ level: 'silent' }),
    signal: options.signal,
    now: options.now ?? Date.now,
  };
  const faults = faultsOf(resolved);
  if (faults.length > 0) throw new AuthProxyError('AUTH_PROXY_OPTIONS_INVALID', faults.join('; '));
  return resolved;
}

function faultsOf(options: ResolvedOptions): string[] {
  const faults: string[] = [];
  const names = options.authenticators.map(({ name }) => name);
  if (options.upstream.length === 0) faults.push('`upstream` is empty');
  for (const address of options.upstream) {
    if (!isUpstream(address)) {
      faults.push(`\`upstream\` must be http://host:port or unix:/path.sock, got ${JSON.stringify(address)}`);
    }
  }
  if (new Set(options.upstream).size !== options.upstream.length) {
    faults.push(`\`upstream\` has the same address twice: ${options.upstream.join(', ')}`);
  }
  if (names.length === 0 && !options.allowAnyone)
    faults.push('`authenticators` is empty: nobody could get in');
  if (new Set(names).size !== names.length)
    faults.push(`\`authenticators\` has two of the same name: ${names.join(', ')}`);
  for (const entry of options.trustedProxies) {
    if (!isProxyEntry(entry)) {
      faults.push(
        `\`trustedProxies\`: ${JSON.stringify(entry)} is no address, CIDR or preset (${Object.keys(PROXY_PRESETS).join(', ')})`,
      );
    }
  }
  for (const { path } of options.openPaths) {
    const target = parseTarget(path);
    if ('problem' in target || target.search !== '') {
      faults.push(`\`openPaths\`: ${JSON.stringify(path)} must be one exact path without a query`);
    }
  }
  if (!/^(?:\/[a-z0-9-]+)+$/i.test(options.basePath)) {
    faults.push(`\`basePath\` must be a path such as /tdog, got ${JSON.stringify(options.basePath)}`);
  }
  const numbers: Readonly<Record<string, number>> = {
    sessionIdleMs: options.sessionIdleMs,
    'guessLimits.perDay': options.guessLimits.perDay,
    'guessLimits.burst': options.guessLimits.burst,
    'timeouts.upstreamMs': options.timeouts.upstreamMs,
    'cache.maxBytes': options.cache?.maxBytes ?? 0,
    'cache.maxEntryBytes': options.cache?.maxEntryBytes ?? 0,
  };
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value) || value < 0)
      faults.push(`\`${name}\` must be a finite number >= 0, got ${value}`);
  }
  return faults;
}

/**
 * Whether an answer depends on the data alone: no page under `/-/` but the static files, and no SQL that reads
 * the clock or a random number.
 */
export function dependsOnDataOnly(target: string): boolean {
  if (target.startsWith('/-/')) return target.startsWith('/-/static');
  return !/now|random|current_(?:date|time)|julianday|unixepoch|strftime|datetime|date(?:\(|%28)|_trace/i.test(
    target,
  );
}
