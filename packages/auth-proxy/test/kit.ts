import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { onTestFinished } from 'vitest';
import { createAuthProxy, staticCredentials, type AuthProxy, type AuthProxyOptions } from '../src/index.ts';

/** A key of the right form that Stripe has never seen. */
export const KEY = ['sk', 'test', 'emulatorKeyForTests0001'].join('_');
export const OTHER_KEY = ['sk', 'test', 'emulatorKeyForTests0002'].join('_');
/** The password of {@link openDoor}'s default authenticator: long enough that no guess limit holds it back. */
export const TOKEN = 'a-long-token-for-tests-0001';

export function basic(username: string, password = ''): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'auth-proxy-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export async function listen(server: Server, where: number | string = 0): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const done = (): void => resolve();
    if (typeof where === 'string') server.listen(where, done);
    else server.listen(where, '127.0.0.1', done);
  });
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return typeof where === 'string'
    ? `unix:${where}`
    : `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What an upstream saw of one request. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** A real HTTP server that notes what it gets and echoes it as JSON, unless told otherwise. */
export async function upstreamServer(
  answer?: RequestListener,
  where?: number | string,
): Promise<{ url: string; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    if (answer !== undefined) {
      seen.push({
        method: req.method ?? '',
        url: req.url ?? '',
        headers: req.headers,
        rawHeaders: req.rawHeaders,
        body: '',
      });
      answer(req, res);
      return;
    }
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('error', () => res.destroy());
    req.on('end', () => {
      const entry: Seen = {
        method: req.method ?? '',
        url: req.url ?? '',
        headers: req.headers,
        rawHeaders: req.rawHeaders,
        body: Buffer.concat(chunks).toString(),
      };
      seen.push(entry);
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify(entry));
    });
  });
  return { url: await listen(server, where), seen, server };
}

/** A door in an express app on a port of its own. */
export async function openDoor(
  options: Partial<AuthProxyOptions> & Pick<AuthProxyOptions, 'upstream'>,
  routes?: (app: express.Express, door: AuthProxy) => void,
): Promise<{ url: string; port: number; door: AuthProxy; server: Server }> {
  const door = createAuthProxy({ authenticators: [staticCredentials([{ password: TOKEN }])], ...options });
  const app = express();
  app.disable('x-powered-by');
  routes?.(app, door);
  app.use(door.handler);
  const server = createServer(app);
  server.on('upgrade', door.upgrade);
  onTestFinished(() => door.close());
  const url = await listen(server);
  return { url, port: Number(new URL(url).port), door, server };
}

/** Sends bytes as they are and reads until the other side ends, or until `enough` of the answer is there. */
export function raw(
  port: number,
  bytes: string | Buffer,
  enough?: (answer: string) => boolean,
  thenEnd = false,
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const done = (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (enough?.(answer) === true) done();
    });
    socket.on('error', done);
    socket.on('close', done);
    socket.setTimeout(60_000, done);
    if (thenEnd) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** One request whose path and headers go out exactly as given. */
export function send(
  url: string,
  options: {
    path?: string;
    method?: string;
    headers?: Record<string, string | string[]>;
    body?: string;
  } = {},
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const headers = { ...options.headers };
  // Node sends the body of a DELETE without saying where it ends.
  if (options.body !== undefined && headers['transfer-encoding'] === undefined) {
    headers['content-length'] ??= String(Buffer.byteLength(options.body));
  }
  return new Promise((resolve, reject) => {
    const req = request(
      url,
      {
        path: options.path ?? '/',
        method: options.method ?? 'GET',
        headers,
        agent: false,
      },
      (res) => {
        let body = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => (body += chunk));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
        res.on('error', reject);
      },
    );
    req.on('error', reject);
    req.end(options.body);
  });
}

/** Waits for a condition, with a generous deadline: the machine may be busy. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
