// What a download costs those who read: the same queries, in turns, on a file that is being downloaded and on a finished
// copy that nobody writes, by one process of its own. `npm run setup` builds first.
//   node bench/src/tdog-readers.ts [--runs 3] [--of 1]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, of: { type: 'string', default: '1' } },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-tdog-readers-'));
const tables = ['customers', 'subscriptions', 'charges', 'payment_intents', 'invoices'];

function startDownload(url: string, key: string, file: string): Promise<unknown> {
  const child = spawn(
    process.execPath,
    [
      '--max-semi-space-size=8',
      join(root, 'packages/tdog/bin/tdog.js'),
      ...['--target', file, '--api-base', url, '--progress', 'none'],
    ],
    {
      env: { PATH: process.env['PATH'], STRIPE_SECRET_KEY: key, LOG_LEVEL: 'error' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  return once(child, 'exit');
}

function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

interface Reader {
  readonly db: DatabaseSync;
  /** One row by its id, and a page of rows as a site shows it. */
  read(table: string, from: number): void;
}

function reader(file: string): Reader {
  const db = new DatabaseSync(file, { readOnly: true });
  return {
    db,
    read: (table, from) => {
      const page = db.prepare(`SELECT * FROM ${table} WHERE rowid > ? LIMIT 20`).all(from);
      db.prepare(`SELECT * FROM ${table} WHERE id = ?`).get(String(page[0]?.['id']));
    },
  };
}

async function measure(
  url: string,
  key: string,
  idleFile: string,
): Promise<{ idle: number[]; busy: number[]; locked: number }> {
  const file = join(folder, `busy-${Math.random()}.sqlite`);
  let ended = false;
  const download = startDownload(url, key, file).then(() => {
    ended = true;
  });
  const idle: number[] = [];
  const busy: number[] = [];
  let locked = 0;
  while (!existsSync(`${file}-wal`)) await sleep(20);
  const readers = { idle: reader(idleFile), busy: reader(file) };
  const time = (which: 'idle' | 'busy', table: string, from: number, into: number[]): void => {
    const started = performance.now();
    try {
      readers[which].read(table, from);
      into.push(performance.now() - started);
    } catch (error) {
      if (!/no such table/.test(String(error))) locked += 1;
    }
  };
  for (let n = 0; !ended; n += 1) {
    await sleep(2);
    await turn();
    const table = tables[n % tables.length] ?? '';
    let rows = 0;
    try {
      rows = Number(readers.busy.db.prepare(`SELECT max(rowid) AS n FROM ${table}`).get()?.['n'] ?? 0);
    } catch {
      continue;
    }
    if (rows < 100) continue;
    const from = Math.floor(Math.random() * (rows - 50));
    // Who goes first has the colder caches: in turns.
    const order = n % 2 === 0 ? (['idle', 'busy'] as const) : (['busy', 'idle'] as const);
    for (const which of order) time(which, table, from, which === 'idle' ? idle : busy);
  }
  await download;
  readers.idle.db.close();
  readers.busy.db.close();
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  return { idle, busy, locked };
}

const account = spawn(
  process.execPath,
  ['--conditions=@datasette-stripe/source', join(root, 'bench/src/tdog-account.ts'), '--of', values.of],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
try {
  const [line] = (await once(account.stdout, 'data')) as [Buffer];
  const [url = '', key = ''] = line.toString().trim().split(' ');
  const idleFile = join(folder, 'idle.sqlite');
  await startDownload(url, key, idleFile);
  process.stdout.write(
    'queries | idle p50 ms | busy p50 ms | idle p99 ms | busy p99 ms | ratio p99 (at most 1.5) | locked (0)\n',
  );
  const ratios: number[] = [];
  for (let i = 0; i < Number(values.runs); i += 1) {
    const { idle, busy, locked } = await measure(url, key, idleFile);
    const ratio = quantile(busy, 0.99) / quantile(idle, 0.99);
    ratios.push(ratio);
    const cells = [
      busy.length,
      ...[0.5, 0.99].flatMap((part) => [quantile(idle, part).toFixed(2), quantile(busy, part).toFixed(2)]),
      ratio.toFixed(2),
      locked,
    ];
    process.stdout.write(`${cells.join(' | ')}\n`);
  }
  process.stdout.write(`median ratio at p99: ${quantile(ratios, 0.5).toFixed(2)}\n`);
} finally {
  account.kill();
  rmSync(folder, { recursive: true, force: true });
}
