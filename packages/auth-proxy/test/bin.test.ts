import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import bcrypt from 'bcryptjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { HELP, readCommandLine } from '../src/command-line.ts';
import { basic, KEY, send, tempDir, until, upstreamServer } from './kit.ts';
import { DATASETTE, DATASETTE_1A, endWithTest, sampleDatabase, startDatasette } from './real.ts';
import { fakeStripe } from './stripe.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const bin = join(root, 'dist/bin.js');

beforeAll(async () => {
  await run(process.execPath, [
    join(root, '../../node_modules/.bin/tsc'),
    '-b',
    join(root, 'tsconfig.lib.json'),
  ]);
}, 120_000);

/** Starts the bin and waits until it says where it listens. */
async function startBin(
  args: readonly string[],
  options: { env?: Record<string, string>; script?: string } = {},
): Promise<{ address: string; child: ChildProcess; output: () => string }> {
  const child = spawn(process.execPath, [options.script ?? bin, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  endWithTest(child);
  await until(() => {
    if (child.exitCode !== null) throw new Error(`the proxy ended: ${output}`);
    return output.includes('"listening"');
  }, 'the proxy listens');
  return { address: /"address":"([^"]+)"/.exec(output)?.[1] ?? '', child, output: () => output };
}

async function exitOf(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [bin, ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
    });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

describe('datasette-auth-proxy', () => {
  test('serves with a Stripe key, keeps no key on its command line or in its log, and ends with 0', async () => {
    const stripe = await fakeStripe();
    const upstream = await upstreamServer();
    const stateDir = tempDir();
    const flags = [
      '--upstream',
      upstream.url,
      '--listen',
      '127.0.0.1:0',
      '--stripe-key',
      '--stripe-api-base',
      stripe.url,
      '--state-dir',
      stateDir,
      '--log-level',
      'trace',
    ];
    const { address, child, output } = await startBin(flags, { env: { STRIPE_SECRET_KEY: KEY } });
    expect((await send(address, { headers: basic(KEY) })).status).toBe(200);
    expect((await send(address, { headers: basic('sk_test_wrong') })).status).toBe(401);
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).not.toContain(KEY);
    child.kill('SIGTERM');
    await until(() => child.exitCode !== null, 'the proxy ends');
    expect(child.exitCode).toBe(0);
    expect(output()).toContain('"who":"sk_test_...0001"');
    expect(output()).not.toContain(KEY);
    expect(JSON.parse(readFileSync(join(stateDir, 'guesses.json'), 'utf8'))).toHaveProperty(
      'perDay.storage.0.value',
      1,
    );
  }, 60_000);

  test('of two upstreams one that is away is not noticed', async () => {
    const upstream = await upstreamServer();
    const away = ['--upstream', 'http://127.0.0.1:1', '--upstream', upstream.url];
    const token = join(tempDir(), 'token');
    writeFileSync(token, 'a-long-token-for-tests-0001\n');
    const { address } = await startBin([...away, '--listen', '127.0.0.1:0', '--token-file', token]);
    const headers = basic('a-long-token-for-tests-0001');
    expect((await send(address, { headers })).status).toBe(200);
    expect(upstream.seen).toHaveLength(1);
  });

  test('listens on a Unix socket, also where a killed process left its own', async () => {
    const upstream = await upstreamServer();
    const dir = tempDir();
    writeFileSync(join(dir, 'token'), 'a-long-token-for-tests-0001\n');
    const flags = [
      '--upstream',
      upstream.url,
      '--listen',
      `unix:${dir}/door.sock`,
      '--token-file',
      join(dir, 'token'),
    ];
    const first = await startBin(flags);
    first.child.kill('SIGKILL');
    await until(() => first.child.signalCode !== null, 'the first is gone');
    expect(existsSync(`${dir}/door.sock`)).toBe(true);
    const second = await startBin(flags);
    expect(second.address).toBe(`unix:${dir}/door.sock`);
  }, 60_000);

  test.each([
    ['no upstream', ['--token-file', '/dev/null'], /--upstream is missing/],
    ['nobody gets in', ['--upstream', 'http://x'], /say who gets in/],
    ['an unknown flag', ['--upstrem', 'http://x'], /--upstrem/],
    ['no key in the environment', ['--upstream', 'http://x', '--stripe-key'], /STRIPE_SECRET_KEY is not set/],
    ['a bad address', ['--upstream', 'http://x', '--listen', 'nowhere'], /--listen: expected host:port/],
    ['a missing file', ['--upstream', 'http://x', '--htpasswd', '/none'], /ENOENT/],
    ['links without a place', ['--upstream', 'http://x', '--share-links'], /--state-dir/],
    [
      'a bad proxy',
      ['--upstream', 'http://x', '--stripe-key', '--trusted-proxy', 'all'],
      /trustedProxies.*"all"/,
    ],
    [
      'an upstream twice',
      ['--upstream', 'http://x', '--upstream', 'http://x', '--stripe-key'],
      /`upstream` has the same address twice/,
    ],
  ])('--check-config refuses %s with one line and 2', async (_name, flags, message) => {
    const env = flags.length > 3 && flags.includes('--stripe-key') ? { STRIPE_SECRET_KEY: KEY } : {};
    const { code, err } = await exitOf([...flags, '--check-config'], env);
    expect([code, err.trim().split('\n').length]).toEqual([2, 1]);
    expect(err).toMatch(message);
  });

  test('--check-config, --help and --version say what they are for', async () => {
    const flags = ['--upstream', 'unix:/run/ds.sock', '--stripe-key', '--check-config'];
    expect(await exitOf(flags, { STRIPE_SECRET_KEY: KEY })).toMatchObject({
      code: 0,
      out: 'The configuration is right.\n',
    });
    expect((await exitOf(['--help'])).out).toBe(HELP);
    expect((await exitOf(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('a port in use is said in one line, with 1', async () => {
    const upstream = await upstreamServer();
    const flags = [
      '--upstream',
      upstream.url,
      '--listen',
      upstream.url.slice('http://'.length),
      '--stripe-key',
    ];
    const { code, err } = await exitOf(flags, { STRIPE_SECRET_KEY: KEY });
    expect([code, err.trim().split('\n').length]).toEqual([1, 1]);
    expect(err).toContain('EADDRINUSE');
  });

  test('every flag is in --help and in the README', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const source = readFileSync(join(root, 'src/command-line.ts'), 'utf8');
    const flags = [...source.matchAll(/^ {8}'?([a-z-]+)'?: \{ type:/gm)].map(([, name]) => `--${name}`);
    expect(flags.length).toBeGreaterThan(15);
    for (const flag of flags) {
      expect(HELP).toContain(flag);
      expect(readme).toContain(flag);
    }
  });

  test('--cache-file: a change of the database is a new version', () => {
    const file = sampleDatabase();
    const command = readCommandLine(['--upstream', 'http://x', '--stripe-key', '--cache-file', file], {
      STRIPE_SECRET_KEY: KEY,
    });
    const { cache } = command.options(undefined as never);
    const before = cache?.dataVersion();
    expect(cache?.dataVersion()).toBe(before);
    writeFileSync(`${file}-wal`, 'x');
    expect(cache?.dataVersion()).not.toBe(before);
  });
});

describe.each([
  ['0.65', DATASETTE],
  ['1.0a', DATASETTE_1A],
])('the packed tarball, alone, in front of Datasette %s', (_version, datasette) => {
  test.skipIf(datasette === undefined)(
    'lets in a user of an htpasswd file',
    async () => {
      const dir = tempDir();
      const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', dir], { cwd: root });
      await run('tar', ['-xzf', join(dir, stdout.trim()), '-C', dir]);
      const home = join(dir, 'app/node_modules/@datasette-stripe/auth-proxy');
      mkdirSync(home, { recursive: true });
      cpSync(join(dir, 'package'), home, { recursive: true });
      expect(existsSync(join(home, 'src/auth-proxy.test.ts'))).toBe(false);
      // What package.json declares and nothing else: an undeclared import would not be found.
      const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
        dependencies: Record<string, string>;
      };
      const resolve = createRequire(join(root, 'package.json'));
      for (const name of Object.keys(manifest.dependencies)) {
        const found = resolve.resolve
          .paths(name)
          ?.map((path) => join(path, name))
          .find((path) => existsSync(path));
        symlinkSync(found ?? '', join(dir, 'app/node_modules', name));
      }
      const users = join(dir, 'users');
      writeFileSync(users, `ada:${bcrypt.hashSync('correct', 4)}\n`);
      const upstream = await startDatasette(datasette ?? '', sampleDatabase());
      const { address } = await startBin(
        ['--upstream', upstream, '--listen', '127.0.0.1:0', '--htpasswd', users],
        {
          script: join(home, 'bin/datasette-auth-proxy.js'),
        },
      );
      expect((await send(address, { path: '/stripe' })).status).toBe(401);
      expect((await send(address, { path: '/stripe', headers: basic('ada', 'wrong') })).status).toBe(401);
      expect((await send(address, { path: '/stripe', headers: basic('ada', 'correct') })).status).toBe(200);
      writeFileSync(
        join(dir, 'app/try.mjs'),
        `import * as api from '@datasette-stripe/auth-proxy'; console.log(Object.keys(api).sort().join(' '));`,
      );
      const tried = await run(process.execPath, ['try.mjs'], { cwd: join(dir, 'app') });
      expect(tried.stdout.trim()).toBe(
        'AuthProxyError DATASETTE_CSP ERROR_CODES createAuthProxy dependsOnDataOnly fromFunction htpasswd shareLink staticCredentials stripeAccount stripeKey',
      );
    },
    180_000,
  );
});
