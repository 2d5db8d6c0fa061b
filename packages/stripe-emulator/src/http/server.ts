import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Account } from '../api/context.ts';
import type { Body } from '../api/lists.ts';
import type { Params } from './params.ts';
import { authenticate, masked } from './auth.ts';
import { Failure, invalid } from './failure.ts';
import type { PageCache } from './page-cache.ts';
import { parseParams } from './params.ts';
import type { Match, Router } from './router.ts';

/** What stands between a request and its answer besides the API itself. */
export interface Hooks {
  /** Runs before the request is handled: may wait, or refuse. @throws Failure */
  readonly before: (facts: RequestInfo) => Promise<void> | void;
  /** Sends the answer, perhaps badly. */
  readonly send: (facts: RequestInfo, answer: Answer) => void;
  /** Runs when the answer is known. */
  readonly after: (facts: RequestInfo, status: number) => void;
  /** Runs once for each request that `before` saw, however that ended. */
  readonly release: (facts: RequestInfo) => void;
  /** Answers `/_emulator`; true when it did. */
  readonly admin: (request: IncomingMessage, response: ServerResponse, path: string, body: string) => boolean;
}

/** A request as the hooks see it. */
export interface RequestInfo {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly match: Match | undefined;
  readonly key: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly startedMs: number;
}

/** An answer that is ready to be sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** What the server serves. */
export interface Served {
  readonly account: Account;
  readonly router: Router;
  readonly key: string | undefined;
  readonly hooks: Hooks;
  /** Kept pages; undefined while answers change by themselves. */
  readonly pages: PageCache | undefined;
  /** Wraps a write so that a repeated idempotency key answers the same. */
  readonly once: (info: RequestInfo, params: Params, work: () => Answer) => Answer;
}

const maxBody = 4 * 1024 * 1024;

async function bodyOf(request: IncomingMessage): Promise<string> {
  if (request.method === 'GET' || request.method === 'HEAD') return '';
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > maxBody) throw new Failure(413, 'Request is too large.');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** `req_` and fourteen letters. */
export function requestId(random: () => number): string {
  let id = 'req_';
  for (let i = 0; i < 14; i++) id += alphabet[Math.floor(random() * 62)];
  return id;
}

/** The answer to a failure. */
export function failed(failure: Failure): Answer {
  return {
    status: failure.status,
    headers: { ...failure.headers },
    body: JSON.stringify(failure.body(), null, 2),
  };
}

function handle(served: Served, info: RequestInfo, params: Params): Answer {
  const { account } = served;
  const match = info.match;
  if (match === undefined) {
    throw new Failure(
      404,
      `Unrecognized request URL (${info.method}: ${info.path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
    );
  }
  const version = header(info.request, 'stripe-version');
  if (version !== undefined && !/^\d{4}-\d\d-\d\d(\.\w+)?$/.test(version)) {
    throw invalid('Stripe-Version', `Invalid Stripe API version: ${version}.`);
  }
  const other = header(info.request, 'stripe-account');
  if (other !== undefined && other !== account.id) {
    throw new Failure(
      403,
      `The provided key '${masked(info.key)}' does not have access to account '${other}' (or that account does not exist). Application access may have been revoked.`,
      { code: 'account_invalid' },
    );
  }
  const live = !account.recorded && info.key.includes('_live_');
  const idempotencyKey = header(info.request, 'idempotency-key') ?? null;
  const work = (): Answer => {
    const answer: Body = match.route.handle(
      { account, path: match.path, params, request: { id: info.id, idempotencyKey } },
      info.path,
    );
    const body = typeof answer === 'string' ? answer : JSON.stringify(answer);
    return {
      status: 200,
      headers: {},
      body: live ? body.replaceAll('"livemode":false', '"livemode":true') : body,
    };
  };
  return info.method === 'GET' ? work() : served.once(info, params, work);
}

/** The page as it was answered before, or is answered now. */
function kept(served: Served, info: RequestInfo, query: string, work: () => Answer): Answer {
  const { pages } = served;
  if (pages === undefined || info.method !== 'GET' || info.match?.route.object === 'event') return work();
  const key = `${info.key.includes('_live_') ? 'live' : 'test'} ${info.path}?${query}`;
  const known = pages.get(key, served.account.store.version);
  if (known !== undefined) return { status: 200, headers: {}, body: known };
  const answer = work();
  const body = Buffer.from(answer.body);
  if (answer.status === 200) pages.set(key, body);
  return { ...answer, body };
}

const header = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

async function answerTo(served: Served, anonymous: RequestInfo, query: string): Promise<Answer> {
  let info = anonymous;
  try {
    const body = await bodyOf(info.request);
    info = { ...info, key: authenticate(info.request.headers.authorization, served.key) };
    await served.hooks.before(info);
    const type = header(info.request, 'content-type') ?? '';
    if (body !== '' && /json/i.test(type)) {
      throw invalid(
        'body',
        'Invalid request (check that your POST content type is application/x-www-form-urlencoded).',
      );
    }
    return kept(served, info, query, () =>
      handle(served, info, { ...parseParams(query), ...parseParams(body) }),
    );
  } catch (error) {
    if (error instanceof Failure) return failed(error);
    throw error;
  } finally {
    if (info.key !== '') served.hooks.release(info);
  }
}

/** Makes the HTTP server; it does not listen yet. */
export function createHttpServer(served: Served, onError: (error: unknown) => void): Server {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = request.url ?? '/';
    const cut = url.indexOf('?');
    const path = cut < 0 ? url : url.slice(0, cut);
    if (path === '/_emulator' || path.startsWith('/_emulator/') || path === '/') {
      if (served.hooks.admin(request, response, path, await bodyOf(request))) return;
    }
    const method = request.method ?? 'GET';
    const info: RequestInfo = {
      id: requestId(served.account.random),
      method,
      path,
      match: matchOf(served.router, method, path),
      key: '',
      request,
      response,
      startedMs: served.account.now(),
    };
    let answer: Answer;
    try {
      answer = await answerTo(served, info, cut < 0 ? '' : url.slice(cut + 1));
    } catch (error) {
      onError(error);
      answer = failed(new Failure(500, 'An unknown error occurred', { type: 'api_error' }));
    }
    served.hooks.after(info, answer.status);
    served.hooks.send(info, {
      ...answer,
      headers: {
        'Content-Type': 'application/json',
        'Request-Id': info.id,
        'Stripe-Version': header(request, 'stripe-version') ?? served.account.apiVersion,
        'Stripe-Account': served.account.id,
        'Cache-Control': 'no-cache, no-store',
        ...answer.headers,
      },
    });
  };
  const server = createServer({ keepAlive: true, keepAliveTimeout: 60_000 }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      onError(error);
      response.destroy();
    });
  });
  return server;
}

function matchOf(router: Router, method: string, path: string): Match | undefined {
  try {
    return router.match(method, path);
  } catch {
    return undefined; // a path that is no valid percent-encoding is no path of ours
  }
}
