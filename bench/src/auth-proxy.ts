// How much the auth proxy costs with everything switched on: node bench/src/auth-proxy.ts [seconds per run] [rounds]
import { existsSync, mkdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  cpuMs,
  hasWrk,
  machine,
  median,
  percentile,
  start,
  startCommand,
  workDir,
  wrk,
  type Running,
} from './auth-proxy-kit.ts';
import { memoryOf } from './memory.ts';

const here = import.meta.dirname;
const seconds = Number(process.argv[2] ?? 5);
const rounds = Number(process.argv[3] ?? 5);
const key = ['sk', 'test', 'emulatorBenchKey000001'].join('_');
const authorization = `Bearer ${key}`;
const servers = join(here, 'auth-proxy-servers.ts');
// As its shebang line starts it, which says how much Node may set aside.
const bin = ['--max-semi-space-size=8', join(here, '../../packages/auth-proxy/dist/bin.js')];
const datasetteBin = process.env['DATASETTE_BIN'] ?? join(here, '../../apps/container/.venv/bin/datasette');

let stateDirs = 0;
function startProxy(upstream: string, stripe: string, more: readonly string[] = []): Promise<Running> {
  const stateDir = join(workDir, `state${stateDirs++}`);
  mkdirSync(stateDir);
  const flags = [
    '--upstream',
    upstream,
    '--listen',
    '127.0.0.1:0',
    '--stripe-key',
    '--stripe-api-base',
    stripe,
  ];
  const rest = [
    '--share-links',
    '--forward-user',
    '--state-dir',
    stateDir,
    '--trusted-proxy',
    'loopback',
    ...more,
  ];
  return start([...bin, ...flags, ...rest], { STRIPE_SECRET_KEY: key });
}

function row(what: string, value: string, target = ''): void {
  console.log(`${what.padEnd(58)}${value.padStart(16)}   ${target}`);
}

async function throughput(stripe: Running): Promise<void> {
  const upstream = await start([servers, 'trivial']);
  const bare = await start([servers, 'bare', upstream.address], { TOKEN: key });
  const ours = await startProxy(upstream.address, stripe.address);
  const headers = { Authorization: authorization };
  const rates = { upstream: [] as number[], bare: [] as number[], ours: [] as number[] };
  const ratios: number[] = [];
  const spent = { bare: 0, ours: 0, bareRequests: 0, oursRequests: 0 };
  for (const { address } of [bare, ours]) await wrk(address, { seconds: 2, connections: 32, headers });
  // In turns, so that whatever else the machine does hits both.
  for (let round = 0; round < rounds; round++) {
    const before = [cpuMs(bare.pid), cpuMs(ours.pid)] as const;
    const one = await wrk(bare.address, { seconds, connections: 32, headers });
    const two = await wrk(ours.address, { seconds, connections: 32, headers });
    spent.bare += cpuMs(bare.pid) - before[0];
    spent.ours += cpuMs(ours.pid) - before[1];
    spent.bareRequests += one.requests;
    spent.oursRequests += two.requests;
    const direct = await wrk(upstream.address, { seconds: Math.min(seconds, 2), connections: 32 });
    if (one.failed + two.failed > 0) throw new Error('requests failed: the figures mean nothing');
    rates.bare.push(one.perSecond);
    rates.ours.push(two.perSecond);
    rates.upstream.push(direct.perSecond);
    ratios.push(two.perSecond / one.perSecond);
  }
  row('trivial upstream itself, requests/s', median(rates.upstream).toFixed(0));
  row('express + http-proxy-middleware + one ===, requests/s', median(rates.bare).toFixed(0));
  row('auth-proxy, everything on, requests/s', median(rates.ours).toFixed(0), 'target 8,000 on 2 idle cores');
  row('auth-proxy / bare, median of rounds', `${(median(ratios) * 100).toFixed(0)} %`, 'target 85 %');
  const bareCost = (spent.bare * 1000) / spent.bareRequests;
  const oursCost = (spent.ours * 1000) / spent.oursRequests;
  row('processor time of a request, bare, µs', bareCost.toFixed(0));
  row('processor time of a request, auth-proxy, µs', oursCost.toFixed(0));
  row('auth-proxy / bare by processor time', `${((bareCost / oursCost) * 100).toFixed(0)} %`, 'target 85 %');
  row('auth-proxy, memory after, MB', memoryOf(ours.pid).residentMb.toFixed(0));
  row('bare app, memory after, MB', memoryOf(bare.pid).residentMb.toFixed(0));
  for (const process of [ours, bare, upstream]) await process.stop();
}

