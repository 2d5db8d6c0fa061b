// What does a health request cost? CPU time of the serving process, beside a server that answers a constant.
//   node --conditions=@datasette-stripe/source bench/src/health-requests.ts [REQUESTS]
import { fork } from 'node:child_process';
import { createServer, Agent, request, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, release } from 'node:os';
import { createHealth, type Check } from '@datasette-stripe/health';

const requests = Number(process.argv[2] ?? 50_000);
const role = process.argv[3];

if (role !== undefined) await load(role, process.argv[4] === 'owner');
else await main();

/** In a process of its own: asks for `url` and says when it is done. */
async function load(url: string, owner: boolean): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const headers = owner ? { authorization: 'owner' } : {};
  let left = requests;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      request(url, { agent, headers }, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end();
    });
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (left-- > 0) await one();
    }),
  );
  agent.destroy();
}

async function main(): Promise<void> {
  const check = (): Check => ({
    run: () => ({ status: 'pass', observed: 42, unit: 's', message: 'all is well' }),
  });
  const names = [
    'tdog_cli_heartbeat',
    'tdog_process',
    'datasette_server',
    'sqlite_db_integrity_check',
    'disk_free',
    'download_progress',
  ];
  const health = createHealth({
    checks: Object.fromEntries(names.map((name) => [name, check()])),
    isAuthorised: ({ headers }) => headers.authorization === 'owner',
  });
  await health.settled();
  const constant: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
  };
  const rows = [
    await measure('a constant (node:http alone)', constant, false),
    await measure('report, anonymous', health.report, false),
    await measure('report, with details', health.report, true),
    await measure('ready', health.ready, false),
    await measure('live', health.live, false),
    await measure('metrics', health.metrics, true),
  ];
  await health.close();
  console.table(rows);
  console.log(
    `${requests} requests each, 20 connections, 6 checks; node ${process.version}, ${cpus()[0]?.model ?? '?'} × ${cpus().length}, Linux ${release()}`,
  );
  process.exitCode = rows.slice(1, 5).some((row) => row['CPU ms per request'] >= 0.2) ? 1 : 0;
}

async function measure(
  name: string,
  handler: (...args: Parameters<RequestListener>) => unknown,
  owner: boolean,
): Promise<{ case: string; 'CPU ms per request': number; 'requests/s': number }> {
  const server = createServer((incoming, outgoing) => void handler(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await run(url, owner);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await run(url, owner);
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  server.close();
  return {
    case: name,
    'CPU ms per request': Number(((user + system) / 1000 / requests).toFixed(4)),
    'requests/s': Math.round(requests / seconds),
  };
}

function run(url: string, owner: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [String(requests), url, owner ? 'owner' : '']);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`The load ended with ${code ?? 'a signal'}`)),
    );
  });
}
