import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { logTailHandler } from './log-tail.ts';

let directory: string;
let file: string;
let server: Server;
let url: string;
let stop: AbortController;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'log-tail-'));
  file = join(directory, 'engine.log');
  stop = new AbortController();
  server = createServer(logTailHandler({ file, pollMs: 10, signal: stop.signal }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tdog/cli_log.txt`;
});
afterEach(async () => {
  stop.abort();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

/** Reads what is streamed, until the text so far fits. */
async function* texts(response: Response): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    yield text;
  }
}

async function until(source: AsyncGenerator<string, void>, wanted: string): Promise<void> {
  for (;;) {
    const next = await source.next();
    if (next.done === true) throw new Error(`ended without ${wanted}`);
    if (next.value.endsWith(wanted)) return;
  }
}

test('a log that is not there yet is empty', async () => {
  const response = await fetch(url);
  expect([response.status, await response.text()]).toEqual([200, '']);
});

test('a short log is answered whole', async () => {
  writeFileSync(file, 'one\ntwo\n');
  const response = await fetch(url);
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await response.text()).toBe('one\ntwo\n');
});

test('of a long log the newest part, from the beginning of a line', async () => {
  const lines = Array.from({ length: 20_000 }, (_, number) => `line ${number} ${'x'.repeat(30)}\n`);
  writeFileSync(file, lines.join(''));
  const text = await (await fetch(url)).text();
  expect(text.length).toBeLessThanOrEqual(256 * 1024);
  expect(text).toMatch(/^line \d+ x{30}\n/);
  expect(text.endsWith(lines.at(-1) ?? '')).toBe(true);
});

test('follows what comes, over a rotation, and ends with the system', { timeout: 60_000 }, async () => {
  writeFileSync(file, 'one\n');
  const source = texts(await fetch(`${url}?follow=1`));
  await until(source, 'one\n');
  appendFileSync(file, 'two\n');
  await until(source, 'one\ntwo\n');
  appendFileSync(file, 'three\n');
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'four\n');
  await until(source, 'one\ntwo\nthree\nfour\n');
  stop.abort();
  expect((await source.next()).done).toBe(true);
});

test('follows a log that begins later', async () => {
  const source = texts(await fetch(`${url}?follow=1`));
  writeFileSync(file, 'one\n');
  await until(source, 'one\n');
});

test('HEAD with follow ends', async () => {
  writeFileSync(file, 'one\n');
  const response = await fetch(`${url}?follow=1`, { method: 'HEAD' });
  expect([response.status, response.headers.get('content-length')]).toEqual([200, '4']);
});
