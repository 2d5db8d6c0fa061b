import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { createEmulator, type Emulator, type EmulatorOptions } from '@datasette-stripe/stripe-emulator';
import { createSync, type Sync, type SyncOptions, type SyncResult } from '../src/index.ts';

/** What one test works with; everything it made goes with {@link Kit.close}. */
export interface Kit {
  readonly folder: string;
  readonly emulator: Emulator;
  readonly url: string;
  readonly key: string;
  /** A path in the test's folder. */
  path(name?: string): string;
  options(change?: Partial<SyncOptions>): SyncOptions;
  run(change?: Partial<SyncOptions>): Promise<SyncResult>;
  /** Starts a watching engine; it ends with the kit. */
  watch(change?: Partial<SyncOptions>): Promise<Sync>;
  /** Writes at the emulator, and fails unless it answers 200. */
  post(path: string, values: Readonly<Record<string, string>>): Promise<{ readonly id: string }>;
  close(): Promise<void>;
}

/** Starts an emulator of its own for one test. */
export async function createKit(options: EmulatorOptions = {}): Promise<Kit> {
  const folder = mkdtempSync(join(tmpdir(), 'tdog-'));
  const emulator = createEmulator(options);
  const { url, key } = await emulator.listen();
  const stop = new AbortController();
  const running: Promise<unknown>[] = [];
  const kit: Kit = {
    folder,
    emulator,
    url,
    key,
    path: (name = 'stripe.sqlite') => join(folder, name),
    options: (change) => ({
      stripe: { secretKey: key, apiBase: url },
      file: join(folder, 'stripe.sqlite'),
      ...change,
    }),
    run: (change) => createSync(kit.options(change)).run(stop.signal),
    watch: async (change) => {
      const sync = createSync(kit.options({ watch: true, pollIntervalMs: 20, ...change }));
      running.push(sync.run(stop.signal).catch((error: unknown) => error));
      await until(() => sync.status().phase === 'watching');
      return sync;
    },
    post: async (path, values) => {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: new URLSearchParams(values),
      });
      if (!response.ok) throw new Error(`${response.status} ${path}: ${await response.text()}`);
      return (await response.json()) as { readonly id: string };
    },
    close: async () => {
      stop.abort(new Error('the test is over'));
      await Promise.allSettled(running);
      await emulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return kit;
}

/** Waits for a condition, with a generous deadline. */
export async function until(condition: () => boolean, ms = 30_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs a query on a file, read only. */
export function query(file: string, sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  try {
    return db.prepare(sql).all(...values);
  } finally {
    db.close();
  }
}

/** One row of a table, or undefined. */
export function row(file: string, table: string, id: string): Record<string, unknown> | undefined {
  return query(file, `SELECT * FROM "${table}" WHERE id = ?`, id)[0];
}

/** All Stripe rows of a file, in a form that can be compared: without the times of writing. */
export function dump(file: string): Record<string, Record<string, unknown>[]> {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  try {
    const tables = db
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'td\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name",
      )
      .all()
      .map((one) => String(one['name']));
    const rowOf = (row: Record<string, unknown>): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(row)
          .filter(([name]) => name !== 'insert_ts' && name !== 'update_ts')
          .map(([name, value]) => [name, normal(value)]),
      );
    return Object.fromEntries(
      tables
        .filter((table) => table !== 'events')
        .map((table) => [table, db.prepare(`SELECT * FROM "${table}" ORDER BY id`).all().map(rowOf)]),
    );
  } finally {
    db.close();
  }
}

/** JSON in one order of keys. */
function normal(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value;
  try {
    return JSON.stringify(sorted(JSON.parse(value)));
  } catch {
    return value;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return (value as unknown[]).map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

/** A consistent copy of a file that may be in use. */
export function copyFile(from: string, to: string): void {
  const db = new DatabaseSync(from, { readOnly: true, timeout: 10_000 });
  try {
    db.prepare('VACUUM INTO ?').run(to);
  } finally {
    db.close();
  }
}

/** Random numbers from 0 to 1 that are the same for the same seed. */
export function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
