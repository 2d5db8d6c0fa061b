import { Router, urlencoded } from 'express';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ShareLink, ShareLinkAuthenticator } from '../authenticators/share-link.ts';
import { AuthProxyError } from '../errors.ts';
import { sendReply } from '../http/reply.ts';
import { escapeHtml } from './html.ts';
import { renderPage } from './page.ts';

const DAY_MS = 86_400_000;

/** What the page of share links needs. */
export interface LinkPagesParts {
  readonly siteName: string;
  readonly basePath: string;
  readonly links: ShareLinkAuthenticator;
  readonly now: () => number;
  /** `https://host` as the browser knows the site. */
  readonly originOf: (req: IncomingMessage) => string;
}

/** `/links`: the owner makes and ends share links. Mounted behind authentication, closed to who came by a link. */
export function createLinkPages(parts: LinkPagesParts): Router {
  const { basePath, links, now } = parts;
  const router = Router({ caseSensitive: true, strict: true });
  const form = urlencoded({ extended: false, limit: '16kb', parameterLimit: 10 });
  const show = (
    req: IncomingMessage,
    res: ServerResponse,
    status: number,
    message: string,
    path = '',
  ): void => {
    const page = renderPage({
      title: `Share links · ${parts.siteName}`,
      wide: true,
      content: content(message, path),
    });
    sendReply(req, res, { status, ...page });
  };

  router.get(`${basePath}/links`, (req, res) => {
    // A page that offers to be shared comes with its address.
    const { path } = req.query;
    show(req, res, 200, '', typeof path === 'string' ? path : '');
  });
  router.post(`${basePath}/links`, form, async (req, res) => {
    const { path, days, note } = fieldsOf(req.body);
    try {
      const { url } = await links.create({
        // Pasted from the address bar it is a whole address.
        path: path.trim().replace(/^https?:\/\/[^/]+/i, ''),
        expiresAt: now() + Number(days) * DAY_MS,
        note,
      });
      const address = escapeHtml(parts.originOf(req) + url);
      show(
        req,
        res,
        200,
        `<div class="note" role="status"><strong>The link, shown this once:</strong><br><code>${address}</code></div>`,
      );
    } catch (error) {
      if (!(error instanceof AuthProxyError)) throw error;
      show(req, res, 400, `<p class="alert" role="alert">${escapeHtml(error.message)}</p>`, path);
    }
  });
  router.post(`${basePath}/links/revoke`, form, async (req, res) => {
    const found = await links.revoke(fieldsOf(req.body).id);
    if (found) show(req, res, 200, '<p class="note" role="status">The link has ended.</p>');
    else show(req, res, 404, '<p class="alert" role="alert">There is no such link.</p>');
  });

  function content(message: string, path: string): string {
    const rows = links.list().map(row).join('');
    return `<h1>Share links</h1>
<p>A link opens one page to whoever has it: this table or query, and nothing else.</p>
${message}
<form method="post" action="${escapeHtml(basePath)}/links">
<label for="path">Page</label>
<input id="path" name="path" value="${escapeHtml(path)}" required placeholder="/database/table?column=value" autocomplete="off" spellcheck="false" aria-describedby="path-hint">
<p class="hint" id="path-hint">Its address, as the address bar shows it</p>
<label for="days">Good for</label>
<select id="days" name="days"><option value="1">1 day</option><option value="7" selected>7 days</option><option value="30">30 days</option><option value="365">1 year</option></select>
<label for="note">Note</label>
<input id="note" name="note" maxlength="200" placeholder="For whom it is" autocomplete="off">
<button>Make the link</button>
</form>
${rows === '' ? '' : `<h2>Links</h2><div class="scroll"><table><thead><tr><th scope="col">Page</th><th scope="col">Until</th><th scope="col">Note</th><th scope="col"></th></tr></thead><tbody>${rows}</tbody></table></div>`}
<footer><a href="/">Back</a></footer>`;
  }
  function row(link: ShareLink): string {
    const until = new Date(link.expiresAt).toISOString().slice(0, 16).replace('T', ' ');
    const end =
      link.revokedAt === undefined
        ? `<form method="post" action="${escapeHtml(basePath)}/links/revoke"><input type="hidden" name="id" value="${escapeHtml(link.id)}"><button class="plain" aria-label="End the link to ${escapeHtml(link.path)}">End</button></form>`
        : 'ended';
    return `<tr><td><code>${escapeHtml(link.path)}</code></td><td>${until} UTC</td><td>${escapeHtml(link.note ?? '')}</td><td>${end}</td></tr>`;
  }
  return router;
}

function fieldsOf(body: unknown): Record<'path' | 'days' | 'note' | 'id', string> {
  const fields = (body ?? {}) as Record<string, unknown>;
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : '';
  };
  return { path: text('path'), days: text('days'), note: text('note'), id: text('id') };
}
