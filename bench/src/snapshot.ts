// Downloads of a live database beside static serving of the same file, with 50 write transactions per second.
// npm run build, then: node bench/src/snapshot.ts [MEGABYTES] [--nginx PATH]
import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { memoryOf } from './memory.ts';

const run = promisify(execFile);
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? NaN;
const here = (name: string): string => join(import.meta.dirname, name);
const children: ChildProcess[] = [];

function createDatabase(file: string, megabytes: number): void {
  const db = new DatabaseSync(file);
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE rows (id INTEGER PRIMARY KEY, payload TEXT)',
  );
  const insert = db.prepare('INSERT INTO rows (payload) VALUES (hex(randomblob(500)) || hex(zeroblob(400)))');
  db.exec('BEGIN');
  for (let n = 0; n < 50_000; n++) insert.run();
  db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  const again = db.prepare('INSERT INTO rows (payload) SELECT payload FROM rows WHERE id <= 50000');
  while (statSync(file).size < megabytes * 1e6) {
    again.run();
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }
  db.close();
}

async function startServer(file: string, how: string): Promise<{ url: string; pid: number }> {
  const child = fork(here('snapshot-server.mjs'), [file, how], { execArgv: [] });
  children.push(child);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { url: `http://127.0.0.1:${String(port)}/`, pid: child.pid ?? 0 };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** nginx with sendfile on, or Python's os.sendfile: the file as it is, from the kernel. */
async function startStatic(dir: string, nginx: string | undefined): Promise<{ url: string; name: string }> {
  const port = await freePort();
  if (nginx !== undefined) {
    mkdirSync(join(dir, 'nginx'));
    const conf = `daemon off; pid ${dir}/nginx/pid; error_log ${dir}/nginx/error.log; worker_processes 1; user root;
      events {} http { access_log off; sendfile on; tcp_nopush on; client_body_temp_path ${dir}/nginx; proxy_temp_path ${dir}/nginx;
      fastcgi_temp_path ${dir}/nginx; uwsgi_temp_path ${dir}/nginx; scgi_temp_path ${dir}/nginx;
      server { listen 127.0.0.1:${String(port)}; root ${dir}/static; } }`;
    writeFileSync(join(dir, 'nginx.conf'), conf);
    children.push(
      spawn(nginx, ['-c', join(dir, 'nginx.conf'), '-e', join(dir, 'nginx/error.log')], { stdio: 'inherit' }),
    );
  } else {
    const script = `
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    client.recv(65536)
    with open(sys.argv[2], "rb") as f:
        size = os.fstat(f.fileno()).st_size
        client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
        client.sendfile(f)
    client.close()`;
    children.push(
      spawn('python3', ['-c', script, String(port), join(dir, 'static/file.sqlite')], { stdio: 'inherit' }),
    );
  }
  await delay(1000);
  return {
    url: `http://127.0.0.1:${String(port)}/file.sqlite`,
    name: nginx === undefined ? 'os.sendfile (Python)' : 'nginx, sendfile on',
  };
}

interface Download {
  readonly firstByteMs: number;
  readonly megabytesPerSecond: number;
}

async function download(url: string, rate?: string): Promise<Download> {
  const args = [
    '-sS',
    '--fail',
    '-o',
    '/dev/null',
    '-w',
    '%{time_starttransfer} %{speed_download}',
    ...(rate === undefined ? [] : ['--limit-rate', rate]),
  ];
  const { stdout } = await run('curl', [...args, url]);
  const [first = NaN, speed = NaN] = stdout.split(' ').map(Number);
  return { firstByteMs: first * 1000, megabytesPerSecond: speed / 1e6 };
}

async function writerTimes(writer: ChildProcess): Promise<number[]> {
  writer.send('times');
  const [{ times }] = (await once(writer, 'message')) as [{ times: number[] }];
  return times;
}

async function main(): Promise<void> {
  const megabytes = Number(process.argv[2] ?? 1000);
  const at = process.argv.indexOf('--nginx');
  const nginx =
    at > 0 ? process.argv[at + 1] : ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path));
  const dir = mkdtempSync(join(tmpdir(), 'bench-snapshot-'));
  const file = join(dir, 'live.sqlite');
  console.log(
    `node ${process.version}, ${String(cpus().length)} × ${cpus()[0]?.model ?? '?'}, curl on the same machine`,
  );
  try {
    createDatabase(file, megabytes);
    mkdirSync(join(dir, 'static'));
    // The same file and not a copy: both are in the page cache, or neither. What the static servers send is torn.
    linkSync(file, join(dir, 'static/file.sqlite'));
    const kernel = await startStatic(dir, nginx);
    const ours = await startServer(file, 'snapshot');
    const stream = await startServer(join(dir, 'static/file.sqlite'), 'stream');
    const writer = fork(here('snapshot-writer.ts'), [file, '50'], { execArgv: [] });
    children.push(writer);
    await once(writer, 'message');
    const contestants = [
      { name: 'snapshot, live file', url: ours.url },
      { name: `${kernel.name}, the same file`, url: kernel.url },
      { name: 'node createReadStream, the same file', url: stream.url },
    ].map((each) => ({ ...each, runs: [] as Download[] }));
    for (const { url } of contestants) await download(url);
    for (let round = 0; round < 5; round++)
      for (const each of contestants) each.runs.push(await download(each.url));
    console.log(
      `\n${String(Math.round(statSync(file).size / 1e6))} MB, 50 write transactions per second, 5 rounds in turn, medians`,
    );
    console.log('| | first byte | throughput |\n|---|---|---|');
    for (const { name, runs } of contestants) {
      const first = quantile(
        runs.map((r) => r.firstByteMs),
        0.5,
      );
      const speed = quantile(
        runs.map((r) => r.megabytesPerSecond),
        0.5,
      );
      console.log(`| ${name} | ${first.toFixed(1)} ms | ${speed.toFixed(0)} MB/s |`);
    }
    await writers(dir, ours, writer, megabytes);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await delay(300);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Commit times without a download and during one, in turn, and memory with ten at once. */
async function writers(
  dir: string,
  ours: { url: string; pid: number },
  writer: ChildProcess,
  megabytes: number,
): Promise<void> {
  const rate = `${String(Math.max(1, Math.round(megabytes / 20)))}M`;
  const [quiet, busy]: [number[], number[]] = [[], []];
  for (let round = 0; round < 3; round++) {
    await delay(2000);
    await writerTimes(writer);
    await delay(20_000);
    quiet.push(...(await writerTimes(writer)));
    await download(ours.url, rate);
    busy.push(...(await writerTimes(writer)));
  }
  const show = (times: number[]): string =>
    [0.5, 0.99, 1].map((q) => `${quantile(times, q).toFixed(2)} ms`).join(' | ');
  console.log('\n| commits of 10 updates | p50 | p99 | max |\n|---|---|---|---|');
  console.log(`| without a download | ${show(quiet)} |\n| during a download at ${rate}B/s | ${show(busy)} |`);
  const before = memoryOf(ours.pid).residentMb;
  const ten = Promise.all(Array.from({ length: 10 }, () => download(ours.url, rate)));
  let most = 0;
  let files = 0;
  let running = true;
  void ten.finally(() => (running = false));
  while (running) {
    await delay(200);
    most = Math.max(most, memoryOf(ours.pid).residentMb);
    files = Math.max(files, readdirSync(dir).filter((name) => name.startsWith('.snapshot')).length);
  }
  const firsts = (await ten).map((r) => r.firstByteMs);
  console.log(
    `\nten downloads at once: RSS ${most.toFixed(0)} MB (${before.toFixed(0)} before), copies on disk ${String(files)}, ` +
      `slowest first byte ${Math.max(...firsts).toFixed(1)} ms`,
  );
}

await main();
