import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer } from 'httpxy';
import { createDeadlines } from './deadlines.ts';

/** What the rest of the proxy decides about an exchange with the upstream. */
export interface UpstreamHooks {
  /** The upstream answers: its headers may be changed; false stops the answer (its Location leads elsewhere). */
  readonly onResponse: (response: IncomingMessage, req: IncomingMessage, res: ServerResponse) => boolean;
  /** No answer came. */
  readonly onFailure: (error: Error, req: IncomingMessage, target: ServerResponse | Duplex) => void;
  /** A websocket is connected. */
  readonly onWebsocket: (req: IncomingMessage, upstreamSocket: Duplex) => void;
}

/** The connection to what stands behind the door. */
export interface Upstream {
  /** Host names under which the upstream may speak of itself in redirects. */
  readonly hosts: ReadonlySet<string>;
  /** Sends a request whose headers are ready. */
  web(req: IncomingMessage, res: ServerResponse): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

// Below uvicorn's keep-alive of 5 s, so that a request seldom meets a connection that is being closed.
const IDLE_CONNECTION_MS = 4_000;

/** Whether an upstream address can be used. */
export function isUpstream(address: string): boolean {
  if (address.startsWith('unix:/')) return true;
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  const plain = (url.pathname === '/' || url.pathname === '') && url.search === '' && url.username === '';
  return (url.protocol === 'http:' || url.protocol === 'https:') && plain;
}

/** Connects to `http://host:port`, `https://host:port` or `unix:/path.sock` with httpxy. */
export function createUpstream(address: string, timeoutMs: number, hooks: UpstreamHooks): Upstream {
  const unix = address.startsWith('unix:');
  const url = unix ? undefined : new URL(address);
  const agent = new (url?.protocol === 'https:' ? HttpsAgent : HttpAgent)({
    keepAlive: true,
    maxFreeSockets: 64,
    timeout: IDLE_CONNECTION_MS,
    scheduling: 'lifo',
  });
  const target = url ?? { protocol: 'http:', host: 'localhost', socketPath: address.slice('unix:'.length) };
  const proxy = createProxyServer({
    target,
    agent,
    ...(timeoutMs > 0 ? { upgradeTimeout: timeoutMs } : {}),
  });
  const deadlines = createDeadlines(timeoutMs);
  const retried = new WeakSet<IncomingMessage>();

  const web = (req: IncomingMessage, res: ServerResponse): void => {
    // Rejected for a response that broke, of which its `close` tells too.
    proxy.web(req, res).catch(() => res.destroy());
  };
  const failed = (error: Error, req: IncomingMessage, to: ServerResponse | Duplex): void => {
    if ('writeHead' in to && mayRetry(error, req, to) && !retried.has(req)) {
      retried.add(req);
      web(req, to);
      return;
    }
    hooks.onFailure(error, req, to);
  };
  proxy.on('proxyReq', (upstreamRequest) => deadlines.begin(upstreamRequest));
  proxy.on('proxyRes', (response, req, res) => {
    // The time limit is for the answer to begin; a stream may then be silent for as long as it likes.
    deadlines.end(response.socket);
    if (hooks.onResponse(response, req, res)) return;
    // Ours has been sent: httpxy pipes into an ended response otherwise.
    response.destroy();
  });
  proxy.on('proxyReqWs', (upstreamRequest, req) => {
    upstreamRequest.once('upgrade', (_response, socket) => hooks.onWebsocket(req, socket));
  });
  proxy.on('error', (error, req, to) => {
    if (req !== undefined && to !== undefined) failed(error, req, to);
  });

  return {
    hosts: new Set(url === undefined ? ['localhost'] : [url.host]),
    web,
    upgrade: (req, socket, head) => {
      proxy.ws(req, socket as Socket, {}, head).catch(() => socket.destroy());
    },
    close: () => {
      deadlines.close();
      agent.destroy();
    },
  };
}

/** An idle connection that the upstream closed just as it was picked: nobody has seen the request yet. */
function mayRetry(error: Error, req: IncomingMessage, res: ServerResponse): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNRESET' && isRepeatable(req, res);
}

/** Whether a request can be sent once more: it changes nothing, has no body that is gone by now, and no answer has begun. */
export function isRepeatable(req: IncomingMessage, res: ServerResponse): boolean {
  return (
    (req.method === 'GET' || req.method === 'HEAD') &&
    req.headers['transfer-encoding'] === undefined &&
    (req.headers['content-length'] ?? '0') === '0' &&
    !res.headersSent &&
    !res.destroyed
  );
}
