import type { IncomingMessage, ServerResponse } from 'node:http';
import { createAdmitter, type Admission, type MaybePromise } from './admit.ts';
import { createArrivals } from './arrivals.ts';
import { isShareLinks } from './authenticators/share-link.ts';
import { createReplies } from './browser/replies.ts';
import { createBrowserRoutes } from './browser/routes.ts';
import {
  linkCookie,
  linkCookieName,
  OWN_COOKIES,
  sessionCookie,
  sessionCookieName,
} from './browser/session-cookie.ts';
import { createCache } from './cache.ts';
import { createTally } from './counters.ts';
import { createExchange } from './exchange.ts';
import { createGuesses } from './guesses.ts';
import { createClientResolver } from './http/client-address.ts';
import { hasBody, sendReply, sendReplyToSocket } from './http/reply.ts';
import { createInspector } from './inspect.ts';
import { resolveOptions, type AuthProxy, type AuthProxyOptions } from './options.ts';
import { createSessions } from './sessions.ts';
import type { Refusal, Visit } from './visit.ts';
import { createOpenWebsockets } from './websockets.ts';

const COOKIE_RENEWAL_MS = 86_400_000;
const NOT_BY_LINK: Refusal = {
  outcome: 'refused',
  status: 401,
  reason: 'A link does not open this page',
  authError: true,
};

