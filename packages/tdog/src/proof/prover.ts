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
  readonly ranges: readonly Range[];
  readonly pages: number;
}

/** Makes the prover of a watching engine; `flush` writes the counted reads to td_requests, in a transaction. */
export function createProver(engine: Engine, flush: () => void): Prover {
  const { options, state } = engine;
  let queue: Work[] = [];
  let plannedAt = -Infinity;
  let last = options.now();
  // By table, of the pass that runs; goes on through restarts and passes while deletions are held back.
  const deletedKey = (table: TableModel): string => `proof_deleted:${table.name}`;
  return {
    step: async (allowance, busy) => {
      if (options.proofShare === 0 || busy()) return;
      const now = options.now();
      if (!options.ownBase && now - last < PACE_MS) return;
      if (queue.length === 0 && now - plannedAt > PLAN_MS / 60) {
        queue = plan(engine);
        await engine.commit(() => {
          for (const table of engine.store.model.tables.values())
            if (state.get(`held:${table.name}`) === undefined) state.set(deletedKey(table), undefined);
        });
        plannedAt = now;
      }
      const work = queue[0];
      if (work === undefined) return;
      let maxAsked = MAX_ASKED;
      if (options.ownBase) {
        await engine.commit(flush);
        const today = new Date(now).toISOString().slice(0, 10);
        const perDay = (allowance.total * options.proofShare) / 30;
        const used = state.reads(today, 'proof');
        // A window that is bigger than a day's part must have its turn too.
        if (used > 0 && used + work.pages > perDay) return;
        const since = new Date(now - 30 * 86_400_000).toISOString().slice(0, 10);
        const left = allowance.total * options.proofShare - state.reads(since, 'proof') - work.pages;
        if (left < 0) return;
        maxAsked = Math.floor(Math.max(1, Math.min(MAX_ASKED, left, perDay - used - work.pages)));
      }
      queue.shift();
      last = now;
      try {
        const sum = { rows: 0, drift: 0, heldBack: 0 };
        for (const range of work.ranges) {
          const result = await compareTable(engine, work.table, range, {
            purpose: 'proof',
            maxAsked,
            acceptDeletions: options.acceptDeletions,
            deletedBefore: Number(state.get(deletedKey(work.table)) ?? 0),
          });
          if (result.deleted > 0)
            await engine.commit(() =>
              state.set(
                deletedKey(work.table),
                String(Number(state.get(deletedKey(work.table)) ?? 0) + result.deleted),
              ),
            );
          sum.rows += result.rows;
          sum.drift += result.drift.length;
          sum.heldBack += result.heldBack;
        }
        await engine.commit(() => {
          flush();
          writeProof(engine, work.table.name, work.window, sum.rows, sum.drift, sum.drift - sum.heldBack);
        });
        if (sum.drift > 0)
          engine.logger.warn(
            { table: work.table.name, window: work.window, drift: sum.drift },
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
        ranges: [{}],
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
        ranges: [rangeOf(part.window)],
        pages: Math.ceil(part.rows / 100) + 1,
      });
  }
  // Where the file has nothing, Stripe may have something.
  const gaps = gapsOf(works.flatMap((work) => work.ranges));
  works.push({ table, window: 'between', ranges: gaps, pages: gaps.length });
  return works;
}

/** What the windows leave out, from the beginning of time to its end. */
export function gapsOf(ranges: readonly Range[]): readonly Range[] {
  const gaps: Range[] = [];
  let from: number | undefined;
  for (const { gte = 0, lt = 0 } of ranges.toSorted((a, b) => (a.gte ?? 0) - (b.gte ?? 0))) {
    if (from === undefined) gaps.push({ lt: gte });
    else if (gte > from) gaps.push({ gte: from, lt: gte });
    from = lt;
  }
  return [...gaps, from === undefined ? {} : { gte: from }];
}

/** `2024-03` or `2024-03-05` as unix seconds. */
export function rangeOf(window: string): Range {
  const [year = 0, month = 1, day] = window.split('-').map(Number);
  const gte = Date.UTC(year, month - 1, day ?? 1) / 1_000;
  const lt = (day === undefined ? Date.UTC(year, month, 1) : Date.UTC(year, month - 1, day + 1)) / 1_000;
  return { gte, lt };
}
