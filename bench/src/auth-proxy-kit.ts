import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process of the benchmark, ended by its own id. */
export interface Running {
  readonly address: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Processor time used so far, ms: says what a request costs also where other programs take their share. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  // In ticks of 10 ms: utime and stime.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Starts a process that prints a JSON line with its `address` on stdout (into a file, as a service's log goes). */
export async function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const log = join(workDir, `${Math.random().toString(36).slice(2)}.log`);
  const fd = openSync(log, 'w');
  const child = spawn(process.execPath, [...args], {
    stdio: ['ignore', fd, 'inherit'],
    env: { ...process.env, ...env },
  });
  closeSync(fd);
  const address = await waitFor(() => /"address":"([^"]+)"/.exec(readFileSync(log, 'utf8'))?.[1], child);
  return { address, pid: child.pid ?? 0, stop: () => end(child) };
}

/** Starts any command and waits until `ready` says so. */
export async function startCommand(
  command: string,
  args: readonly string[],
  ready: () => boolean,
): Promise<Omit<Running, 'address'>> {
  const child = spawn(command, [...args], { stdio: 'ignore' });
  await waitFor(() => (ready() ? 'ready' : undefined), child);
  return { pid: child.pid ?? 0, stop: () => end(child) };
}

async function waitFor(find: () => string | undefined, child: ChildProcess): Promise<string> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error('a process of the benchmark did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('close', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 8_000).unref();
  });
}

/** What wrk measured. */
export interface WrkResult {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly requests: number;
  /** Answers other than 2xx and 3xx. */
  readonly failed: number;
}

/** Whether wrk (Debian package of that name) is installed. */
export function hasWrk(): boolean {
  try {
    execFileSync('wrk', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // wrk prints its version and ends with 1.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/** Runs wrk with one thread. */
export async function wrk(
  url: string,
  options: {
    seconds: number;
    connections: number;
    headers?: Readonly<Record<string, string>>;
    script?: string;
  },
): Promise<WrkResult> {
  const args = ['-t1', `-c${options.connections}`, `-d${options.seconds}s`, '--latency'];
  for (const [name, value] of Object.entries(options.headers ?? {})) args.push('-H', `${name}: ${value}`);
  if (options.script !== undefined) {
    const file = join(workDir, 'wrk.lua');
    writeFileSync(file, options.script);
    args.push('-s', file);
  }
  const { stdout } = await run('wrk', [...args, url], { maxBuffer: 1e7 });
  const [, p99 = '0', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0),
    p99Ms: Number(p99) * (unit === 'us' ? 0.001 : unit === 's' ? 1_000 : 1),
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0),
    failed: Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** Machine and versions, for the head of each table. */
export function machine(): string {
  const [cpu] = cpus();
  return `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}`;
}

export const workDir: string = mkdtempSync(join(tmpdir(), 'auth-proxy-bench-'));
process.once('exit', () => rmSync(workDir, { recursive: true, force: true }));
