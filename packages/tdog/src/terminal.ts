import type { SyncProgress, SyncResult } from './options.ts';
import type { VerifyResult } from './verify.ts';

/** Where lines go. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Shows a download as it runs. */
export interface ProgressView {
  show(progress: SyncProgress): void;
}

const JSON_EVERY_MS = 2_000;

/** A bar on one line of a terminal, or JSON lines. */
export function createProgressView(
  style: 'bar' | 'json' | 'none',
  output: Output,
  now: () => number,
): ProgressView {
  if (style === 'none') return { show: () => undefined };
  if (style === 'bar')
    return {
      show: (progress) => {
        output.write(`\r${barLine(progress, output.columns ?? 100)}\u001B[K${progress.done ? '\n' : ''}`);
      },
    };
  let last = -Infinity;
  return {
    show: (progress) => {
      if (!progress.done && now() - last < JSON_EVERY_MS) return;
      last = now();
      const running = progress.tables
        .filter((table) => table.state === 'running')
        .map((table) => table.table);
      output.write(
        `${JSON.stringify({
          progress: progress.done ? 'done' : 'running',
          tables_done: progress.tables.filter((table) => isOver(table.state)).length,
          tables: progress.tables.length,
          objects: progress.objects,
          objects_per_second: Math.round(progress.objectsPerSecond),
          requests: progress.requests,
          seconds_left: progress.secondsLeft === undefined ? null : Math.round(progress.secondsLeft),
          running,
        })}\n`,
      );
    },
  };
}

function barLine(progress: SyncProgress, width: number): string {
  const total = Math.max(1, progress.tables.length);
  const part =
    progress.tables.reduce((sum, table) => sum + (isOver(table.state) ? 1 : (table.share ?? 0)), 0) / total;
  const size = Math.max(10, Math.min(30, width - 70));
  const full = Math.round(part * size);
  const done = progress.tables.filter((table) => isOver(table.state)).length;
  const left = progress.secondsLeft === undefined ? '' : `, ${duration(progress.secondsLeft)} left`;
  return `[${'#'.repeat(full)}${'.'.repeat(size - full)}] ${done}/${progress.tables.length} tables, ${progress.objects.toLocaleString('en')} objects, ${Math.round(progress.objectsPerSecond).toLocaleString('en')}/s, ${progress.requests.toLocaleString('en')} requests${left}`;
}

function isOver(state: string): boolean {
  return state === 'done' || state === 'skipped';
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

/** The last lines of a run. */
export function summary(result: SyncResult, file: string): string {
  const whose = result.account ?? 'an account that the key may not name';
  const lines = [
    `${file}: ${whose}, ${result.livemode ? 'live' : 'test'} mode: ${result.objects.toLocaleString('en')} objects, ${result.events.toLocaleString('en')} events in ${result.seconds.toFixed(1)} s with ${result.requests.toLocaleString('en')} requests`,
  ];
  for (const table of result.tables)
    if (table.state === 'skipped' || table.state === 'failed')
      lines.push(`  ${table.table}: ${table.state}: ${table.error ?? ''}`);
  return `${lines.join('\n')}\n`;
}

/** What `tdog verify` prints. */
export function verifyReport(result: VerifyResult): string {
  const width = Math.max(5, ...result.tables.map((table) => table.table.length));
  const row = (cells: readonly string[]): string =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(width) : cell.padStart(10))).join(' ');
  const lines = [row(['table', 'rows', 'drift', 'repaired', 'deleted'])];
  for (const table of result.tables) {
    lines.push(
      row([
        table.table,
        ...[table.rows, table.drift, table.repaired, table.deleted].map((n) => n.toLocaleString('en')),
      ]),
    );
    if (table.error !== undefined) lines.push(`  ${table.error}`);
    if (table.heldBack > 0)
      lines.push(
        `  ${table.heldBack} rows are gone at Stripe: too many to believe. If it is right: --accept-deletions`,
      );
  }
  lines.push(
    `${result.ok ? 'no drift' : 'drift was found'}; ${result.requests.toLocaleString('en')} requests in ${result.seconds.toFixed(1)} s`,
  );
  return `${lines.join('\n')}\n`;
}
