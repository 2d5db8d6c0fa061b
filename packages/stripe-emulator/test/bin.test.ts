import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseCommand } from '../src/cli.ts';

const bin = fileURLToPath(new URL('../src/bin.ts', import.meta.url));
const start = (...args: string[]): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, ['--conditions=@datasette-stripe/source', bin, ...args]);

async function ended(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: number | null; out: string; err: string }> {
  let [out, err] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

test('prints URL and key, answers, and ends with 0 on SIGTERM', async () => {
  const child = start('--port', '0', '--synthetic', '20');
  const end = ended(child);
  let out = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  await expect.poll(() => out, { timeout: 30_000 }).toContain('/_emulator');
  const url = /http:\S+/.exec(out)?.[0] ?? '';
  const key = /sk_test_\w+/.exec(out)?.[0] ?? '';
  const got = await fetch(`${url}/v1/customers`, { headers: { Authorization: `Bearer ${key}` } });
  expect(got.status).toBe(200);
  child.kill('SIGTERM');
  expect(await end).toMatchObject({ code: 0, err: '' });
}, 60_000);

test.each([
  ['--help', 0, /--synthetic CUSTOMERS/],
  ['--version', 0, /^\d+\.\d+\.\d+\n$/],
])(
  '%s',
  async (flag, code, out) => {
    const result = await ended(start(flag));
    expect(result).toMatchObject({ code, err: '' });
    expect(result.out).toMatch(out);
  },
  60_000,
);

test.each([
  [['--unicorn'], 2, /^stripe-emulator: .*--unicorn.*\n$/],
  [['--timeline', '/nowhere'], 1, /^stripe-emulator: .*nowhere.*\n$/],
  [['--port', '99999'], 2, /^stripe-emulator: .*99999.*\n$/],
])(
  '%j is refused in one line',
  async (args, code, err) => {
    const result = await ended(start(...args));
    expect(result.code).toBe(code);
    expect(result.err).toMatch(err);
  },
  60_000,
);

test.each([
  [['--synthetic', '5', '--timeline', 'x'], /exclude/],
  [['--seed', '5'], /--synthetic/],
  [['--live', '5'], /--synthetic/],
  [['--until-step', '5'], /--timeline/],
  [['--port', 'http'], /--port/],
  [['--faults', '{'], /--faults/],
])('%j makes no sense', (args, message) => {
  expect(parseCommand(args)).toMatchObject({ do: 'wrong', message });
});

test('flags become options', () => {
  const command = parseCommand(
    '--synthetic 50 --seed 3 --live 0.5 --port 0 --host ::1 --admin-token t --state-file f --api-version v'.split(
      ' ',
    ),
  );
  expect(command).toEqual({
    do: 'run',
    options: {
      source: { synthetic: 50, seed: 3, liveEventsPerSecond: 0.5 },
      port: 0,
      host: '::1',
      adminToken: 't',
      stateFile: 'f',
      apiVersion: 'v',
      faults: {},
    },
  });
});
