import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Check, CheckResult, SqliteIntegrityOptions } from '../types.ts';
import { timing } from './timing.ts';

const hourMs = 3_600_000;
/** Until there is a database to check. */
const retryMs = 10_000;
const lockedRetryMs = 60_000;

/** What integrity-child.ts sends. */
type Verdict =
  | { readonly done: true; readonly tables: number; readonly faults: readonly string[] }
  | { readonly busy: true };

/**
 * quick_check table by table in a child process of low priority; each table is a read transaction of its own, so that
 * the write-ahead log is not held back for the whole check.
 */
export function sqliteIntegrity(options: SqliteIntegrityOptions): Check {
  let first = true;
  return {
    ...timing(options, { intervalMs: 24 * hourMs, timeoutMs: 2 * hourMs }),
    componentType: 'datastore',
    async run({ signal, monotonic }): Promise<CheckResult> {
      if (first && options.initialDelayMs !== undefined) {
        await delay(options.initialDelayMs, undefined, { signal, ref: false });
      }
      first = false;
      if (!existsSync(options.file)) {
        return { status: 'warn', message: 'There is no database yet', againInMs: retryMs };
      }
      const begun = monotonic();
      const verdict = await checkInChild(
        { file: options.file, nice: options.nice ?? 19, restFactor: options.restFactor ?? 4 },
        signal,
      );
      if ('busy' in verdict) {
        const message = 'The database is locked by its writer: not checked';
        return { status: 'warn', message, againInMs: lockedRetryMs };
      }
      const { tables, faults } = verdict;
      const seconds = (monotonic() - begun) / 1000;
      const metrics = [
        {
          name: 'sqlite_integrity_faults',
          help: 'Faults that the last integrity check found',
          type: 'gauge',
          value: faults.length,
        },
        {
          name: 'sqlite_integrity_duration_seconds',
          help: 'How long the last integrity check took',
          type: 'gauge',
          value: seconds,
        },
      ] as const;
      if (faults.length === 0) {
        const message = `${tables} tables in ${seconds.toFixed(1)} s`;
        return { status: 'pass', observed: 'ok', metrics, message };
      }
      return { status: 'fail', observed: faults[0], metrics, message: faults.slice(0, 5).join('; ') };
    },
  };
}

function checkInChild(order: object, signal: AbortSignal): Promise<Verdict> {
  // Beside the compiled file stands a compiled child, beside the source a source.
  const script = import.meta.url.endsWith('.ts') ? '../integrity-child.ts' : '../integrity-child.js';
  return new Promise((resolve, reject) => {
    const child = fork(new URL(script, import.meta.url), [JSON.stringify(order)], {
      env: {},
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      signal,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000);
    });
    child.on('message', (message) => {
      if (isVerdict(message)) resolve(message);
    });
    child.on('error', reject);
    // Not 'exit': that may come before the last message.
    child.on('close', (code, killedBy) => {
      const line = said.split('\n').find((text) => /\bError: /.test(text));
      const how = line?.trim() ?? (killedBy === null ? `exit code ${code ?? 0}` : killedBy);
      reject(new Error(`The integrity check ended without a verdict: ${how}`));
    });
  });
}

function isVerdict(message: unknown): message is Verdict {
  return typeof message === 'object' && message !== null && ('done' in message || 'busy' in message);
}
