import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { SYNC_ERROR_CODES } from '../src/index.ts';
import { HELP, parseCommand } from '../src/cli.ts';
import { VERSION } from '../src/version.ts';
import { databaseDoc, page } from './database-doc.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the database reference is that of the catalogue', () => {
  expect(readFileSync(page, 'utf8')).toBe(databaseDoc());
});

test('every error code and option stands in the README', () => {
  const readme = read('../README.md');
  for (const code of Object.keys(SYNC_ERROR_CODES)) expect(readme).toContain(`\`${code}\``);
  const options = read('../src/options.ts');
  const names = [
    ...(/export interface SyncOptions \{([^]*?)\n\}/.exec(options)?.[1] ?? '').matchAll(
      /readonly (\w+)\??:/g,
    ),
  ];
  expect(names.length).toBeGreaterThan(15);
  for (const [, name] of names) if (name !== 'stripe') expect(readme).toMatch(new RegExp(`\`${name}`));
});

test('every flag stands in --help', () => {
  for (const flag of read('../src/cli.ts').matchAll(/^ {8}'?([a-z-]+)'?: \{ type:/gm))
    expect(HELP).toContain(`--${flag[1]}`);
});

test('the version is that of the package', () => {
  expect((JSON.parse(read('../package.json')) as { version: string }).version).toBe(VERSION);
});

test.each([
  ['no key', ['--target', 'x'], /STRIPE_SECRET_KEY/],
  ['no file', ['--stripe-key', 'sk_test_' + 'x'], /--target/],
  ['a number that is none', ['--target', 'x', '--stripe-key', 'k', '--share', 'much'], /--share/],
  ['both configurations', ['--json', '{}', '--json-file', 'x'], /exclude/],
  ['a configuration that is no JSON', ['--json', '{sk_test_secret'], /no JSON/],
])('usage: %s', (_name, args, message) => {
  expect(() => parseCommand(args, {})).toThrow(message);
});
