import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { child, sh, tempDir, waitFor } from '../test/kit.ts';

const bin = fileURLToPath(new URL('bin.ts', import.meta.url));

interface Run {
  readonly program: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly code: Promise<number | null>;
}

function run(args: readonly string[], env: Record<string, string> = {}): Run {
  const program = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  onTestFinished(() => {
    program.kill('SIGKILL');
  });
  let out = '';
  let err = '';
  program.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  program.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = new Promise<number | null>((resolve) => program.once('close', resolve));
  return { program, out: () => out, err: () => err, code };
}

function config(name: string, value: unknown): string {
  const path = join(tempDir(), name);
  writeFileSync(path, name.endsWith('json') ? JSON.stringify(value) : stringify(value));
  return path;
}

describe('supervise', () => {
  test.each(['c.json', 'c.yaml', 'c.yml'])(
    'runs the services of %s and passes on the exit code',
    async (name) => {
      const path = config(name, {
        services: {
          job: {
            ...sh('echo "hello $NAME $NUMBER $SECRET"; exit 42'),
            env: { NUMBER: 7 },
            inheritEnv: ['NAME'],
            restart: 'never',
          },
        },
        redact: [{ pattern: 'hel+o' }],
      });
      const { out, code } = run([path], { NAME: 'you', SECRET: 'no' });
      expect(await code).toBe(42);
      expect(out()).toBe('job | [redacted] you 7 \n');
    },
  );

  test.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s, nothing lost', async (signal) => {
    const path = config('c.json', {
      services: { a: { ...child('print=up', 'on-term=5', 'stay'), ready: { type: 'log', pattern: 'up' } } },
    });
    const { program, out, err, code } = run([path]);
    await waitFor('all ready', () => err().includes('All services are ready'));
    program.kill(signal);
    expect(await code).toBe(0);
    expect(out()).toBe('a | up\n');
  });

  test('a second signal ends a stubborn child at once', async () => {
    const path = config('c.json', {
      services: {
        a: {
          ...child('ignore=SIGTERM', 'print=up', 'stay'),
          ready: { type: 'log', pattern: 'up' },
          stop: { timeoutMs: 600_000 },
        },
      },
    });
    const { program, out, code } = run([path]);
    await waitFor('the child', () => out().includes('up'));
    program.kill('SIGTERM');
    await waitFor('the first signal to arrive', () => out().includes('ignored SIGTERM'));
    program.kill('SIGTERM');
    expect(await code).toBe(0);
  });

  test('a reader of its output that goes away stops nobody', async () => {
    const path = join(tempDir(), 'count');
    const script = `while :; do echo tick; echo x >> ${path}; sleep 0.02; done`;
    const { program, out, err, code } = run([config('c.json', { services: { a: sh(script) } })]);
    await waitFor('the first lines', () => out().includes('a | tick'));
    program.stdout?.destroy();
    await waitFor('it to notice', () => err().includes('lines are lost there'));
    const before = readFileSync(path).length;
    await waitFor('the service to go on', () => readFileSync(path).length > before + 10);
    program.kill('SIGTERM');
    expect(await code).toBe(0);
    expect(err().split('lines are lost there')).toHaveLength(2);
  });

  test('reads the file again on SIGHUP, and keeps on when it is wrong', async () => {
    const service = (name: string): object => ({ ...sh(`echo ${name}; exec sleep 600`) });
    const path = config('c.json', { services: { a: service('one') } });
    const { program, out, err, code } = run([path]);
    await waitFor('one', () => out().includes('a | one') && err().includes('All services are ready'));
    writeFileSync(path, '{"services":');
    program.kill('SIGHUP');
    await waitFor('the complaint', () => err().includes('Configuration not taken'));
    writeFileSync(path, JSON.stringify({ services: { a: service('one'), b: service('two') } }));
    program.kill('SIGHUP');
    await waitFor('two', () => out().includes('b | two'));
    expect(out().split('a | one').length).toBe(2);
    program.kill('SIGTERM');
    expect(await code).toBe(0);
  });

  test('--check says yes or names every fault, and starts nothing', async () => {
    const mark = join(tempDir(), 'started');
    const good = run([config('c.yaml', { services: { a: sh(`touch ${mark}`) } }), '--check']);
    expect(await good.code).toBe(0);
    expect(good.out()).toMatch(/: ok, 1 services\n$/);
    const bad = run([config('c.yaml', { services: { a: { restart: 'x' }, b: { command: 3 } } }), '--check']);
    expect(await bad.code).toBe(2);
    expect(bad.err().trim().split('\n')).toEqual([
      'supervise: services.a.command: missing',
      'services.a.restart: expected one of always, on-failure, never, got "x"',
      'services.b.command: expected string, got 3',
    ]);
    expect(existsSync(mark)).toBe(false);
  });

  test.each<[string, string[], string]>([
    ['no file', [], 'Usage: supervise'],
    ['two files', ['a', 'b'], 'Usage: supervise'],
    ['a file that is not there', ['/no/such.yaml'], 'supervise: /no/such.yaml: ENOENT'],
    ['an unknown flag', ['--chek'], "supervise: Unknown option '--chek'"],
  ])('%s is one clear line and exit code 2', async (_, args, expected) => {
    const { err, code } = run(args);
    expect(await code).toBe(2);
    expect(err()).toContain(expected);
    expect(err()).not.toContain('    at ');
  });

  test('--version and --help', async () => {
    const version = run(['--version']);
    expect(await version.code).toBe(0);
    const { version: expected } = JSON.parse(
      readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    expect(version.out()).toBe(`${expected}\n`);
    const help = run(['--help']);
    expect(await help.code).toBe(0);
    expect(help.out()).toContain('--check');
  });
});
