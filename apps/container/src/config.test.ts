import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readConfig, type Config, type Environment } from './config.ts';

const directory = mkdtempSync(join(tmpdir(), 'config-'));
const program = join(directory, 'tdog');
writeFileSync(program, '#!/bin/sh\n');
chmodSync(program, 0o755);
const noProgram = join(directory, 'notes.txt');
writeFileSync(noProgram, '');
afterAll(() => rmSync(directory, { recursive: true }));

const testKey = ['sk', 'test', 'config1'].join('_');
const liveKey = ['rk', 'live', 'config2'].join('_');
const orgKey = ['sk', 'org', 'config3'].join('_');

function config(env: Environment): Config {
  const result = readConfig(env, directory);
  if (!result.ok) throw new Error(result.faults.join('\n'));
  return result.config;
}

function faults(env: Environment): readonly string[] {
  const result = readConfig(env, directory);
  return result.ok ? [] : result.faults;
}

test('an empty environment is the demo on loopback', () => {
  expect(config({})).toEqual({
    stripe: undefined,
    publicDemo: false,
    production: false,
    dataDir: join(directory, 'data'),
    host: '127.0.0.1',
    port: 3000,
    authEnabled: true,
    trustedProxies: [],
    authStripeAccount: false,
    shareLinkSecret: undefined,
    webhookSecret: undefined,
    tdogBin: undefined,
    tdogLicense: undefined,
    pollFreqMs: undefined,
    maxRequestsPerSecond: undefined,
    tables: 'core',
    logLevel: 'info',
    childEnv: {},
  });
});

const accepted: readonly (readonly [name: string, env: Environment, expected: Partial<Config>])[] = [
  [
    'a test key',
    { STRIPE_SECRET_KEY: testKey },
    {
      stripe: {
        secretKey: testKey,
        apiBase: 'https://api.stripe.com',
        context: undefined,
        livemode: false,
      },
    },
  ],
  [
    'a restricted live key in production',
    { NODE_ENV: 'production', STRIPE_SECRET_KEY: liveKey },
    {
      production: true,
      stripe: { secretKey: liveKey, apiBase: 'https://api.stripe.com', context: undefined, livemode: true },
    },
  ],
  [
    "an organisation's key with its account",
    { STRIPE_SECRET_KEY: orgKey, STRIPE_CONTEXT: 'acct_1' },
    {
      stripe: {
        secretKey: orgKey,
        apiBase: 'https://api.stripe.com',
        context: 'acct_1',
        livemode: undefined,
      },
    },
  ],
  [
    'a key with the line end that a file leaves behind',
    { STRIPE_SECRET_KEY: `${testKey}\n` },
    {
      stripe: {
        secretKey: testKey,
        apiBase: 'https://api.stripe.com',
        context: undefined,
        livemode: false,
      },
    },
  ],
  [
    'plain http to loopback with a live key, and the slash at the end goes',
    { STRIPE_SECRET_KEY: liveKey, STRIPE_API_BASE: 'http://127.0.0.1:1234/' },
    {
      stripe: {
        secretKey: liveKey,
        apiBase: 'http://127.0.0.1:1234',
        context: undefined,
        livemode: true,
      },
    },
  ],
  [
    'plain http to another host with a test key',
    { STRIPE_SECRET_KEY: testKey, STRIPE_API_BASE: 'http://emulator:12111' },
    {
      stripe: { secretKey: testKey, apiBase: 'http://emulator:12111', context: undefined, livemode: false },
    },
  ],
  [
    'a public demo in production without sign-in',
    { NODE_ENV: 'production', DEMO: '1', HOST: '0.0.0.0', HTTP_BASIC_AUTH_ENABLED: '0' },
    { stripe: undefined, publicDemo: true, authEnabled: false },
  ],
  ['no sign-in on loopback', { HTTP_BASIC_AUTH_ENABLED: '0' }, { authEnabled: false }],
  ['no sign-in on ::1', { HTTP_BASIC_AUTH_ENABLED: '0', HOST: '::1' }, { authEnabled: false, host: '::1' }],
  ["Fly's own proxy", { FLY_APP_NAME: 'app' }, { trustedProxies: ['fly'] }],
  [
    'other proxies on Fly',
    { FLY_APP_NAME: 'app', TRUSTED_PROXIES: '10.0.0.0/8, ::1' },
    { trustedProxies: ['10.0.0.0/8', '::1'] },
  ],
  ['no proxies on Fly', { FLY_APP_NAME: 'app', TRUSTED_PROXIES: 'none' }, { trustedProxies: [] }],
  ['a port chosen by the system', { PORT: '0' }, { port: 0 }],
  ['an empty value, as unset', { PORT: '', DEMO: ' ' }, { port: 3000, publicDemo: false }],
  ['all tables', { TDOG_TABLES: 'all' }, { tables: 'all' }],
  ['named tables', { TDOG_TABLES: 'charges, refunds' }, { tables: ['charges', 'refunds'] }],
  [
    'polling and limit',
    { TDOG_POLL_FREQ_MS: '1000', TDOG_MAX_REQUESTS_PER_SECOND: '7' },
    {
      pollFreqMs: 1000,
      maxRequestsPerSecond: 7,
    },
  ],
  [
    'the original tdog with a licence',
    { STRIPE_SECRET_KEY: testKey, TDOG_BIN: 'tdog', TDOG_LICENSE: 'licence' },
    { tdogBin: program, tdogLicense: 'licence' },
  ],
  ['a licence alone', { TDOG_LICENSE: 'licence' }, { tdogBin: undefined, tdogLicense: 'licence' }],
  ['a relative data folder', { DATA_DIR: 'here' }, { dataDir: join(directory, 'here') }],
  ['other live keys of the account', { AUTH_STRIPE_ACCOUNT: '1' }, { authStripeAccount: true }],
  [
    'secrets for links and webhooks',
    { SHARE_LINK_SECRET: 'x'.repeat(32), STRIPE_WEBHOOK_SECRET: 'whsec_abc' },
    { shareLinkSecret: 'x'.repeat(32), webhookSecret: 'whsec_abc' },
  ],
  [
    'for children, where programs are and nothing else',
    { PATH: '/bin', TZ: 'UTC', STRIPE_SECRET_KEY: testKey, AWS_SECRET_ACCESS_KEY: 'x' },
    { childEnv: { PATH: '/bin', TZ: 'UTC' } },
  ],
];

