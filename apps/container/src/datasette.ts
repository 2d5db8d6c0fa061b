import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Probe, ServiceOptions } from '@datasette-stripe/supervisor';
import { ContainerError } from './errors.ts';
import { leaveSocket } from './run-dir.ts';
import { patience } from './services.ts';

/** This app's folder: `datasette/` and `.venv/` are in it, in the image as in a checkout. */
const appDir = join(import.meta.dirname, '..');
const siteDir = join(appDir, 'datasette');
const python = join(appDir, '.venv', 'bin', 'python');

/** What Datasette is started with. */
export interface DatasetteOptions {
  /** The mirror. It may be missing for now, and may be replaced: the plug-in in `datasette/` opens it, as `stripe`. */
  readonly file: string;
  /** The Unix socket to listen on, in a folder that only this user may enter. */
  readonly socket: string;
  /** Computes dashboards before anybody asks: one of several does. */
  readonly ahead: boolean;
  readonly demo: boolean;
  /** What it sees of this process's environment: no secret is in it. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Sees that Datasette is installed and its Python is new enough.
 *
 * @throws {@link ContainerError} CONFIGURATION
 */
export function checkDatasette(): void {
  const cure = 'run `npm run setup`';
  if (!existsSync(python) || !existsSync(join(appDir, '.venv', 'bin', 'datasette'))) {
    throw new ContainerError(
      'CONFIGURATION',
      `Datasette is not installed in ${join(appDir, '.venv')}; ${cure}`,
    );
  }
  const version = /^version\s*=\s*(\d+)\.(\d+)/m.exec(
    readFileSync(join(appDir, '.venv', 'pyvenv.cfg'), 'utf8'),
  );
  const [major = 0, minor = 0] = version?.slice(1).map(Number) ?? [];
  if (major < 3 || (major === 3 && minor < 11)) {
    throw new ContainerError(
      'CONFIGURATION',
      `Python ${major}.${minor} in ${join(appDir, '.venv')} is too old; install Python 3.11 or newer, then ${cure}`,
    );
  }
}

/** How many processes serve the site unless it is said: a second core is worth a second one where there is memory for it. */
export function usualDatasetteProcesses(): number {
  const limit = process.constrainedMemory();
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return availableParallelism() > 1 && bytes >= 1.5 * 2 ** 30 ? 2 : 1;
}

/**
 * Whether any of several Datasettes may answer this path and query: tables, rows, SQL, and the search. What else there is
 * the first answers alone: it keeps what dashboards, the start page and the schema of GraphQL cost, once.
 */
export function isForAnyDatasette(target: string): boolean {
  return /^\/(?:stripe|-\/search)(?:[/.?]|$)/.test(target);
}

/** Datasette as a service of the supervisor. `datasette/` is its configuration folder: metadata, settings, plug-ins, templates. */
export function datasetteService({ file, socket, ahead, demo, env }: DatasetteOptions): ServiceOptions {
  const answers: Probe = { type: 'http', url: 'http://datasette/-/versions.json', socketPath: socket };
  return {
    command: python,
    args: ['-m', 'datasette', 'serve', siteDir, '--uds', socket],
    env: {
      ...env,
      PYTHONUNBUFFERED: '1',
      MIRROR_FILE: file,
      SITE_AHEAD: ahead ? '1' : '0',
      ...(demo ? { SITE_DEMO: '1' } : {}),
    },
    beforeStart: () => leaveSocket(socket),
    ready: answers,
    watchdog: { probe: answers, intervalMs: 15_000, timeoutMs: 30_000 },
    stop: { timeoutMs: 5_000 },
    ...patience,
  };
}
