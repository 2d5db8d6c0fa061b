import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Arrivals } from './arrivals.ts';
import type { Replies } from './browser/replies.ts';
import { OWN_COOKIES } from './browser/session-cookie.ts';
import type { Cache } from './cache.ts';
import { sendReply, sendReplyToSocket } from './http/reply.ts';
import { upstreamHeaders } from './http/request-headers.ts';
import { cleanResponseHeaders } from './http/response-headers.ts';
import { createUpstreams } from './http/upstreams.ts';
import type { ResolvedOptions } from './options.ts';
import type { Visit } from './visit.ts';

/** Sends on who was let in, from memory or to the upstream. */
export interface Exchange {
  forward(req: IncomingMessage, res: ServerResponse, visit: Visit): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, visit: Visit): void;
  close(): void;
}

/** Connects the door to its upstream. */
export function createExchange(parts: {
  readonly options: ResolvedOptions;
  readonly arrivals: Arrivals;
  readonly replies: Replies;
  readonly cache: Cache | undefined;
  readonly onWebsocket: (upstreamSocket: Duplex, clientSocket: Duplex, visit: Visit) => void;
}): Exchange {
  const { options, arrivals, replies, cache } = parts;
  const { logger, contentSecurityPolicy } = options;

  const onResponse = (response: IncomingMessage, req: IncomingMessage, res: ServerResponse): boolean => {
    const visit = arrivals.find(req);
    const site = { host: req.headers.host, upstreamHosts: upstream.hosts };
    const { headers } = response;
    if (!cleanResponseHeaders(headers, site, OWN_COOKIES)) {
      const visit = arrivals.find(req);
      if (visit !== undefined) visit.outcome = 'upstreamFailed';
      logger.warn(
        { requestId: visit?.id, target: visit?.target.path },
        'auth: redirect to another site stopped',
      );
      sendReply(req, res, replies.badRedirect());
      return false;
    }
    const key = visit?.cacheKey;
    const mayKeep = key !== undefined && cache?.mayKeep(response) === true;
    // What one person may see must not lie in a cache for all on the way.
    headers['cache-control'] = privately(headers['cache-control']);
    mergeHeader(response, res, 'set-cookie');
    mergeHeader(response, res, 'content-security-policy');
    if (mayKeep) cache?.keep(key, response);
    headers.connection = res.shouldKeepAlive ? 'keep-alive' : 'close';
    return true;
  };
  const onFailure = (error: Error, req: IncomingMessage, target: ServerResponse | Duplex): void => {
    // The client went away: nobody is left to be told.
    if (target.destroyed) return;
    const visit = arrivals.find(req);
    if (visit !== undefined) visit.outcome = 'upstreamFailed';
    const { code } = error as NodeJS.ErrnoException;
    logger.warn({ requestId: visit?.id, code, error: error.message }, 'auth: no answer from the upstream');
    const reply = replies.upstreamFailed(
      req,
      code === 'ETIMEDOUT' || code === 'ERR_UPSTREAM_UPGRADE_TIMEOUT',
    );
    if ('writeHead' in target) sendReply(req, target, reply);
    else sendReplyToSocket(target, reply);
  };
  const upstream = createUpstreams(options.upstream, options.timeouts.upstreamMs, options.balanced, {
    onResponse,
    onFailure,
    onWebsocket: (req, upstreamSocket) => {
      const visit = arrivals.find(req);
      if (visit !== undefined) parts.onWebsocket(upstreamSocket, req.socket, visit);
    },
  });

  const prepare = (req: IncomingMessage, visit: Visit): void => {
    req.url = visit.target.path + visit.target.search;
    req.headers = upstreamHeaders(req, OWN_COOKIES, {
      clientAddress: visit.client.address,
      secure: visit.client.secure,
      requestId: visit.id,
      user: options.forwardUser ? visit.identity?.label : undefined,
    });
  };
  /** True when the answer came from memory; else the upstream is asked in a form whose answer can be kept. */
  const answerFromCache = (req: IncomingMessage, res: ServerResponse, visit: Visit): boolean => {
    // A link's holder is nobody we know.
    if (cache === undefined || visit.identity?.restricted === true) return false;
    // With the user's name upstream, answers may differ by user.
    const key = cache.keyOf(req, visit, options.forwardUser ? visit.identity?.label : undefined);
    if (key === undefined) return false;
    const how = cache.answer(key, req, res);
    if (how !== undefined) {
      visit.outcome = how;
      return true;
    }
    if (req.method !== 'GET') return false;
    visit.cacheKey = key;
    return false;
  };

  return {
    forward: (req, res, visit) => {
      visit.outcome = visit.open ? 'open' : 'proxied';
      if (contentSecurityPolicy !== false) res.setHeader('Content-Security-Policy', contentSecurityPolicy);
      if (answerFromCache(req, res, visit)) return;
      prepare(req, visit);
      if (visit.cacheKey !== undefined) {
        // A 304 of the upstream could not be kept.
        delete req.headers['if-none-match'];
        delete req.headers['if-modified-since'];
      }
      upstream.web(req, res);
    },
    upgrade: (req, socket, head, visit) => {
      visit.outcome = visit.open ? 'open' : 'proxied';
      prepare(req, visit);
      req.headers.connection = 'Upgrade';
      req.headers.upgrade = 'websocket';
      upstream.upgrade(req, socket, head);
    },
    close: () => upstream.close(),
  };
}

function privately(cacheControl: string | undefined): string {
  if (cacheControl === undefined) return 'private, no-cache';
  if (/\bno-store\b|\bprivate\b/i.test(cacheControl)) return cacheControl;
  const rest = cacheControl
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => !/^(?:public|s-maxage=.*)?$/i.test(directive));
  return ['private', ...rest].join(', ');
}

/** httpxy sets the upstream's headers over ours: keep both. */
function mergeHeader(
  response: IncomingMessage,
  res: ServerResponse,
  name: 'set-cookie' | 'content-security-policy',
): void {
  const ours = res.getHeader(name);
  const theirs = response.headers[name];
  if (ours === undefined || theirs === undefined) return;
  (response.headers as Record<string, unknown>)[name] = [ours, theirs].flat();
}
