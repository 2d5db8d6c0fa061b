// How fast the engine downloads the reference mixture (20k customers, 20k subscriptions, 60k invoices with lines, 50k
// charges, 50k payment intents), from a server in a process of its own on this machine. `npm run setup` builds first.
//   node bench/src/tdog.ts [--runs 3] [--of 1] [--timeline] [CASE…]
// Prints the median of the runs beside the limit. The ideal is max(all pages / 100, pages of the largest list / 25)
// seconds and one request a page.
import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { memoryOf } from './memory.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    of: { type: 'string', default: '1' },
    timeline: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
/** As the first line of bin/tdog.js says, and as the container starts the engine. */
const memory = '--max-semi-space-size=8';
const childMemory = [memory, '--heap-growing-percent=100'];
const folder = mkdtempSync(join(tmpdir(), 'bench-tdog-'));

interface Case {
  readonly name: string;
  readonly limits: object;
  readonly bursts?: boolean;
  readonly search?: boolean;
  readonly flags?: readonly string[];
  readonly target: (measured: Measured) => string;
}

const live = { latencyMs: 250, perSecond: 100, perEndpoint: 25 };
const liveFlags = ['--max-requests-per-second', '100'];
const ofIdeal = (m: Measured): string =>
  `${percent(m.ideal / m.seconds)} of the ideal ${m.ideal.toFixed(1)} s (at least 90 %), ` +
  `${(m.requests / m.pages).toFixed(2)} requests a page (at most 1.15)`;
const cases: Readonly<Record<string, Case>> = {
  free: {
    name: 'no latency, no limits',
    limits: {},
    target: (m) =>
      `${Math.round(m.objects / m.seconds)} objects/s (at least 15,000), ${Math.round(m.peakMb)} MB (under 250)`,
  },
  search: {
    name: 'no latency, no limits, search kept',
    limits: {},
    search: true,
    target: (m) =>
      `${Math.round(m.objects / m.seconds)} objects/s (at least 11,000), ${Math.round(m.peakMb)} MB`,
  },
  live: { name: '250 ms, 100/s, 25/s per endpoint', limits: live, flags: liveFlags, target: ofIdeal },
  bursts: {
    name: 'the same, in monthly bursts',
    limits: live,
    flags: liveFlags,
    bursts: true,
    target: ofIdeal,
  },
  unknown: { name: 'the same limits, not told to the engine', limits: live, target: ofIdeal },
  slow: {
    name: '250 ms, the server allows 20/s',
    limits: { ...live, perSecond: 20 },
    flags: liveFlags,
    target: (m) =>
      `${percent(m.limited / m.requests)} answered 429 (under 2 %), ideal ${(m.pages / 20).toFixed(0)} s`,
  },
};

interface Measured {
  readonly seconds: number;
  readonly objects: number;
  readonly requests: number;
  readonly limited: number;
  readonly pages: number;
  readonly ideal: number;
  readonly peakMb: number;
  readonly fileMb: number;
  readonly jsonMb: number;
  readonly asked: readonly (readonly [number, string, number])[];
}

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;

/** Runs `program` until it ends, or says that it is ready; returns its peak memory. */
async function run(args: readonly string[], key: string, ipc?: unknown): Promise<number> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], STRIPE_SECRET_KEY: key, LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'inherit', ...(ipc === undefined ? [] : ['ipc' as const])],
  });
  child.stdout?.resume();
  let peakMb = 0;
  const look = (): void => void (peakMb = Math.max(peakMb, memoryOf(child.pid).peakMb));
  const timer = setInterval(look, 100);
  if (ipc === undefined) await once(child, 'exit');
  else {
    child.send({ start: ipc });
    let downloaded = false;
    let indexing = false;
    for await (const [message] of on(child, 'message') as AsyncIterable<
      [{ progress?: { done: boolean }; indexing?: boolean; fatal?: unknown }]
    >) {
      if (message.fatal !== undefined) throw new Error(JSON.stringify(message.fatal));
      downloaded ||= message.progress?.done === true;
      indexing = message.indexing ?? indexing;
      if (downloaded && !indexing) break;
    }
    look();
    child.disconnect();
    child.kill();
    await once(child, 'exit');
  }
  clearInterval(timer);
  return peakMb;
}

