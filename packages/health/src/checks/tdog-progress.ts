import type { Check, CheckResult, Metric, TdogProgressOptions } from '../types.ts';
import { readDatabase, timestampMs, type DatabaseReader } from './read-database.ts';
import { timing } from './timing.ts';

interface Snapshot {
  readonly tables: readonly TableRow[];
  /** Of tdog 0.7's td_runs: whether the download has begun and ended. */
  readonly run: 'none' | 'running' | 'done';
  readonly startedAt: number | undefined;
  readonly lagMs: number | undefined;
  readonly drift: { readonly rows: number; readonly repaired: number } | undefined;
  readonly reads: readonly Metric[];
}

interface TableRow {
  readonly table: string;
  readonly state: string;
  readonly rows: number;
  readonly requests: number;
  readonly share: number;
}

/** The download: share, time left, tables skipped; lag and drift once it is done. Progress is a warning, a stall a failure. */
export function tdogProgress(options: TdogProgressOptions): Check {
  const stalledAfterMs = options.stalledAfterMs ?? 15 * 60_000;
  let moved: { readonly print: string; readonly at: number } | undefined;

  return {
    ...timing(options, { intervalMs: 5_000, timeoutMs: 5_000 }),
    componentType: 'datastore',
    run({ now, monotonic }): CheckResult {
      const found = readDatabase(options.file, snapshot);
      if (found === 'missing') return { status: 'warn', message: 'There is no database yet' };
      if (found === 'busy') return { status: 'warn', message: 'The database is locked by its writer' };
      const metrics = metricsOf(found);
      if (found.run === 'none') return { status: 'warn', metrics, message: 'The download has not begun' };
      const share = shareOf(found);
      const seen = { observed: Math.round(share * 1000) / 1000, unit: 'share' };
      if (found.run === 'done') return { ...seen, ...finished(found), metrics };

      const print = JSON.stringify(found.tables);
      if (moved?.print !== print) moved = { print, at: monotonic() };
      const secondsLeft = timeLeft(found, share, now());
      if (secondsLeft !== undefined) {
        metrics.push({
          name: 'tdog_download_seconds_left',
          help: 'Time left of the download, at its pace so far',
          type: 'gauge',
          value: secondsLeft,
        });
      }
      const still = monotonic() - moved.at;
      // Without td_progress (tdog 0.7: one transaction) nothing can be seen to move.
      const stalled = found.tables.length > 0 && still > stalledAfterMs;
      if (stalled && options.unreachable?.() !== true) {
        const message = `The download has stood still for ${Math.round(still / 1000)} s`;
        return { ...seen, status: 'fail', metrics, message };
      }
      const left = secondsLeft === undefined ? '' : `, about ${Math.ceil(secondsLeft)} s left`;
      const message = `Downloading: ${Math.floor(share * 100)} %${left}`;
      return { ...seen, status: 'warn', metrics, message };
    },
  };
}

function finished({ tables, lagMs, drift }: Snapshot): Pick<CheckResult, 'status' | 'message'> {
  const named = (state: string): string[] =>
    tables.filter((one) => one.state === state).map((one) => one.table);
  const failed = named('failed');
  const skipped = named('skipped');
  const open = drift === undefined ? 0 : drift.rows - drift.repaired;
  const words = [
    ...(failed.length > 0 ? [`failed: ${failed.join(', ')}`] : []),
    ...(open > 0 ? [`${open} rows differ from Stripe and are not repaired`] : []),
    ...(skipped.length > 0 ? [`skipped, as the key may not read them: ${skipped.join(', ')}`] : []),
    ...(lagMs === undefined ? [] : [`the last event came ${(lagMs / 1000).toFixed(1)} s after it was made`]),
  ];
  return {
    status: failed.length > 0 || open > 0 ? 'warn' : 'pass',
    ...(words.length === 0 ? {} : { message: words.join('; ') }),
  };
}

function snapshot(reader: DatabaseReader): Snapshot {
  const tables = tableRows(reader);
  const { run, startedAt } = tables.length > 0 ? stateOf(reader, tables) : runOf(reader);
  return { tables, run, startedAt, lagMs: lagOf(reader), drift: driftOf(reader), reads: readsOf(reader) };
}

function tableRows({ hasTable, rows }: DatabaseReader): TableRow[] {
  if (!hasTable('td_progress')) return [];
  return rows('SELECT "table", state, rows, requests, share FROM td_progress').map((row) => {
    const state = String(row['state']);
    const over = state === 'done' || state === 'skipped' || state === 'failed';
    return {
      table: String(row['table']),
      state,
      rows: Number(row['rows']),
      requests: Number(row['requests']),
      share: over ? 1 : Math.min(1, Math.max(0, Number(row['share'] ?? 0))),
    };
  });
}

