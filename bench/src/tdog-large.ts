// A large account from the first request to its proof: download, then staying current under live events, then
// `tdog verify` of every row, against the emulator in a process of its own. `npm run setup` builds first.
//   node bench/src/tdog-large.ts [--customers 110000] [--rate 50] [--seconds 120]
// 110,000 synthetic customers are about 4.9 million objects: 8 GB of disk in TMPDIR.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startEmulator } from './emulator-process.ts';
import { memoryOf } from './memory.ts';

const { values } = parseArgs({
  options: {
    customers: { type: 'string', default: '110000' },
    rate: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '120' },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-tdog-large-'));
const file = join(folder, 'stripe.sqlite');
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Starts the engine's own command. */
function startEngine(stripe: { url: string; key: string }, args: readonly string[]): ChildProcess {
  return spawn(
    process.execPath,
    [
      '--max-semi-space-size=8',
      join(root, 'packages/tdog/bin/tdog.js'),
      ...[...args, '--target', file, '--api-base', stripe.url],
    ],
    {
      env: { PATH: process.env['PATH'], STRIPE_SECRET_KEY: stripe.key, LOG_LEVEL: 'error' },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
}

const peakMb = (child: ChildProcess): number => memoryOf(child.pid).peakMb;
const fileGb = (): string => (statSync(file).size / 1e9).toFixed(1);

async function openMirror(): Promise<DatabaseSync> {
  while (!existsSync(file)) await sleep(100);
  for (;;) {
    const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
    try {
      db.prepare('SELECT 1 FROM td_runs').get();
      return db;
    } catch {
      // The tables are not there yet.
      db.close();
      await sleep(100);
    }
  }
}

async function main(stripe: { url: string; key: string }): Promise<void> {
  let started = performance.now();
  const since = (): number => (performance.now() - started) / 1_000;
  const engine = startEngine(stripe, [
    ...['--watch', '--poll-freq-ms', '1000', '--progress', 'none', '--max-requests-per-second', '10000'],
  ]);
  engine.once('exit', (code, signal) => {
    if (signal === null && code !== 0) process.exit(code ?? 1);
  });
  const db = await openMirror();
  const number = (sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0] ?? 0);
  const objects = (): number => number('SELECT sum(rows) FROM td_progress');
  for (let next = 30; number('SELECT count(*) FROM td_runs WHERE end_ts IS NOT NULL') === 0;) {
    await sleep(1_000);
    if (since() < next) continue;
    next += 30;
    say(`${Math.round(since())} s: ${objects()} objects, ${Math.round(peakMb(engine))} MB, ${fileGb()} GB`);
  }
  const total = objects();
  say(
    `download: ${total} objects in ${Math.round(since())} s, ${Math.round(total / since())}/s, ` +
      `peak ${Math.round(peakMb(engine))} MB, file ${fileGb()} GB`,
  );
  const before = number('SELECT count(*) FROM events');
  started = performance.now();
  const lags: number[] = [];
  while (since() < Number(values.seconds)) {
    await sleep(1_000);
    lags.push(Date.now() / 1_000 - number('SELECT unixepoch(max(created)) FROM events'));
  }
  const stored = number('SELECT count(*) FROM events') - before;
  lags.sort((a, b) => a - b);
  say(
    `${values.rate} events/s for ${values.seconds} s: ${(stored / since()).toFixed(1)} stored a second, ` +
      `behind ${lags[lags.length >> 1]?.toFixed(1)} s in the middle, ${lags.at(-1)?.toFixed(1)} s at most, ` +
      `peak ${Math.round(peakMb(engine))} MB`,
  );
  db.close();
  engine.kill();
  await once(engine, 'exit');
  started = performance.now();
  const verify = startEngine(stripe, ['verify', '--max-requests-per-second', '10000']);
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, peakMb(verify));
  }, 500);
  verify.once('exit', () => clearInterval(timer));
  const [code] = (await once(verify, 'exit')) as [number];
  say(`verify: exit code ${code} after ${Math.round(since())} s, peak ${Math.round(peak)} MB`);
}

const stripe = await startEmulator(['--synthetic', values.customers, '--live', values.rate]);
try {
  await main(stripe);
} finally {
  stripe.child.kill();
  rmSync(folder, { recursive: true, force: true });
}
