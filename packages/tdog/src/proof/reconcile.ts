import { planFanOuts, planHidden, retrievePathOf, workTodo } from '../download/todo.ts';
import { listsOf } from '../download/lists.ts';
import type { Engine } from '../engine.ts';
import { readStamp } from '../events/stamp.ts';
import { isEvent, objectIdOf, storeEvents } from '../events/store-events.ts';
import { timestampMs } from '../model/values.ts';
import type { StripeEvent } from '../options.ts';
import { inParallel } from '../parallel.ts';
import type { TableModel } from '../model/table-model.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { compareTable, STRETCHES_AT_ONCE, TABLES_AT_ONCE, type Comparison } from './compare.ts';

/** How long what was compared before an interruption counts. */
const FRESH_MS = 7 * 86_400_000;

/**
 * Compares everything with Stripe, in place and readable throughout. For a file that is further behind than events
 * reach back: the newest event is stamped first, and the cursor moves to it only when all is compared.
 */
export async function reconcile(engine: Engine): Promise<void> {
  const { state } = engine;
  engine.logger.warn('the file is further behind than events reach back; comparing everything');
  let stamp = state.get('reconcile');
  const stampedAt = stamp === undefined ? 0 : ((JSON.parse(stamp) as { at?: number }).at ?? 0);
  // An interrupted comparison goes on, unless that was long ago too.
  if (stamp === undefined || engine.options.now() - stampedAt > FRESH_MS) {
    const { newest, askedAt } = await readStamp(engine.api, engine.options.now, 'proof');
    stamp = JSON.stringify({ id: newest?.['id'], created: newest?.['created'], at: askedAt });
    const text = stamp;
    await engine.commit(() => state.set('reconcile', text));
  }
  const { id, created, at } = JSON.parse(stamp) as { id?: string; created?: number; at: number };
  if (id !== undefined) await keepEvents(engine, id);
  const text = stamp;
  await inParallel(engine.store.model.tables.values(), TABLES_AT_ONCE, async (table) => {
    if (listsOf(table.spec).length === 0 || state.progress(table.name)?.state !== 'done') return;
    if (state.get(`reconciled:${table.name}`) === text) return;
    const result = await compareAll(engine, table);
    await engine.commit(() => {
      if (result !== undefined)
        writeProof(
          engine,
          table.name,
          'all',
          result.rows,
          result.drift.length,
          result.drift.length - result.heldBack,
        );
      state.set(`reconciled:${table.name}`, text);
    });
  });
  await engine.commit(() => {
    planFanOuts(engine);
    planHidden(engine);
  });
  await workTodo(engine, 'fan-out');
  await engine.commit(() => {
    state.set('cursor', id);
    state.set('horizon', created === undefined ? undefined : String(created));
    // What happened since the stamp is still to come.
    state.set('current_ms', String(at));
    state.set('reconcile', undefined);
    for (const table of engine.store.model.tables.keys()) state.set(`reconciled:${table}`, undefined);
  });
}

/** Compares one table as a whole; undefined = the key may no longer read it, and the others go on. */
async function compareAll(engine: Engine, table: TableModel): Promise<Comparison | undefined> {
  const options = {
    purpose: 'proof' as const,
    maxAsked: Infinity,
    acceptDeletions: engine.options.acceptDeletions,
    atOnce: STRETCHES_AT_ONCE,
  };
  try {
    return await compareTable(engine, table, {}, options);
  } catch (error) {
    if (!(error instanceof ApiProblem) || (error.kind !== 'forbidden' && error.kind !== 'no-endpoint'))
      throw error;
    engine.logger.warn({ table: table.name, status: error.status }, `stripe: ${error.message}`);
    const reason = error.whyUnreadable;
    await engine.commit(() => engine.state.setProgress(table.name, { state: 'skipped', error: reason }));
    return undefined;
  }
}

/**
 * Keeps the events up to the stamp that Stripe still has. They are not applied: the comparison that follows is newer.
 * Objects in no list are read by their ids.
 */
async function keepEvents(engine: Engine, stamp: string): Promise<void> {
  const get = { endpoint: 'GET /v1/events', purpose: 'proof' as const };
  const keep = (found: readonly StripeEvent[]): Promise<void> =>
    engine.commit(() => {
      for (const event of storeEvents(engine, found.toReversed(), 'before')) {
        const table = engine.store.model.tableOf(event.data.object);
        const id = objectIdOf(event);
        if (table === undefined || id === undefined || listsOf(table.spec).length > 0) continue;
        if (retrievePathOf(table, id, undefined) !== undefined)
          engine.state.todo().add(`get:${table.name}`, id);
      }
    });
  try {
    const newest: unknown = await engine.api.get(`/v1/events/${encodeURIComponent(stamp)}`, {
      ...get,
      endpoint: 'GET /v1/events/{id}',
    });
    if (isEvent(newest)) await keep([newest]);
  } catch (error) {
    // The data was deleted at Stripe meanwhile: the next comparison begins with a stamp of its own.
    if (error instanceof ApiProblem && error.kind === 'missing')
      await engine.commit(() => engine.state.set('reconcile', undefined));
    throw error;
  }
  let last: string | undefined = stamp;
  while (last !== undefined) {
    const page = await engine.api.list(
      `/v1/events?limit=100&starting_after=${encodeURIComponent(last)}`,
      get,
    );
    const found = (page.data as readonly unknown[]).filter(isEvent);
    await keep(found);
    last = page.has_more ? found.at(-1)?.id : undefined;
  }
}

/** Writes a line of td_proof, in the running transaction. */
export function writeProof(
  engine: Engine,
  table: string,
  window: string,
  rows: number,
  drift: number,
  repaired: number,
): void {
  engine.store.db
    .prepare(
      `INSERT INTO td_proof ("table", "window", checked_ts, rows, drift, repaired) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT ("table", "window") DO UPDATE SET checked_ts = excluded.checked_ts, rows = excluded.rows,
       drift = excluded.drift, repaired = excluded.repaired`,
    )
    .run(table, window, timestampMs(engine.options.now()), rows, drift, repaired);
}
