import type { Engine } from '../engine.ts';
import { takeAway } from '../events/deletion.ts';
import { ALL_TABLES, type TableModel } from '../model/table-model.ts';
import type { StripeObject } from '../model/values.ts';
import { inParallel } from '../parallel.ts';
import { q } from '../sqlite/schema.ts';
import type { TodoItem } from '../sqlite/state.ts';
import { ApiProblem } from '../stripe/problem.ts';
import type { Page, Purpose } from '../stripe/api.ts';
import { CLOCK_LISTS, fanOutOf, remainderOf, type FanOut } from './lists.ts';
import { flattenOne, flattenPage, writeFlat } from './write-page.ts';

/** Items in work at once; the gate decides how many of them really talk to Stripe. */
const WORKERS = 16;
/** How often a list is begun anew because its parent changed. */
const MAX_RESTARTS = 3;
/** Tries of one item that fails while others succeed. */
const TRIES = 5;

/** Every list that td_todo may name. */
function todoLists(engine: Engine): ReadonlyMap<string, FanOut> {
  const lists = new Map<string, FanOut>();
  for (const spec of ALL_TABLES) {
    const fanOut = fanOutOf(spec);
    if (fanOut !== undefined) lists.set(fanOut.list, fanOut);
    for (const nested of spec.nestedLists ?? []) {
      const rest = remainderOf(spec, nested.property);
      if (rest !== undefined) lists.set(rest.list, rest);
    }
  }
  for (const { table, path } of CLOCK_LISTS)
    lists.set(`clock:${table}`, {
      list: `clock:${table}`,
      tables: [table],
      parentTable: 'test_clocks',
      path,
      where: undefined,
      paged: true,
      expand: engine.specs.get(table)?.expand ?? [],
    });
  lists.set('schedules:customer', {
    list: 'schedules:customer',
    tables: ['subscription_schedules'],
    parentTable: 'customers',
    path: '/v1/subscription_schedules?customer={id}',
    where: undefined,
    paged: true,
  });
  lists.set('methods:customer', {
    list: 'methods:customer',
    tables: ['payment_methods'],
    parentTable: 'customers',
    path: '/v1/customers/{id}/payment_methods',
    where: undefined,
    paged: true,
  });
  for (const list of [...lists.values()])
    if (!list.tables.some((table) => engine.store.model.tables.has(table))) lists.delete(list.list);
  return lists;
}

/** Notes the per-parent lists that the rows now stored call for. */
export function planFanOuts(engine: Engine): void {
  const { model, db } = engine.store;
  for (const table of model.tables.values()) {
    const fanOut = fanOutOf(table.spec);
    if (fanOut?.where === undefined || !model.tables.has(fanOut.parentTable)) continue;
    // A condition may name a table that was not chosen.
    const named = [...fanOut.where.matchAll(/FROM (\w+)/g)].map((match) => match[1] ?? '');
    const known = named.every((name) => model.tables.has(name));
    const where = known ? fanOut.where : fanOut.where.replace(/ OR[^]*/, '');
    if (!known && !where.includes('count(*)')) continue;
    db.prepare(
      `INSERT OR IGNORE INTO td_todo (list, id) SELECT ?, p.id FROM ${q(fanOut.parentTable)} p WHERE ${where}`,
    ).run(fanOut.list);
  }
}

/**
 * Notes objects that rows refer to or events told of, but no list shows: inline prices, deleted coupons, closed
 * reviews, detached payment methods.
 */
export function planHidden(engine: Engine): void {
  const { model, db } = engine.store;
  const insert = (table: string, select: string): void => {
    db.prepare(
      `INSERT OR IGNORE INTO td_todo (list, id) SELECT 'get:${table}', x FROM (${select}) WHERE x IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM ${q(table)} t WHERE t.id = x)
       AND NOT EXISTS (SELECT 1 FROM td_deleted d WHERE d."table" = '${table}' AND d.id = x)`,
    ).run();
  };
  for (const table of model.tables.values())
    for (const column of table.columns) {
      const target = column.references === undefined ? undefined : model.tables.get(column.references);
      if (target !== undefined && retrievePathOf(target, '', undefined) !== undefined)
        insert(target.name, `SELECT DISTINCT ${q(column.name)} AS x FROM ${q(table.name)}`);
    }
  // Events are many and long: read once, not for each table.
  db.exec(
    `CREATE TEMP TABLE told AS SELECT DISTINCT object, object_id AS id FROM events WHERE object_id IS NOT NULL`,
  );
  db.exec('CREATE INDEX temp.told_object ON told (object)');
  for (const table of model.tables.values())
    if (retrievePathOf(table, '', undefined) !== undefined && table.spec.kind !== 'singleton')
      insert(table.name, `SELECT id AS x FROM temp.told WHERE object = '${table.spec.object}'`);
  db.exec('DROP TABLE temp.told');
}

