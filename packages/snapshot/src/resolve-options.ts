import { basename, dirname, resolve } from 'node:path';
import { SnapshotError } from './errors.ts';
import type { SnapshotLogger, SnapshotOptions } from './options.ts';

/** The options, complete. */
export type ResolvedOptions = Required<
  Omit<SnapshotOptions, 'dataVersion' | 'stateDir' | 'signal' | 'name'>
> &
  Pick<SnapshotOptions, 'dataVersion' | 'stateDir' | 'signal'> & { readonly name: () => string };

const silent: SnapshotLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** What holds for options that are left out. */
const DEFAULTS = {
  keepMs: 60_000,
  shareMs: 10_000,
  maxWalBytes: 256 * 1024 * 1024,
  onWalLimit: 'spool',
  acquireMs: 3000,
  maxSnapshots: 3,
  maxBytesPerSecond: 0,
  // The kernel takes up to some megabytes at a time and says nothing in between: ten minutes would drop who takes 1 KB/s.
  stallMs: 3_600_000,
  compression: true,
  deltaHistory: 8,
} as const;

/** Checks the options all together and fills in the defaults. */
export function resolveOptions(options: SnapshotOptions): ResolvedOptions {
  const merged = { ...DEFAULTS, ...defined(options) };
  const faults: string[] = [];
  if (typeof options.file !== 'string' || options.file === '')
    faults.push('`file` must be the path of a database');
  const least = {
    keepMs: 0,
    shareMs: 0,
    maxWalBytes: 0,
    acquireMs: 0,
    maxSnapshots: 1,
    maxBytesPerSecond: 0,
    stallMs: 1,
    deltaHistory: 1,
  };
  for (const [name, minimum] of Object.entries(least)) {
    const value = merged[name as keyof typeof least];
    if (!Number.isFinite(value) || value < minimum) {
      faults.push(`\`${name}\` must be a number of at least ${String(minimum)}, got ${String(value)}`);
    }
  }
  if (!['spool', 'drop'].includes(merged.onWalLimit)) {
    faults.push(`\`onWalLimit\` must be 'spool' or 'drop', got ${String(merged.onWalLimit)}`);
  }
  if (faults.length > 0) throw new SnapshotError('SNAPSHOT_OPTIONS', faults.join('; '));
  const file = resolve(options.file);
  const own = basename(file).replace(/\.(sqlite3?|db)$/, '');
  const { name } = options;
  return Object.freeze({
    ...merged,
    file,
    tempDir: options.tempDir ?? dirname(file),
    logger: options.logger ?? silent,
    now: options.now ?? Date.now,
    name: () => (typeof name === 'function' ? name() : name) ?? own,
  });
}

/** Without the properties that are there but undefined. */
function defined(options: SnapshotOptions): SnapshotOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as SnapshotOptions;
}
