import { invalid, missing, parameterMissing } from '../http/failure.ts';
import { integer, range, text, texts } from '../http/params.ts';
import type { TableFacts } from '../catalogue/types.ts';
import { flagClock, flagDeleted, flagLong, type Key, type Row } from '../store/layer.ts';
import type { StripeObject } from '../types.ts';
import type { Call } from './context.ts';
import { expand } from './expand.ts';
import { narrow, type Test } from './filters.ts';

/** Which objects a list route serves. */
export interface ListPlan {
  readonly facts: TableFacts;
  /** Several kinds in one list (customer sources). */
  readonly objects?: readonly string[];
  /** Properties that must equal path parameters, by property. */
  readonly parent?: Readonly<Record<string, string>>;
  /** Checked before the list is made; throws when the parent is not there. */
  readonly before?: (call: Call) => void;
}

/** A page as text, so that objects are not parsed only to be written again. */
export type Body = string | Record<string, unknown>;

const eventDays = 30;

/** Cuts inline lists down to the ten items that Stripe shows. */
export function shortened(object: StripeObject): StripeObject {
  const copy: StripeObject = { ...object };
  for (const [name, value] of Object.entries(object)) {
    const list = value as { object?: unknown; data?: unknown } | null;
    if (list?.object === 'list' && Array.isArray(list.data) && list.data.length > 10) {
      copy[name] = { ...list, data: list.data.slice(0, 10), has_more: true };
    }
  }
  return copy;
}

const textOf = (row: Row): string =>
  row.flags & flagLong ? JSON.stringify(shortened(row.object())) : row.text();

function limitOf(call: Call): number {
  const limit = integer(call.params, 'limit') ?? 10;
  if (limit < 1 || limit > 100) {
    throw invalid(
      'limit',
      limit < 1
        ? 'This value must be greater than or equal to 1.'
        : 'This value must be less than or equal to 100.',
      'parameter_invalid_integer',
    );
  }
  return limit;
}

function cursorOf(call: Call, name: string, objects: readonly string[]): Key | undefined {
  const id = text(call.params, name);
  if (id === undefined) return undefined;
  for (const object of objects) {
    const row = call.account.store.find(object, id);
    if (row !== undefined && (row.flags & flagDeleted) === 0 && visible(call, object, row)) return row;
  }
  throw missing(objects[0] ?? 'object', id, name, 400);
}

function visible(call: Call, object: string, row: Row): boolean {
  if (object !== 'event') return true;
  if (!call.account.recorded && row.created < call.account.now() / 1000 - eventDays * 86_400) return false;
  return call.account.eventVisible(row);
}

/** Rows of several kinds as one list, newest first. */
function* walks(
  call: Call,
  plan: ListPlan,
  after: Key | undefined,
  newer: boolean,
  ref: string | undefined,
): Generator<Row> {
  const created = range(call.params, 'created');
  const objects = plan.objects ?? [plan.facts.object];
  const walk = (object: string): Generator<Row> =>
    call.account.store.walk({
      object,
      after,
      direction: newer ? 'newer' : 'older',
      from: created?.from,
      to: created?.to,
      ref,
    });
  const payout = plan.facts.object === 'balance_transaction' ? text(call.params, 'payout') : undefined;
  if (payout === undefined && objects.length === 1 && objects[0] !== undefined) {
    yield* walk(objects[0]);
    return;
  }
  const sign = newer ? -1 : 1;
  const behind = (row: Row): boolean =>
    after === undefined || sign * (after.created - row.created || after.seq - row.seq) > 0;
  const all =
    payout === undefined
      ? objects.flatMap((object) => [...walk(object)])
      : members(call, payout).filter(behind);
  all.sort((a, b) => sign * (b.created - a.created || b.seq - a.seq));
  yield* all;
}

/** The balance transactions that went into a payout. */
function members(call: Call, payout: string): Row[] {
  const { store } = call.account;
  const kept = store.find('payout_members', payout)?.object()['ids'];
  const alone = store.get('payout', payout)?.['balance_transaction'];
  const ids = Array.isArray(kept) ? (kept as string[]) : typeof alone === 'string' ? [alone] : [];
  return ids.flatMap((id) => store.find('balance_transaction', id) ?? []);
}

