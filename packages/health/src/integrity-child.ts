// Started by sqliteIntegrity as a process of its own, so that a check of minutes neither holds up the event loop nor
// takes the processor from those who answer requests. Its only argument is JSON: {file, nice, restFactor}.
import { constants, setPriority } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/** Wait for a lock, ms. In WAL mode there is none to wait for. */
const busyMs = 2_000;

interface Order {
  readonly file: string;
  readonly nice: number;
  readonly restFactor: number;
}

async function check({ file, nice, restFactor }: Order): Promise<void> {
  try {
    setPriority(0, nice);
  } catch {
    setPriority(0, constants.priority.PRIORITY_LOW);
  }
  const database = new DatabaseSync(file, {
    readOnly: true,
    timeout: busyMs,
    enableForeignKeyConstraints: false,
  });
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  // The schema itself first: without it the list of tables means nothing.
  const tables = ['sqlite_schema'].concat(
    database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .all()
      .map((row) => String(row['name'])),
  );
  const faults: string[] = [];
  for (const table of tables) {
    const begun = performance.now();
    try {
      // Each statement is a read transaction of its own: between two the write-ahead log can be emptied.
      for (const row of database.prepare(`PRAGMA quick_check(${quoted(table)})`).all()) {
        const text = String(Object.values(row)[0]);
        if (text !== 'ok') faults.push(`${table}: ${text}`);
      }
    } catch (error) {
      // Dropped since the list was made: no fault. Anything else is.
      if (isBusy(error)) throw error;
      const text = error instanceof Error ? error.message : String(error);
      if (!text.includes('no such table')) faults.push(`${table}: ${text}`);
    }
    if (faults.length >= 20) break;
    // A low priority does not help where a container has a share of a processor: what is used is gone for all. It is
    // also the moment to notice that our parent is gone.
    await delay((performance.now() - begun) * restFactor);
  }
  database.close();
  process.send?.({ done: true, tables: tables.length, faults });
}

process.once('disconnect', () => {
  // Our parent is gone: nobody wants the verdict.
  process.kill(process.pid, 'SIGKILL');
});
try {
  await check(JSON.parse(process.argv[2] ?? '{}') as Order);
} catch (error) {
  if (!isBusy(error)) throw error;
  process.send?.({ busy: true });
}
process.disconnect?.();

/** SQLITE_BUSY and SQLITE_LOCKED, with their extended codes: nothing is known of the database then. */
function isBusy(error: unknown): boolean {
  const code = (error as { readonly errcode?: unknown }).errcode;
  return typeof code === 'number' && [5, 6].includes(code & 0xff);
}
