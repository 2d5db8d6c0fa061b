import type { ShareLink, ShareLinkAuthenticator } from '@datasette-stripe/auth-proxy';
import { json, Router, type Request, type RequestHandler } from 'express';
import { messageOf } from '../errors.ts';
import { replyJson } from './reply.ts';

const dayMs = 86_400_000;
const defaultDays = 30;

/**
 * Share links, for who holds the key: GET lists them, POST `{path, days?, note?}` makes one, DELETE with its id ends it.
 * What may be opened by a link the authenticator decides.
 *
 * @param guard - Lets in whom the site lets in.
 * @param now - Clock, ms.
 */
export function shareLinkRoutes(
  links: ShareLinkAuthenticator,
  guard: RequestHandler,
  now: () => number,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/tdog/share-links', guard, (_request, response) => {
    replyJson(response, 200, links.list().map(onTheWire));
  });
  router.post('/tdog/share-links', guard, json({ limit: '16kb' }), (request, response) => {
    const wish = parseWish(request);
    if (wish === undefined) {
      return replyJson(response, 400, {
        error: 'Send JSON {"path": "/stripe/…", "days": 1 to 366, "note": "…"}',
      });
    }
    links
      .create({
        path: wish.path,
        expiresAt: now() + wish.days * dayMs,
        ...(wish.note === undefined ? {} : { note: wish.note }),
      })
      .then(
        (link) => replyJson(response, 201, { ...onTheWire(link), url: link.url }),
        (error: unknown) => replyJson(response, 400, { error: messageOf(error) }),
      );
  });
  router.delete('/tdog/share-links/:id', guard, (request, response, next) => {
    const { id } = request.params;
    links
      .revoke(typeof id === 'string' ? id : '')
      .then((revoked) => replyJson(response, revoked ? 200 : 404, { revoked }), next);
  });
  return router;
}

function parseWish(request: Request): { path: string; days: number; note: string | undefined } | undefined {
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null) return undefined;
  const { path, days = defaultDays, note } = body as Record<string, unknown>;
  const isWhole = typeof days === 'number' && days >= 1 && days <= 366;
  if (typeof path !== 'string' || !isWhole) return undefined;
  if (note !== undefined && typeof note !== 'string') return undefined;
  return { path, days, note: note?.slice(0, 200) };
}

function onTheWire({ id, path, expiresAt, createdAt, revokedAt, note }: ShareLink): object {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    id,
    path,
    note: note ?? null,
    created: time(createdAt),
    expires: time(expiresAt),
    revoked: revokedAt === undefined ? null : time(revokedAt),
  };
}
