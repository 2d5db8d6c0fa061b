import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import { createSnapshotHandler, type SnapshotHandler, type SnapshotOptions } from '../src/index.ts';

/** A folder that is gone after the test. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'snapshot-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

const TOTAL = 1_000_000;

/** A database in which money moves: `check` tells whether a copy is of one moment. */
export function createDatabase(
  file: string,
  { accounts = 2000, filler = 300, journal = 'WAL' } = {},
): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 10_000 });
  db.exec(`PRAGMA journal_mode = ${journal}; PRAGMA synchronous = NORMAL;
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, filler TEXT);
    CREATE TABLE moves (id INTEGER PRIMARY KEY, amount INTEGER, filler TEXT);
    CREATE INDEX moves_amount ON moves (amount);
    CREATE TABLE counter (n INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);
    BEGIN`);
  const insert = db.prepare('INSERT INTO accounts (balance, filler) VALUES (?, ?)');
  for (let n = 0; n < accounts; n++) insert.run(n === 0 ? TOTAL : 0, 'f'.repeat(filler));
  db.exec('COMMIT');
  onTestFinished(() => {
    if (db.isOpen) db.close();
  });
  return db;
}

/** Opens a copy, checks it thoroughly and tells how many moves it has seen. */
export function checkCopy(file: string): { moves: number; journal: string } {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const integrity = db.prepare('PRAGMA integrity_check').all();
    if (JSON.stringify(integrity) !== '[{"integrity_check":"ok"}]')
      throw new Error(JSON.stringify(integrity));
    const row = db
      .prepare(
        'SELECT (SELECT sum(balance) FROM accounts) AS total, n, (SELECT max(id) FROM moves) AS last FROM counter',
      )
      .get() as {
      total: number;
      n: number;
      last: number | null;
    };
    if (row.total !== TOTAL) throw new Error(`the sum is ${String(row.total)}: not of one moment`);
    if ((row.last ?? 0) !== row.n)
      throw new Error(`${String(row.last)} moves and a count of ${String(row.n)}: not of one moment`);
    return {
      moves: row.n,
      journal: (db.prepare('PRAGMA journal_mode').get() as { journal_mode: string }).journal_mode,
    };
  } finally {
    db.close();
  }
}

/** A process that writes until the test is over; resolves when it has begun. */
export async function startWriter(
  file: string,
  perSecond: number,
): Promise<{ child: ChildProcess; done: () => number }> {
  const child = fork(join(import.meta.dirname, 'writer.js'), [file, String(perSecond)], { execArgv: [] });
  let done = 0;
  child.on('message', (message: { done: number }) => (done = message.done));
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  await once(child, 'message');
  return { child, done: () => done };
}

/** Serves with any listener on a port of its own. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/db.sqlite`;
}

/** A handler on a port of its own. */
export async function serveSnapshots(
  options: SnapshotOptions,
): Promise<{ url: string; handler: SnapshotHandler }> {
  const handler = createSnapshotHandler(options);
  onTestFinished(() => handler.close());
  return { url: await serve((req, res) => void handler(req, res)), handler };
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request over node:http, which decodes nothing and adds nothing. */
export async function get(
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const req = request(url, { method, headers, agent: false });
  req.end();
  const [res] = (await once(req, 'response')) as [import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) };
}

/** Waits until something holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