test.each(accepted)('accepts %s', (_name, env, expected) => {
  expect(config(env)).toMatchObject(expected);
});

const refused: readonly (readonly [name: string, env: Environment, line: RegExp])[] = [
  ['production without a key', { NODE_ENV: 'production' }, /^STRIPE_SECRET_KEY: is not set; .*DEMO=1/],
  ['a publishable key', { STRIPE_SECRET_KEY: 'pk_test_1' }, /^STRIPE_SECRET_KEY: is a publishable key/],
  ['a malformed key', { STRIPE_SECRET_KEY: 'sk_test-1' }, /^STRIPE_SECRET_KEY: is malformed/],
  ['a key without its end', { STRIPE_SECRET_KEY: 'sk_test_' }, /^STRIPE_SECRET_KEY: is malformed/],
  ["an organisation's key alone", { STRIPE_SECRET_KEY: orgKey }, /^STRIPE_CONTEXT: is not set/],
  ['a demo with a key', { DEMO: '1', STRIPE_SECRET_KEY: testKey }, /^DEMO: is 1 while STRIPE_SECRET_KEY/],
  ['a base without a key', { STRIPE_API_BASE: 'https://x.test' }, /^STRIPE_API_BASE: is set without/],
  [
    'a base that is no URL',
    { STRIPE_SECRET_KEY: testKey, STRIPE_API_BASE: 'x.test' },
    /^STRIPE_API_BASE: is no base URL/,
  ],
  [
    'a base with a password',
    { STRIPE_SECRET_KEY: testKey, STRIPE_API_BASE: 'https://u:p@x.test' },
    /^STRIPE_API_BASE: is no base URL/,
  ],
  [
    'plain http for a live key',
    { STRIPE_SECRET_KEY: liveKey, STRIPE_API_BASE: 'http://x.test' },
    /^STRIPE_API_BASE: http:\/\/ would send a live key/,
  ],
  [
    'a host that only looks like loopback',
    { STRIPE_SECRET_KEY: liveKey, STRIPE_API_BASE: 'http://127.0.0.1.x.test' },
    /^STRIPE_API_BASE: http:\/\/ would send/,
  ],
  [
    "plain http for an organisation's key, which may be live",
    { STRIPE_SECRET_KEY: orgKey, STRIPE_CONTEXT: 'acct_1', STRIPE_API_BASE: 'http://x.test' },
    /^STRIPE_API_BASE: http:\/\/ would send/,
  ],
  [
    'a site without sign-in that others reach',
    { HTTP_BASIC_AUTH_ENABLED: '0', HOST: '0.0.0.0' },
    /^HTTP_BASIC_AUTH_ENABLED: 0 would publish/,
  ],
  [
    'an account without sign-in that others reach, in production',
    {
      NODE_ENV: 'production',
      STRIPE_SECRET_KEY: testKey,
      HTTP_BASIC_AUTH_ENABLED: '0',
      HOST: '0.0.0.0',
    },
    /^HTTP_BASIC_AUTH_ENABLED: 0 would publish/,
  ],
  ['a port out of range', { PORT: '65536' }, /^PORT: is "65536"; set a whole number from 0 to 65535/],
  ['a port in words', { PORT: 'http' }, /^PORT: is "http"/],
  ['a port in exponents', { PORT: '1e3' }, /^PORT: is "1e3"/],
  ['a host with a port', { HOST: '127.0.0.1:80' }, /^HOST: is "127.0.0.1:80"/],
  ['a half flag', { DEMO: 'yes' }, /^DEMO: is "yes"; set 1 or 0/],
  ['an unknown flag', { AUTH_STRIPE_ACCOUNT: '2' }, /^AUTH_STRIPE_ACCOUNT: is "2"/],
  ['an unknown mode', { NODE_ENV: 'staging' }, /^NODE_ENV: is "staging"; set one of development, production/],
  ['an unknown level', { LOG_LEVEL: 'loud' }, /^LOG_LEVEL: is "loud"; set one of fatal/],
  ['an unknown proxy', { TRUSTED_PROXIES: 'fly,heroku' }, /^TRUSTED_PROXIES: "heroku"/],
  ['a range too long', { TRUSTED_PROXIES: '10.0.0.0/33' }, /^TRUSTED_PROXIES: "10.0.0.0\/33"/],
  ['a short secret', { SHARE_LINK_SECRET: 'short' }, /^SHARE_LINK_SECRET: is malformed/],
  ['a wrong webhook secret', { STRIPE_WEBHOOK_SECRET: 'sk_1' }, /^STRIPE_WEBHOOK_SECRET: is malformed/],
  [
    'a binary that is not there',
    { STRIPE_SECRET_KEY: testKey, TDOG_BIN: '/nowhere/tdog' },
    /^TDOG_BIN: \/nowhere\/tdog is no executable file/,
  ],
  [
    'a binary that is a text',
    { STRIPE_SECRET_KEY: testKey, TDOG_BIN: noProgram },
    /^TDOG_BIN: .*notes.txt is no executable/,
  ],
  [
    'a binary that is a folder',
    { STRIPE_SECRET_KEY: testKey, TDOG_BIN: directory },
    /^TDOG_BIN: .* is no executable/,
  ],
  ['the original tdog in the demo', { TDOG_BIN: program }, /^TDOG_BIN: the original tdog needs/],
  ['a polling of nothing', { TDOG_POLL_FREQ_MS: '0' }, /^TDOG_POLL_FREQ_MS: is "0"/],
  ['a negative limit', { TDOG_MAX_REQUESTS_PER_SECOND: '-1' }, /^TDOG_MAX_REQUESTS_PER_SECOND: is "-1"/],
  ['a table with a space', { TDOG_TABLES: 'charges,re funds' }, /^TDOG_TABLES: "re funds"/],
  ['an unknown table', { TDOG_TABLES: 'charges,unicorns' }, /^TDOG_TABLES: "unicorns" is no table/],
  ['an empty table', { TDOG_TABLES: 'charges,' }, /^TDOG_TABLES: ""/],
];

test.each(refused)('refuses %s with one line', (_name, env, line) => {
  const lines = faults(env);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(line);
  expect(lines[0]).not.toContain('\n');
});

test('tells all faults together', () => {
  const env = { NODE_ENV: 'production', PORT: 'x', LOG_LEVEL: 'y', TDOG_TABLES: '*' };
  expect(faults(env).map((line) => line.split(':')[0])).toEqual([
    'STRIPE_SECRET_KEY',
    'PORT',
    'TDOG_TABLES',
    'LOG_LEVEL',
  ]);
});

test('no fault repeats a secret, not even a malformed one', () => {
  const secret = 'hunter2hunter2';
  const env = {
    STRIPE_SECRET_KEY: `sk_test ${secret}`,
    STRIPE_API_BASE: `https://u:${secret}@x.test`,
    SHARE_LINK_SECRET: secret,
    STRIPE_WEBHOOK_SECRET: secret,
  };
  const lines = faults(env);
  expect(lines).toHaveLength(4);
  expect(lines.join('\n')).not.toContain(secret);
});
