import { ALL_TABLES, createModel } from './model/table-model.ts';
import { claimFile, connect } from './connect.ts';
import { createCommit, type Engine } from './engine.ts';
import { downloadLists, downloadRest, joinAll } from './download/download.ts';
import { SyncError } from './errors.ts';
import { pollEvents, readOverlap } from './events/poll.ts';
import { readStamp } from './events/stamp.ts';
import { createTouched } from './events/touched.ts';
import { createMeter, type Meter } from './meter.ts';
import { LEGACY_TABLES } from './model/legacy-tables.ts';
import { timestampMs } from './model/values.ts';
import type { KeyVerdict, ResolvedOptions, SyncResult } from './options.ts';
import { reportProgress } from './progress.ts';
import { reconcile } from './proof/reconcile.ts';
import { readTails } from './proof/tails.ts';
import { checkpointBeside } from './sqlite/checkpoint.ts';
import { openFile } from './sqlite/open.ts';
import { ensureSchema } from './sqlite/schema.ts';
import { createState, publicProgress } from './sqlite/state.ts';
import { createStore } from './sqlite/store.ts';
import { createApi, type Api } from './stripe/api.ts';
import { ApiProblem } from './stripe/problem.ts';
import type { Control } from './sync.ts';
import { VERSION } from './version.ts';
import { watch } from './watch.ts';

/** Versions before this still had orders and skus. */
const LAST_WITH_LEGACY = '2022';
const VERDICT_EVERY_MS = 10_000;

/** The body of {@link Sync.run}. */
export async function runEngine(
  options: ResolvedOptions,
  control: Control,
  signal: AbortSignal | undefined,
): Promise<SyncResult> {
  const started = options.steady();
  control.phase = 'connecting';
  return withEngine(
    options,
    signal,
    async (engine, meter) => {
      control.engine = engine;
      const stopCheckpoints = checkpointBeside(engine.store.db, options.file);
      try {
        await work(engine, control, meter);
      } finally {
        await stopCheckpoints();
      }
      return {
        account: engine.account.id === '' ? undefined : engine.account.id,
        livemode: engine.account.livemode,
        objects: engine.counters.objects,
        events: engine.counters.events,
        requests: engine.api.requests,
        seconds: (options.steady() - started) / 1_000,
        tables: engine.state.allProgress().map(publicProgress),
      };
    },
    control,
  );
}

/** Opens the file, connects, and closes both after `use`. */
export async function withEngine<T>(
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
  use: (engine: Engine, meter: Meter) => Promise<T>,
  control?: Control,
): Promise<T> {
  const stop = new AbortController();
  const all = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const file = openFile(options.file, options.now());
  if (file.movedTo !== undefined)
    options.logger.warn(`${options.file} was a file of tdog 0.7; it is kept as ${file.movedTo}`);
  const meter = createMeter(options);
  const api = createApi(
    options,
    { onRead: (purpose) => meter.count(purpose), ...verdictHooks(options, control) },
    all,
    options.logger,
  );
  try {
    const engine = await prepare(options, control, api, file.db, all, meter);
    try {
      return await use(engine, meter);
    } finally {
      // Also after an abort: what was read is counted.
      tryOnce(() => engine.store.transaction(() => meter.flush(engine.state)));
    }
  } catch (error) {
    throw toSyncError(error, signal);
  } finally {
    stop.abort();
    api.close();
    file.close();
  }
}

/** On the way out a full disk must not hide what happened. */
function tryOnce(work: () => void): void {
  try {
    work();
  } catch {
    // The reads of the last seconds are not counted.
  }
}

