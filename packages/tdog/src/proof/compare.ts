import { retrieve, retrievePathOf } from '../download/todo.ts';
import { listsOf, type ListPlan } from '../download/lists.ts';
import { flattenOne, writeFlat } from '../download/write-page.ts';
import type { Engine } from '../engine.ts';
import { takeAway } from '../events/deletion.ts';
import type { TableModel } from '../model/table-model.ts';
import { timestamp } from '../model/values.ts';
import { inParallel } from '../parallel.ts';
import { q } from '../sqlite/schema.ts';
import type { Purpose } from '../stripe/api.ts';
import { ApiProblem } from '../stripe/problem.ts';

/** A stretch of creation times in unix seconds, `[gte, lt)`; both undefined = everything. */
export interface Range {
  readonly gte?: number;
  readonly lt?: number;
}

/** How a comparison may act. */
export interface CompareOptions {
  readonly purpose: Purpose;
  /** Rows that the list does not show and that are asked for by id, at most. */
  readonly maxAsked: number;
  readonly acceptDeletions: boolean;
  /** Stretches that are read, and ids that are asked for, at once: 1 where it goes on beside other work. */
  readonly atOnce: number;
  /** Rows of the table that the same pass has deleted before: the guard counts them too. */
  readonly deletedBefore?: number;
}

/** What a comparison found. */
export interface Comparison {
  /** Objects that Stripe listed. */
  readonly rows: number;
  /** Ids whose row was missing, different or too many. */
  readonly drift: readonly string[];
  /** Rows that Stripe no longer has and that were left, as there were too many of them to believe. */
  readonly heldBack: number;
  readonly deleted: number;
}

/** A pass that would delete more than so many rows, and more than this part of a table, stops. */
const MAX_DELETIONS = 100;
const MAX_DELETED_PART = 0.05;

/** Tables that are compared at once by those who compare all: at Stripe's 25 requests/s an endpoint, its 100 in all. */
export const TABLES_AT_ONCE = 4;
/** {@link CompareOptions.atOnce} of those: enough for 25 answers a second that take a third of one each. */
export const STRETCHES_AT_ONCE = 8;
/** Stored rows of one stretch: 50 pages, so that what the pages at its ends waste does not count. */
const STRETCH_ROWS = 5_000;
/** Above every time that is stored. */
export const END_OF_TIME = '9999';

/** How often a list is read from the top because the object at its cursor is gone. */
const MAX_RESTARTS = 5;

/** Lists `range` of a table again, writes what differs, and asks by id for rows that the list does not show. */
export async function compareTable(
  engine: Engine,
  table: TableModel,
  range: Range,
  options: CompareOptions,
): Promise<Comparison> {
  const start = engine.touched.mark();
  const startedAt = new Date(engine.options.now()).toISOString().slice(0, 23).replace('T', ' ');
  const drift: string[] = [];
  const unlisted: string[] = [];
  let rows = 0;
  // Stretch by stretch, so that memory does not grow with the table.
  await inParallel(stretchesOf(engine, table, range), options.atOnce, async (stretch) => {
    const seen = new Set<string>();
    for (const plan of listsOf(table.spec))
      await walkRange(engine, table, plan, stretch, options, seen, drift);
    rows += seen.size;
    for (const id of storedIds(engine, table, stretch, startedAt)) if (!seen.has(id)) unlisted.push(id);
  });
  const missing: string[] = [];
  const before = options.deletedBefore ?? 0;
  const limit = Math.max(MAX_DELETIONS, (engine.store.count(table.name) + before) * MAX_DELETED_PART);
  const isTooMuch = (): boolean =>
    missing.length > 0 && missing.length + before > limit && !options.acceptDeletions;
  const notAsked: string[] = [];
  await inParallel(some(unlisted, options.maxAsked, engine.options.random), options.atOnce, async (id) => {
    // More questions would only cost reads: nothing will be deleted.
    if (isTooMuch()) {
      notAsked.push(id);
      return;
    }
    if (engine.touched.since(table.name, id, start)) return;
    const path = retrievePathOf(table, id, rowOf(engine, table, id));
    if (path === undefined || table.spec.kind === 'singleton') return;
    const mark = engine.touched.mark();
    const object = await retrieve(engine, table, path, options.purpose);
    if (object === undefined) missing.push(id);
    else if (!engine.touched.since(table.name, id, mark)) {
      const changes = await engine.commit(() => writeFlat(engine, flattenOne(engine, table, object)));
      if (changes > 0) drift.push(id);
    }
  });
  if (isTooMuch()) {
    // Those that were not asked for any more are in no list either.
    const held = [...missing, ...notAsked];
    engine.logger.error(
      { table: table.name, rows: held.length },
      `${table.name}: Stripe no longer lists ${held.length} rows and has none of the first ${missing.length}; nothing deleted. If that is right, run: tdog verify --accept-deletions`,
    );
    await engine.commit(() => engine.state.set(`held:${table.name}`, String(held.length)));
    return { rows, drift: [...drift, ...held], heldBack: held.length, deleted: 0 };
  }
  const gone: string[] = [];
  if (missing.length > 0)
    await engine.commit(() => {
      gone.length = 0;
      for (const id of missing) if (takeAway(engine, table, id)) gone.push(id);
      engine.state.set(`held:${table.name}`, undefined);
    });
  return { rows, drift: [...drift, ...gone], heldBack: 0, deleted: gone.length };
}

