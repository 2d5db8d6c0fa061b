import type { IncomingMessage } from 'node:http';
import type { Authenticator } from '../authenticators/authenticator.ts';
import type { Reply } from '../http/reply.ts';
import type { Refusal, Visit } from '../visit.ts';
import { escapeHtml, wantsHtml } from './html.ts';
import { renderPage } from './page.ts';
import { signInPage } from './sign-in-page.ts';

/** How refusals look: a page for browsers, one line for everything else. */
export interface Replies {
  refusal(req: IncomingMessage, visit: Visit, refusal: Refusal, next?: string): Reply;
  upstreamFailed(req: IncomingMessage, timedOut: boolean): Reply;
  badRedirect(): Reply;
}

const RETRY_SECONDS = 5;

/** Makes the replies of one site. */
export function createReplies(site: {
  readonly siteName: string;
  readonly notice: string | undefined;
  readonly basePath: string;
  readonly signIn: 'page' | 'basic';
  readonly authenticators: readonly Authenticator[];
}): Replies {
  const canSignIn = site.signIn === 'page' && site.authenticators.some(({ form }) => form !== 'none');
  // In a quoted string; nothing that could end it or the header.
  const realm = site.siteName.replace(/[^\x20-\x7e]|["\\]/g, '');
  const basic = `Basic realm="${realm}", charset="UTF-8"`;

  const challenge = (req: IncomingMessage, html: boolean): string => {
    if (site.signIn === 'basic') return basic;
    // A page's own fetch() must not raise the browser's prompt over the sign-in page, nor the page itself.
    // (Sec-Fetch-Site tells browsers from Node's fetch, which sends the mode alone.)
    const mode = req.headers['sec-fetch-mode'];
    const byScript = req.headers['sec-fetch-site'] !== undefined && mode !== undefined && mode !== 'navigate';
    return canSignIn && (html || byScript) ? `Bearer realm="${realm}"` : basic;
  };

  return {
    refusal: (req, visit, refusal, next) => {
      const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
      const html = wantsHtml(req.method, req.headers.accept);
      if (refusal.location !== undefined) headers.Location = refusal.location;
      if (refusal.retryAfterSeconds !== undefined) headers['Retry-After'] = String(refusal.retryAfterSeconds);
      if (refusal.authError === true) headers['TableDog-Auth-Error'] = headerText(refusal.reason);
      if (refusal.status === 401) headers['WWW-Authenticate'] = challenge(req, html);
      if (
        html &&
        canSignIn &&
        (refusal.status === 401 || (next !== undefined && refusal.authError === true))
      ) {
        const page = signInPage(
          {
            ...site,
            next: next ?? visit.target.path + visit.target.search,
            ...(refusal.outcome === 'unauthenticated' ? {} : { problem: sentence(refusal) }),
          },
          site.authenticators,
        );
        return { status: refusal.status, headers: { ...headers, ...page.headers }, body: page.body };
      }
      if (html) {
        const page = renderPage({
          title: site.siteName,
          content: `<h1>${escapeHtml(TITLES[refusal.status])}</h1><p>${escapeHtml(sentence(refusal))}</p>`,
        });
        return { status: refusal.status, headers: { ...page.headers, ...headers }, body: page.body };
      }
      return plain(req, refusal.status, sentence(refusal), headers);
    },
    upstreamFailed: (req, timedOut) => {
      const status = timedOut ? 504 : 502;
      const text = timedOut
        ? 'The server behind this site did not answer in time.'
        : 'The server behind this site is not running yet.';
      const headers = { 'Cache-Control': 'no-store', 'Retry-After': String(RETRY_SECONDS) };
      // Repeating a form post on a timer would be wrong.
      if (!wantsHtml(req.method, req.headers.accept) || req.method === 'POST')
        return plain(req, status, text, headers);
      const page = renderPage({
        title: `One moment · ${site.siteName}`,
        refreshSeconds: RETRY_SECONDS,
        content: `<h1>One moment</h1><p role="status">${text} This page tries again by itself every ${RETRY_SECONDS} seconds.</p><a class="button" href="">Try now</a>`,
      });
      return { status, headers: { ...headers, ...page.headers }, body: page.body };
    },
    badRedirect: () => ({
      status: 502,
      headers: { 'Cache-Control': 'no-store', 'Content-Type': 'text/plain; charset=utf-8' },
      body: 'The server behind this site redirects to another site; that is not followed.\n',
    }),
  };
}

const TITLES: Readonly<Record<Refusal['status'], string>> = {
  308: 'Please use https',
  400: 'This address cannot be read',
  401: 'Please sign in',
  403: 'Not allowed',
  429: 'Please wait',
  503: 'Not available at present',
};

function sentence(refusal: Refusal): string {
  const text = refusal.reason.endsWith('.') ? refusal.reason : `${refusal.reason}.`;
  return refusal.retryAfterSeconds === undefined
    ? text
    : `${text} Try again in ${duration(refusal.retryAfterSeconds)}.`;
}

function duration(seconds: number): string {
  const [count, unit] =
    seconds < 90
      ? [seconds, 'second']
      : seconds < 5_400
        ? [Math.ceil(seconds / 60), 'minute']
        : [Math.ceil(seconds / 3_600), 'hour'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 500);
}

function plain(req: IncomingMessage, status: number, text: string, headers: Record<string, string>): Reply {
  if (/\bjson\b/i.test(req.headers.accept ?? '')) {
    return {
      status,
      headers: { ...headers, 'Content-Type': 'application/json; charset=utf-8' },
      body: `${JSON.stringify({ ok: false, status, error: text })}\n`,
    };
  }
  return { status, headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }, body: `${text}\n` };
}
