import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Engine } from '../engine.ts';
import { noteForbidden } from '../events/poll.ts';
import { readStamp } from '../events/stamp.ts';
import { wakeLegacy } from '../events/store-events.ts';
import { timestampMs } from '../model/values.ts';
import { createParentIndex, indexesOf } from '../sqlite/schema.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { listsOf, NOT_WALKED, type ListPlan } from './lists.ts';
import { planClocks, planFanOuts, planHidden, workTodo } from './todo.ts';
import { walkList, type SavedWalk, type WalkResult } from './walk.ts';

/** td_progress.cursor of a finished table: how it is kept current. */
export type KeptBy = 'events' | 'listing';

const EVENTS_TABLE = 'notification_events';

/** Begun first, the one that is usually longest before the others: the longest list decides how long the download takes. */
const USUALLY_LONG: readonly string[] = [
  'invoices',
  'balance_transactions',
  'payment_intents',
  'charges',
  'invoice_payments',
  'customers',
  'subscriptions',
  'payment_methods',
  'invoiceitems',
];

/** Tables that are walked, in the order of the catalogue: those without progress, or that failed before. */
function pending(engine: Engine, tables: readonly string[]): readonly string[] {
  return tables.filter((table) => engine.state.progress(table)?.state !== 'done');
}

/** Notes the stamp, before the first page is read. */
async function stampEvents(engine: Engine): Promise<void> {
  const { newest, askedAt } = await (engine.stamp ?? readStamp(engine.api, engine.options.now, 'download'));
  await engine.commit(() => {
    engine.state.set('cursor', typeof newest?.['id'] === 'string' ? newest['id'] : undefined);
    engine.state.set(
      'horizon',
      typeof newest?.['created'] === 'number' ? String(newest['created']) : undefined,
    );
    engine.state.set('stamped_ts', timestampMs(askedAt));
    engine.state.set('stamped_ms', String(askedAt));
    // The cursor moves on; what the download may store is bounded by where it began.
    engine.state.set('stamp_id', engine.state.get('cursor'));
    engine.state.set('stamp_created', engine.state.get('horizon'));
  });
}

/** Downloads every list that is not finished. Returns whether any was finished now. */
export async function downloadLists(engine: Engine, tables: readonly string[]): Promise<boolean> {
  const { state } = engine;
  const todo = pending(engine, tables);
  if (todo.length === 0) return false;
  if (state.get('stamped_ts') === undefined) {
    try {
      await stampEvents(engine);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.kind !== 'forbidden') throw error;
      await noteForbidden(engine, error);
      await engine.commit(() => state.set('stamped_ts', timestampMs(engine.options.now())));
    }
  }
  const ordered = new Set([...USUALLY_LONG.filter((table) => todo.includes(table)), ...todo]);
  const lists = new Map([...ordered].map((table) => [table, plansOf(engine, table)] as const));
  await engine.commit(() => {
    for (const table of todo) {
      const row = state.progress(table);
      if (row === undefined || row.state !== 'running')
        state.setProgress(table, { state: 'waiting', error: null, rows: row?.rows ?? 0 });
    }
  });
  for (const table of engine.store.model.tables.values())
    if (table.parentColumn !== undefined && table.spec.kind !== 'top')
      await engine.commit(() => createParentIndex(engine.store.db, table));
  // Beside the lists, as it is one more answer to wait for.
  const withClocks = state.get('rest') === undefined;
  const [finished] = await Promise.all([
    Promise.all([...lists].map(([table, plans]) => downloadTable(engine, table, plans))),
    withClocks ? planClocks(engine) : undefined,
  ]);
  if (!finished.includes(true)) return false;
  // New rows may have children, and refer to what no list shows.
  await engine.commit(() => state.set('rest', withClocks ? 'clocks' : undefined));
  return true;
}

function plansOf(engine: Engine, table: string): readonly ListPlan[] {
  const spec = engine.specs.get(table);
  return spec === undefined ? [] : listsOf(spec);
}

