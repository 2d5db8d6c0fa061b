import { createServer, type Server } from 'node:http';
import { rmSync, statSync } from 'node:fs';
import { createConnection, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AuthProxy } from './options.ts';

/** Where to listen. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** A server with nothing but the proxy in it. */
export interface ProxyServer {
  /** `http://host:port` or `unix:/path.sock`. */
  readonly address: string;
  /** Takes no more requests, gives those under way some seconds, then cuts them. */
  close(): Promise<void>;
}

// SQL may stand in the address: more than Node's 16 KiB for address and headers together.
const MAX_HEADER_BYTES = 65_536;
const GRACE_MS = 5_000;

/** Listens with the proxy as the only route. */
export async function listen(proxy: AuthProxy, where: ListenAddress): Promise<ProxyServer> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: 20_000,
      // An upload may take as long as it likes.
      requestTimeout: 0,
      // Other upgrades (h2c of `curl --http2`) are offers that may be ignored.
      shouldUpgradeCallback: (req) => req.headers.upgrade?.toLowerCase() === 'websocket',
    },
    (req, res) => proxy.handler(req, res),
  );
  // A server that closes waits for these for ever and cannot cut them by itself.
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (req, socket, head) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    proxy.upgrade(req, socket, head);
  });
  if ('path' in where) await removeStaleSocket(where.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const done = (): void => resolve();
    if ('path' in where) server.listen(where.path, done);
    else server.listen(where.port, where.host, done);
  });
  return { address: addressOf(server), close: () => closeServer(server, upgraded) };
}

/** A socket file that nobody listens on any more is left by a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    if (!statSync(path).isSocket()) return;
  } catch {
    return;
  }
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (!inUse) rmSync(path);
}

function addressOf(server: Server): string {
  const address = server.address() as AddressInfo | string;
  if (typeof address === 'string') return `unix:${address}`;
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

async function closeServer(server: Server, upgraded: ReadonlySet<Duplex>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  for (const socket of upgraded) socket.destroy();
  const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearTimeout(cut);
}
