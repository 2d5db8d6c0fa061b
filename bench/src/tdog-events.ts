// How long an event takes to become a committed row, and how many a second the engine keeps up with, against the
// emulator in a process of its own. `npm run setup` builds first.
//   node bench/src/tdog-events.ts [--seconds 30] [--rate 500]
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startEmulator, type EmulatorProcess } from './emulator-process.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '30' }, rate: { type: 'string', default: '500' } },
});
const seconds = Number(values.seconds);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-tdog-events-'));

/** Starts an engine that polls each second, and waits until the download is done. */
async function startEngine(
  { url, key }: EmulatorProcess,
  file: string,
): Promise<{ child: ChildProcess; db: DatabaseSync }> {
  const child = spawn(
    process.execPath,
    [
      '--max-semi-space-size=8',
      join(root, 'packages/tdog/bin/tdog.js'),
      ...['--target', file, '--api-base', url, '--progress', 'none', '--watch', '--poll-freq-ms', '1000'],
    ],
    {
      env: { PATH: process.env['PATH'], STRIPE_SECRET_KEY: key, LOG_LEVEL: 'error' },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  for (;;) {
    await sleep(200);
    if (!existsSync(file)) continue;
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      if (db.prepare('SELECT 1 FROM td_runs WHERE end_ts IS NOT NULL').get() !== undefined)
        return { child, db };
    } catch {
      // The tables are not there yet.
    }
    db.close();
  }
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

async function latency(): Promise<void> {
  const stripe = await startEmulator([]);
  const { child, db } = await startEngine(stripe, join(folder, 'latency.sqlite'));
  const find = db.prepare('SELECT 1 FROM customers WHERE id = ?');
  const times: number[] = [];
  const waits: Promise<void>[] = [];
  const until = performance.now() + seconds * 1_000;
  while (performance.now() < until) {
    const answer = await fetch(`${stripe.url}/v1/customers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stripe.key}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'name=Ann',
    });
    const { id } = (await answer.json()) as { id: string };
    const at = performance.now();
    waits.push(
      (async () => {
        while (find.get(id) === undefined) await sleep(3);
        times.push(performance.now() - at);
      })(),
    );
    await sleep(50 + Math.random() * 150);
  }
  await Promise.all(waits);
  db.close();
  child.kill();
  stripe.child.kill();
  times.sort((a, b) => a - b);
  process.stdout.write(
    `event to committed row at a poll of 1 s, ${times.length} events: ` +
      `p50 ${Math.round(quantile(times, 0.5))} ms (at most 600), p99 ${Math.round(quantile(times, 0.99))} ms\n`,
  );
}

async function rate(): Promise<void> {
  const stripe = await startEmulator(['--synthetic', '500', '--live', values.rate]);
  const { child, db } = await startEngine(stripe, join(folder, 'rate.sqlite'));
  const stored = (): number => Number(db.prepare('SELECT count(*) AS n FROM events').get()?.['n']);
  const behind = (): number =>
    Date.now() / 1_000 - Number(db.prepare('SELECT unixepoch(max(created)) AS n FROM events').get()?.['n']);
  // What happened during the start is caught up with first.
  await sleep(5_000);
  const before = stored();
  const started = performance.now();
  const lags: number[] = [];
  while (performance.now() - started < seconds * 1_000) {
    await sleep(1_000);
    lags.push(behind());
  }
  const perSecond = (stored() - before) / ((performance.now() - started) / 1_000);
  const disorder = Number(
    db
      .prepare(
        `SELECT count(*) AS n FROM (SELECT created, lag(created) OVER (ORDER BY rowid) AS before FROM events WHERE rowid > ?)
         WHERE created < before`,
      )
      .get(before)?.['n'],
  );
  db.close();
  child.kill();
  stripe.child.kill();
  process.stdout.write(
    `${values.rate} events/s for ${seconds} s: ${Math.round(perSecond)} applied a second (at least ${values.rate}), ` +
      `behind ${lags[0]?.toFixed(1)} s at first, ${lags.at(-1)?.toFixed(1)} s at the end, ${disorder} out of order (0)\n`,
  );
}

try {
  await latency();
  await rate();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
