import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../errors.ts';
import { createLogger } from '../logging.ts';
import { createSearch } from '../search.ts';
import { connectParent } from './parent.ts';

/** How often tables that the original tdog has made meanwhile are looked for, ms. */
const everyMs = 5_000;
/** How long another writer is waited for, ms. */
const busyMs = 60_000;

/** With the original tdog as engine: keeps the search index over its file, whose name is the one argument. */
const parent = connectParent<never, never>();
const logger = createLogger('info', 'text', (line) => process.stdout.write(line));
const file = process.argv[2] ?? '';

while (!parent.signal.aborted) {
  if (existsSync(file)) {
    await indexAll(file).catch((error: unknown) => logger.warn(`search index: ${messageOf(error)}`));
  }
  await delay(everyMs, undefined, { signal: parent.signal }).catch(() => undefined);
}
parent.close();

async function indexAll(path: string): Promise<void> {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false, timeout: busyMs });
  try {
    const search = createSearch({ logger, signal: parent.signal, onBusy: () => undefined });
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    search.index(
      database,
      tables.map(({ name }) => String(name)),
    );
    await search.settled();
  } finally {
    database.close();
  }
}
