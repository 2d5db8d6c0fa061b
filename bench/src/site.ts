// How quickly the site answers, beside stock Datasette on the same file in the same run.
// node bench/src/site.ts [CUSTOMERS] [TIMES]: an account of CUSTOMERS synthetic customers, each row TIMES times.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { dropSearchIndex } from '@datasette-stripe/search-index';
import { multiply } from './site-account.ts';

const root = resolve(import.meta.dirname, '..', '..');
const site = join(root, 'apps/container/datasette');
const python = join(root, 'apps/container/.venv/bin/python');
const customers = Number(process.argv[2] ?? 300);
const times = Number(process.argv[3] ?? 10);
const readers = 16;
const seconds = 8;
const workDir = mkdtempSync(join(tmpdir(), 'site-bench-'));
const file = join(workDir, 'stripe.sqlite');
const running: ChildProcess[] = [];

function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  const child = spawn(command, [...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  return child;
}

/** Waits until the process has printed something of this form. */
function said(child: ChildProcess, form: RegExp): Promise<RegExpExecArray> {
  return new Promise((done, fail) => {
    let text = '';
    const look = (chunk: Buffer): void => {
      text += chunk.toString();
      const found = form.exec(text);
      if (found !== null) done(found);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('exit', () => fail(new Error(`a process of the benchmark ended: ${text}`)));
  });
}

async function makeAccount(): Promise<void> {
  const emulator = start(
    process.execPath,
    [join(root, 'packages/stripe-emulator/src/bin.ts'), '--port', '0', '--synthetic', String(customers)],
    {},
  );
  const [, address = '', key = ''] = await said(emulator, /(http:\/\/\S+)[\s\S]*?\b(sk_test_\w+)/);
  const args = ['--target', file, '--api-base', address, '--progress', 'none'];
  const engine = spawnSync(process.execPath, [join(root, 'packages/tdog/src/bin.ts'), ...args], {
    env: { ...process.env, STRIPE_SECRET_KEY: key },
    encoding: 'utf8',
  });
  if (engine.status !== 0) throw new Error(engine.stderr);
  emulator.kill();
  const db = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  dropSearchIndex(db);
  db.exec(readFileSync(join(site, 'indexes.sql'), 'utf8'));
  db.close();
  multiply(file, times);
}

async function serve(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const child = start(python, ['-m', 'datasette', 'serve', ...args, '-p', '0'], {
    ...env,
    PYTHONUNBUFFERED: '1',
  });
  const [, address = ''] = await said(child, /running on (http:\/\/\S+)/);
  return address;
}

async function ask(address: string): Promise<number> {
  const began = performance.now();
  const answer = await fetch(address);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${answer.status} ${address}`);
  return performance.now() - began;
}

/** Pages per second of so many readers at once. */
async function throughput(addresses: readonly string[]): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let pages = 0;
  const reader = async (number: number): Promise<void> => {
    for (let i = number; performance.now() < end; i += 1) {
      await ask(addresses[i % addresses.length] ?? '');
      pages += 1;
    }
  };
  await Promise.all(Array.from({ length: readers }, (_, number) => reader(number)));
  return pages / seconds;
}

/** [first, median, 95th percentile] of 40 requests, ms. */
async function latency(address: string): Promise<readonly [number, number, number]> {
  const first = await ask(address);
  const found: number[] = [];
  for (let i = 0; i < 40; i += 1) found.push(await ask(address));
  found.sort((a, b) => a - b);
  return [first, found[20] ?? 0, found[37] ?? 0];
}

function value(sql: string): string {
  const db = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
  const row = db.prepare(sql).get();
  db.close();
  return String(Object.values(row ?? {})[0]);
}

try {
  await makeAccount();
  const stock = `${await serve([file], {})}/stripe`;
  const oursBase = await serve([site], { MIRROR_FILE: file });
  const ours = `${oursBase}/stripe`;
  const charges = Number(value('SELECT count(*) FROM charges'));
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? '?'}, Node ${process.version}; ${charges.toLocaleString('en')} charges, ` +
      `${Math.round(statSync(file).size / 1e6)} MB, ${readers} readers, ${seconds} s each, 1 process`,
  );
  const pages = (base: string, suffix: string, query: string): string[] =>
    Array.from({ length: 50 }, (_, i) => `${base}/charges${suffix}?${query}amount__gt=${i}`);
  console.table({
    'table page (HTML), per second': {
      stock: (await throughput(pages(stock, '', ''))).toFixed(1),
      ours: (await throughput(pages(ours, '', ''))).toFixed(1),
    },
    'unfiltered table page (HTML), per second': {
      stock: (await throughput([`${stock}/charges`])).toFixed(1),
      ours: (await throughput([`${ours}/charges`])).toFixed(1),
    },
    'table as JSON, per second': {
      stock: (await throughput(pages(stock, '.json', ''))).toFixed(1),
      ours: (await throughput(pages(ours, '.json', ''))).toFixed(1),
    },
    'JSON array without count, per second': {
      stock: (await throughput(pages(stock, '.json', '_shape=array&'))).toFixed(1),
      ours: (await throughput(pages(ours, '.json', '_shape=array&'))).toFixed(1),
    },
  });
  const customer = value('SELECT customer FROM invoices LIMIT 1 OFFSET 1000');
  const table: Record<string, object> = {};
  const paths = [
    ['table page', '/stripe/charges'],
    ['row page with timeline', `/stripe/customers/${customer}`],
    ['start page', '/'],
    ...['mrr', 'subscribers', 'revenue', 'payments', 'receivables', 'balance', 'tax'].map((slug) => [
      `dashboard ${slug}`,
      `/-/dashboards/${slug}`,
    ]),
  ] as const;
  for (const [name = '', path = ''] of paths) {
    const [first, median, p95] = await latency(oursBase + path);
    table[name] = {
      'first, ms': Math.round(first),
      'median, ms': Math.round(median),
      'p95, ms': Math.round(p95),
    };
  }
  console.table(table);
} finally {
  for (const child of running) child.kill();
  rmSync(workDir, { recursive: true, force: true });
}