async function measure(one: Case): Promise<Measured> {
  const account = spawn(
    process.execPath,
    [
      '--conditions=@datasette-stripe/source',
      join(root, 'bench/src/tdog-account.ts'),
      ...['--of', values.of, '--limits', JSON.stringify(one.limits)],
      ...(one.bursts === true ? ['--bursts'] : []),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const [line] = (await once(account.stdout, 'data')) as [Buffer];
    const [url = '', key = ''] = line.toString().trim().split(' ');
    const file = join(folder, `run-${Math.random()}.sqlite`);
    const started = performance.now();
    const peakMb =
      one.search === true
        ? await run(
            [
              ...childMemory,
              '--conditions=@datasette-stripe/source',
              join(root, 'apps/container/src/children/engine.ts'),
            ],
            key,
            {
              sync: { stripe: { secretKey: key, apiBase: url }, file },
              logLevel: 'error',
              restOnRefusal: false,
            },
          )
        : await run(
            [
              memory,
              join(root, 'packages/tdog/bin/tdog.js'),
              ...['--target', file, '--api-base', url, '--progress', 'none'],
              ...(one.flags ?? []),
            ],
            key,
          );
    const seconds = (performance.now() - started) / 1_000;
    const stats = (await (await fetch(`${url}/_stats`)).json()) as {
      asked: [number, string, number][];
      bytes: number;
    };
    const db = new DatabaseSync(file, { readOnly: true });
    const rows = new Map(
      ['customers', 'subscriptions', 'invoices', 'charges', 'payment_intents'].map((table) => [
        `/v1/${table}`,
        Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']),
      ]),
    );
    db.close();
    const fileMb = statSync(file).size / 1_048_576;
    rmSync(file);
    const pages = [...new Set(stats.asked.map(([, path]) => path))].map((path) =>
      Math.max(1, Math.ceil((rows.get(path) ?? 0) / 100)),
    );
    const all = pages.reduce((sum, n) => sum + n, 0);
    return {
      seconds,
      objects: [...rows.values()].reduce((sum, n) => sum + n, 0),
      requests: stats.asked.length,
      limited: stats.asked.filter(([, , status]) => status === 429).length,
      pages: all,
      ideal: Math.max(all / 100, Math.max(...pages) / 25),
      peakMb,
      fileMb,
      jsonMb: stats.bytes / 1_048_576,
      asked: stats.asked,
    };
  } finally {
    account.kill();
  }
}

/** Requests of each second, by list: where slots were idle. */
function timeline(asked: Measured['asked']): string {
  const lists = [...new Set(asked.map(([, path]) => path))]
    .map((path) => ({ path, n: asked.filter(([, one]) => one === path).length }))
    .toSorted((a, b) => b.n - a.n)
    .slice(0, 6);
  const last = Math.floor((asked.at(-1)?.[0] ?? 0) / 1_000);
  const lines = [['s', 'all', '429', ...lists.map(({ path }) => path.replace('/v1/', ''))].join('\t')];
  for (let second = 0; second <= last; second += 1) {
    const now = asked.filter(([ms]) => Math.floor(ms / 1_000) === second);
    lines.push(
      [
        second,
        now.length,
        now.filter(([, , status]) => status === 429).length,
        ...lists.map(({ path }) => now.filter(([, one]) => one === path).length),
      ].join('\t'),
    );
  }
  return `${lines.join('\n')}\n`;
}

try {
  process.stdout.write(
    `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? ''}, median of ${values.runs}\n\n`,
  );
  process.stdout.write(
    'case | objects | JSON MB | seconds | requests | 429 | peak MB | file MB | result (target)\n',
  );
  for (const name of positionals.length > 0 ? positionals : Object.keys(cases)) {
    const one = cases[name];
    if (one === undefined) throw new Error(`no case ${name}: ${Object.keys(cases).join(', ')}`);
    const all: Measured[] = [];
    for (let i = 0; i < Number(values.runs); i += 1) all.push(await measure(one));
    const m = all.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(all.length / 2)];
    if (m === undefined) throw new Error('no run');
    const cells = [
      one.name,
      m.objects,
      Math.round(m.jsonMb),
      m.seconds.toFixed(1),
      m.requests,
      percent(m.limited / m.requests),
      Math.round(m.peakMb),
      Math.round(m.fileMb),
      one.target(m),
    ];
    process.stdout.write(`${cells.join(' | ')}\n`);
    if (values.timeline) process.stdout.write(timeline(m.asked));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
