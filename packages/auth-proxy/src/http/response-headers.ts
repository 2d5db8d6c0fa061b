import type { IncomingHttpHeaders } from 'node:http';

/**
 * Fits Datasette 0.65 and 1.0a with its plug-ins: their pages carry inline scripts and styles, Vega compiles its
 * expressions, maps load tiles. Everything else comes from the site itself: what cells may hold (a customer's
 * name is written by a stranger) can send nothing elsewhere by form, frame, image, or connection.
 */
export const DATASETTE_CSP: string = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob: https://*.tile.openstreetmap.org",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join('; ');

/** Set on every answer, ours and the upstream's. */
export function securityHeaders(secure: boolean): Readonly<Record<string, string>> {
  return secure ? OVER_TLS : OVER_HTTP;
}

const OVER_HTTP: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'SAMEORIGIN',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
};
const OVER_TLS: Readonly<Record<string, string>> = {
  ...OVER_HTTP,
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
};

// Hop by hop; and ours stand: the upstream's weaker ones must not replace them.
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'cross-origin-opener-policy',
  'strict-transport-security',
  'x-request-id',
]);

/** What must not get from the upstream to the browser: changes `headers` in place. Returns false for a Location that leads elsewhere. */
export function cleanResponseHeaders(
  headers: IncomingHttpHeaders,
  site: { readonly host: string | undefined; readonly upstreamHosts: ReadonlySet<string> },
  ownCookies: ReadonlySet<string>,
): boolean {
  for (const name in headers) if (DROPPED.has(name)) delete headers[name];
  const cookies = headers['set-cookie'];
  if (cookies !== undefined) {
    // An upstream (or a plug-in of it) has no business with our session.
    const kept = cookies.filter((cookie) => !ownCookies.has((cookie.split('=', 1)[0] ?? '').trim()));
    if (kept.length === 0) delete headers['set-cookie'];
    else headers['set-cookie'] = kept;
  }
  if (headers.location === undefined) return true;
  const location = ownLocation(headers.location, site);
  if (location === undefined) {
    delete headers.location;
    return false;
  }
  headers.location = location;
  return true;
}

/**
 * A redirect of the upstream, if it stays on the site (CVE-2025-64481: `//evil.example/` out of a trailing
 * slash). An absolute one to the upstream's own address becomes a path.
 */
export function ownLocation(
  location: string,
  site: { readonly host: string | undefined; readonly upstreamHosts: ReadonlySet<string> },
): string | undefined {
  // Browsers drop tabs and newlines, and read \ as /.
  if (/[\x00-\x20\\]/.test(location)) return undefined;
  if (location.startsWith('//')) return undefined;
  if (/^\/(?:%5c|%2f)/i.test(location)) return undefined;
  if (!/^[a-z][a-z0-9+.-]*:/i.test(location)) return location;
  let url: URL;
  try {
    url = new URL(location);
  } catch {
    return undefined;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  if (url.host !== site.host && !site.upstreamHosts.has(url.host)) return undefined;
  if (url.username !== '' || url.password !== '') return undefined;
  return url.pathname.startsWith('//') ? undefined : `${url.pathname}${url.search}${url.hash}`;
}
