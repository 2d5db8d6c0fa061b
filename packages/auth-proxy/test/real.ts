import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { tempDir, until } from './kit.ts';

const run = promisify(execFile);
const here = import.meta.dirname;
const inCi = process.env['CI'] === 'true';

/** A browser, or undefined on a machine without one; in CI it must be there. */
export const CHROMIUM: string | undefined = found(
  process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
  'Chromium (CHROMIUM_BIN)',
);
/** Datasette of the 0.65 line, as `npm run setup` installs it. */
export const DATASETTE: string | undefined = found(
  process.env['DATASETTE_BIN'] ?? join(here, '../../../apps/container/.venv/bin/datasette'),
  'Datasette 0.65 (npm run setup, or DATASETTE_BIN)',
);
/** Datasette of the 1.0a line, in a venv of this package's own. */
export const DATASETTE_1A: string | undefined = found(
  process.env['DATASETTE_1A_BIN'] ?? (await venv1a()),
  'Datasette 1.0a (python3 -m venv .venv && .venv/bin/pip install -r test/requirements-1a.txt, or DATASETTE_1A_BIN)',
);

function found(path: string, name: string): string | undefined {
  if (existsSync(path)) return path;
  if (inCi) throw new Error(`${name} is missing: ${path}`);
  console.warn(`Left out: tests with ${name}, which this machine lacks`);
  return undefined;
}

async function venv1a(): Promise<string> {
  const venv = join(here, '../.venv');
  const bin = join(venv, 'bin/datasette');
  if (inCi && !existsSync(bin)) {
    await run('python3', ['-m', 'venv', venv]);
    await run(join(venv, 'bin/pip'), ['install', '--quiet', '-r', join(here, 'requirements-1a.txt')]);
  }
  return bin;
}

/** A small database whose cells hold what a stranger could write. */
export function sampleDatabase(): string {
  const file = join(tempDir(), 'stripe.db');
  const db = new DatabaseSync(file);
  db.exec(`create table customers (id text primary key, name text, country text, spent integer);
    create table notes (id integer primary key, customer_id text references customers(id), note text);`);
  const insert = db.prepare('insert into customers values (?, ?, ?, ?)');
  for (let i = 0; i < 300; i++) insert.run(`cus_${i}`, `Customer ${i}`, i % 2 === 0 ? 'DE' : 'FR', i * 100);
  insert.run('cus_evil', '<img src=x onerror="document.title=1"><script>document.title=2</script>', 'DE', 0);
  db.close();
  return file;
}

/** A real Datasette on a Unix socket. */
export async function startDatasette(
  bin: string,
  file: string,
  more: readonly string[] = [],
): Promise<string> {
  const socket = join(tempDir(), 'datasette.sock');
  const child = spawn(bin, [file, '--uds', socket, ...more], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  endWithTest(child);
  await until(() => {
    if (child.exitCode !== null) throw new Error(`Datasette ended: ${errors}`);
    return existsSync(socket);
  }, 'Datasette listens');
  return `unix:${socket}`;
}

/** Ends a process by its own id when the test is over. */
export function endWithTest(child: ChildProcess): void {
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('close', () => resolve());
        child.kill('SIGTERM');
        setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
      }),
  );
}
