import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { createAdmitter } from './admit.ts';
import type { Identity } from './authenticators/authenticator.ts';
import { logAccess } from './access-log.ts';
import { createReplies } from './browser/replies.ts';
import { createBrowserRoutes } from './browser/routes.ts';
import {
  linkCookie,
  linkCookieName,
  OWN_COOKIES,
  sessionCookie,
  sessionCookieName,
} from './browser/session-cookie.ts';
import { createTally } from './counters.ts';
import { createGuesses } from './guesses.ts';
import { createClientResolver } from './http/client-address.ts';
import { sendReply, sendReplyToSocket } from './http/reply.ts';
import { upstreamHeaders } from './http/request-headers.ts';
import { cleanResponseHeaders, securityHeaders } from './http/response-headers.ts';
import { createUpstream } from './http/upstream.ts';
import { createInspector } from './inspect.ts';
import { resolveOptions, type AuthProxy, type AuthProxyOptions, type Handler } from './options.ts';
import { createSessions } from './sessions.ts';
import { createOpenWebsockets } from './websockets.ts';
import type { Refusal, Visit } from './visit.ts';

const COOKIE_RENEWAL_MS = 86_400_000;

/**
 * Makes an authenticating reverse proxy.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_OPTIONS_INVALID`, `AUTH_PROXY_STATE_UNREADABLE`
 */
