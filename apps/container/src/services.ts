import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceOptions } from '@datasette-stripe/supervisor';
import { demoStateExitCode } from './children/messages.ts';
import type { Config, StripeAccess } from './config.ts';

/** Exit codes of the engine after which a restart is pointless: options, refused key, another account. */
const finalExitCodes = [2, 3, 4];

/**
 * A child that ends again and again (a full disk, a bug) is tried for a quarter of an hour, in which the site is up with
 * what it has; then the container ends, so that whoever runs it hears of it.
 */
export const patience: Pick<ServiceOptions, 'backoff' | 'burst'> = {
  backoff: { initialMs: 500, maxMs: 30_000 },
  burst: { starts: 30, withinMs: 15 * 60_000 },
};

/**
 * Node sets up to 96 MB aside for short-lived objects, and lets up to four times of what is needed pile up of others; a
 * quarter, and twice, do.
 */
const memory = ['--max-semi-space-size=8', '--heap-growing-percent=100'];

/** A child of ours, run by this Node: from the build, or from the sources as this process is. */
export function childService(
  name: 'engine' | 'emulator' | 'search-index',
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): ServiceOptions {
  const ending = import.meta.filename.endsWith('.ts') ? '.ts' : '.js';
  return {
    command: process.execPath,
    args: [...process.execArgv, ...memory, join(import.meta.dirname, 'children', name + ending), ...args],
    env,
    ipc: true,
    stop: { timeoutMs: 6_000 },
    ...patience,
  };
}

/** Our own engine. What it is to do it is told over IPC. */
export function engineService(env: Readonly<Record<string, string>>, demo: boolean): ServiceOptions {
  return {
    ...childService('engine', env),
    finalExitCodes,
    ...(demo ? { dependsOn: ['emulator'] } : {}),
  };
}

/** The demo's Stripe on its port of loopback. Its history is in its state file, so it is as good as new after a crash. */
export function emulatorService(env: Readonly<Record<string, string>>, port: number): ServiceOptions {
  return {
    ...childService('emulator', env),
    ready: { type: 'tcp', host: '127.0.0.1', port },
    output: 'file',
    finalExitCodes: [demoStateExitCode],
  };
}

/** What {@link originalTdogService} needs. */
export interface OriginalTdogOptions {
  readonly config: Pick<Config, 'tdogLicense' | 'pollFreqMs' | 'maxRequestsPerSecond' | 'childEnv'>;
  readonly bin: string;
  readonly stripe: StripeAccess;
  /** The database that it writes. */
  readonly file: string;
  /** Where its configuration, which holds the key, is for a moment. */
  readonly configFile: string;
  /** Clock, ms. */
  readonly now: () => number;
}

/** By then it has read its configuration, whatever else it waits for, ms. */
const configReadMs = 10_000;

/** The original tdog in the engine's place. */
export function originalTdogService(options: OriginalTdogOptions): ServiceOptions {
  const { bin, file, configFile, now } = options;
  let startedAt = now();
  return {
    command: bin,
    args: ['--json-file', configFile],
    env: options.config.childEnv,
    beforeStart: () => {
      startedAt = now();
      rmSync(configFile, { force: true });
      writeFileSync(configFile, JSON.stringify(originalConfig(options)), { mode: 0o600, flag: 'wx' });
    },
    // It has no word for "I have read my configuration"; that it writes its database shows it.
    ready: {
      type: 'function',
      probe: () => {
        const isRunning = writtenSince(file, startedAt) || now() - startedAt > configReadMs;
        if (isRunning) rmSync(configFile, { force: true });
        return isRunning;
      },
    },
    stop: { timeoutMs: 6_000 },
    ...patience,
  };
}

function originalConfig({ config, stripe, file }: OriginalTdogOptions): object {
  return {
    cmd: {
      fn: 'download',
      args: {
        from: {
          stripe: {
            secret_key: stripe.secretKey,
            max_requests_per_second: config.maxRequestsPerSecond ?? null,
          },
        },
        to: { sqlite: { file } },
        options: { watch: true, poll_freq_ms: config.pollFreqMs ?? 1000 },
      },
    },
    log: 'info',
    ...(config.tdogLicense === undefined ? {} : { license: { key: config.tdogLicense } }),
  };
}

function writtenSince(file: string, time: number): boolean {
  return [file, `${file}-wal`, `${file}-journal`].some(
    (path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= time,
  );
}