/**
 * Makes an authenticating reverse proxy.
 *
 * A request's way: look (address, hygiene, TLS, cross-site) → admit (credentials, session or link; guess limits;
 * the key's gate) → own page, the caller's route, memory, or the upstream.
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
  const cache = options.cache === undefined ? undefined : createCache(options.cache, OWN_COOKIES);
  const arrivals = createArrivals({
    inspect: createInspector({ ...options, resolveClient: createClientResolver(options.trustedProxies) }),
    tally,
    logger,
    now,
  });
  const admitter = createAdmitter({
    authenticators,
    guesses,
    sessions,
    cookieName: ({ client }) => sessionCookieName(client.secure),
    linkCookieName: ({ client }) => linkCookieName(client.secure),
  });
  const websockets = createOpenWebsockets(admitter, logger);
  const exchange = createExchange({
    options,
    arrivals,
    replies,
    cache,
    onWebsocket: (upstreamSocket, clientSocket, { identity }) => {
      tally.websocket();
      websockets.add(upstreamSocket, clientSocket, identity);
    },
  });
  const links = authenticators.find(isShareLinks);
  const ownPages = createBrowserRoutes({ ...options, admitter, sessions, replies, tally, arrivals, links });
  const ownPaths = new Set(options.allowAnyone ? [] : [`${basePath}/sign-in`, `${basePath}/sign-out`]);
  const ownPathsInside = new Set(
    links === undefined || options.allowAnyone ? [] : [`${basePath}/links`, `${basePath}/links/revoke`],
  );

  const letIn = (visit: Visit, admission: Admission | undefined): Refusal | undefined => {
    if (admission?.refusal !== undefined) return admission.refusal;
    if (admission !== undefined) {
      visit.identity = admission.identity;
      tally.granted(admission.identity.by);
    }
    visit.admitted = true;
    return undefined;
  };
  /** Lets in or says why not. A request that was let in stays in. */
  const admit = (req: IncomingMessage, visit: Visit): MaybePromise<Refusal | undefined> => {
    if (visit.admitted) return undefined;
    const admission = options.allowAnyone ? undefined : admitter.admit(req, visit);
    return admission instanceof Promise
      ? admission.then((known) => letIn(visit, known))
      : letIn(visit, admission);
  };
  const refuse = (req: IncomingMessage, res: ServerResponse, visit: Visit, refusal: Refusal): void => {
    visit.outcome = refusal.outcome;
    sendReply(req, res, replies.refusal(req, visit, refusal));
  };
  const fault = (error: unknown): void => {
    logger.error({ error: error instanceof Error ? error.message : 'unknown' }, 'auth: unexpected fault');
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

  const showOwnPage = async (req: IncomingMessage, res: ServerResponse, visit: Visit): Promise<void> => {
    visit.outcome = 'own';
    const problem = await ownPages(req, res);
    if (problem === undefined) return;
    refuse(req, res, visit, { outcome: 'malformed', status: 400, reason: problem });
  };

  /** Runs every check, answers our own pages, and calls `enter` for who may go on. */
  const guard = (
    req: IncomingMessage,
    res: ServerResponse,
    enter: (visit: Visit) => void,
  ): MaybePromise<void> => {
    const { visit, refusal } = arrivals.withResponse(req, res);
    if (refusal !== undefined) return refuse(req, res, visit, refusal);
    if (ownPaths.has(visit.target.path)) return showOwnPage(req, res, visit);
    if (visit.open) return enter(visit);
    const decide = (refused: Refusal | undefined): MaybePromise<void> => {
      if (res.destroyed) return;
      if (refused !== undefined) return refuse(req, res, visit, refused);
      if (ownPathsInside.has(visit.target.path)) {
        // Also when somebody made a link to the page of links: it names all the others.
        if (visit.identity?.restricted === true) return refuse(req, res, visit, NOT_BY_LINK);
        renewCookies(res, visit);
        return showOwnPage(req, res, visit);
      }
      renewCookies(res, visit);
      enter(visit);
    };
    const refused = admit(req, visit);
    return refused instanceof Promise ? refused.then(decide) : decide(refused);
  };
  const guarded =
    (
      enter: (req: IncomingMessage, res: ServerResponse, visit: Visit, next?: () => void) => void,
    ): AuthProxy['handler'] =>
    (req, res, next) => {
      const failed = (error: unknown): void => {
        fault(error);
        if (next !== undefined) return next(error);
        sendReply(req, res, { status: 500, headers: {}, body: 'Something went wrong.\n' });
      };
      try {
        const pending = guard(req, res, (visit) => enter(req, res, visit, next));
        if (pending instanceof Promise) pending.catch(failed);
      } catch (error) {
        failed(error);
      }
    };

  const upgrade: AuthProxy['upgrade'] = (req, socket, head) => {
    // Until the upstream has the socket, a reset by the client must not end the process.
    socket.on('error', () => socket.destroy());
    const proceed = async (): Promise<void> => {
      const { visit, refusal } = arrivals.look(req);
      const stop = (refused: Refusal): void => {
        visit.outcome = refused.outcome;
        sendReplyToSocket(socket, replies.refusal(req, visit, refused));
        arrivals.over(req, visit, refused.status);
      };
      if (refusal !== undefined) return stop(refusal);
      if (req.method !== 'GET' || req.headers.upgrade?.toLowerCase() !== 'websocket') {
        return stop({
          outcome: 'malformed',
          status: 400,
          reason: 'Only websocket upgrades are possible here.',
        });
      }
      // Sent on without it, the body would be looked for in the next request on the upstream's connection.
      if (hasBody(req)) {
        return stop({ outcome: 'malformed', status: 400, reason: 'A websocket upgrade has no body.' });
      }
      const refused = visit.open ? undefined : await admit(req, visit);
      if (socket.destroyed) return;
      if (refused !== undefined) return stop(refused);
      exchange.upgrade(req, socket, head, visit);
      arrivals.over(req, visit, 101);
    };
    proceed().catch((error: unknown) => {
      fault(error);
      socket.destroy();
    });
  };

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      options.signal?.removeEventListener('abort', onAbort);
      websockets.close();
      exchange.close();
      guesses.close();
      sessions.close();
      for (const authenticator of authenticators) await authenticator.close?.();
    })());
  const onAbort = (): void => void close().catch(fault);
  options.signal?.addEventListener('abort', onAbort, { once: true });

  return {
    handler: guarded((req, res, visit) => exchange.forward(req, res, visit)),
    requireAuth: guarded((_req, _res, visit, next) => {
      visit.outcome = visit.open ? 'open' : 'own';
      next?.();
    }),
    upgrade,
    identity: (req) => arrivals.find(req)?.identity,
    isAuthorised: async (req) => {
      const { visit, refusal } = arrivals.look(req);
      // What came in the clear could have been read and sent again by anybody.
      if (options.requireTls && !visit.client.secure) return false;
      return refusal === undefined && (await admit(req, visit)) === undefined;
    },
    counters: () =>
      tally.read({
        openWebsockets: websockets.size(),
        sessions: sessions.size(),
        guessers: guesses.size(),
        cacheEntries: cache?.entries() ?? 0,
        cacheBytes: cache?.bytes() ?? 0,
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
