import type { Allowance } from '../allowance.ts';
import { listsOf } from '../download/lists.ts';
import type { Engine } from '../engine.ts';
import type { TableModel } from '../model/table-model.ts';
import { q } from '../sqlite/schema.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { compareTable, createdColumn, type Range } from './compare.ts';
import { writeProof } from './reconcile.ts';

/** The background pass: one window at a time, as the allowance permits. */
export interface Prover {
  /** Compares the window that was checked longest ago, if it is time; `busy` puts it off. */
  step(allowance: Allowance, busy: () => boolean): Promise<void>;
}

/** Where nobody counts reads: one window in so many ms. */
const PACE_MS = 5_000;
/** Rows of one month above which its days are compared one by one. */
const BIG_MONTH = 5_000;
/** Rows that no list shows and that are asked for by id in one window. */
const MAX_ASKED = 25;
/** How long a list of windows stays good. */
const PLAN_MS = 3_600_000;

interface Work {
  readonly table: TableModel;
  readonly window: string;
  readonly range: Range;
  readonly pages: number;
}

/** Makes the prover of a watching engine. */
export function createProver(engine: Engine): Prover {
  const { options, state } = engine;
  let queue: Work[] = [];
  let plannedAt = -Infinity;
  let last = options.now();
  return {
    step: async (allowance, busy) => {
      if (options.proofShare === 0 || busy()) return;
      const now = options.now();
      if (!options.ownBase && now - last < PACE_MS) return;
      if (queue.length === 0 && now - plannedAt > PLAN_MS / 60) {
        queue = plan(engine);
        plannedAt = now;
      }
      const work = queue[0];
      if (work === undefined) return;
      if (options.ownBase) {
        const today = new Date(now).toISOString().slice(0, 10);
        const perDay = (allowance.total * options.proofShare) / 30;
        const used = state.reads(today, 'proof');
        if (used > 0 && used + work.pages > perDay) return;
        if (allowance.usedForProof + work.pages > allowance.total * options.proofShare) return;
      }
      queue.shift();
      last = now;
      try {
        const result = await compareTable(engine, work.table, work.range, {
          purpose: 'proof',
          maxAsked: MAX_ASKED,
          acceptDeletions: options.acceptDeletions,
        });
        await engine.commit(() =>
          writeProof(
            engine,
            work.table.name,
            work.window,
            result.rows,
            result.drift.length,
            result.drift.length - result.heldBack,
          ),
        );
        if (result.drift.length > 0)
          engine.logger.warn(
            { table: work.table.name, window: work.window, drift: result.drift.length },
            'the mirror differed from Stripe and was repaired',
          );
      } catch (error) {
        if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused')
          throw error;
        engine.logger.warn({ table: work.table.name, status: error.status }, `stripe: ${error.message}`);
      }
    },
  };
}

/** All windows, the one that was checked longest ago first. */
function plan(engine: Engine): Work[] {
  const { db, model } = engine.store;
  const checked = new Map(
    db
      .prepare('SELECT "table", "window", checked_ts FROM td_proof')
      .all()
      .map((row) => [`${String(row['table'])} ${String(row['window'])}`, String(row['checked_ts'])] as const),
  );
  const works: Work[] = [];
  for (const table of model.tables.values()) {
    if (listsOf(table.spec).length === 0 || engine.state.progress(table.name)?.state !== 'done') continue;
    const created = table.spec.created === true ? createdColumn(table) : undefined;
    if (created === undefined) {
      works.push({
        table,
        window: 'all',
        range: {},
        pages: Math.ceil(engine.store.count(table.name) / 100) + 1,
      });
      continue;
    }
    works.push(...windowsOf(engine, table, created));
  }
  const at = (work: Work): string => checked.get(`${work.table.name} ${work.window}`) ?? '';
  return works.sort((a, b) => (at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : 0));
}

function windowsOf(engine: Engine, table: TableModel, created: string): Work[] {
  const count = (
    length: number,
    where: string,
    ...values: string[]
  ): readonly { window: string; rows: number }[] =>
    engine.store.db
      .prepare(
        `SELECT substr(${q(created)}, 1, ${length}) AS w, count(*) AS n FROM ${q(table.name)} WHERE ${where} GROUP BY 1 ORDER BY 1 DESC`,
      )
      .all(...values)
      .map((row) => ({ window: String(row['w']), rows: Number(row['n']) }));
  const works: Work[] = [];
  for (const month of count(7, `${q(created)} IS NOT NULL`)) {
    const parts =
      month.rows <= BIG_MONTH ? [month] : count(10, `substr(${q(created)}, 1, 7) = ?`, month.window);
    for (const part of parts)
      works.push({
        table,
        window: part.window,
        range: rangeOf(part.window),
        pages: Math.ceil(part.rows / 100) + 1,
      });
  }
  return works;
}

/** `2024-03` or `2024-03-05` as unix seconds. */
export function rangeOf(window: string): Range {
  const [year = 0, month = 1, day] = window.split('-').map(Number);
  const gte = Date.UTC(year, month - 1, day ?? 1) / 1_000;
  const lt = (day === undefined ? Date.UTC(year, month, 1) : Date.UTC(year, month - 1, day + 1)) / 1_000;
  return { gte, lt };
}
