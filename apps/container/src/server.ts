import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { AuthProxy } from '@datasette-stripe/auth-proxy';
import { ContainerError, messageOf, systemCode } from './errors.ts';

/** The HTTP server of the site. */
export interface SiteServer {
  /** Where a browser on this machine finds it. */
  readonly url: string;
  /** Takes no more requests, lets those under way finish for a moment, then cuts them. */
  close(): Promise<void>;
}

/** How long requests under way may take to finish at a stop, ms. */
const graceMs = 3_000;

/**
 * Listens.
 *
 * @throws {@link ContainerError} CONFIGURATION when the address cannot be had
 */
export async function listen(
  handler: RequestListener,
  upgrade: AuthProxy['upgrade'],
  { host, port }: { readonly host: string; readonly port: number },
): Promise<SiteServer> {
  const server = createServer(handler);
  server.on('upgrade', upgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  return { url: urlOf(host, portOf(server)), close: () => closeServer(server) };
}

/** A TCP port of loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const port = portOf(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function listenError(error: Error, host: string, port: number): ContainerError {
  const code = systemCode(error);
  const line =
    code === 'EADDRINUSE'
      ? `PORT: ${port} on ${host} is in use by another program; stop that one, or set another port`
      : code === 'EACCES'
        ? `PORT: ${port} needs rights that this user does not have; set one above 1023`
        : `HOST: ${host} is no address that this machine can listen on (${messageOf(error)})`;
  return new ContainerError('CONFIGURATION', line, { cause: error });
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const patience = new AbortController();
  await Promise.race([closed, delay(graceMs, undefined, { signal: patience.signal })]).catch(() => undefined);
  patience.abort();
  server.closeAllConnections();
  await closed;
}
