import { planFanOuts, planHidden, workTodo } from '../download/todo.ts';
import { listsOf } from '../download/lists.ts';
import type { Engine } from '../engine.ts';
import { timestampMs } from '../model/values.ts';
import { compareTable } from './compare.ts';

/**
 * Compares everything with Stripe, in place and readable throughout. For a file that is further behind than events
 * reach back: the newest event is stamped first, and the cursor moves to it only when all is compared.
 */
export async function reconcile(engine: Engine): Promise<void> {
  const { state } = engine;
  engine.logger.warn('the file is further behind than events reach back; comparing everything');
  let stamp = state.get('reconcile');
  if (stamp === undefined) {
    const page = await engine.api.list('/v1/events?limit=1', {
      endpoint: 'GET /v1/events',
      purpose: 'proof',
    });
    stamp = JSON.stringify({ id: page.data[0]?.['id'], created: page.data[0]?.['created'] });
    const text = stamp;
    await engine.commit(() => state.set('reconcile', text));
  }
  for (const table of engine.store.model.tables.values()) {
    if (listsOf(table.spec).length === 0 || state.progress(table.name)?.state !== 'done') continue;
    if (state.get(`reconciled:${table.name}`) === stamp) continue;
    const text = stamp;
    const result = await compareTable(
      engine,
      table,
      {},
      { purpose: 'proof', maxAsked: Infinity, acceptDeletions: engine.options.acceptDeletions },
    );
    await engine.commit(() => {
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
  }
  await engine.commit(() => {
    planFanOuts(engine);
    planHidden(engine);
  });
  await workTodo(engine, 'fan-out');
  const { id, created } = JSON.parse(stamp) as { id?: string; created?: number };
  await engine.commit(() => {
    state.set('cursor', id);
    state.set('horizon', created === undefined ? undefined : String(created));
    state.set('current_ms', String(engine.options.now()));
    state.set('reconcile', undefined);
    for (const table of engine.store.model.tables.keys()) state.set(`reconciled:${table}`, undefined);
  });
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
