// How quickly the site answers, beside stock Datasette on the same file in the same run.
// node --conditions=@datasette-stripe/source bench/src/site.ts [CUSTOMERS] [TIMES] [FILE]: an account of CUSTOMERS synthetic customers, each row TIMES times; kept in
// FILE for the next run, if one is given. `2700 52` has a million charges, 13 GB, and takes a quarter of an hour to make.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { dropSearchIndex } from '@datasette-stripe/search-index';
import { hasWrk, wrk } from './auth-proxy-kit.ts';
import { memoryOf } from './memory.ts';
import { multiply } from './site-account.ts';

const root = resolve(import.meta.dirname, '..', '..');
const site = join(root, 'apps/container/datasette');
const python = join(root, 'apps/container/.venv/bin/python');
const customers = Number(process.argv[2] ?? 300);
const times = Number(process.argv[3] ?? 10);
const readers = 16;
const seconds = 8;
const workDir = mkdtempSync(join(tmpdir(), 'site-bench-'));
const kept = process.argv[4];
const file = kept !== undefined ? resolve(kept) : join(workDir, 'stripe.sqlite');
const token = 'token-of-the-benchmark';
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

/** What the container makes searchable, as it does it; an app is no library to import from. */
interface ContainerSearch {
  readonly finishedTables: (db: DatabaseSync) => string[];
  readonly createSearch: (options: {
    logger: Record<'info' | 'warn' | 'error', (object: object, message: string) => void>;
    signal: AbortSignal;
    onBusy: () => void;
  }) => { index(db: DatabaseSync, tables: readonly string[]): void; settled(): Promise<void> };
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

async function makeAccount(target: string): Promise<void> {
  const emulator = start(
    process.execPath,
    [join(root, 'packages/stripe-emulator/src/bin.ts'), '--port', '0', '--synthetic', String(customers)],
    {},
  );
  const [, address = '', key = ''] = await said(emulator, /(http:\/\/\S+)[\s\S]*?\b(sk_test_\w+)/);
  const args = ['--target', target, '--api-base', address, '--progress', 'none'];
  const engine = spawnSync(process.execPath, [join(root, 'packages/tdog/src/bin.ts'), ...args], {
    env: { ...process.env, STRIPE_SECRET_KEY: key },
    encoding: 'utf8',
  });
  if (engine.status !== 0) throw new Error(engine.stderr);
  emulator.kill();
  const db = new DatabaseSync(target, { enableForeignKeyConstraints: false });
  dropSearchIndex(db);
  multiply(db, times);
  let began = performance.now();
  db.exec(readFileSync(join(site, 'indexes.sql'), 'utf8'));
  console.log(`the site's indexes took ${inSeconds(performance.now() - began)} to make`);
  const before = statSync(target).size;
  began = performance.now();
  const { createSearch, finishedTables } = (await import(
    join(root, 'apps/container/src/search.ts')
  )) as ContainerSearch;
  const search = createSearch({
    logger: { info: () => undefined, warn: console.warn, error: console.error },
    signal: new AbortController().signal,
    onBusy: () => undefined,
  });
  search.index(db, finishedTables(db));
  await search.settled();
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  const grown = Math.round((statSync(target).size - before) / 1e6);
  console.log(`the search index took ${inSeconds(performance.now() - began)} to make, ${grown} MB`);
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** By address: the process of each Datasette. */
const served = new Map<string, number | undefined>();

async function serve(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const child = start(python, ['-m', 'datasette', 'serve', ...args, '-p', '0'], {
    ...env,
    PYTHONUNBUFFERED: '1',
  });
  const [, address = ''] = await said(child, /running on (http:\/\/\S+)/);
  served.set(address, child.pid);
  return address;
}

/** The proxy before one Datasette or several. */
async function proxied(upstreams: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const script = join(import.meta.dirname, 'site-proxy.ts');
  const child = start(
    process.execPath,
    ['--conditions=@datasette-stripe/source', script, file, ...upstreams],
    { ...env, TOKEN: token },
  );
  const [, address = ''] = await said(child, /running on (http:\/\/\S+)/);
  return address;
}

async function ask(address: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const began = performance.now();
  // Once more if the server has just closed the connection that was idle.
  const answer = await fetch(address, { headers }).catch(() => fetch(address, { headers }));
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${answer.status} ${address}`);
  return performance.now() - began;
}

/** Pages per second of so many readers at once, who ask for one address after the other. */
async function throughput(
  addresses: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  for (const address of addresses.slice(0, readers)) await ask(address, headers);
  const began = performance.now();
  const end = began + seconds * 1000;
  let pages = 0;
  let next = readers;
  const reader = async (): Promise<void> => {
    while (performance.now() < end) {
      await ask(addresses[next++ % addresses.length] ?? '', headers);
      pages += 1;
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
  return ((pages * 1000) / (performance.now() - began)).toFixed(1);
}

async function latencies(addresses: readonly string[]): Promise<readonly number[]> {
  await ask(addresses[0] ?? '');
  const found: number[] = [];
  for (const address of addresses) found.push(await ask(address));
  return found;
}

function summary(found: readonly number[]): Readonly<Record<'median, ms' | 'p95, ms' | 'max, ms', number>> {
  const sorted = found.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN);
  return { 'median, ms': at(0.5), 'p95, ms': at(0.95), 'max, ms': at(1) };
}

/** So many values of a column, from all over the table. */
function values(table: string, column: string, count: number): string[] {
  const db = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
  const last = Number(db.prepare(`SELECT max(rowid) AS n FROM ${table}`).get()?.['n'] ?? 0);
  const one = db.prepare(
    `SELECT ${column} AS v FROM ${table} WHERE rowid >= ? AND ${column} IS NOT NULL LIMIT 1`,
  );
  const found = Array.from({ length: count }, (_, i) => one.get(1 + Math.floor((last * i) / count))?.['v']);
  db.close();
  return found.flatMap((value) => (value === undefined ? [] : [String(value)]));
}

function value(sql: string): string {
  const db = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
  const row = db.prepare(sql).get();
  db.close();
  return String(Object.values(row ?? {})[0]);
}

try {
  if (!existsSync(file)) {
    const unfinished = `${file}.part`;
    await makeAccount(unfinished);
    renameSync(unfinished, file);
  }
  // Datasette calls a database as its file is called.
  const named = join(workDir, 'stripe.sqlite');
  if (named !== file) symlinkSync(file, named);
  const stock = `${await serve([named], {})}/stripe`;
  const oursBase = await serve([site], { MIRROR_FILE: file });
  const ours = `${oursBase}/stripe`;
  const proxy = await proxied([oursBase], {});
  const charges = Number(value('SELECT count(*) FROM charges'));
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? '?'}, Node ${process.version}; ${charges.toLocaleString('en')} charges, ` +
      `${Math.round(statSync(file).size / 1e6)} MB, ${readers} readers, ${seconds} s each`,
  );
  const pages = (base: string, suffix: string, query: string): string[] =>
    Array.from({ length: 50 }, (_, i) => `${base}/charges${suffix}?${query}amount__gt=${i}`);
  const boards = ['mrr', 'subscribers', 'revenue', 'payments', 'receivables', 'balance', 'tax'];
  const began = performance.now();
  for (const slug of boards) await ask(`${oursBase}/-/dashboards/${slug}.json`);
  console.log(`after the start all dashboards are at hand in ${inSeconds(performance.now() - began)}`);
  const asked: Record<string, (base: string) => readonly string[]> = {
    'table page (HTML)': (base) => [`${base}/charges`],
    'filtered, 50 filters': (base) => pages(base, '', ''),
    'filtered, each another filter': (base) =>
      Array.from({ length: 20_000 }, (_, i) => `${base}/charges?amount__gt=${i + 100}`),
    'JSON, 50 filters': (base) => pages(base, '.json', ''),
    'JSON array, 50 filters, no count': (base) => pages(base, '.json', '_shape=array&'),
  };
  // As the container has them on two cores.
  const second = await serve([site], { MIRROR_FILE: file, SITE_AHEAD: '0' });
  const both = await proxied([oursBase, second], { CACHE: '0' });
  const headers = { authorization: `Bearer ${token}` };
  const perSecond: Record<string, object> = {};
  for (const [name, addresses] of Object.entries(asked)) {
    perSecond[name] = {
      // On a million rows it takes minutes for what 16 readers have asked.
      stock: charges > 200_000 ? '–' : await throughput(addresses(stock)),
      ours: await throughput(addresses(ours)),
      'two, by the proxy': await throughput(addresses(`${both}/stripe`), headers),
    };
  }
  // Reading thousands of pages a second takes more of the machine than giving them: by wrk, if it is there, they cost less.
  const repeats = async (address: string): Promise<string> => {
    if (!hasWrk()) return await throughput([address], headers);
    await ask(address, headers);
    return (await wrk(address, { seconds, connections: readers, headers })).perSecond.toFixed(1);
  };
  perSecond['one page again and again, by the proxy'] = {
    stock: charges > 200_000 ? '–' : await repeats(`${stock}/charges?amount__gt=5`),
    ours: await repeats(`${proxy}/stripe/charges?amount__gt=5`),
  };
  const [first, other] = [oursBase, second].map((address) =>
    Math.round(memoryOf(served.get(address)).anonymousMb),
  );
  console.log(`memory without pages of the file: the first ${first} MB, the second ${other} MB`);
  console.log('pages per second:');
  console.table(perSecond);
  const some = (table: string, column: string): string[] => values(table, column, 50);
  const ids = some('customers', 'id');
  const texts = [
    ...ids.flatMap((id) => [id, id.slice(0, 9), id.slice(6, 14)]),
    ...some('customers', 'email').flatMap((email) => [email, email.slice(2, 10)]),
    ...some('customers', 'name').flatMap((name) => [name, name.slice(0, 4)]),
    ...some('invoices', 'number'),
    ...['subscription', '4242', 'payment'],
  ];
  console.table({
    'table page, filtered': summary(await latencies(pages(ours, '', ''))),
    'row page with timeline': summary(await latencies(ids.map((id) => `${ours}/customers/${id}`))),
    search: summary(await latencies(texts.map((q) => `${oursBase}/-/search?q=${encodeURIComponent(q)}`))),
    'start page': summary(await latencies(Array.from({ length: 20 }, () => `${oursBase}/`))),
  });
  const table: Record<string, object> = {};
  for (const slug of boards) {
    // Other periods than 12 months: what opens first is computed beforehand. JSON waits for all panels, the page for a second.
    const address = `${oursBase}/-/dashboards/${slug}`;
    const whole = await ask(`${address}.json?months=13`);
    const page = await ask(`${address}?months=14`);
    await ask(`${address}.json?months=14`);
    table[slug] = {
      'cold page, ms': Math.round(page),
      'cold with all panels, ms': Math.round(whole),
      'again, ms': summary(await latencies(Array.from({ length: 20 }, () => `${address}?months=14`)))[
        'median, ms'
      ],
      'as it opens, ms': Math.round(await ask(address)),
    };
  }
  console.table(table);
  const slow: Record<string, object> = {};
  for (const entry of readdirSync(join(site, 'queries'))) {
    if (!entry.endsWith('.sql')) continue;
    const name = entry.slice(0, -4);
    // 400: it was stopped after 10 s.
    const ms = await ask(`${ours}/${name}.json?_shape=array`).catch(() => Infinity);
    if (ms > 1000) slow[name] = { ms: ms === Infinity ? 'stopped' : Math.round(ms) };
  }
  console.log('saved queries that take more than a second:');
  console.table(slow);
} finally {
  for (const child of running) child.kill();
  rmSync(workDir, { recursive: true, force: true });
}
