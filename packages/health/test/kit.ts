import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createHealth } from '../src/index.ts';
import type { Check, CheckContext, CheckResult, Health, HealthOptions, HealthStatus } from '../src/index.ts';

/** Generous: the machine may be busy. */
const deadlineMs = 30_000;

/** A directory that goes when the test is over. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'health-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** Looks again and again until it is so. */
export async function waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A server on a free port (or a Unix socket), closed when the test is over. Resolves with its base URL. */
export async function serve(listener: RequestListener, socketPath?: string): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    if (socketPath === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(socketPath, resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return socketPath === undefined
    ? `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    : 'http://local';
}

/** A health object, closed when the test is over. */
export function health(checks: Record<string, Check>, options: Partial<HealthOptions> = {}): Health {
  const made = createHealth({ checks, ...options });
  onTestFinished(() => made.close());
  return made;
}

/** Serves live, ready, report and metrics under their names. */
export function serveHealth(of: Health): Promise<string> {
  const routes: Readonly<Record<string, Health['live']>> = {
    '/live': of.live,
    '/ready': of.ready,
    '/health': of.report,
    '/metrics': of.metrics,
  };
  return serve((request, response) => {
    void routes[request.url ?? '']?.(request, response);
  });
}

/** Who sends this sees details. */
export const owner = { authorization: 'owner' };
export const isOwner = (request: IncomingMessage): boolean => request.headers.authorization === 'owner';

/** A clock that stands still until it is moved. */
export function clock(start = Date.parse('2026-01-01T00:00:00Z')): {
  now: () => number;
  move: (ms: number) => void;
} {
  let at = start;
  return {
    now: () => at,
    move(ms): void {
      at += ms;
    },
  };
}

/** Runs a check once, outside a health object. */
export async function runOnce(
  check: Check,
  context: Partial<CheckContext> & { readonly clock?: { now: () => number } } = {},
): Promise<CheckResult> {
  const now = context.clock?.now;
  return check.run({
    signal: context.signal ?? new AbortController().signal,
    now: context.now ?? now ?? Date.now,
    monotonic: context.monotonic ?? now ?? ((): number => performance.now()),
  });
}

/** A database in a file of its own, closed when the test is over. */
export function database(
  path = join(tempDir(), 'test.sqlite'),
  sql = '',
): { path: string; db: DatabaseSync } {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  db.exec(`PRAGMA journal_mode = WAL; ${sql}`);
  onTestFinished(() => {
    if (db.isOpen) db.close();
  });
  return { path, db };
}

/** `YYYY-MM-DD HH:MM:SS.mmm` as the engines write it. */
export function stamp(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
}

/** A check with this verdict. */
export const always = (status: HealthStatus, more: Partial<Check> = {}): Check => ({
  run: () => ({ status, message: `it is ${status}`, observed: 7, unit: 'apples' }),
  ...more,
});

/** Status, type and body (parsed when it is JSON). */
export async function get(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; type: string | null; body: unknown; headers: Headers }> {
  const response = await fetch(url, { headers });
  const type = response.headers.get('content-type');
  const text = await response.text();
  return {
    status: response.status,
    type,
    body: type?.includes('json') ? JSON.parse(text) : text,
    headers: response.headers,
  };
}
