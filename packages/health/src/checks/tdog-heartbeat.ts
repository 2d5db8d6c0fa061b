import type { Check, CheckContext, CheckResult, TdogHeartbeatOptions } from '../types.ts';
import { readDatabase, timestampMs, type DatabaseReader } from './read-database.ts';
import { timing } from './timing.ts';

/** Idle, the engine writes a heartbeat after each poll, but not more often than this. */
const idleBeatMs = 10_000;
/** The slowest that the engine polls by itself. */
const slowestPollMs = 300_000;

interface Signs {
  readonly heartbeat: string | undefined;
  /** Changes whenever the engine does anything: it may work for long (catch up, compare) between two heartbeats. */
  readonly life: string;
  readonly usualMs: number;
}

/** Age of the engine's heartbeat in td_metadata (also that of the original tdog 0.7). */
export function tdogHeartbeat(options: TdogHeartbeatOptions): Check {
  /** The heartbeat seen last, and the age it then had: from there on a clock that never jumps counts. */
  let beat: { readonly text: string; readonly at: number; readonly age: number } | undefined;
  /** The last change that was seen; what is old when we begin to look says nothing of the engine that runs now. */
  let life: { readonly print: string; readonly at: number } | undefined;
  let lookedAt: number | undefined;

  const ageOf = (text: string, { now, monotonic }: CheckContext): number => {
    const at = monotonic();
    if (beat?.text !== text) {
      const wall = Math.max(0, now() - (timestampMs(text) ?? 0));
      // A heartbeat that came since the last look cannot be older than that look, whatever the clocks say.
      const age = beat === undefined || lookedAt === undefined ? wall : Math.min(wall, at - lookedAt);
      beat = { text, at, age };
    }
    lookedAt = at;
    return beat.age + at - beat.at;
  };
  const stillFor = (print: string, { monotonic }: CheckContext): number => {
    if (life?.print !== print) life = { print, at: monotonic() };
    return monotonic() - life.at;
  };

  return {
    ...timing(options, { intervalMs: 5_000, timeoutMs: 5_000 }),
    componentType: 'component',
    run(context): CheckResult {
      const found = readDatabase(options.file, signs);
      const usualMs = typeof found === 'string' ? idleBeatMs : found.usualMs;
      const given = typeof options.heartbeatMs === 'function' ? options.heartbeatMs() : options.heartbeatMs;
      const heartbeatMs = given ?? usualMs;
      const warnAfterMs = options.warnAfterMs ?? 2 * heartbeatMs + 40_000;
      const failAfterMs = options.failAfterMs ?? 3 * heartbeatMs + 270_000;
      const still = stillFor(typeof found === 'string' ? found : found.life, context);
      if (found === 'missing') {
        return { status: still > failAfterMs ? 'fail' : 'warn', message: 'There is no database yet' };
      }
      // tdog 0.7 downloads in one transaction: nothing can be seen of it, and its process is checked elsewhere.
      if (found === 'busy') return { status: 'warn', message: 'The database is locked by its writer' };
      if (found.heartbeat === undefined) return { status: 'warn', message: 'No heartbeat yet' };
      const age = ageOf(found.heartbeat, context);
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
      const message = `The last heartbeat is ${seconds} s old`;
      if (options.unreachable?.() === true) {
        return { ...result, status: 'warn', message: `${message}: Stripe cannot be reached` };
      }
      return { ...result, status: still > failAfterMs ? 'fail' : 'warn', message };
    },
  };
}

function signs({ hasTable, rows }: DatabaseReader): Signs {
  const own = hasTable('td_state');
  const [metadata] = hasTable('td_metadata')
    ? rows('SELECT * FROM td_metadata ORDER BY id DESC LIMIT 1')
    : [];
  const [reads] = hasTable('td_requests') ? rows('SELECT total(reads) AS reads FROM td_requests') : [];
  const [poll] = own ? rows("SELECT value FROM td_state WHERE key = 'poll_interval_ms'") : [];
  const heartbeat = metadata?.['heartbeat_ts'];
  const pollMs = poll === undefined ? (own ? slowestPollMs : 0) : Number(poll['value']);
  return {
    heartbeat: typeof heartbeat === 'string' ? heartbeat : undefined,
    life: JSON.stringify([heartbeat, metadata?.['data_version'], reads?.['reads']]),
    usualMs: Math.max(idleBeatMs, Number.isFinite(pollMs) ? pollMs : slowestPollMs),
  };
}
