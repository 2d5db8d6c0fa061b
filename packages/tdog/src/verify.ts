import type { Engine } from './engine.ts';
import { planFanOuts, workTodo } from './download/todo.ts';
import { listsOf } from './download/lists.ts';
import { pollEvents } from './events/poll.ts';
import { compareTable, STRETCHES_AT_ONCE, TABLES_AT_ONCE, type Comparison } from './proof/compare.ts';
import { writeProof } from './proof/reconcile.ts';
import { readTails } from './proof/tails.ts';
import { resolveOptions, type SyncOptions } from './options.ts';
import type { TableModel } from './model/table-model.ts';
import { timestampMs } from './model/values.ts';
import { inParallel } from './parallel.ts';
import { q } from './sqlite/schema.ts';
import { withEngine } from './run.ts';
import { ApiProblem } from './stripe/problem.ts';

/** Options of {@link verify}: those of the engine; `watch` and the hooks do not matter. */
export type VerifyOptions = Omit<SyncOptions, 'watch' | 'pollIntervalMs'>;

/** One table's line of {@link VerifyResult}. */
export interface VerifyTable {
  readonly table: string;
  /** Objects that Stripe listed. */
  readonly rows: number;
  /** Rows that were missing, different or too many. */
  readonly drift: number;
  readonly repaired: number;
  /** Rows moved to td_deleted; part of `drift`. */
  readonly deleted: number;
  /** Rows that would be deleted, were there not too many of them: see `acceptDeletions`. */
  readonly heldBack: number;
  /** Why the table could not be compared. */
  readonly error: string | undefined;
}

/** Answer of {@link verify}. */
export interface VerifyResult {
  /** No drift, and every table was compared. */
  readonly ok: boolean;
  readonly tables: readonly VerifyTable[];
  readonly requests: number;
  readonly seconds: number;
}

/**
 * Lists everything again, compares each row with the file and repairs what differs.
 *
 * @throws SyncError as Sync.run does
 */
export async function verify(options: VerifyOptions, signal?: AbortSignal): Promise<VerifyResult> {
  const resolved = resolveOptions(options);
  const started = resolved.steady();
  return withEngine(resolved, signal, async (engine) => {
    await pollEvents(engine);
    // What no event tells of is known as of here.
    const tails = timestampMs(resolved.now());
    await readTails(engine);
    await workTodo(engine, 'verify');
    const begun = timestampMs(resolved.now());
    const compared = new Map<string, Comparison & { readonly error?: string }>();
    await inParallel(engine.store.model.tables.values(), TABLES_AT_ONCE, async (table) => {
      const progress = engine.state.progress(table.name);
      // What the key may not read was never part of the mirror; what has no list comes with others.
      if (listsOf(table.spec).length === 0 || progress?.state === 'skipped') return;
      compared.set(
        table.name,
        progress?.state === 'done'
          ? await compareOrSayWhyNot(engine, table)
          : { ...NOTHING, error: 'not downloaded to its end: run tdog first' },
      );
    });
    await engine.commit(() => planFanOuts(engine));
    await workTodo(engine, 'verify');
    // What changed at Stripe while it was being compared is no drift.
    await pollEvents(engine);
    const tables = [...engine.store.model.tables.keys()].flatMap((table): VerifyTable[] => {
      const one = compared.get(table);
      if (one === undefined) return [];
      const drift = one.drift.filter((id) => !changedSince(engine, table, id, begun, tails)).length;
      return [
        {
          table,
          rows: one.rows,
          drift,
          repaired: Math.max(0, drift - one.heldBack),
          deleted: one.deleted,
          heldBack: one.heldBack,
          error: one.error,
        },
      ];
    });
    await engine.commit(() => {
      for (const one of tables)
        if (one.error === undefined) writeProof(engine, one.table, 'all', one.rows, one.drift, one.repaired);
    });
    return {
      ok: tables.every((one) => one.drift === 0 && one.error === undefined),
      tables,
      requests: engine.api.requests,
      seconds: (resolved.steady() - started) / 1_000,
    };
  });
}

const NOTHING: Comparison = { rows: 0, drift: [], deleted: 0, heldBack: 0 };

async function compareOrSayWhyNot(
  engine: Engine,
  table: TableModel,
): Promise<Comparison & { readonly error?: string }> {
  const { acceptDeletions } = engine.options;
  try {
    return await compareTable(
      engine,
      table,
      {},
      { purpose: 'verify', maxAsked: Infinity, acceptDeletions, atOnce: STRETCHES_AT_ONCE },
    );
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused') throw error;
    return { ...NOTHING, error: error.message };
  }
}

/** Whether Stripe has made or changed the object since then. */
function changedSince(engine: Engine, name: string, id: string, since: string, tails: string): boolean {
  const { db, model } = engine.store;
  const table = model.tables.get(name);
  const is = (sql: string, ...values: string[]): boolean => db.prepare(sql).get(...values) !== undefined;
  // The balance has no events of its own: it moves with those of payments and payouts.
  if (table?.spec.kind === 'singleton') return is('SELECT 1 FROM events WHERE insert_ts >= ? LIMIT 1', since);
  if (is('SELECT 1 FROM events WHERE object_id = ? AND insert_ts >= ?', id, since)) return true;
  // An invoice that takes up a waiting item tells only of itself.
  if (
    name === 'invoiceitems' &&
    is(
      'SELECT 1 FROM invoiceitems i JOIN events e ON e.object_id = i.invoice WHERE i.id = ? AND e.insert_ts >= ?',
      id,
      since,
    )
  )
    return true;
  // Balance transactions have none at all. `created` has whole seconds.
  const dated = table?.columns.some((column) => column.name === 'created') === true;
  return dated && is(`SELECT 1 FROM ${q(name)} WHERE id = ? AND created >= ?`, id, tails.slice(0, 19));
}
