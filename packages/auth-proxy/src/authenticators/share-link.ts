import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuthProxyError } from '../errors.ts';
import { parseTarget } from '../http/target.ts';
import { LINK_PARAMETER } from '../link-parameter.ts';
import { randomToken } from '../secrets.ts';
import { openStateFile, writeAtomically } from '../state-file.ts';
import type { Attempt, Authenticator, AuthResult } from './authenticator.ts';

/** Options of {@link shareLink}. */
export interface ShareLinkOptions {
  /** Signs the links (≥ 32 characters). Without it one is made once and kept in `stateDir` with mode 0600. */
  readonly secret?: string;
  /** Folder for `share-links.json` (which links exist and which are revoked) and the made secret. */
  readonly stateDir: string;
  /**
   * Paths under which the upstream's public styles and scripts lie: a browser that holds a link may load them.
   * @defaultValue `['/-/static/', '/-/static-plugins/']`
   */
  readonly assets?: readonly string[];
  /** Clock, ms. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** What a share link is made of. */
export interface ShareLinkRequest {
  /** Path and query of one table or query, as in the address bar: `/stripe/customers?country=DE`. */
  readonly path: string;
  /** When it ends, ms since 1970. At most 366 days ahead. */
  readonly expiresAt: number;
  /** A note for the list of links. */
  readonly note?: string;
}

/** A link that was made. */
export interface ShareLink {
  readonly id: string;
  readonly path: string;
  readonly expiresAt: number;
  readonly createdAt: number;
  readonly revokedAt?: number;
  readonly note?: string;
}

/** Opens one path to whoever holds the link, until it ends or is revoked. */
export interface ShareLinkAuthenticator extends Authenticator {
  /** Makes a link. `url` is a path to put after the site's origin. @throws AuthProxyError `AUTH_PROXY_LINK_INVALID` */
  create(request: ShareLinkRequest): Promise<ShareLink & { readonly url: string }>;
  /** Ends a link at once; false when there is none with this id. */
  revoke(id: string): Promise<boolean>;
  /** Every link that has not expired, newest first. */
  list(): readonly ShareLink[];
}

const MAX_AHEAD_MS = 366 * 86_400_000;
const MAX_LINKS = 10_000;
/** So long a link that has expired is remembered: whoever opens it is told so, and has not guessed. */
const REMEMBERED_MS = 90 * 86_400_000;
const UNKNOWN: AuthResult = { outcome: 'unknown', reason: 'This link has ended, or was not made here' };
// Leafing through and sorting the linked rows; nothing that could widen what is shown (`_where` runs SQL).
const FREE_PARAMETERS = new Set(['_next', '_size']);
const SORTING = new Set(['_sort', '_sort_desc']);
// With these a link shows some columns only, and sorting by another would tell it: its value stands in `_next`.
const CHOOSES_COLUMNS = new Set(['_col', '_nocol']);

/**
 * Lets in whoever holds a link that the owner signed: to that path and query, and nothing else.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_OPTIONS_INVALID`, `AUTH_PROXY_STATE_UNREADABLE`
 */
export function shareLink(options: ShareLinkOptions): ShareLinkAuthenticator {
  const { stateDir, assets = ['/-/static/', '/-/static-plugins/'], now = Date.now } = options;
  if (options.secret !== undefined && options.secret.length < 32) {
    throw new AuthProxyError(
      'AUTH_PROXY_OPTIONS_INVALID',
      'shareLink: `secret` must have at least 32 characters.',
    );
  }
  const links = new Map<string, ShareLink>();
  const file = openStateFile(stateDir, 'share-links.json', () => [...links.values()]);
  const secret = options.secret ?? madeSecret(join(stateDir, 'share-link-secret'));
  if (Array.isArray(file.initial)) {
    for (const link of (file.initial as ShareLink[]).filter(isShareLink)) links.set(link.id, link);
  }

  const sign = (link: ShareLink): string =>
    createHmac('sha256', secret)
      .update(JSON.stringify([link.id, link.expiresAt, link.path]))
      .digest('base64url');
  const alive = (link: ShareLink): boolean => link.revokedAt === undefined && link.expiresAt > now();
  // Whoever made or ended a link must know that a restart will not undo it.
  const keep = (): void => {
    file.changed();
    if (file.flush()) return;
    throw new AuthProxyError('AUTH_PROXY_STATE_UNREADABLE', `Cannot write share-links.json in ${stateDir}.`);
  };
  const forgetExpired = (before: number): void => {
    for (const [id, link] of links) if (link.expiresAt <= before) links.delete(id);
  };
  const granted = (link: ShareLink): AuthResult => ({
    outcome: 'granted',
    identity: { by: 'share-link', label: `link ${link.id}`, fingerprint: link.id, restricted: true },
  });

  return {
    name: 'share-link',
    form: 'none',
    authenticate: (attempt) => {
      if (attempt.via !== 'url') return { outcome: 'unknown' };
      const [id = '', signature = ''] = attempt.secret.split('.');
      const link = links.get(id);
      // An unknown id costs the same comparison.
      const expected = Buffer.from(sign(link ?? { id, path: '/', expiresAt: 0, createdAt: 0 }));
      const presented = Buffer.from(signature);
      const same = presented.length === expected.length && timingSafeEqual(presented, expected);
      if (link === undefined || !same) return UNKNOWN;
      if (!alive(link)) return refused(401, 'This link has ended');
      return opens(link, attempt, assets) ? granted(link) : refused(401, 'This link opens another page');
    },
    // A link makes no session: it is checked anew on each request.
    stillGood: ({ fingerprint }) => {
      const link = links.get(fingerprint);
      return link !== undefined && alive(link) ? granted(link) : { outcome: 'unknown' };
    },
    create: async ({ path, expiresAt, note }) => {
      const target = parseTarget(path);
      if ('problem' in target) throw invalid(`The path cannot be shared: ${target.problem}`);
      if (target.search.includes(LINK_PARAMETER))
        throw invalid(`The path must not hold ${LINK_PARAMETER} already.`);
      if (!(expiresAt > now())) throw invalid('The link would have ended already.');
      if (expiresAt - now() > MAX_AHEAD_MS) throw invalid('A link may be good for 366 days at most.');
      forgetExpired(now() - REMEMBERED_MS);
      // What is kept stays bounded: those that are only remembered make room.
      if (links.size >= MAX_LINKS) forgetExpired(now());
      if (links.size >= MAX_LINKS) throw invalid(`There are ${MAX_LINKS} links already; revoke some.`);
      const link: ShareLink = {
        id: randomToken(9),
        path: target.path + target.search,
        expiresAt,
        createdAt: now(),
        ...(note === undefined || note === '' ? {} : { note: note.slice(0, 200) }),
      };
      links.set(link.id, link);
      keep();
      const join = target.search === '' ? '?' : '&';
      return { ...link, url: `${link.path}${join}${LINK_PARAMETER}=${link.id}.${sign(link)}` };
    },
    revoke: async (id) => {
      const link = links.get(id);
      if (link === undefined) return false;
      links.set(id, { ...link, revokedAt: link.revokedAt ?? now() });
      keep();
      return true;
    },
    list: () =>
      [...links.values()].filter((link) => link.expiresAt > now()).sort((a, b) => b.createdAt - a.createdAt),
    close: async () => file.close(),
  };
}

/** Whether an authenticator is one of {@link shareLink}. */
export function isShareLinks(authenticator: Authenticator): authenticator is ShareLinkAuthenticator {
  return authenticator.name === 'share-link' && 'create' in authenticator && 'revoke' in authenticator;
}

function opens(link: ShareLink, { method, target }: Attempt, assets: readonly string[]): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const asked = splitTarget(target);
  if (assets.some((prefix) => asked.path.startsWith(prefix))) return true;
  const shared = splitTarget(link.path);
  // Paths are compared as written: another spelling of the same path stays closed.
  if (asked.path !== shared.path) return false;
  const fixed = new Set(shared.pairs.map(([name]) => name));
  const maySort = shared.pairs.every(([name]) => !CHOOSES_COLUMNS.has(name));
  const isFree = (name: string): boolean => FREE_PARAMETERS.has(name) || (maySort && SORTING.has(name));
  const wanted = asked.pairs.filter(([name]) => fixed.has(name) || !isFree(name));
  return canonical(wanted) === canonical(shared.pairs);
}

