import { Router, urlencoded, type Request, type Response } from 'express';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admitter } from '../admit.ts';
import type { Arrivals } from '../arrivals.ts';
import type { Authenticator } from '../authenticators/authenticator.ts';
import type { ShareLinkAuthenticator } from '../authenticators/share-link.ts';
import type { Tally } from '../counters.ts';
import { readCookie } from '../http/cookies.ts';
import { sendReply } from '../http/reply.ts';
import type { Sessions } from '../sessions.ts';
import { hostOf, type Visit } from '../visit.ts';
import { escapeHtml } from './html.ts';
import { createLinkPages } from './link-pages.ts';
import { ownPath } from './next.ts';
import { renderPage } from './page.ts';
import type { Replies } from './replies.ts';
import { clearCookie, sessionCookie, sessionCookieName } from './session-cookie.ts';
import { signInPage } from './sign-in-page.ts';

const FORM_MS = 20_000;

/** What the sign-in and sign-out pages need. */
export interface BrowserRoutesParts {
  readonly siteName: string;
  readonly notice: string | undefined;
  readonly basePath: string;
  readonly authenticators: readonly Authenticator[];
  readonly sessionIdleMs: number;
  readonly admitter: Admitter;
  readonly sessions: Sessions;
  readonly replies: Replies;
  readonly tally: Tally;
  readonly arrivals: Arrivals;
  readonly links: ShareLinkAuthenticator | undefined;
  readonly now: () => number;
}

/** Answers a request for one of our pages; resolves to what was wrong with it, if it could not be answered. */
export type BrowserRoutes = (req: IncomingMessage, res: ServerResponse) => Promise<string | undefined>;

/** The pages `/sign-in`, `/sign-out` and, for who is signed in, `/links` under the base path. */
export function createBrowserRoutes(parts: BrowserRoutesParts): BrowserRoutes {
  const { basePath, sessions, arrivals, tally } = parts;
  const router = Router({ caseSensitive: true, strict: true });
  if (parts.links !== undefined) {
    const originOf = (req: IncomingMessage): string =>
      `http${visitOf(req).client.secure ? 's' : ''}://${hostOf(req) ?? 'localhost'}`;
    router.use(createLinkPages({ ...parts, links: parts.links, originOf }));
  }
  const form = urlencoded({ extended: false, limit: '16kb', parameterLimit: 10 });

  router.get(`${basePath}/sign-in`, (req, res) => {
    const page = signInPage({ ...parts, next: '/' }, parts.authenticators);
    sendReply(req, res, { status: 200, ...page });
  });
  router.post(`${basePath}/sign-in`, form, async (req, res) => {
    const visit = visitOf(req);
    const fields = (req.body ?? {}) as Record<string, unknown>;
    const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
    const next = ownPath(text('next'));
    const asksUser = parts.authenticators.some(({ form: asks }) => asks === 'user-password');
    const admission = await parts.admitter.tryCredential(req, visit, {
      via: 'form',
      // Without a user name field the form carries the site's name for password managers.
      username: asksUser ? text('username') : '',
      secret: text('secret').trim(),
    });
    if (admission.refusal !== undefined) {
      visit.outcome = admission.refusal.outcome;
      sendReply(req, res, parts.replies.refusal(req, visit, admission.refusal, next));
      return;
    }
    // A new value at each sign-in: one planted before it is worth nothing.
    endSession(req, visit);
    visit.identity = admission.identity;
    tally.signIn();
    const cookie = sessions.start(admission.identity);
    redirect(req, res, next, sessionCookie(cookie, visit.client.secure, parts.sessionIdleMs));
  });

  router.get(`${basePath}/sign-out`, (req, res) => {
    const page = renderPage({
      title: `Sign out · ${parts.siteName}`,
      content: `<h1>Sign out of ${escapeHtml(parts.siteName)}?</h1>
<form method="post" action="${escapeHtml(basePath)}/sign-out"><button>Sign out</button></form>
<a class="button plain" href="/">Stay</a>`,
    });
    sendReply(req, res, { status: 200, ...page });
  });
  router.post(`${basePath}/sign-out`, (req, res) => {
    const visit = visitOf(req);
    if (endSession(req, visit)) tally.signOut();
    const page = renderPage({
      title: `Signed out · ${parts.siteName}`,
      content: `<h1>You are signed out</h1><p>This browser’s session has ended.</p><a class="button" href="/">Sign in again</a>`,
    });
    const { secure } = visit.client;
    // With the browser's own prompt only a 401 makes it forget what it sends.
    const forget = req.headers.authorization !== undefined;
    sendReply(req, res, {
      status: forget ? 401 : 200,
      body: page.body,
      headers: {
        ...page.headers,
        ...(forget ? { 'WWW-Authenticate': 'Basic realm="signed out"' } : {}),
        'Set-Cookie': clearCookie(sessionCookieName(secure), secure),
        'Clear-Site-Data': '"cache"',
      },
    });
  });

  function visitOf(req: IncomingMessage): Visit {
    return arrivals.look(req).visit;
  }
  function endSession(req: IncomingMessage, visit: Visit): boolean {
    const cookie = readCookie(req.headers.cookie, sessionCookieName(visit.client.secure));
    return cookie !== undefined && sessions.end(cookie);
  }
  return (req, res) =>
    new Promise((resolve, reject) => {
      // A form that comes in byte by byte would hold its connection for days.
      const late = setTimeout(() => req.destroy(), FORM_MS).unref();
      req.once('end', () => clearTimeout(late));
      res.once('close', () => {
        clearTimeout(late);
        resolve(undefined);
      });
      // The router needs nothing of express's own request and response.
      router(req as Request, res as Response, (error?: unknown) => {
        if (error === undefined || error === null) return resolve('This page takes GET and POST only.');
        const status = (error as { status?: unknown }).status;
        // body-parser's own words may quote what was sent.
        if (typeof status === 'number' && status < 500) resolve('The form cannot be read.');
        else reject(error instanceof Error ? error : new Error('unknown'));
      });
    });
}

function redirect(req: IncomingMessage, res: ServerResponse, location: string, cookie: string): void {
  sendReply(req, res, {
    status: 303,
    headers: { Location: location, 'Set-Cookie': cookie, 'Cache-Control': 'no-store' },
    body: '',
  });
}
