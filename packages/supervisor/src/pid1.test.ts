import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { sh, tempDir } from '../test/kit.ts';

const host = fileURLToPath(new URL('../test/fixtures/host.ts', import.meta.url));
const repository = fileURLToPath(new URL('../../..', import.meta.url));
const image = 'debian:trixie-slim';

/** Runs a program as PID 1 of a container; with `reaper` under tini. */
type Container = (dir: string, argv: readonly string[], reaper: boolean) => readonly [string, ...string[]];

const docker: Container = (dir, argv, reaper) => [
  'docker',
  'run',
  '--rm',
  ...(reaper ? ['--init'] : []),
  ...[
    '-v',
    `${repository}:${repository}:ro`,
    '-v',
    `${process.execPath}:${process.execPath}:ro`,
    '-v',
    `${dir}:${dir}`,
  ],
  image,
  ...argv,
];
const namespace: Container = (_, argv, reaper) => [
  'unshare',
  ...['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'],
  ...(reaper ? ['tini', '--'] : []),
  ...argv,
];

function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 60_000 });
    return true;
  } catch {
    return false;
  }
}

function findContainer(): Container | undefined {
  // This very Node must run in the image too: it may lack one of its libraries.
  const [first, ...rest] = docker('/tmp', [process.execPath, '--version'], true);
  if (works('docker', 'info') && works(first, ...rest)) return docker;
  const [command, ...args] = namespace('', ['tini', '--version'], false);
  return works(command, ...args) ? namespace : undefined;
}

const container = findContainer();
if (container === undefined && process.env['CI'] !== 'true') {
  console.warn('Left out: the tests as PID 1 need Docker, or unshare with user namespaces and tini');
}

// With CI=true nothing may be left out: then these fail.
describe.skipIf(container === undefined && process.env['CI'] !== 'true')('as PID 1', () => {
  async function run(reaper: boolean): Promise<{ lines: Record<string, unknown>[]; code: number | null }> {
    if (container === undefined)
      throw new Error('Neither Docker nor unshare with user namespaces works here');
    const dir = join(tempDir(), 'shared');
    mkdirSync(dir, { mode: 0o777 });
    const file = join(dir, 'orphan');
    // Forks twice: the second child's parent is gone when it ends, so it becomes PID 1's to reap.
    const services = { a: sh(`(sh -c 'echo $$ > ${file}; sleep 0.2' &); exec sleep 600`) };
    const [command, ...args] = container(
      dir,
      [process.execPath, host, JSON.stringify({ services }), file],
      reaper,
    );
    const program = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => program.once('close', resolve));
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { lines, code };
  }

  test('without a reaper it warns, rightly: an orphan stays as a zombie. The stop works all the same', async () => {
    const { lines, code } = await run(false);
    expect(lines).toContainEqual({ ready: true, pid: 1 });
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringContaining('tini') as unknown }),
    );
    expect(lines).toContainEqual({ orphan: 'zombie' });
    // A zombie in its group is nothing to wait for, and nothing to kill.
    expect(lines).toContainEqual({ killed: [false] });
    expect(code).toBe(0);
  });

  test('under tini it does not warn, and orphans are reaped', async () => {
    const { lines, code } = await run(true);
    expect(lines.filter((line) => line['level'] === 40)).toEqual([]);
    expect(lines).toContainEqual({ orphan: 'reaped' });
    expect(code).toBe(0);
  });
});