export function createAuthProxy(given: AuthProxyOptions): AuthProxy {
  const options = resolveOptions(given);
  const { authenticators, logger, now, basePath } = options;
  const guesses = createGuesses(options.guessLimits, options.stateDir);
  const sessions = createSessions(options.sessionIdleMs, options.stateDir, now);
  const tally = createTally();
  const replies = createReplies(options);
  const inspect = createInspector({
    ...options,
    resolveClient: createClientResolver(options.trustedProxies),
  });
  const admitter = createAdmitter({
    authenticators,
    guesses,
    sessions,
    cookieName: ({ client }) => sessionCookieName(client.secure),
    linkCookieName: ({ client }) => linkCookieName(client.secure),
  });
  const websockets = createOpenWebsockets(admitter, logger);
  const visits = new WeakMap<IncomingMessage, Visit>();
  const ownPages = new Set([`${basePath}/sign-in`, `${basePath}/sign-out`]);

  const visitOf = (req: IncomingMessage): Visit => {
    const visit = visits.get(req);
    if (visit === undefined) throw new Error('visitOf: the request has not been inspected');
    return visit;
  };
  const upstream = createUpstream(options.upstream, options.timeouts.upstreamMs, {
    onResponse: (response, req, res) => {
      const visit = visitOf(req);
      const site = { host: req.headers.host, upstreamHosts: upstream.hosts };
      if (!cleanResponseHeaders(response.headers, site, OWN_COOKIES)) {
        visit.outcome = 'upstreamFailed';
        logger.warn(
          { requestId: visit.id, target: visit.target.path },
          'auth: redirect to another site stopped',
        );
        sendReply(req, res, replies.badRedirect());
        return false;
      }
      mergeHeader(response, res, 'set-cookie');
      mergeHeader(response, res, 'content-security-policy');
      response.headers.connection = res.shouldKeepAlive ? 'keep-alive' : 'close';
      return true;
    },
    onFailure: (error, req, target) => {
      const { code } = error as NodeJS.ErrnoException;
      const visit = visits.get(req);
      const requestId = visit?.id;
      // The client went away: nobody is left to be told.
      if (target.destroyed) return;
      if (visit !== undefined) visit.outcome = 'upstreamFailed';
      logger.warn({ requestId, code, error: error.message }, 'auth: no answer from the upstream');
      const timedOut =
        code === 'ECONNRESET' &&
        error.message === 'socket hang up' &&
        visit !== undefined &&
        options.timeouts.upstreamMs > 0 &&
        now() - visit.startedAt >= options.timeouts.upstreamMs;
      const reply = replies.upstreamFailed(req, timedOut || code === 'ERR_UPSTREAM_UPGRADE_TIMEOUT');
      if ('writeHead' in target) sendReply(req, target, reply);
      else sendReplyToSocket(target, reply);
    },
    onWebsocket: (req, upstreamSocket) => {
      const { identity } = visitOf(req);
      tally.websocket();
      websockets.add(upstreamSocket, req.socket, identity);
    },
  });

  /** Looks at a request once, however many of our handlers it passes. */
  const begin = (req: IncomingMessage): { visit: Visit; refusal: Refusal | undefined } => {
    const known = visits.get(req);
    if (known !== undefined) return { visit: known, refusal: undefined };
    const inspected = inspect(req);
    visits.set(req, inspected.visit);
    return inspected;
  };
  const arrive = (
    req: IncomingMessage,
    res: ServerResponse,
  ): { visit: Visit; refusal: Refusal | undefined } => {
    const fresh = !visits.has(req);
    const arrival = begin(req);
    if (!fresh) return arrival;
    const { visit } = arrival;
    const headers = securityHeaders(visit.client.secure);
    for (const name in headers) res.setHeader(name, headers[name] ?? '');
    res.setHeader('X-Request-Id', visit.id);
    res.once('close', () => {
      tally.outcome(visit.outcome ?? 'own');
      logAccess(logger, req, res, visit, now());
    });
    return arrival;
  };
  const admit = async (req: IncomingMessage, visit: Visit): Promise<Refusal | undefined> => {
    if (visit.admitted) return undefined;
    if (!options.allowAnyone) {
      const admission = await admitter.admit(req, visit);
      if (admission.refusal !== undefined) return admission.refusal;
      visit.identity = admission.identity;
      tally.granted(admission.identity.by);
    }
    visit.admitted = true;
    return undefined;
  };
  const refuse = (req: IncomingMessage, res: ServerResponse, visit: Visit, refusal: Refusal): void => {
    visit.outcome = refusal.outcome;
    sendReply(req, res, replies.refusal(req, visit, refusal));
  };
  /** Cookies live as long as they are used; a link's cookie opens the linked page's styles. */
  const renewCookies = (res: ServerResponse, visit: Visit): void => {
    if (visit.link !== undefined && visit.identity?.restricted === true) {
      res.setHeader('Set-Cookie', linkCookie(visit.link, visit.client.secure));
    }
    if (visit.sessionCookie === undefined) return;
    const session = sessions.find(visit.sessionCookie);
    if (session === undefined || now() - session.cookieSentAt < COOKIE_RENEWAL_MS) return;
    session.cookieSentAt = now();
    res.setHeader(
      'Set-Cookie',
      sessionCookie(visit.sessionCookie, visit.client.secure, options.sessionIdleMs),
    );
  };
  const browserRoutes = createBrowserRoutes({ ...options, admitter, sessions, replies, tally, visitOf });

  /** Runs the checks; calls `enter` for who may go on. */
  const guard = (
    req: IncomingMessage,
    res: ServerResponse,
    enter: (visit: Visit) => void,
    fail: (error: unknown) => void,
  ): void => {
    const { visit, refusal } = arrive(req, res);
    if (refusal !== undefined) return refuse(req, res, visit, refusal);
    if (ownPages.has(visit.target.path) && !options.allowAnyone) {
      visit.outcome ??= 'own';
      // express decides by `req.url`, which is as we received it.
      browserRoutes(req as never, res as never, (error: unknown) => {
        if (error !== undefined && error !== null && error !== 'router') {
          const status = (error as { status?: unknown }).status;
          refuse(req, res, visit, {
            outcome: 'malformed',
            status: 400,
            reason: status === 413 ? 'The form is too large.' : 'The form cannot be read.',
          });
          return;
        }
        refuse(req, res, visit, {
          outcome: 'malformed',
          status: 400,
          reason: 'This page takes GET and POST only.',
        });
      });
      return;
    }
    if (visit.open || visit.admitted) return enter(visit);
    admit(req, visit)
      .then((refused) => {
        if (res.destroyed) return;
        if (refused !== undefined) return refuse(req, res, visit, refused);
        renewCookies(res, visit);
        enter(visit);
      })
      .catch(fail);
  };
  const forward = (req: IncomingMessage, res: ServerResponse, visit: Visit): void => {
    visit.outcome = visit.open ? 'open' : 'proxied';
    if (options.contentSecurityPolicy !== false) {
      res.setHeader('Content-Security-Policy', options.contentSecurityPolicy);
    }
    prepare(req, visit);
    upstream.web(req, res);
  };
  const prepare = (req: IncomingMessage, visit: Visit): void => {
    req.url = visit.target.path + visit.target.search;
    req.headers = upstreamHeaders(req, OWN_COOKIES, {
      clientAddress: visit.client.address,
      secure: visit.client.secure,
      requestId: visit.id,
      user: options.forwardUser ? visit.identity?.label : undefined,
    });
  };
  const failure =
    (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) =>
    (error: unknown): void => {
      logger.error({ error: error instanceof Error ? error.message : 'unknown' }, 'auth: unexpected fault');
      if (next !== undefined) return next(error);
      sendReply(req, res, {
        status: 500,
        headers: { 'Content-Type': 'text/plain' },
        body: 'Something went wrong.\n',
      });
    };

  const handler: Handler = (req, res, next) =>
    guard(req, res, (visit) => forward(req, res, visit), failure(req, res, next));
  const requireAuth: Handler = (req, res, next) =>
    guard(
      req,
      res,
      (visit) => {
        visit.outcome = visit.open ? 'open' : 'own';
        next?.();
      },
      failure(req, res, next),
    );

  const upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Until the upstream has the socket, a reset by the client must not end the process.
    socket.on('error', () => socket.destroy());
    const { visit, refusal } = begin(req);
    const log = (status: number): void => {
      tally.outcome(visit.outcome ?? 'own');
      logAccess(logger, req, { statusCode: status }, visit, now());
    };
    const stop = (refused: Refusal): void => {
      visit.outcome = refused.outcome;
      sendReplyToSocket(socket, replies.refusal(req, visit, refused));
      log(refused.status);
    };
    if (refusal !== undefined) return stop(refusal);
    const websocket = req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket';
    if (!websocket) {
      return stop({
        outcome: 'malformed',
        status: 400,
        reason: 'Only websocket upgrades are possible here.',
      });
    }
    (visit.open ? Promise.resolve(undefined) : admit(req, visit))
      .then((refused) => {
        if (socket.destroyed) return;
        if (refused !== undefined) return stop(refused);
        visit.outcome = visit.open ? 'open' : 'proxied';
        prepare(req, visit);
        req.headers.connection = 'Upgrade';
        req.headers.upgrade = 'websocket';
        upstream.upgrade(req, socket, head);
        log(101);
      })
      .catch((error: unknown) => {
        logger.error({ error: error instanceof Error ? error.message : 'unknown' }, 'auth: unexpected fault');
        socket.destroy();
      });
  };

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      options.signal?.removeEventListener('abort', onAbort);
      websockets.close();
      upstream.close();
      guesses.close();
      sessions.close();
      for (const authenticator of authenticators) await authenticator.close?.();
    })());
  const onAbort = (): void => void close();
  options.signal?.addEventListener('abort', onAbort, { once: true });

  return {
    handler,
    requireAuth,
    upgrade,
    identity: (req): Identity | undefined => visits.get(req)?.identity,
    isAuthorised: async (req) => {
      const { visit, refusal } = begin(req);
      return refusal === undefined && (await admit(req, visit)) === undefined;
    },
    counters: () =>
      tally.read({
        openWebsockets: websockets.size(),
        sessions: sessions.size(),
        guessers: guesses.size(),
        cacheEntries: 0,
        cacheBytes: 0,
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
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
