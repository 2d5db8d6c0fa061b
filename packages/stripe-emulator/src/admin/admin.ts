import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EmulatorError } from '../errors.ts';
import { wrongFaults, type FaultSettings } from '../faults/settings.ts';
import { statusPage, type Status } from './page.ts';

/** What `/_emulator` shows and does. */
export interface AdminOptions {
  /** The address it listens on: on loopback nobody needs a token. */
  readonly host: string;
  readonly token: string | undefined;
  readonly status: () => Status;
  readonly advance: (step: number) => void;
  readonly setFaults: (faults: FaultSettings) => void;
}

const loopback = /^(127\.\d+\.\d+\.\d+|localhost|::1)$/;

const json = (response: ServerResponse, status: number, body: unknown): true => {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(`${JSON.stringify(body, null, 2)}\n`);
  return true;
};

const same = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

/** Whether a request may look behind the scenes. A page of another site may not, though it comes from this machine. */
function allowed(request: IncomingMessage, options: AdminOptions): boolean {
  if (options.token !== undefined) {
    const [, given = ''] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (same(given, options.token)) return true;
  }
  if (!loopback.test(options.host)) return false;
  const { origin, host = '' } = request.headers;
  if (!loopback.test(host.replace(/:\d+$/, '').replaceAll(/[[\]]/g, ''))) return false;
  return origin === undefined || origin === `http://${host}`;
}

/** Answers `/_emulator`; false when the request is not for it. */
export function admin(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  body: string,
): boolean {
  if (path === '/') {
    if (!loopback.test(options.host)) return false;
    response.writeHead(302, { Location: '/_emulator' }).end();
    return true;
  }
  if (!allowed(request, options)) {
    return json(response, 403, { error: 'Send the token of --admin-token as Authorization: Bearer.' });
  }
  const method = request.method ?? 'GET';
  if (path === '/_emulator' && method === 'GET') return showStatus(request, response, options);
  if (path === '/_emulator/faults' && method === 'GET') return json(response, 200, options.status().faults);
  if (method === 'POST' && (path === '/_emulator/advance' || path === '/_emulator/faults')) {
    return change(response, options, path, body);
  }
  return json(response, 404, { error: `No such path: ${method} ${path}` });
}

function showStatus(request: IncomingMessage, response: ServerResponse, options: AdminOptions): true {
  if (!/text\/html/.test(request.headers.accept ?? '')) return json(response, 200, options.status());
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
    'Cache-Control': 'no-store',
  });
  response.end(statusPage(options.status()));
  return true;
}

function change(response: ServerResponse, options: AdminOptions, path: string, body: string): true {
  let value: unknown;
  try {
    value = JSON.parse(body === '' ? '{}' : body);
  } catch {
    return json(response, 400, { error: 'The body must be JSON.' });
  }
  try {
    if (path === '/_emulator/faults') {
      const wrong = wrongFaults(value);
      if (wrong.length > 0) return json(response, 400, { error: wrong.join('; ') });
      options.setFaults(value as FaultSettings);
      return json(response, 200, options.status().faults);
    }
    const step = (value as { step?: unknown } | null)?.step;
    if (typeof step !== 'number') return json(response, 400, { error: 'The body must be {"step": N}.' });
    options.advance(step);
    return json(response, 200, { step });
  } catch (error) {
    if (error instanceof EmulatorError)
      return json(response, 400, { error: error.message, code: error.code });
    throw error;
  }
}
