import { listsOf } from '../download/lists.ts';
import { flattenPage, writeFlat } from '../download/write-page.ts';
import type { Engine } from '../engine.ts';
import type { TableModel } from '../model/table-model.ts';
import { isObject } from '../model/values.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { compareTable } from './compare.ts';

/** Tables whose newest rows no event (or not every event) tells of, although they have some. */
const SILENT: ReadonlySet<string> = new Set(['checkout_sessions', 'invoice_payments', 'invoiceitems']);
/** Read again at once after events: money moves with nearly each of them. */
const AT_ONCE: ReadonlySet<string> = new Set(['balance_transactions', 'balances']);

/**
 * Reads the newest pages of tables without events, until a page is known. Balance transactions that were to become
 * available meanwhile are read again.
 */
export async function readTails(engine: Engine, all = true): Promise<void> {
  for (const table of engine.store.model.tables.values()) {
    const single = table.spec.kind === 'singleton' && table.spec.parent === undefined;
    if (!single && table.spec.created !== true) continue;
    if (engine.state.progress(table.name)?.state !== 'done') continue;
    const silent = single || table.spec.neverInEvents === true || SILENT.has(table.name);
    if (!silent || (!all && !AT_ONCE.has(table.name))) continue;
    try {
      await readTail(engine, table);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused') throw error;
      engine.logger.warn({ table: table.name, status: error.status }, `stripe: ${error.message}`);
    }
  }
  if (all) await readPending(engine);
}

async function readTail(engine: Engine, table: TableModel): Promise<void> {
  for (const plan of listsOf(table.spec)) {
    let cursor: string | undefined;
    for (;;) {
      const query = [
        ...(plan.paged ? ['limit=100'] : []),
        ...plan.params,
        ...plan.expand.map((path) => `expand[]=${path}`),
        ...(cursor === undefined ? [] : [`starting_after=${encodeURIComponent(cursor)}`]),
      ];
      const path = query.length === 0 ? plan.path : `${plan.path}?${query.join('&')}`;
      const get = { endpoint: `GET ${plan.path}`, purpose: 'poll' as const, maxAttempts: 6 };
      const mark = engine.touched.mark();
      const page = plan.single
        ? { data: [await engine.api.get(path, get)], has_more: false }
        : await engine.api.list(path, get);
      let unknown = 0;
      await engine.commit(() => {
        unknown = 0;
        const data = page.data.filter((object) => {
          const id = isObject(object) ? table.idOf(object, undefined) : undefined;
          if (id === undefined) return false;
          if (!engine.store.has(table, id)) unknown += 1;
          return !engine.touched.since(table.name, id, mark);
        });
        writeFlat(engine, flattenPage(engine, [table.name], data, undefined));
      });
      const last = page.data.at(-1)?.['id'];
      if (unknown === 0 || !page.has_more || typeof last !== 'string') break;
      cursor = last;
    }
  }
}

/** `pending` becomes `available` without any event. */
async function readPending(engine: Engine): Promise<void> {
  const table = engine.store.model.tables.get('balance_transactions');
  if (table === undefined || engine.state.progress(table.name)?.state !== 'done') return;
  const row = engine.store.db
    .prepare(
      `SELECT unixepoch(min(created)) AS gte, unixepoch(max(created)) + 1 AS lt FROM balance_transactions
       WHERE status = 'pending' AND available_on <= datetime(?, 'unixepoch')`,
    )
    .get(Math.floor(engine.options.now() / 1_000));
  if (typeof row?.['gte'] !== 'number' || typeof row['lt'] !== 'number') return;
  await compareTable(
    engine,
    table,
    { gte: row['gte'], lt: row['lt'] },
    { purpose: 'poll', maxAsked: 0, acceptDeletions: false, atOnce: 1 },
  );
}
