import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Where a request comes from, after trusted proxies. */
export interface Client {
  /** For logs. */
  readonly address: string;
  /** What guess limits count by: the address, or an IPv6 /64. */
  readonly key: string;
  /** Whether the browser's connection (to the outermost trusted proxy) is encrypted. */
  readonly secure: boolean;
  /** True when a trusted proxy said so, false when it is known from the socket. */
  readonly viaProxy: boolean;
}

/** Who is at the other end of a connection. */
interface Peer {
  readonly address: string;
  readonly key: string;
  readonly trusted: boolean;
  readonly fly: boolean;
}

/** Finds the client of a request. */
export type ClientResolver = (req: IncomingMessage) => Client;

/** Well-known groups of proxies for `trustedProxies`. */
export const PROXY_PRESETS: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', '169.254.0.0/16', 'fe80::/10'],
  // fly-proxy reaches the machine over its private networks. https://fly.io/docs/networking/request-headers/
  fly: ['172.16.0.0/12', 'fdaa::/16'],
  // https://www.cloudflare.com/ips/
  cloudflare: [
    '173.245.48.0/20',
    '103.21.244.0/22',
    '103.22.200.0/22',
    '103.31.4.0/22',
    '141.101.64.0/18',
    '108.162.192.0/18',
    '190.93.240.0/20',
    '188.114.96.0/20',
    '197.234.240.0/22',
    '198.41.128.0/17',
    '162.158.0.0/15',
    '104.16.0.0/13',
    '104.24.0.0/14',
    '172.64.0.0/13',
    '131.0.72.0/22',
    '2400:cb00::/32',
    '2606:4700::/32',
    '2803:f800::/32',
    '2405:b500::/32',
    '2405:8100::/32',
    '2a06:98c0::/29',
    '2c0f:f248::/32',
  ],
};

// Longer chains than this are nobody's set-up.
const MAX_HOPS = 32;

/** Whether an entry of `trustedProxies` can be used. */
export function isProxyEntry(entry: string): boolean {
  if (Object.hasOwn(PROXY_PRESETS, entry)) return true;
  const [address = '', prefix] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || entry.split('/').length > 2) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Finds the right-most hop that is not one of the trusted proxies. */
export function createClientResolver(trustedProxies: readonly string[]): ClientResolver {
  const trusted = blockList(trustedProxies.flatMap((name) => PROXY_PRESETS[name] ?? [name]));
  const fly = trustedProxies.includes('fly') ? blockList(PROXY_PRESETS.fly ?? []) : undefined;
  const isTrusted = (address: string): boolean =>
    trustedProxies.length > 0 && trusted.check(address, familyOf(address));

  // Who is at the other end of a Unix socket is on this machine.
  const unixTrusted = trustedProxies.includes('loopback');
  const peerOf = (socket: Socket): Peer => {
    const address = normalAddress(socket.remoteAddress ?? '') ?? 'unix';
    return {
      address,
      key: limitKey(address),
      trusted: address === 'unix' ? unixTrusted : isTrusted(address),
      fly: address !== 'unix' && fly?.check(address, familyOf(address)) === true,
    };
  };
  // On the socket itself: whose connection it is stays the same for all its requests.
  const PEER = Symbol('peer');
  return (req) => {
    const socket: Socket & { [PEER]?: Peer } = req.socket;
    const peer = (socket[PEER] ??= peerOf(socket));
    const { address: socketAddress, fly: throughFly } = peer;
    const encrypted = 'encrypted' in socket && socket.encrypted === true;
    if (!peer.trusted) return { address: socketAddress, key: peer.key, secure: encrypted, viaProxy: false };
    // fly-proxy writes the app's own public address last, which no list can know.
    const hops = xForwardedFor(req);
    const forwardedFor = walk(throughFly ? hops.slice(0, -1) : hops, socketAddress, isTrusted);
    const forwarded = walk(forwardedParameter(req, 'for'), socketAddress, isTrusted);
    // Two headers that disagree: one of them was written by the client and we cannot know which. The proxy's
    // own address is then the only fact, so that rotating either header changes nothing.
    let client = forwardedFor ?? forwarded ?? { address: socketAddress, hops: 1 };
    if (forwardedFor !== undefined && forwarded !== undefined && forwardedFor.address !== forwarded.address) {
      client = { address: socketAddress, hops: 1 };
    }
    const flyProto = throughFly ? req.headers['fly-forwarded-proto'] : undefined;
    const said = typeof flyProto === 'string' ? flyProto : forwardedProto(req, client.hops);
    const secure = said ?? (encrypted ? 'https' : 'unsaid');
    return {
      address: client.address,
      key: client.address === socketAddress ? peer.key : limitKey(client.address),
      secure: secure === 'https' || secure === 'wss',
      viaProxy: secure !== 'unsaid',
    };
  };
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    if (prefix === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, Number(prefix), familyOf(address));
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** From the right: skip trusted hops; the first other one is the client. Garbage ends the walk at the last hop known. */
function walk(
  hops: readonly string[],
  socketAddress: string,
  isTrusted: (address: string) => boolean,
): { address: string; hops: number } | undefined {
  if (hops.length === 0) return undefined;
  let address = socketAddress;
  let count = 1;
  for (let i = hops.length - 1; i >= 0 && count <= MAX_HOPS; i--) {
    const hop = normalAddress(hops[i] ?? '');
    if (hop === undefined) break;
    address = hop;
    if (!isTrusted(hop)) break;
    count += 1;
  }
  return { address, hops: count };
}

function xForwardedFor(req: IncomingMessage): readonly string[] {
  const value = req.headers['x-forwarded-for'];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value.join(',') : value).split(',').slice(-MAX_HOPS);
}