/** Test clocks hide customers, subscriptions and quotes from plain lists: one list each per clock. */
export async function planClocks(engine: Engine): Promise<void> {
  if (engine.account.livemode) return;
  let page;
  try {
    page = await engine.api.list('/v1/test_helpers/test_clocks?limit=100', {
      endpoint: 'GET /v1/test_helpers/test_clocks',
      purpose: 'fan-out',
      maxAttempts: 4,
    });
  } catch (error) {
    if (error instanceof ApiProblem && error.kind !== 'stopped') return;
    throw error;
  }
  await engine.commit(() => {
    for (const clock of page.data)
      if (typeof clock['id'] === 'string')
        for (const { table } of CLOCK_LISTS) engine.state.todo().add(`clock:${table}`, clock['id']);
  });
}

/** Where an object is read by its id; undefined when it has no address of its own. */
export function retrievePathOf(
  table: TableModel,
  id: string,
  object: StripeObject | undefined,
): string | undefined {
  const path = table.spec.retrievePath;
  // Of the account, or of one parent: then its id is the parent's.
  if (table.spec.kind === 'singleton') return table.spec.path?.replace(/\{\w+\}/, encodeURIComponent(id));
  if (path === undefined) return undefined;
  const params = path.match(/\{\w+\}/g) ?? [];
  let result = path;
  for (const [index, param] of params.entries()) {
    if (index === params.length - 1) result = result.replace(param, encodeURIComponent(id));
    else {
      const name = param.slice(1, -1);
      const parent = object?.[name];
      if (typeof parent !== 'string') return undefined;
      result = result.replace(param, encodeURIComponent(parent));
    }
  }
  return result;
}

/** The query that makes one object as complete as its list does. */
export function expandQuery(table: TableModel): string {
  const paths = (table.spec.expand ?? []).map((path) => `expand[]=${path.replace(/^data\./, '')}`);
  return paths.length === 0 ? '' : `?${paths.join('&')}`;
}

/** Reads one object by id; `undefined` = Stripe does not have it. */
export async function retrieve(
  engine: Engine,
  table: TableModel,
  path: string,
  purpose: Purpose,
): Promise<StripeObject | undefined> {
  const endpoint = `GET ${table.spec.retrievePath ?? table.spec.path ?? path}`;
  const get = { endpoint, purpose, maxAttempts: TRIES };
  const isStub = (object: StripeObject): boolean => object['deleted'] === true;
  try {
    let object: StripeObject;
    try {
      object = await engine.api.get(path + expandQuery(table), get);
    } catch (error) {
      const expanding = expandQuery(table) !== '';
      if (!expanding || !(error instanceof ApiProblem) || !error.mayBeExpansion) throw error;
      object = await engine.api.get(path, get);
    }
    return isStub(object) ? undefined : object;
  } catch (error) {
    if (error instanceof ApiProblem && error.kind === 'missing') return undefined;
    throw error;
  }
}

/** Works td_todo down to nothing. Returns the number of items done. */
export async function workTodo(
  engine: Engine,
  purpose: Purpose,
  shouldStop: () => boolean = () => false,
): Promise<number> {
  const lists = todoLists(engine);
  const todo = engine.state.todo();
  let done = 0;
  let after: TodoItem | undefined;
  for (;;) {
    const items = todo.next(WORKERS * 8, after);
    if (items.length === 0 || shouldStop()) return done;
    await inParallel(items, WORKERS, async (item) => {
      if (!shouldStop() && (await workItem(engine, lists, item, purpose))) done += 1;
    });
    // Items that failed stay for the next time; new ones may have been added anywhere.
    after = items.at(-1);
    if (items.length < WORKERS * 8) return done;
  }
}

async function workItem(
  engine: Engine,
  lists: ReadonlyMap<string, FanOut>,
  item: TodoItem,
  purpose: Purpose,
): Promise<boolean> {
  const todo = engine.state.todo();
  try {
    if (item.list.startsWith('get:')) await workGet(engine, item, purpose);
    else {
      const list = lists.get(item.list);
      if (list === undefined) await engine.commit(() => todo.done(item));
      else await workList(engine, list, item, purpose);
    }
    return true;
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused') throw error;
    engine.logger.warn({ list: item.list, id: item.id, status: error.status }, `stripe: ${error.message}`);
    // Trouble passes: the line stays. What is refused or unknown stays so.
    if (error.kind !== 'trouble')
      await engine.commit(() => {
        todo.done(item);
        noteSkipped(engine, lists.get(item.list)?.tables ?? [item.list.replace('get:', '')], error);
      });
    return false;
  }
}

function noteSkipped(engine: Engine, tables: readonly string[], problem: ApiProblem): void {
  if (problem.kind !== 'forbidden') return;
  for (const table of tables)
    if (engine.state.progress(table)?.rows === 0)
      engine.state.setProgress(table, {
        state: 'skipped',
        error: problem.whyUnreadable,
      });
}

