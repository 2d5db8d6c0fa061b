import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import * as api from '../src/index.ts';
import { basic, KEY, send, tempDir, until, upstreamServer } from './kit.ts';
import { endWithTest } from './real.ts';
import { fakeStripe } from './stripe.ts';

const root = join(import.meta.dirname, '..');
// Prettier pads tables.
const readme = readFileSync(join(root, 'README.md'), 'utf8').replace(/ {2,}\|/g, ' |');

test('every error code is in the README with its meaning', () => {
  for (const [code, meaning] of Object.entries(api.ERROR_CODES))
    expect(readme).toContain(`| \`${code}\` | ${meaning} |`);
});

test('every option of createAuthProxy is in the README', () => {
  const source = readFileSync(join(root, 'src/options.ts'), 'utf8');
  const block = /export interface AuthProxyOptions \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
  const names = [...block.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name ?? '');
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(readme).toContain(`| \`${name}\` |`);
});

test('every function of the API is in the README', () => {
  for (const [name, value] of Object.entries(api)) {
    if (typeof value === 'function') expect(readme).toContain(name);
  }
});

test('the express recipe runs as it stands', async () => {
  const recipe = /### In an express app\n\n```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const stripe = await fakeStripe();
  const upstream = await upstreamServer();
  const dir = tempDir();
  const replaced: [string, string][] = [
    ["'express'", `'${pathToFileURL(createRequire(import.meta.url).resolve('express')).href}'`],
    ["'@datasette-stripe/auth-proxy'", `'${pathToFileURL(join(root, 'src/index.ts')).href}'`],
    ['stripeKey({ key:', `stripeKey({ apiBase: '${stripe.url}', key:`],
    ["'unix:/run/datasette.sock'", `'${upstream.url}'`],
    ['app.listen(3000)', "app.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())))"],
  ];
  let source = recipe;
  for (const [from, to] of replaced) {
    expect(source).toContain(from);
    source = source.replace(from, to);
  }
  writeFileSync(join(dir, 'app.mts'), source);
  const child = spawn(process.execPath, ['app.mts'], {
    cwd: dir,
    env: { STRIPE_SECRET_KEY: KEY },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithTest(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until(() => output.includes('port'), 'the app listens');
  const url = `http://127.0.0.1:${(JSON.parse(output) as { port: number }).port}`;
  expect((await send(url, { path: '/live' })).body).toBe('ok');
  expect((await send(url, { path: '/me' })).status).toBe(401);
  expect((await send(url, { path: '/me', headers: basic(KEY) })).body).toBe('sk_test_...0001');
  expect((await send(url, { path: '/stripe', headers: basic(KEY) })).status).toBe(200);
  expect(upstream.seen.map((request) => request.url)).toEqual(['/stripe']);
}, 60_000);
