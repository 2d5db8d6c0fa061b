import type { Allowance } from '../allowance.ts';
import { listsOf } from '../download/lists.ts';
import type { Engine } from '../engine.ts';
import type { TableModel } from '../model/table-model.ts';
import { timestamp } from '../model/values.ts';
import { q } from '../sqlite/schema.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { compareTable, createdColumn, END_OF_TIME, type Range } from './compare.ts';
import { writeProof } from './reconcile.ts';

/** The background pass: one window at a time, as the allowance permits. */
export interface Prover {
  /** Compares the window that was checked longest ago, if it is time; `busy` puts it off. */
  step(allowance: Allowance, busy: () => boolean): Promise<void>;
}

/** Where nobody counts reads: one window in so many ms. */
const PACE_MS = 5_000;
/** Rows of one window above which it is cut. */
const BIG_WINDOW = 5_000;
/** How much of 'YYYY-MM-DD HH:MM:SS' names a window: a month, a day, an hour, a minute, a second. */
const LENGTHS = [7, 10, 13, 16, 19] as const;
/** Seconds of a window that names so many parts beyond the month. */
const SECONDS = [undefined, 86_400, 3_600, 60, 1] as const;
const DAYS = 30;
const DAY_MS = 86_400_000;
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

interface Counted {
  readonly window: string;
  readonly rows: number;
}

/** A window, and when it was last checked ('' = never). */
interface Planned {
  readonly work: Work;
  readonly checkedTs: string;
}

/** Makes the prover of a watching engine. */
export function createProver(engine: Engine): Prover {
  const { options, state } = engine;
  let queue: Work[] = [];
  let plannedAt = -Infinity;
  let last = options.steady();
  // By table, of the pass that runs; goes on through restarts and passes while deletions are held back.
  const deletedKey = (table: TableModel): string => `proof_deleted:${table.name}`;
  return {
    step: async (allowance, busy) => {
      if (options.proofShare === 0 || busy()) return;
      const now = options.now();
      const at = options.steady();
      if (!options.ownBase && at - last < PACE_MS) return;
      const perDay = options.ownBase ? (allowance.total * options.proofShare) / DAYS : Infinity;
      if (queue.length === 0 && at - plannedAt > PLAN_MS / 60) {
        const planned = plan(engine, perDay);
        queue = planned.map(({ work }) => work);
        await engine.commit(() => {
          noteProven(engine, planned);
          for (const table of engine.store.model.tables.values())
            if (state.get(`held:${table.name}`) === undefined) state.set(deletedKey(table), undefined);
        });
        plannedAt = at;
      }
      const work = queue[0];
      if (work === undefined) return;
      let maxAsked = MAX_ASKED;
      if (options.ownBase) {
        // So that what was read so far is counted.
        await engine.commit(() => undefined);
        const since = (days: number): number =>
          state.reads(new Date(now - (days - 1) * DAY_MS).toISOString().slice(0, 10), 'proof');
        // A list that cannot be cut by time may need more than a day's part: that much is saved up before.
        const days = Math.max(1, Math.ceil(work.pages / perDay));
        const left = Math.min(perDay * days - since(days), perDay * DAYS - since(DAYS)) - work.pages;
        if (left < 0) return;
        maxAsked = Math.floor(Math.max(1, Math.min(MAX_ASKED, left)));
      }
      queue.shift();
      last = at;
      try {
        const result = await compareTable(engine, work.table, work.range, {
          purpose: 'proof',
          maxAsked,
          acceptDeletions: options.acceptDeletions,
          atOnce: 1,
          deletedBefore: Number(state.get(deletedKey(work.table)) ?? 0),
        });
        const drift = result.drift.length;
        await engine.commit(() => {
          if (result.deleted > 0) {
            const before = Number(state.get(deletedKey(work.table)) ?? 0);
            state.set(deletedKey(work.table), String(before + result.deleted));
          }
          writeProof(engine, work.table.name, work.window, result.rows, drift, drift - result.heldBack);
        });
        if (drift > 0)
          engine.logger.warn(
            { table: work.table.name, window: work.window, drift },
            result.heldBack > 0
              ? 'the mirror differs from Stripe, and not all of it was repaired'
              : 'the mirror differed from Stripe and was repaired',
          );
      } catch (error) {
        if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused')
          throw error;
        engine.logger.warn({ table: work.table.name, status: error.status }, `stripe: ${error.message}`);
      }
    },
  };
}