function splitTarget(target: string): { path: string; pairs: [string, string][] } {
  const question = target.indexOf('?');
  if (question < 0) return { path: target, pairs: [] };
  return { path: target.slice(0, question), pairs: [...new URLSearchParams(target.slice(question))] };
}

// Names keep the order of their values, and the order among names means nothing.
function canonical(pairs: readonly [string, string][]): string {
  return JSON.stringify(pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

function refused(status: 401 | 403, reason: string): AuthResult {
  return { outcome: 'refused', status, reason, known: true };
}

function invalid(message: string): AuthProxyError {
  return new AuthProxyError('AUTH_PROXY_LINK_INVALID', message);
}

function isShareLink(value: unknown): value is ShareLink {
  const link = value as Partial<ShareLink> | null;
  return (
    typeof link?.id === 'string' &&
    typeof link.path === 'string' &&
    typeof link.expiresAt === 'number' &&
    typeof link.createdAt === 'number'
  );
}

function madeSecret(file: string): string {
  try {
    const secret = readFileSync(file, 'utf8').trim();
    if (secret.length >= 32) return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new AuthProxyError(
        'AUTH_PROXY_STATE_UNREADABLE',
        `Cannot read ${file}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }
  const secret = randomToken(32);
  writeAtomically(file, secret);
  return secret;
}
