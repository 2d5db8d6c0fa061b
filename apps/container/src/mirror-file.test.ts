import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { accountOf, settleMirrorFile, type Wanted } from './mirror-file.ts';

let directory: string;
let file: string;
const demo: Wanted = { for: 'demo', accountId: 'acct_demo1' };
const real: Wanted = { for: 'account', demoAccountId: undefined, isStripe: true };
const now = new Date('2026-01-02T03:04:05.678Z');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mirror-file-'));
  file = join(directory, 'stripe.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true }));

function makeMirror(account: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE td_metadata (stripe_account_id TEXT)');
  database.prepare('INSERT INTO td_metadata VALUES (?)').run(account);
  return database;
}

test('without a file there is nothing to settle', () => {
  expect([settleMirrorFile(file, demo, now), settleMirrorFile(file, real, now)]).toEqual([
    undefined,
    undefined,
  ]);
  expect(readdirSync(directory)).toEqual([]);
});

test("the demo's file is moved aside for a real account, with what a crash left in the log", () => {
  const crashed = makeMirror('acct_demo1');
  const wal = readFileSync(`${file}-wal`);
  const main = readFileSync(file);
  crashed.close();
  writeFileSync(file, main);
  writeFileSync(`${file}-wal`, wal);

  const moved = settleMirrorFile(file, real, now);
  expect(moved).toBe(join(directory, 'stripe.demo-20260102T030405Z.sqlite'));
  expect(readdirSync(directory)).toEqual(['stripe.demo-20260102T030405Z.sqlite']);
  expect(accountOf(moved ?? '')).toBe('acct_demo1');
});

test('the demo goes on with its own file', () => {
  makeMirror('acct_demo1').close();
  expect(settleMirrorFile(file, demo, now)).toBeUndefined();
  expect(existsSync(file)).toBe(true);
});

test('another demo begins with a file of its own', () => {
  makeMirror('acct_demo2').close();
  expect(settleMirrorFile(file, demo, now)).toMatch(/demo-2026/);
});

test("with an emulator's key, a file of an account that begins like a demo's stays, unless it is this folder's demo's", () => {
  makeMirror('acct_demo1').close();
  const emulator: Wanted = { for: 'account', demoAccountId: undefined, isStripe: false };
  expect(settleMirrorFile(file, emulator, now)).toBeUndefined();
  expect(settleMirrorFile(file, { ...emulator, demoAccountId: 'acct_demo1' }, now)).toMatch(/demo-2026/);
});

test("a real account's file stays where it is", () => {
  makeMirror('acct_1').close();
  expect(settleMirrorFile(file, real, now)).toBeUndefined();
  expect(accountOf(file)).toBe('acct_1');
});

test("a demo never takes a real account's file", () => {
  makeMirror('acct_1').close();
  expect(() => settleMirrorFile(file, demo, now)).toThrow(
    expect.objectContaining({
      code: 'OTHER_ACCOUNT',
      message: expect.stringMatching(/^DATA_DIR: .*acct_1/) as string,
    }),
  );
  expect(accountOf(file)).toBe('acct_1');
});

test('a file that is no database is told, and left alone', () => {
  writeFileSync(file, 'no database, just a text that is long enough to be read as one\n'.repeat(100));
  expect(() => settleMirrorFile(file, demo, now)).toThrow(expect.objectContaining({ code: 'CONFIGURATION' }));
  expect(readdirSync(directory)).toEqual(['stripe.sqlite']);
});
