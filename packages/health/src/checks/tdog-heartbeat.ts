import type { Check, CheckContext, CheckResult, TdogHeartbeatOptions } from '../types.ts';
import { readDatabase, timestampMs } from './read-database.ts';
import { timing } from './timing.ts';

/** Age of the engine's heartbeat in td_metadata (also that of the original tdog 0.7). */
export function tdogHeartbeat(options: TdogHeartbeatOptions): Check {
  /** The heartbeat seen last, and the age it then had: from there on a clock that never jumps counts. */
  let seen: { readonly text: string; readonly at: number; readonly age: number } | undefined;
  let lookedAt: number | undefined;
  let missingSince: number | undefined;

  const ageOf = (text: string, { now, monotonic }: CheckContext): number => {
    const at = monotonic();
    if (seen?.text !== text) {
      const written = timestampMs(text) ?? 0;
      const wall = Math.max(0, now() - written);
      // A heartbeat that came since the last look cannot be older than that look, whatever the clocks say.
      const age = seen === undefined || lookedAt === undefined ? wall : Math.min(wall, at - lookedAt);
      seen = { text, at, age };
    }
    lookedAt = at;
    return seen.age + at - seen.at;
  };

  return {
    ...timing(options, { intervalMs: 5_000, timeoutMs: 5_000 }),
    componentType: 'component',
    run(context): CheckResult {
      const heartbeatMs =
        typeof options.heartbeatMs === 'function' ? options.heartbeatMs() : (options.heartbeatMs ?? 10_000);
      const warnAfterMs = options.warnAfterMs ?? 6 * heartbeatMs;
      const failAfterMs = options.failAfterMs ?? 30 * heartbeatMs;
      const found = readDatabase(options.file, ({ hasTable, rows }) =>
        hasTable('td_metadata') ? rows('SELECT heartbeat_ts FROM td_metadata ORDER BY id DESC LIMIT 1') : [],
      );
      if (found === 'missing') {
        missingSince ??= context.monotonic();
        const late = context.monotonic() - missingSince > failAfterMs;
        return { status: late ? 'fail' : 'warn', message: 'There is no database yet' };
      }
      missingSince = undefined;
      // tdog 0.7 downloads in one transaction: nothing can be seen of it, and its process is checked elsewhere.
      if (found === 'busy') return { status: 'warn', message: 'The database is locked by its writer' };
      const text = found[0]?.['heartbeat_ts'];
      if (typeof text !== 'string') return { status: 'warn', message: 'No heartbeat yet' };
      const age = ageOf(text, context);
      const seconds = Math.round(age / 1000);
      const result = {
        observed: seconds,
        unit: 's',
        metrics: [
          {
            name: 'tdog_heartbeat_age_seconds',
            help: "Age of the engine's heartbeat",
            type: 'gauge',
            value: age / 1000,
          },
        ],
      } as const;
      if (age <= warnAfterMs) return { ...result, status: 'pass' };
      const unreachable = options.unreachable?.() === true;
      const status = age > failAfterMs && !unreachable ? 'fail' : 'warn';
      const why = unreachable ? ': Stripe cannot be reached' : '';
      return { ...result, status, message: `The last heartbeat is ${seconds} s old${why}` };
    },
  };
}
