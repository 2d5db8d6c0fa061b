import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyMiddleware, debugProxyErrorsPlugin, proxyEventsPlugin } from 'http-proxy-middleware';

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

/** Connects to `http://host:port`, `https://host:port` or `unix:/path.sock` with http-proxy-middleware. */
export function createUpstream(address: string, timeoutMs: number, hooks: UpstreamHooks): Upstream {
  const unix = address.startsWith('unix:');
  const url = unix ? undefined : new URL(address);
  const agent = new (url?.protocol === 'https:' ? HttpsAgent : HttpAgent)({
    keepAlive: true,
    maxFreeSockets: 64,
    timeout: IDLE_CONNECTION_MS,
    scheduling: 'lifo',
  });
  const retried = new WeakSet<IncomingMessage>();
  const slow = new WeakSet<IncomingMessage>();

  const proxy = createProxyMiddleware<IncomingMessage, ServerResponse>({
    target:
      url === undefined
        ? { protocol: 'http:', host: 'localhost', socketPath: address.slice('unix:'.length) }
        : url,
    agent,
    ...(timeoutMs > 0 ? { proxyTimeout: timeoutMs, upgradeTimeout: timeoutMs } : {}),
    // Its logger writes a line per request with the whole address; ours replaces it.
    ejectPlugins: true,
    plugins: [debugProxyErrorsPlugin, proxyEventsPlugin],
    on: {
      proxyRes: (response, req, res) => {
        // The time limit is for the answer to begin; a stream may then be silent for as long as it likes.
        const { req: upstreamRequest } = response as IncomingMessage & { req: ClientRequest };
        if (timeoutMs > 0) upstreamRequest.setTimeout(0);
        if (hooks.onResponse(response, req, res)) return;
        // Ours has been sent: httpxy pipes into an ended response otherwise.
        response.destroy();
      },
      error: (error, req, target) => {
        if (
          !(target instanceof Socket) &&
          mayRetry(error, req, target) &&
          !retried.has(req) &&
          !slow.has(req)
        ) {
          retried.add(req);
          void proxy(req, target);
          return;
        }
        const late = slow.has(req)
          ? Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })
          : error;
        hooks.onFailure(late, req, target);
      },
      proxyReq: (upstreamRequest, req) => {
        upstreamRequest.once('timeout', () => slow.add(req));
      },
      proxyReqWs: (upstreamRequest, req) => {
        upstreamRequest.once('upgrade', (_response, socket) => hooks.onWebsocket(req, socket));
      },
    },
  });

  return {
    hosts: new Set(url === undefined ? ['localhost'] : [url.host]),
    web: (req, res) => void proxy(req, res),
    upgrade: (req, socket, head) => proxy.upgrade(req, socket as Socket, head),
    close: () => agent.destroy(),
  };
}

/** An idle connection that the upstream closed just as it was picked: nobody has seen the request yet. */
function mayRetry(error: Error, req: IncomingMessage, res: ServerResponse): boolean {
  return (
    (error as NodeJS.ErrnoException).code === 'ECONNRESET' &&
    (req.method === 'GET' || req.method === 'HEAD') &&
    req.headers['transfer-encoding'] === undefined &&
    (req.headers['content-length'] ?? '0') === '0' &&
    !res.headersSent &&
    !res.destroyed
  );
}
