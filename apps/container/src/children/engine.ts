import { setMaxListeners } from 'node:events';
import type { DatabaseSync } from 'node:sqlite';
import {
  createSync,
  isSyncError,
  type KeyVerdict,
  type Sync,
  type SyncProgress,
} from '@datasette-stripe/tdog';
import type { Logger } from 'pino';
import type { LogLevel } from '../config.ts';
import { messageOf } from '../errors.ts';
import { createLogger } from '../logging.ts';
import { createSearch, finishedTables } from '../search.ts';
import { createSiteIndexes, readSiteIndexes } from '../site-indexes.ts';
import type { EngineStart, FromEngine, ToEngine } from './messages.ts';
import { connectParent, type Parent } from './parent.ts';

/** What the process exits with, as tdog's own command line does. */
const exitCodeOf: Readonly<Record<string, number>> = {
  TDOG_OPTIONS: 2,
  TDOG_KEY_REFUSED: 3,
  TDOG_OTHER_ACCOUNT: 4,
};

/** The engine child: one Stripe account into one file, searchable. It alone writes the file. */
const parent = connectParent<ToEngine, FromEngine>();
setMaxListeners(0, parent.signal);
const keyListeners = new Set<(verdict: KeyVerdict) => void>();
let sync: Sync | undefined;

parent.onMessage((message) => {
  if ('start' in message) void run(message.start).finally(() => parent.close());
  else if ('poll' in message) sync?.poll();
  else if ('event' in message) sync?.applyEvent(message.event);
  else if ('reads' in message) sync?.countReads(message.reads);
  else {
    if (message.key === 'refused') sync?.keyRefused();
    else sync?.keyAccepted();
    for (const listener of keyListeners) listener(message.key);
  }
});
parent.signal.addEventListener('abort', () => parent.close());
parent.send({ hello: true });

async function run(start: EngineStart): Promise<void> {
  const logger = createLogger(start.logLevel as LogLevel, 'text', (line) => process.stdout.write(line));
  try {
    for (;;) {
      const rested = await runOnce(start, logger, parent);
      if (!rested) return;
    }
  } catch (error) {
    const code = isSyncError(error) ? error.code : 'UNEXPECTED';
    logger.error({ code, err: error }, messageOf(error));
    parent.send({ fatal: { code, message: messageOf(error) } });
    process.exitCode = exitCodeOf[code] ?? 1;
  }
}

/** Runs until the stop. True: Stripe refused the key at the start and accepts it again now. */
async function runOnce(
  start: EngineStart,
  logger: Logger,
  { signal, send }: Parent<ToEngine, FromEngine>,
): Promise<boolean> {
  const search = createSearch({
    // A line for each table that is searchable is for who looks for a fault.
    logger: logger.child({ part: 'search' }, start.logLevel === 'info' ? { level: 'warn' } : {}),
    signal,
    onBusy: (indexing) => send({ indexing }),
  });
  const indexes = readSiteIndexes();
  const finish = (db: DatabaseSync, tables: readonly string[]): void => {
    createSiteIndexes(db, indexes, tables, ({ sql }, error) =>
      logger.debug({ sql, reason: messageOf(error) }, 'an index of the site was left out'),
    );
    search.index(db, tables);
  };
  const tell = progressTeller(logger);
  sync = createSync({
    ...start.sync,
    watch: true,
    logger,
    onSchema: (db) => {
      finish(db, finishedTables(db));
      send({ schema: true });
    },
    onTableDone: (db, table) => finish(db, [table]),
    onKeyVerdict: (verdict, at) => send({ verdict, at }),
    onProgress: (progress) => {
      send({ progress });
      tell(progress);
    },
  });
  try {
    await sync.run(signal);
    return false;
  } catch (error) {
    const refused = isSyncError(error) && error.code === 'TDOG_KEY_REFUSED';
    if (!refused || !start.restOnRefusal) throw error;
    logger.warn('Stripe refuses the key; resting until it is accepted again');
    send({ verdict: 'refused', at: Date.now() });
    return await keyAccepted(signal);
  } finally {
    await search.settled();
  }
}

/** So often at most the log says how far the download is, ms. */
const tellEveryMs = 10_000;

/** The download in the log: not each step, and what was skipped when it is done. */
function progressTeller(logger: Logger): (progress: SyncProgress) => void {
  let toldAt = Date.now();
  let isDone = false;
  return ({ done, objects, requests, objectsPerSecond, secondsLeft, tables }) => {
    if (isDone || objects === 0 || (!done && Date.now() - toldAt < tellEveryMs)) return;
    toldAt = Date.now();
    isDone = done;
    logger.info(
      { objects, requests, perSecond: Math.round(objectsPerSecond), secondsLeft },
      done ? 'the download is complete' : 'downloading',
    );
    if (!done) return;
    for (const { table, state, error } of tables) {
      if (state === 'skipped' || state === 'failed')
        logger.warn({ table, reason: error }, `${state}: ${table}`);
    }
  };
}

function keyAccepted(signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (result: boolean): void => {
      keyListeners.delete(listen);
      signal.removeEventListener('abort', abort);
      resolve(result);
    };
    const listen = (verdict: KeyVerdict): void => {
      if (verdict === 'live') end(true);
    };
    const abort = (): void => end(false);
    if (signal.aborted) return end(false);
    keyListeners.add(listen);
    signal.addEventListener('abort', abort);
  });
}
