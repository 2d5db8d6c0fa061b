// How fast the engine downloads, against the emulator in a process of its own on this machine:
//   node bench/src/tdog.ts [customers] [runs]
// Prints medians. `ideal` is max(all pages / 100, pages of the largest table / 25) seconds, as Stripe allows in live mode.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

const customers = Number(process.argv[2] ?? '3000');
const runs = Number(process.argv[3] ?? '3');
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-tdog-'));

interface Measured {
  readonly seconds: number;
  readonly objects: number;
  readonly requests: number;
  readonly pages: number;
  readonly largest: number;
  readonly peakMb: number;
  readonly fileMb: number;
}

async function startEmulator(faults: object): Promise<{ child: ChildProcess; url: string; key: string }> {
  const child = spawn(
    process.execPath,
    [
      join(root, 'packages/stripe-emulator/bin/stripe-emulator.js'),
      '--port',
      '0',
      '--synthetic',
      String(customers),
      '--faults',
      JSON.stringify(faults),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const url = /http:\/\/[\d.]+:\d+/.exec(text)?.[0];
    const key = /sk_test_\w+/.exec(text)?.[0];
    if (url !== undefined && key !== undefined) return { child, url, key };
  }
  throw new Error('the emulator did not start');
}

async function download(faults: object, flags: readonly string[]): Promise<Measured> {
  const { child: emulator, url, key } = await startEmulator(faults);
  const file = join(folder, `run-${Math.random()}.sqlite`);
  const started = performance.now();
  const tdog = spawn(
    process.execPath,
    [
      join(root, 'packages/tdog/bin/tdog.js'),
      '--target',
      file,
      '--api-base',
      url,
      '--progress',
      'none',
      ...flags,
    ],
    {
      env: { PATH: process.env['PATH'], STRIPE_SECRET_KEY: key, LOG_LEVEL: 'error' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let peakKb = 0;
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${String(tdog.pid)}/status`, 'utf8');
      peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? '0'));
    } catch {
      // The process is gone.
    }
  }, 100);
  tdog.stdout.resume();
  await once(tdog, 'exit');
  clearInterval(timer);
  const seconds = (performance.now() - started) / 1_000;
  emulator.kill();
  const db = new DatabaseSync(file, { readOnly: true });
  const one = (sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0] ?? 0);
  const result = {
    seconds,
    objects: one(`SELECT sum(rows) FROM td_progress`),
    requests: one('SELECT sum(reads) FROM td_requests'),
    pages: one('SELECT sum(pages) FROM td_progress'),
    largest: one('SELECT max(pages) FROM td_progress'),
    peakMb: peakKb / 1_024,
    fileMb: statSync(file).size / 1_048_576,
  };
  db.close();
  return result;
}

async function median(faults: object, flags: readonly string[]): Promise<Measured> {
  const all: Measured[] = [];
  for (let i = 0; i < runs; i += 1) all.push(await download(faults, flags));
  const middle = all.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(all.length / 2)];
  if (middle === undefined) throw new Error('no run');
  return middle;
}

const live = { latencyMs: 250, requestsPerSecond: 100, requestsPerSecondPerEndpoint: 25 };
try {
  process.stdout.write(
    `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? ''}, ${customers} customers, ${runs} runs\n\n`,
  );
  process.stdout.write(
    'case | objects | seconds | objects/s | requests | ideal s | ideal/actual | requests/pages | peak MB | file MB\n',
  );
  for (const [name, faults, flags] of [
    ['no latency, no limits', {}, []],
    ['250 ms, 100/s, 25/s per endpoint', live, ['--max-requests-per-second', '100']],
    ['250 ms, server allows 20/s', { ...live, requestsPerSecond: 20 }, ['--max-requests-per-second', '100']],
  ] as const) {
    const m = await median(faults, flags);
    const ideal = Math.max(m.pages / 100, m.largest / 25);
    const cells = [
      name,
      m.objects,
      m.seconds.toFixed(1),
      Math.round(m.objects / m.seconds),
      m.requests,
      name.startsWith('250 ms, 100') ? ideal.toFixed(1) : '-',
      name.startsWith('250 ms, 100') ? (ideal / m.seconds).toFixed(2) : '-',
      (m.requests / m.pages).toFixed(2),
      Math.round(m.peakMb),
      Math.round(m.fileMb),
    ];
    process.stdout.write(`${cells.join(' | ')}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