async function prepare(
  options: ResolvedOptions,
  control: Control | undefined,
  api: Api,
  db: Parameters<typeof createStore>[0],
  signal: AbortSignal,
  meter: Meter,
): Promise<Engine> {
  // The engine's own tables first: whose file it is must be known before anything of Stripe is written.
  ensureSchema(db, createModel([], ''));
  // One answer less to wait for, one after the other, before the first page is asked for.
  const isNew = db.prepare('SELECT 1 FROM td_metadata').get() === undefined;
  const stamp = isNew ? readStamp(api, options.now, 'download') : undefined;
  // Whoever needs it hears of its failure.
  stamp?.catch(() => undefined);
  const connected = await connect(api, options);
  const account = await claimFile(db, api, options, connected, VERSION);
  const existing = new Set(
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map((row) => String(row['name'])),
  );
  const legacy = LEGACY_TABLES.map((table) => table.table).filter(
    (table) => options.stripe.apiVersion < LAST_WITH_LEGACY || existing.has(table),
  );
  const names = [...options.tables, ...legacy];
  const model = createModel(names, account.id === '' ? 'account' : account.id);
  ensureSchema(db, model);
  const state = createState(db, options.now);
  const store = createStore(db, model, options.now);
  options.onSchema?.(db, [...model.tables.keys()]);
  const touched = createTouched();
  return {
    options,
    api,
    store,
    state,
    logger: options.logger,
    signal,
    account,
    touched,
    stamp,
    unreadable: new Set(),
    specs: new Map(
      ALL_TABLES.filter((table) => names.includes(table.table)).map((table) => [table.table, table]),
    ),
    commit: createCommit(store, {
      signal,
      logger: options.logger,
      onTrouble: (trouble) => {
        if (control !== undefined) control.trouble = trouble;
      },
      also: () => {
        if (control !== undefined && control.otherReads > 0) {
          meter.count('key', control.otherReads);
          control.otherReads = 0;
        }
        meter.flush(state);
      },
      settle: (committed) => {
        touched.settle(committed);
        meter.settle(committed);
      },
    }),
    counters: { objects: 0, events: 0 },
  };
}

async function work(engine: Engine, control: Control, meter: Meter): Promise<void> {
  const tables = [...engine.specs.keys()];
  const first = engine.state.get('rest') !== 'done';
  const run = await engine.commit(() => startRun(engine, first ? 'download' : 'apply_events'));
  control.phase = 'downloading';
  const progress = reportProgress(engine);
  let asOf: number;
  try {
    const downloaded = await downloadLists(engine, tables);
    control.phase = 'catching-up';
    asOf = engine.options.now();
    // While the answer is on its way.
    await Promise.all([catchUp(engine), downloaded ? joinAll(engine) : undefined]);
    const before = engine.api.requests;
    await downloadRest(engine, tables, downloaded);
    if (!first && !downloaded) await readTails(engine);
    else if (engine.api.requests > before) {
      asOf = engine.options.now();
      await catchUp(engine);
    }
  } finally {
    progress.stop();
  }
  await engine.commit(() => {
    meter.beat(engine, asOf);
    endRun(engine, run);
  });
  if (engine.options.watch) await watch(engine, control, meter);
}

async function catchUp(engine: Engine): Promise<void> {
  const { tooFarBehind } = await pollEvents(engine, true);
  if (tooFarBehind) {
    await reconcile(engine);
    // What happened meanwhile.
    await pollEvents(engine);
  } else await readOverlap(engine);
}

function startRun(engine: Engine, type: string): number {
  return Number(
    engine.store.db
      .prepare('INSERT INTO td_runs (type, start_ts) VALUES (?, ?)')
      .run(type, timestampMs(engine.options.now())).lastInsertRowid,
  );
}

function endRun(engine: Engine, run: number): void {
  engine.store.db
    .prepare('UPDATE td_runs SET end_ts = ? WHERE run_id = ?')
    .run(timestampMs(engine.options.now()), run);
}

function verdictHooks(
  options: ResolvedOptions,
  control: Control | undefined,
): { onAccepted: () => void; onRefused: () => void } {
  let told = -Infinity;
  let before: KeyVerdict | undefined;
  const tell = (verdict: KeyVerdict): void => {
    const at = options.now();
    const changed = before !== verdict;
    before = verdict;
    if (control !== undefined) {
      control.keyVerdict = verdict;
      if (verdict === 'live') control.keyAcceptedAt = at;
    }
    if (!changed && options.steady() - told < VERDICT_EVERY_MS) return;
    told = options.steady();
    options.onKeyVerdict?.(verdict, at);
  };
  return {
    onAccepted: () => {
      if (control?.toldRefused !== true) tell('live');
    },
    onRefused: () => tell('refused'),
  };
}

function toSyncError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (!(error instanceof ApiProblem)) return error;
  if (error.kind === 'refused')
    return new SyncError('TDOG_KEY_REFUSED', `Stripe refused the key: ${error.message}`, { cause: error });
  if (error.kind === 'limited')
    return new SyncError('TDOG_EXIT_ON_429', `Stripe answered 429: ${error.message}`, { cause: error });
  if (error.kind === 'stopped' && signal?.aborted === true) return signal.reason;
  return new SyncError('TDOG_STRIPE', `Stripe: ${error.message}`, { cause: error });
}
