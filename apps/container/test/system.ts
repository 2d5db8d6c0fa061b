import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll } from 'vitest';

const main = join(import.meta.dirname, '..', 'src', 'main.ts');
/** The machine may be busy; what works is done long before. */
const patienceMs = 60_000;

/** A test that fails leaves nothing behind. */
const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** The real main process with its real children, run from the sources. */
export interface System {
  readonly process: ChildProcess;
  /** Its pid; 0 when it never ran. */
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Where it listens, once it says so. */
  url(): Promise<string>;
  /** GET with the key, or with what else. */
  get(path: string, credentials?: string): Promise<Response>;
  exitCode(): Promise<number | null>;
  /** SIGTERM and the exit code. */
  stop(): Promise<number | null>;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'container-'));
}

/** Starts it with this environment, and no other but the PATH. */
export function startSystem(env: Readonly<Record<string, string>>): System {
  const child = spawn(
    process.execPath,
    ['--conditions=@datasette-stripe/source', '--disable-warning=ExperimentalWarning', main],
    {
      env: { PATH: process.env.PATH ?? '', PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  running.add(child);
  child.once('exit', () => running.delete(child));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const system: System = {
    process: child,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    async url() {
      const found = (): string | undefined => /http:\/\/127\.0\.0\.1:\d+/.exec(stdout)?.[0];
      await until(
        () => found() !== undefined || child.exitCode !== null,
        () => `no URL in:\n${stdout}\n${stderr}`,
      );
      return found() ?? Promise.reject(new Error(`ended with ${child.exitCode}:\n${stdout}\n${stderr}`));
    },
    async get(path, credentials = env.STRIPE_SECRET_KEY) {
      const headers: Record<string, string> =
        credentials === undefined ? {} : { Authorization: `Bearer ${credentials}` };
      return fetch((await system.url()) + path, { headers, redirect: 'manual' });
    },
    exitCode: () => exited,
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
  return system;
}

/** Waits for a condition; `what` says what it was when it does not come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  withinMs: number = patienceMs,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${typeof what === 'string' ? what : what()}`);
    await delay(50);
  }
}

/** The processes below one, with what everybody may read of them. */
export function descendants(
  pid: number,
): { readonly pid: number; readonly cmdline: string; readonly environ: string }[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? /\) \S (\d+)/.exec(read(`/proc/${name}/stat`))?.[1] : undefined;
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isBelow = (child: number): boolean => {
    const parent = parents.get(child);
    return parent !== undefined && (parent === pid || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow).map((child) => ({
    pid: child,
    cmdline: read(`/proc/${child}/cmdline`).replaceAll('\0', ' '),
    environ: read(`/proc/${child}/environ`),
  }));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie is no life; nobody may be there to reap it in a test.
    return !/\) Z /.test(read(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