function stateOf({ rows }: DatabaseReader, tables: readonly TableRow[]): Pick<Snapshot, 'run' | 'startedAt'> {
  const startedAt = timestampMs(rows('SELECT min(started_ts) AS at FROM td_progress')[0]?.['at']);
  const over = tables.every(
    (one) => one.state === 'done' || one.state === 'skipped' || one.state === 'failed',
  );
  const begun = over || tables.some((one) => one.state !== 'waiting');
  return { run: over ? 'done' : begun ? 'running' : 'none', startedAt };
}

/** tdog 0.7 has no td_progress; its td_runs says when the download began and ended. */
function runOf({ hasTable, rows }: DatabaseReader): Pick<Snapshot, 'run' | 'startedAt'> {
  if (!hasTable('td_runs')) return { run: 'none', startedAt: undefined };
  const runs = rows("SELECT start_ts, end_ts FROM td_runs WHERE type = 'download' ORDER BY run_id");
  const last = runs.at(-1);
  if (last === undefined) return { run: 'none', startedAt: undefined };
  const done = runs.some((run) => run['end_ts'] !== null);
  return { run: done ? 'done' : 'running', startedAt: timestampMs(last['start_ts']) };
}

/** From the making of the newest event to its row. Each query has an index: this runs every few seconds. */
function lagOf({ hasTable, rows }: DatabaseReader): number | undefined {
  const sql = hasTable('events')
    ? 'SELECT created, insert_ts FROM events ORDER BY created DESC LIMIT 1'
    : hasTable('notification_events')
      ? 'SELECT created, insert_ts FROM notification_events ORDER BY event_id DESC LIMIT 1'
      : undefined;
  if (sql === undefined) return undefined;
  const [newest] = rows(sql);
  const made = timestampMs(newest?.['created']);
  const stored = timestampMs(newest?.['insert_ts']);
  // `created` is in whole seconds.
  return made === undefined || stored === undefined ? undefined : Math.max(0, stored - made);
}

/** Requests to Stripe by purpose, against the allowance. */
function readsOf({ hasTable, rows }: DatabaseReader): Metric[] {
  if (!hasTable('td_requests')) return [];
  return rows('SELECT purpose, total(reads) AS reads FROM td_requests GROUP BY purpose').map((row) => ({
    name: 'stripe_reads_total',
    help: 'Read requests to Stripe',
    type: 'counter',
    value: Number(row['reads']),
    labels: { purpose: String(row['purpose']) },
  }));
}

function driftOf({ hasTable, rows }: DatabaseReader): Snapshot['drift'] {
  if (!hasTable('td_proof')) return undefined;
  const [sum] = rows('SELECT total(drift) AS rows, total(repaired) AS repaired FROM td_proof');
  return { rows: Number(sum?.['rows'] ?? 0), repaired: Number(sum?.['repaired'] ?? 0) };
}

function shareOf({ run, tables }: Snapshot): number {
  if (run === 'done') return 1;
  if (tables.length === 0) return 0;
  return tables.reduce((sum, one) => sum + one.share, 0) / tables.length;
}

function timeLeft({ startedAt }: Snapshot, share: number, now: number): number | undefined {
  if (startedAt === undefined || share < 0.01 || now <= startedAt) return undefined;
  return ((now - startedAt) / 1000 / share) * (1 - share);
}

function metricsOf(found: Snapshot): Metric[] {
  const metrics: Metric[] = [
    {
      name: 'tdog_download_share',
      help: 'Part of the download that is done, 0 to 1',
      type: 'gauge',
      value: shareOf(found),
    },
  ];
  const states = new Map<string, number>();
  for (const { state } of found.tables) states.set(state, (states.get(state) ?? 0) + 1);
  for (const [state, value] of states) {
    metrics.push({ name: 'tdog_tables', help: 'Tables by state', type: 'gauge', value, labels: { state } });
  }
  if (found.lagMs !== undefined) {
    const help = 'From the making of the newest event to its row';
    metrics.push({ name: 'mirror_lag_seconds', help, type: 'gauge', value: found.lagMs / 1000 });
  }
  if (found.drift !== undefined) {
    const { rows, repaired } = found.drift;
    metrics.push(
      { name: 'drift_rows', help: 'Rows that the proof found to differ', type: 'gauge', value: rows },
      { name: 'drift_repaired_rows', help: 'Of these, repaired', type: 'gauge', value: repaired },
    );
  }
  return [...metrics, ...found.reads];
}