async function workGet(engine: Engine, item: TodoItem, purpose: Purpose): Promise<void> {
  const table = engine.store.model.tables.get(item.list.slice('get:'.length));
  const path = table === undefined ? undefined : retrievePathOf(table, item.id, undefined);
  const mark = engine.touched.mark();
  const object =
    table === undefined || path === undefined ? undefined : await retrieve(engine, table, path, purpose);
  await engine.commit(() => {
    if (table !== undefined && object !== undefined) {
      if (!engine.touched.since(table.name, item.id, mark)) {
        writeFlat(engine, flattenOne(engine, table, object, true));
        engine.touched.add(table.name, item.id);
      }
    } else if (table !== undefined && path !== undefined) takeAway(engine, table, item.id);
    engine.state.todo().done(item);
  });
}

async function workList(engine: Engine, list: FanOut, item: TodoItem, purpose: Purpose): Promise<void> {
  const todo = engine.state.todo();
  const base = listPath(engine, list, item.id);
  let cursor = item.cursor;
  const ids = new Set<string>();
  let whole = cursor === null;
  let start = engine.touched.mark();
  let expand = list.expand ?? [];
  const again = (): void => {
    cursor = null;
    whole = true;
    ids.clear();
    start = engine.touched.mark();
  };
  for (let restarts = 0; ;) {
    const query = [
      ...(list.paged ? ['limit=100'] : []),
      ...(list.paged && cursor !== null ? [`starting_after=${encodeURIComponent(cursor)}`] : []),
      ...expand.map((path) => `expand[]=${path}`),
    ].join('&');
    const path = query === '' ? base : `${base}${base.includes('?') ? '&' : '?'}${query}`;
    const get = { endpoint: `GET ${list.path.split('?')[0] ?? list.path}`, purpose, maxAttempts: TRIES };
    let page: Page;
    try {
      page =
        list.single === true
          ? { data: [await engine.api.get(path, get)], has_more: false }
          : await engine.api.list(path, get);
    } catch (error) {
      if (expand.length > 0 && error instanceof ApiProblem && error.mayBeExpansion) {
        expand = [];
        continue;
      }
      const gone = error instanceof ApiProblem && (error.kind === 'missing' || error.kind === 'rejected');
      if (!gone || cursor === null) throw error;
      // The child at the cursor is gone; whether the parent is too, the first page tells.
      await engine.commit(() => todo.setCursor(item, null));
      if ((restarts += 1) > MAX_RESTARTS) return;
      again();
      continue;
    }
    const last = page.data.at(-1)?.['id'];
    const more = list.paged && page.has_more && typeof last === 'string';
    if (engine.touched.since(list.parentTable, item.id, start)) {
      // The parent changed while its list was read: from the top again; what keeps changing is left for later.
      await engine.commit(() => todo.setCursor(item, null));
      if ((restarts += 1) > MAX_RESTARTS) return;
      again();
      continue;
    }
    for (const object of page.data) if (typeof object['id'] === 'string') ids.add(object['id']);
    await engine.commit(() => {
      const parent = list.list.startsWith('clock:') ? undefined : item.id;
      const flat = flattenPage(engine, list.tables, page.data, parent, expand.length > 0);
      engine.counters.objects += flat.writes.length;
      // A whole walk in one go shows the whole set: what is not in it has gone.
      if (!more && whole && list.single !== true && /^(rest|children):/.test(list.list))
        flat.sets.push({
          tables: list.tables,
          parentTable: list.parentTable,
          parent: item.id,
          ids: [...ids],
        });
      writeFlat(engine, flat);
      for (const table of list.tables) {
        const row = engine.state.progress(table);
        if (row !== undefined)
          engine.state.setProgress(table, {
            rows: row.rows + page.data.length,
            pages: row.pages + 1,
            requests: row.requests + 1,
            // A permission that was missing has been given.
            ...(row.state === 'skipped' ? { state: 'waiting', error: null } : {}),
          });
      }
      if (more) todo.setCursor(item, String(last));
      else todo.done(item);
    });
    if (!more) return;
    cursor = String(last);
  }
}

/** Fills the parent's id, and whatever else of the parent the path asks for, into a list's path. */
function listPath(engine: Engine, list: FanOut, id: string): string {
  const names = [...list.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const parent = engine.store.model.tables.get(list.parentTable);
  let path = list.path;
  for (const name of names) {
    const isColumn =
      names.length > 1 && name !== 'id' && parent?.columns.some((column) => column.name === name) === true;
    const value = isColumn
      ? String(
          engine.store.db
            .prepare(`SELECT ${q(name)} AS v FROM ${q(list.parentTable)} WHERE id = ?`)
            .get(id)?.['v'] ?? '',
        )
      : id;
    path = path.replace(`{${name}}`, encodeURIComponent(value));
  }
  return path;
}