/** The `for=` or `proto=` of each element of Forwarded (RFC 7239), left to right; '' where an element has none. */
function forwardedParameter(req: IncomingMessage, name: 'for' | 'proto'): readonly string[] {
  const value = req.headers.forwarded;
  if (value === undefined) return [];
  return value
    .split(',')
    .slice(-MAX_HOPS)
    .map((element) => {
      for (const pair of element.split(';')) {
        const equals = pair.indexOf('=');
        if (equals > 0 && pair.slice(0, equals).trim().toLowerCase() === name) {
          return pair
            .slice(equals + 1)
            .trim()
            .replace(/^"(.*)"$/, '$1');
        }
      }
      return '';
    });
}

function forwardedProto(req: IncomingMessage, hops: number): string | undefined {
  const header = req.headers['x-forwarded-proto'];
  const list =
    typeof header === 'string' && header !== '' ? header.split(',') : forwardedParameter(req, 'proto');
  if (list.length === 0) return undefined;
  // Each trusted proxy may append one; what lies further left was written by the client.
  const entry = list[Math.max(0, list.length - hops)]?.trim().toLowerCase();
  return entry === '' ? undefined : entry;
}

/** `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`, `::ffff:1.2.3.4`, `fe80::1%eth0` → a plain address; else undefined. */
export function normalAddress(text: string): string | undefined {
  let address = text.trim();
  if (address.length > 60) return undefined;
  if (address.startsWith('[')) {
    const match = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(address);
    address = match?.[1] ?? '';
  } else if (/^\d+\.\d+\.\d+\.\d+:\d{1,5}$/.test(address)) {
    address = address.slice(0, address.indexOf(':'));
  }
  const zone = address.indexOf('%');
  if (zone > 0) address = address.slice(0, zone);
  const family = isIP(address);
  if (family === 0) return undefined;
  if (family === 4) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  // Node and ipaddr.js do not agree on every rare spelling.
  if (!ipaddr.IPv6.isValid(address)) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toString();
}

/** Whoever has an IPv6 address has its whole /64. */
function limitKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const parts = ipaddr.IPv6.parse(address).parts.slice(0, 4);
  return `${parts.map((part) => part.toString(16)).join(':')}::/64`;
}
