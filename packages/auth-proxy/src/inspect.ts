import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Client, ClientResolver } from './http/client-address.ts';
import { parseTarget, takeParameter, type Target } from './http/target.ts';
import { LINK_PARAMETER } from './link-parameter.ts';
import type { OpenPath } from './options.ts';
import { hostOf, type Refusal, type Visit } from './visit.ts';

/** Looks at a request before anybody asks who it is. */
export type Inspector = (req: IncomingMessage) => {
  readonly visit: Visit;
  readonly refusal: Refusal | undefined;
};

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Makes the checks that need no credentials: hygiene of the target, TLS, cross-site requests. */
export function createInspector(settings: {
  readonly resolveClient: ClientResolver;
  readonly openPaths: readonly OpenPath[];
  readonly requireTls: boolean;
  readonly now: () => number;
}): Inspector {
  const { resolveClient, requireTls, now } = settings;
  const open = new Map<string, { plainHttp: boolean }>();
  for (const { path, methods = ['GET', 'HEAD'], plainHttp = false } of settings.openPaths) {
    for (const method of methods) open.set(`${method} ${path}`, { plainHttp });
  }
  const prefix = randomBytes(6).toString('hex');
  let count = 0;

  return (req) => {
    const client = resolveClient(req);
    const parsed = parseTarget(req.url ?? '');
    const malformed = 'problem' in parsed ? parsed.problem : problemOfHeaders(req);
    const target = 'problem' in parsed ? { path: '/', search: '' } : parsed;
    const link = takeParameter(target.search, LINK_PARAMETER);
    // Exactly this path and method: no prefix, no pattern, no query, no header decides.
    const exempt = malformed === undefined ? open.get(`${req.method} ${target.path}`) : undefined;
    const visit: Visit = {
      id: `${prefix}-${(count++).toString(36)}`,
      startedAt: now(),
      client,
      target: { path: target.path, search: link.search },
      link: link.value,
      open: exempt !== undefined,
      identity: undefined,
      sessionCookie: undefined,
      admitted: false,
      outcome: undefined,
      cacheKey: undefined,
      followed: false,
    };
    let refusal: Refusal | undefined;
    if (malformed !== undefined) {
      refusal = { outcome: 'malformed', status: 400, reason: malformed };
    } else if (requireTls && !client.secure && exempt?.plainHttp !== true) {
      refusal = insecure(req, client, target);
    } else if (!exempt && !isSafe(req) && isCrossSite(req)) {
      refusal = {
        outcome: 'crossSite',
        status: 403,
        reason: 'This request was sent by a page of another site, so it is not carried out.',
      };
    }
    return { visit, refusal };
  };
}

function problemOfHeaders(req: IncomingMessage): string | undefined {
  // Node keeps the first of these; an upstream or another proxy may keep the last.
  let hosts = 0;
  let authorizations = 0;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations += 1;
  }
  if (hosts > 1) return 'The request has more than one Host header.';
  if (authorizations > 1) return 'The request has more than one Authorization header.';
  if (req.headers.host !== undefined && req.headers.host !== '' && hostOf(req) === undefined) {
    return 'The Host header is malformed.';
  }
  if (req.headers['transfer-encoding'] !== undefined && req.headers['content-length'] !== undefined) {
    return 'The request has both Content-Length and Transfer-Encoding.';
  }
  return undefined;
}

/** `target` with its share link: the link must survive the redirect. */
function insecure(req: IncomingMessage, client: Client, target: Target): Refusal {
  const host = hostOf(req);
  if (client.viaProxy && host !== undefined) {
    return {
      outcome: 'insecure',
      status: 308,
      reason: 'This site is served over https only.',
      location: `https://${host}${target.path}${target.search}`,
    };
  }
  return { outcome: 'insecure', status: 403, reason: 'This site is served over https only.' };
}

function isSafe(req: IncomingMessage): boolean {
  return SAFE_METHODS.has(req.method ?? '') && req.headers.upgrade === undefined;
}

/** Browsers say where an unsafe request comes from; other clients send neither header. */
function isCrossSite(req: IncomingMessage): boolean {
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = req.headers;
  if (origin === undefined) return false;
  try {
    return new URL(origin).host !== (req.headers.host ?? '').toLowerCase();
  } catch {
    return true;
  }
}