async function downloadTable(engine: Engine, table: string, plans: readonly ListPlan[]): Promise<boolean> {
  const { state } = engine;
  if (plans.length === 0) return false;
  const before = state.progress(table);
  const saved = parseSaved(before?.cursor ?? null);
  // What was skipped is tried again: the permission may have been given meanwhile.
  for (const [key, walk] of Object.entries(saved)) if (walk.done?.state === 'skipped') delete saved[key];
  // Rows that are there from an earlier download are compared, not just added to.
  const bulk = state.get(`filled:${table}`) === undefined;
  await engine.commit(() =>
    state.setProgress(table, {
      state: 'running',
      started_ts: before?.started_ts ?? timestampMs(engine.options.now()),
    }),
  );
  const spec = engine.specs.get(table);
  const priority = table === EVENTS_TABLE ? -2e6 : spec?.core === false ? -1e6 : 0;
  const results: WalkResult[] = await Promise.all(
    plans.map((plan) =>
      walkList(engine, plan, {
        saved: saved[plan.key],
        bulk,
        usuallyLong: USUALLY_LONG.includes(table),
        priority,
        // The end of the longest list is the end of the download: nothing that can be done before is left for after.
        onNearEnd: () => indexTables(engine, withChildren(engine, table)),
        save: (walk, page) => {
          const row = state.progress(table);
          // Of the table's other lists, what is committed: what they noted of a page that the disk refused is not.
          const walks = { ...parseSaved(row?.cursor ?? null), [plan.key]: walk };
          state.setProgress(table, {
            rows: (row?.rows ?? 0) + page.objects,
            pages: (row?.pages ?? 0) + (walk.done === undefined ? 1 : 0),
            requests: (row?.requests ?? 0) + (walk.done === undefined ? 1 : 0),
            share: page.share,
            cursor: JSON.stringify(walks),
          });
        },
      }),
    ),
  );
  const failed = results.find((result) => result.state === 'failed');
  const skipped = results.find((result) => result.state === 'skipped');
  const worst = failed ?? (results.every((result) => result.state === 'skipped') ? skipped : undefined);
  if (worst !== undefined) {
    engine.logger.warn({ table, state: worst.state }, `${table}: ${worst.error ?? ''}`);
    await engine.commit(() => state.setProgress(table, { state: worst.state, error: worst.error ?? null }));
    return false;
  }
  await finishTable(engine, table);
  return true;
}

/** Fills the columns that come from other rows, in short transactions between which the rest of the process lives. */
export async function joinAll(engine: Engine): Promise<void> {
  for (const piece of engine.store.joinAll()) {
    await engine.commit(piece);
    await nextTurn();
  }
}

/** A table and those whose rows come inline with its own. */
function withChildren(engine: Engine, name: string): readonly string[] {
  const lists = engine.store.model.tables.get(name)?.lists ?? [];
  return [name, ...lists.flatMap((list) => list.childTables)];
}

/** Makes the indexes that are missing, in short transactions between which the rest of the process lives. */
async function indexTables(engine: Engine, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const table = engine.store.model.tables.get(name);
    if (table === undefined) continue;
    for (const create of indexesOf(engine.store.db, table)) {
      await engine.commit(create);
      await nextTurn();
    }
  }
}

/** Indexes, then `done`: from here on the table can be queried at full speed. */
async function finishTable(engine: Engine, name: string): Promise<void> {
  if (engine.store.model.tables.has(name)) {
    await indexTables(engine, [name]);
    engine.options.onTableDone?.(engine.store.db, name);
  }
  await engine.commit(() => markDone(engine, name));
}

function markDone(engine: Engine, name: string): void {
  const { state, store } = engine;
  const spec = engine.specs.get(name);
  const kept: KeptBy =
    spec?.neverInEvents === true && spec.embeddedInEventsOf === undefined ? 'listing' : 'events';
  state.setProgress(name, {
    state: 'done',
    share: 1,
    cursor: kept,
    error: null,
    rows: store.count(name === EVENTS_TABLE ? 'events' : name),
    finished_ts: timestampMs(engine.options.now()),
  });
  state.set(`filled:${name}`, '1');
}

function parseSaved(text: string | null): Record<string, SavedWalk> {
  if (text === null || !text.startsWith('{')) return {};
  return JSON.parse(text) as Record<string, SavedWalk>;
}

/**
 * What the lists do not show: the rest of long inline lists, lists of one parent, objects that are only referred to.
 * Then the tables that come with others are finished too.
 *
 * @param joined - {@link joinAll} has run after the lists; what is written since sees to its own joins
 */
export async function downloadRest(
  engine: Engine,
  tables: readonly string[],
  joined: boolean,
): Promise<void> {
  const { state } = engine;
  if (state.get('rest') === undefined) await planClocks(engine);
  if (state.get('rest') === undefined || state.get('rest') === 'clocks') {
    // What the clocks' lists bring has children too.
    await workTodo(engine, 'fan-out');
    await engine.commit(() => {
      const kinds = engine.store.db.prepare('SELECT DISTINCT object FROM events').all();
      wakeLegacy(
        engine,
        kinds.map((row) => String(row['object'])),
      );
      planFanOuts(engine);
      state.set('rest', 'planned');
    });
  }
  if (state.get('rest') === 'planned') {
    await workTodo(engine, 'fan-out');
    await engine.commit(() => {
      planHidden(engine);
      state.set('rest', 'hidden');
    });
  }
  if (state.get('rest') === 'hidden') {
    await workTodo(engine, 'fan-out');
    if (!joined) await joinAll(engine);
    await engine.commit(() => state.set('rest', 'done'));
  } else await workTodo(engine, 'fan-out');
  for (const table of pending(engine, tables)) {
    if (plansOf(engine, table).length > 0) continue;
    const reason = NOT_WALKED[table];
    const row = state.progress(table);
    const empty = engine.store.count(table) === 0;
    if (reason !== undefined && empty)
      await engine.commit(() => state.setProgress(table, { state: 'skipped', error: reason }));
    else if (row?.state !== 'skipped' || reason !== undefined) await finishTable(engine, table);
  }
}