/**
 * The range in stretches of some {@link STRETCH_ROWS} stored rows, newest first, that meet and together are the range.
 * The lists of one table take `created[…]` all or none.
 */
function stretchesOf(engine: Engine, table: TableModel, range: Range): readonly Range[] {
  const created = table.spec.created === true ? createdColumn(table) : undefined;
  if (created === undefined) return [range];
  const { where, values } = within(created, range);
  const next = engine.store.db.prepare(
    `SELECT unixepoch(${q(created)}) AS t FROM ${q(table.name)}
     WHERE ${where} AND ${q(created)} < ? ORDER BY ${q(created)} DESC LIMIT 1 OFFSET ${STRETCH_ROWS}`,
  );
  const stretches: Range[] = [];
  let rest = range;
  for (;;) {
    const gte = next.get(...values, rest.lt === undefined ? END_OF_TIME : timestamp(rest.lt))?.['t'];
    if (typeof gte !== 'number' || gte <= (range.gte ?? -Infinity)) return [...stretches, rest];
    stretches.push({ ...rest, gte });
    rest = { ...range, lt: gte };
  }
}

/** At most `max` of the ids: not always the same ones, as those that no list shows stay so. */
function some(ids: readonly string[], max: number, random: () => number): readonly string[] {
  if (ids.length <= max) return ids;
  const from = Math.floor(random() * ids.length);
  return [...ids.slice(from), ...ids.slice(0, from)].slice(0, max);
}

async function walkRange(
  engine: Engine,
  table: TableModel,
  plan: ListPlan,
  range: Range,
  options: CompareOptions,
  seen: Set<string>,
  drift: string[],
): Promise<void> {
  let cursor: string | undefined;
  let expand = plan.expand.length > 0;
  let restarts = 0;
  for (;;) {
    const query = [
      ...(plan.paged ? ['limit=100'] : []),
      ...(plan.windows && range.gte !== undefined ? [`created[gte]=${range.gte}`] : []),
      ...(plan.windows && range.lt !== undefined ? [`created[lt]=${range.lt}`] : []),
      ...(cursor === undefined ? [] : [`starting_after=${encodeURIComponent(cursor)}`]),
      ...plan.params,
      ...(expand ? plan.expand.map((path) => `expand[]=${path}`) : []),
    ];
    const path = query.length === 0 ? plan.path : `${plan.path}?${query.join('&')}`;
    const get = {
      endpoint: `GET ${plan.path}`,
      purpose: options.purpose,
      maxAttempts: 6,
      priority: () => -1e7,
    };
    const mark = engine.touched.mark();
    let page;
    try {
      page = plan.single
        ? { data: [await engine.api.get(path, get)], has_more: false }
        : await engine.api.list(path, get);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (expand && error.mayBeExpansion) {
        expand = false;
        continue;
      }
      if (cursor !== undefined && (error.kind === 'missing' || error.kind === 'rejected')) {
        // The object at the cursor is gone. From the top again: a comparison needs the whole list.
        if ((restarts += 1) > MAX_RESTARTS) throw error;
        cursor = undefined;
        continue;
      }
      if (plan.optional && (error.kind === 'rejected' || error.kind === 'no-endpoint')) return;
      throw error;
    }
    await engine.commit(
      () => {
        for (const object of page.data) {
          const id = table.idOf(object, undefined);
          if (id === undefined) continue;
          if (engine.touched.since(table.name, id, mark)) continue;
          if (writeFlat(engine, flattenOne(engine, table, object)) > 0) drift.push(id);
        }
      },
      () => undefined,
    );
    for (const object of page.data) {
      const id = table.idOf(object, undefined);
      if (id !== undefined) seen.add(id);
    }
    const last = page.data.at(-1)?.['id'];
    if (!page.has_more || !plan.paged || typeof last !== 'string') return;
    cursor = last;
  }
}

/** Stored ids of the range that were there before the comparison began. */
function* storedIds(engine: Engine, table: TableModel, range: Range, before: string): Generator<string> {
  const { where, values } = within(createdColumn(table), range);
  const rows = engine.store.db
    .prepare(`SELECT id FROM ${q(table.name)} WHERE ${where} AND insert_ts < ?`)
    .iterate(...values, before);
  for (const row of rows) yield String(row['id']);
}

/** The SQL condition of a range. What has no time of its own belongs to the oldest stretch. */
function within(
  created: string | undefined,
  { gte, lt }: Range,
): { readonly where: string; readonly values: readonly string[] } {
  if (created === undefined) return { where: '1', values: [] };
  const column = q(created);
  if (gte !== undefined && lt !== undefined)
    return { where: `${column} >= ? AND ${column} < ?`, values: [timestamp(gte), timestamp(lt)] };
  if (gte !== undefined) return { where: `${column} >= ?`, values: [timestamp(gte)] };
  if (lt !== undefined) return { where: `(${column} < ? OR ${column} IS NULL)`, values: [timestamp(lt)] };
  return { where: '1', values: [] };
}

/** The column that the list's `created[…]` filters by. */
export function createdColumn(table: TableModel): string | undefined {
  return table.columns.find((column) => column.name === 'created' || column.name === 'date_ts')?.name;
}

function rowOf(engine: Engine, table: TableModel, id: string): Record<string, unknown> | undefined {
  return engine.store.db.prepare(`SELECT * FROM ${q(table.name)} WHERE id = ?`).get(id);
}
