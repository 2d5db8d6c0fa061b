import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { LINK_PARAMETER } from '../link-parameter.ts';
import { withoutCookies } from './cookies.ts';

/** What the upstream is told about the request besides what the client sent. */
export interface Forwarding {
  readonly clientAddress: string;
  readonly secure: boolean;
  readonly requestId: string;
  readonly user: string | undefined;
}

// Hop by hop (RFC 9110 §7.6.1), or for us alone. Expect: Node has answered it already.
const NEVER = new Set([
  'authorization',
  'connection',
  'expect',
  'forwarded',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'via',
  'x-request-id',
]);
// Headers by which upstreams learn who or where a client is, or what was asked: only we may write them. Whole words:
// `x-user` stands for x-user and x-user-id.
const IDENTITY_WORDS = [
  ...[
    'auth',
    'authenticated',
    'client',
    'cluster',
    'email',
    'envoy',
    'forwarded',
    'group',
    'groups',
    'host',
    'http-method',
  ],
  ...[
    'method',
    'original',
    'proxy',
    'real',
    'remote',
    'rewrite',
    'ssl',
    'uri',
    'url',
    'user',
    'username',
    'webauth',
  ],
  ...['amzn-oidc', 'appengine', 'azure', 'goog-authenticated', 'ms-client'],
].map((word) => `x-${word}`);
const PLATFORM_WORDS = [
  'akamai',
  'cf',
  'do-connecting',
  'fastly',
  'fly',
  'oidc',
  'remote',
  'ssl-client',
  'tailscale',
  'true-client',
];
const IDENTITY = new RegExp(`^(?:${[...IDENTITY_WORDS, ...PLATFORM_WORDS].join('|')})(?:-|$)`);
// A client must not be able to have these dropped by naming them in Connection.
const KEEP_DESPITE_CONNECTION = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'cookie',
]);
// Node lower-cases names. Upstreams that speak CGI or WSGI read _ (and some .) as -, so such names are aliases.
const PLAIN_NAME = /^[a-z0-9-]+$/;

/**
 * The headers that go upstream: the client's own without credentials, aliases, identity and hop-by-hop
 * headers, then ours. Nothing that the client writes in `Connection` can take ours away.
 */
export function upstreamHeaders(
  req: IncomingMessage,
  ownCookies: ReadonlySet<string>,
  forwarding: Forwarding,
): IncomingHttpHeaders {
  const { headers } = req;
  const listed = connectionTokens(headers.connection);
  const out: IncomingHttpHeaders = {};
  for (const name in headers) {
    const value = headers[name];
    if (NEVER.has(name) || !PLAIN_NAME.test(name)) continue;
    if (listed !== undefined && listed.has(name) && !KEEP_DESPITE_CONNECTION.has(name)) continue;
    if (IDENTITY.test(name)) continue;
    out[name] = value;
  }
  if (out.cookie !== undefined) {
    const cookie = withoutCookies(out.cookie, ownCookies);
    if (cookie === undefined) delete out.cookie;
    else out.cookie = cookie;
  }
  // A page opened by a link names its address, link and all, to everything that it loads.
  if (out.referer?.includes(LINK_PARAMETER) === true) delete out.referer;
  out['x-forwarded-for'] = forwarding.clientAddress;
  out['x-forwarded-proto'] = forwarding.secure ? 'https' : 'http';
  if (headers.host !== undefined) out['x-forwarded-host'] = headers.host;
  out['x-request-id'] = forwarding.requestId;
  if (forwarding.user !== undefined) out['x-forwarded-user'] = asHeader(forwarding.user);
  return out;
}

const PRINTABLE = /^[\x20-\x24\x26-\x7e]*$/;

function connectionTokens(header: string | undefined): ReadonlySet<string> | undefined {
  if (header === undefined || header === 'keep-alive' || header === 'close') return undefined;
  return new Set(header.split(',').map((token) => token.trim().toLowerCase()));
}

/** A user name may hold anything; a header holds printable ASCII. */
function asHeader(text: string): string {
  return PRINTABLE.test(text) ? text : encodeUnprintable(text);
}

function encodeUnprintable(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent);
}