interface Page {
  readonly rows: Row[];
  readonly hasMore: boolean;
}

function pageOf(call: Call, plan: ListPlan): Page {
  const { params } = call;
  const extra = Object.fromEntries(
    Object.entries(plan.parent ?? {}).map(([property, name]) => [property, call.path[name] ?? '']),
  );
  const { ref, tests } = narrow(plan.facts, params, extra);
  for (const name of plan.facts.required ?? []) if (params[name] === undefined) throw parameterMissing(name);
  const objects = plan.objects ?? [plan.facts.object];
  const limit = plan.facts.paginated === false ? Infinity : limitOf(call);
  const older = cursorOf(call, 'starting_after', objects);
  const newer = cursorOf(call, 'ending_before', objects);
  if (older !== undefined && newer !== undefined) {
    throw invalid('ending_before', 'You cannot specify both starting_after and ending_before.');
  }
  const clocks =
    params['test_clock'] !== undefined || params['customer'] !== undefined || plan.parent !== undefined;
  const keep: Test[] = [...tests];
  const rows: Row[] = [];
  for (const row of walks(call, plan, older ?? newer, newer !== undefined, ref)) {
    if (!clocks && row.flags & flagClock && hiddenWithClock.has(plan.facts.object)) continue;
    if (!visible(call, plan.facts.object, row)) {
      if (newer === undefined && !call.account.recorded && plan.facts.object === 'event') {
        if (row.created < call.account.now() / 1000 - eventDays * 86_400) break;
      }
      continue;
    }
    if (keep.length > 0) {
      const object = row.object();
      if (!keep.every((test) => test(object))) continue;
    }
    if (rows.length === limit) return page(rows, true, newer !== undefined);
    rows.push(row);
  }
  return page(rows, false, newer !== undefined);
}

const page = (rows: Row[], hasMore: boolean, turned: boolean): Page => ({
  rows: turned ? rows.reverse() : rows,
  hasMore,
});

const hiddenWithClock = new Set(['customer', 'subscription', 'quote', 'subscription_schedule']);

/**
 * Answers a list.
 * @throws Failure as Stripe does for parameters it does not know, wrong limits and cursors that are not there
 */
export function list(call: Call, plan: ListPlan, url: string): Body {
  plan.before?.(call);
  const { rows, hasMore } = pageOf(call, plan);
  const paths = texts(call.params, 'expand');
  if (paths.length === 0) {
    const data = rows.map(textOf).join(',');
    return `{"object":"list","data":[${data}],"has_more":${hasMore},"url":${JSON.stringify(url)}}`;
  }
  const answer = {
    object: 'list',
    data: rows.map((row) => shortened(row.object())),
    has_more: hasMore,
    url,
  };
  expand(call.account.store, answer, paths);
  return answer;
}

/** Pages through items that stand inside a parent object. */
export function listInline(call: Call, items: readonly StripeObject[], url: string): Body {
  const limit = limitOf(call);
  const after = text(call.params, 'starting_after');
  const before = text(call.params, 'ending_before');
  const find = (id: string, param: string): number => {
    const index = items.findIndex((item) => item.id === id);
    if (index < 0) throw missing(items[0]?.object ?? 'line_item', id, param, 400);
    return index;
  };
  let from = after === undefined ? 0 : find(after, 'starting_after') + 1;
  let to = from + limit;
  let hasMore = items.length > to;
  if (before !== undefined) {
    to = find(before, 'ending_before');
    from = Math.max(0, to - limit);
    hasMore = from > 0;
  }
  const answer = { object: 'list', data: structuredClone(items.slice(from, to)), has_more: hasMore, url };
  expand(call.account.store, answer, texts(call.params, 'expand'));
  return answer;
}

/** The object as an answer, with what was asked to be expanded. */
export function shown(call: Call, object: StripeObject): StripeObject {
  const paths = texts(call.params, 'expand');
  if (paths.length === 0) return shortened(object);
  const copy = structuredClone(shortened(object));
  expand(call.account.store, copy, paths);
  return copy;
}
