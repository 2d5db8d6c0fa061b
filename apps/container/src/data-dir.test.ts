import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDataDir } from './data-dir.ts';
import { demoAccount } from './demo.ts';
import { leaveSocket, openRunDir } from './run-dir.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'data-dir-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const configuration = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'CONFIGURATION', message: expect.stringMatching(message) as string });

test('makes the folder, and lets a second system in only after the first', () => {
  const root = join(directory, 'a', 'b');
  const first = openDataDir(root);
  expect(() => openDataDir(root)).toThrow(configuration(/^DATA_DIR: .* is in use by another/));
  first.close();
  openDataDir(root).close();
});

test('a folder that cannot be written is told with the cure', () => {
  // A file in the way stops root, too.
  writeFileSync(join(directory, 'file'), '');
  expect(() => openDataDir(join(directory, 'file', 'data'))).toThrow(
    configuration(/^DATA_DIR: .* cannot be written by user \d+ .*chown/),
  );
});

test("the demo's account is made once and only this user can read it", () => {
  const first = demoAccount(directory);
  expect(first.key).toMatch(/^sk_test_demo\w{24}$/);
  expect(first.accountId).toMatch(/^acct_demo\w+$/);
  expect(demoAccount(directory)).toEqual(first);
  expect(statSync(join(directory, 'demo', 'account.json')).mode & 0o777).toBe(0o600);
});

test("a demo's account that was changed by hand is told, not replaced", () => {
  mkdirSync(join(directory, 'demo'));
  writeFileSync(join(directory, 'demo', 'account.json'), '{}');
  expect(() => demoAccount(directory)).toThrow(configuration(/account.json is not what the demo wrote/));
  expect(readFileSync(join(directory, 'demo', 'account.json'), 'utf8')).toBe('{}');
});

test('the socket for Datasette is for this user alone, in a folder for this user alone', async () => {
  const runDir = openRunDir();
  const socket = runDir.path('datasette.sock');
  await leaveSocket(socket);
  await leaveSocket(socket);
  expect(statSync(socket).isSocket()).toBe(true);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(runDir.root).mode & 0o777).toBe(0o700);
  runDir.close();
  expect(() => statSync(runDir.root)).toThrow('ENOENT');
});