/** All windows, the one that was checked longest ago first; each within a day's part of the reads where it can be cut. */
function plan(engine: Engine, perDay: number): Planned[] {
  const { db, model } = engine.store;
  const checked = new Map(
    db
      .prepare('SELECT "table", "window", checked_ts FROM td_proof')
      .all()
      .map((row) => [`${String(row['table'])} ${String(row['window'])}`, String(row['checked_ts'])] as const),
  );
  const works: Work[] = [];
  const maxRows = Math.min(BIG_WINDOW, Math.max(1, Math.floor(perDay) - 1) * 100);
  for (const table of model.tables.values()) {
    if (listsOf(table.spec).length === 0 || engine.state.progress(table.name)?.state !== 'done') continue;
    const created = table.spec.created === true ? createdColumn(table) : undefined;
    if (created === undefined) {
      const pages = Math.ceil(engine.store.count(table.name) / 100) + 1;
      if (pages <= perDay * DAYS) works.push({ table, window: 'all', range: {}, pages });
      else
        engine.logger.warn(
          { table: table.name, pages },
          `${table.name}: too long for the part of the reads that is left to the proof; tdog verify compares it`,
        );
      continue;
    }
    works.push(...windowsOf(engine, table, created, maxRows));
  }
  // A window that has been cut since was checked with the longer one.
  const at = (work: Work): string =>
    ['all', work.window, ...LENGTHS.map((length) => work.window.slice(0, length))]
      .map((window) => checked.get(`${work.table.name} ${window}`) ?? '')
      .reduce((newest, ts) => (ts > newest ? ts : newest));
  return works
    .map((work) => ({ work, checkedTs: at(work) }))
    .sort((a, b) => (a.checkedTs < b.checkedTs ? -1 : a.checkedTs > b.checkedTs ? 1 : 0));
}

/** For mirror_status: a table is proven as of the window that was checked longest ago. */
function noteProven(engine: Engine, planned: readonly Planned[]): void {
  const oldest = new Map<string, string>();
  for (const { work, checkedTs } of planned)
    if (!oldest.has(work.table.name)) oldest.set(work.table.name, checkedTs);
  for (const [table, ts] of oldest) engine.state.set(`proven:${table}`, ts === '' ? undefined : ts);
}

/**
 * Months; days, hours … of what is too long. They meet, and together reach from the beginning of time to its end: where
 * the file has nothing, Stripe may have something.
 */
function windowsOf(engine: Engine, table: TableModel, created: string, maxRows: number): Work[] {
  const { db } = engine.store;
  const firstIn = db.prepare(
    `SELECT min(${q(created)}) AS t FROM ${q(table.name)} WHERE ${q(created)} >= ? AND ${q(created)} < ?`,
  );
  const countIn = db.prepare(
    `SELECT count(*) AS n FROM ${q(table.name)} WHERE ${q(created)} >= ? AND ${q(created)} < ?`,
  );
  // From one to the next by the index: grouping would sort the table.
  const count = (length: number, gte: string, lt: string): readonly Counted[] => {
    const found: Counted[] = [];
    for (let from = gte; ;) {
      const first = firstIn.get(from, lt)?.['t'];
      if (typeof first !== 'string') return found;
      const window = first.slice(0, length);
      const end = timestamp(rangeOf(window).lt);
      found.push({ window, rows: Number(countIn.get(first, end)?.['n']) });
      from = end;
    }
  };
  const cut = (part: Counted, level: number): readonly Counted[] => {
    const finer = LENGTHS[level + 1];
    if (part.rows <= maxRows || finer === undefined) return [part];
    const { gte, lt } = rangeOf(part.window);
    return count(finer, timestamp(gte), timestamp(lt)).flatMap((one) => cut(one, level + 1));
  };
  const parts = count(LENGTHS[0], '', END_OF_TIME).flatMap((month) => cut(month, 0));
  if (parts.length === 0) return [{ table, window: 'all', range: {}, pages: 1 }];
  return parts.map(({ window, rows }, index) => {
    const next = parts[index + 1];
    const range = {
      ...(index === 0 ? {} : { gte: rangeOf(window).gte }),
      ...(next === undefined ? {} : { lt: rangeOf(next.window).gte }),
    };
    return { table, window, range, pages: Math.ceil(rows / 100) + 1 };
  });
}

/** `2024-03`, `2024-03-05`, `2024-03-05 14` … as unix seconds. */
export function rangeOf(window: string): Required<Range> {
  const [year = 0, month = 1, ...rest] = window.split(/[- :]/).map(Number);
  const [day = 1, hour = 0, minute = 0, second = 0] = rest;
  const gte = Date.UTC(year, month - 1, day, hour, minute, second) / 1_000;
  const length = SECONDS[rest.length];
  return { gte, lt: length === undefined ? Date.UTC(year, month, 1) / 1_000 : gte + length };
}