/** Latency at a fixed rate, sent whether or not earlier answers are there. */
async function latencies(
  target: { socketPath: string } | { port: number },
  rate: number,
  total: number,
): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const taken: number[] = [];
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: total }, async (_, i) => {
      const due = begin + (i * 1000) / rate;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const sent = performance.now();
      await new Promise<void>((resolve, reject) => {
        const req = request(
          { ...target, host: '127.0.0.1', path: '/-/versions.json', headers: { authorization }, agent },
          (res) => {
            res.resume();
            res.on('end', resolve);
          },
        );
        req.on('error', reject);
        req.end();
      });
      taken.push(performance.now() - sent);
    }),
  );
  agent.destroy();
  return taken;
}

async function withDatasette(stripe: Running): Promise<void> {
  if (!existsSync(datasetteBin)) {
    console.log(`Left out: Datasette is not installed at ${datasetteBin} (npm run setup, or DATASETTE_BIN)`);
    return;
  }
  const file = join(workDir, 'stripe.db');
  const db = new DatabaseSync(file);
  db.exec('create table customers (id text primary key, name text, spent integer)');
  const insert = db.prepare('insert into customers values (?, ?, ?)');
  for (let i = 0; i < 1_000; i++) insert.run(`cus_${i}`, `Customer ${i}`, i);
  db.close();
  const socketPath = join(workDir, 'datasette.sock');
  const datasette = await startCommand(datasetteBin, [file, '--uds', socketPath], () =>
    existsSync(socketPath),
  );
  const ours = await startProxy(`unix:${socketPath}`, stripe.address);
  const cached = await startProxy(`unix:${socketPath}`, stripe.address, ['--cache-file', file]);
  const port = Number(new URL(ours.address).port);
  await latencies({ port }, 50, 100);
  const added: number[] = [];
  const direct: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const one = percentile(await latencies({ socketPath }, 200, 200 * seconds), 0.99);
    const two = percentile(await latencies({ port }, 200, 200 * seconds), 0.99);
    direct.push(one);
    added.push(two - one);
  }
  row('Datasette alone at 200/s, p99 ms', median(direct).toFixed(2));
  row('added by auth-proxy at 200/s, p99 ms, median of rounds', median(added).toFixed(2), 'target 2');
  const page = '/stripe/customers?_sort=id';
  const headers = { Authorization: authorization };
  const through = await wrk(ours.address + page, { seconds, connections: 16, headers });
  await wrk(cached.address + page, { seconds: 2, connections: 1, headers });
  const fromMemory: number[] = [];
  for (let round = 0; round < rounds; round++) {
    fromMemory.push((await wrk(cached.address + page, { seconds, connections: 16, headers })).perSecond);
  }
  row('a table page of Datasette through the proxy, requests/s', through.perSecond.toFixed(0));
  row('the same page from memory, requests/s', median(fromMemory).toFixed(0));
  row(
    'from memory / Datasette',
    `${(median(fromMemory) / through.perSecond).toFixed(0)} times`,
    'target 20 times',
  );
  for (const process of [cached, ours, datasette]) await process.stop();
}

async function memory(stripe: Running): Promise<void> {
  const total = Number(process.env['MEMORY_REQUESTS'] ?? 1_000_000);
  const upstream = await start([servers, 'trivial']);
  const ours = await startProxy(upstream.address, stripe.address);
  // 10,000 addresses; every fourth request guesses.
  const script = `
local i = 0
request = function()
  i = i + 1
  local n = i % 10000
  wrk.headers["X-Forwarded-For"] = "198." .. (18 + n % 2) .. "." .. math.floor(n / 256) .. "." .. (n % 256)
  wrk.headers["Authorization"] = (i % 4 == 0) and ("Bearer wrong" .. i) or "${authorization}"
  return wrk.format("GET", "/page/" .. (i % 1000))
end`;
  let sent = 0;
  const samples: number[] = [];
  while (sent < total) {
    sent += (await wrk(ours.address, { seconds: 10, connections: 32, script })).requests;
    samples.push(memoryOf(ours.pid).residentMb);
  }
  row(
    `memory after ${sent.toLocaleString('en')} requests of 10,000 addresses, MB`,
    (samples.at(-1) ?? 0).toFixed(0),
    'target under 150',
  );
  row('memory, highest seen, MB', Math.max(...samples).toFixed(0));
  row('memory, after the first tenth, MB', (samples[Math.floor(samples.length / 10)] ?? 0).toFixed(0));
  for (const process of [ours, upstream]) await process.stop();
}

if (!hasWrk()) {
  console.log('Left out: wrk is not installed (Debian: apt-get install wrk)');
} else {
  console.log(`${machine()}; ${rounds} rounds of ${seconds} s`);
  const stripe = await start([servers, 'stripe']);
  const parts = { throughput, withDatasette, memory };
  const only = process.env['ONLY'];
  for (const [name, part] of Object.entries(parts))
    if (only === undefined || only === name) await part(stripe);
  await stripe.stop();
}
