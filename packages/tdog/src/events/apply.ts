import { retrieve, retrievePathOf } from '../download/todo.ts';
import { writeFlat } from '../download/write-page.ts';
import type { Engine } from '../engine.ts';
import { emptyFlat, flatten, type Write } from '../model/flatten.ts';
import type { TableModel } from '../model/table-model.ts';
import { timestamp, type StripeObject } from '../model/values.ts';
import type { StripeEvent } from '../options.ts';
import { ApiProblem } from '../stripe/problem.ts';
import { isDeletion, takeAway } from './deletion.ts';
import { noteHidden } from './hidden.ts';
import { CLOSE_SECONDS, isOrderSure } from './order.ts';
import { applyEffects, applyWithoutObject } from './effects.ts';
import { isLegacy, isStored, objectIdOf, objectKindOf, storeEvents, wakeLegacy } from './store-events.ts';

/** Where a batch of events comes from. */
export interface BatchSource {
  /** Events older than this (unix seconds) come late: their order among those applied before is not known. */
  readonly horizon: number | undefined;
  /** Runs in the batch's transaction: the cursor moves with the rows. */
  readonly also?: () => void;
}

/** What is done with one event. */
type Decision =
  | { readonly kind: 'store' }
  | { readonly kind: 'apply'; readonly table: TableModel; readonly id: string }
  | { readonly kind: 'delete'; readonly table: TableModel; readonly id: string }
  | { readonly kind: 'fetch'; readonly table: TableModel; readonly id: string; readonly path: string };

/** Fetches of one batch at once; the gate limits them further. */
const FETCHERS = 16;

/**
 * Applies events, oldest first, in one transaction. Events that are known already are skipped, stale ones only kept;
 * those of another API version, and those whose place in the order is not sure, make the object be read by its id,
 * once per batch. Returns the number of events that were new.
 */
export async function applyEvents(
  engine: Engine,
  events: readonly StripeEvent[],
  source: BatchSource,
): Promise<number> {
  const fresh = [...new Map(events.map((event) => [event.id, event])).values()].filter(
    (event) => !isStored(engine, event.id),
  );
  if (fresh.length === 0) {
    if (source.also !== undefined) await engine.commit(source.also);
    return 0;
  }
  await engine.commit(() => wakeLegacy(engine, fresh.map(objectKindOf)));
  const decisions = decideAll(engine, fresh, source.horizon);
  const mark = engine.touched.mark();
  const fetched = await fetchAll(engine, decisions);
  await engine.commit(() => {
    // In the order of the events, not of the answers: a charge holds copies of its refunds. Looked at before anything
    // is written, as those copies count as written too.
    const answers = [...decisions.keys()]
      .map((event) => fetched.get(event))
      .filter((one) => one !== undefined)
      // A webhook may have brought something newer while the answer was on its way.
      .filter((one) => !engine.touched.since(one.table.name, one.id, mark));
    const written: Write[] = [];
    const stored = new Set(storeEvents(engine, fresh).map((event) => event.id));
    for (const [event, decision] of decisions) {
      if (!stored.has(event.id)) continue;
      if (decision.kind === 'apply') written.push(...applyObject(engine, decision.table, event));
      else if (decision.kind === 'delete') takeAway(engine, decision.table, decision.id, event.data.object);
      if (decision.kind === 'store') {
        if (objectIdOf(event) === undefined) applyWithoutObject(engine, event);
      } else applyEffects(engine, event, decision.kind === 'fetch');
    }
    for (const one of answers) written.push(...writeFetched(engine, one));
    noteHidden(engine, written);
    source.also?.();
  });
  engine.counters.events += fresh.length;
  return fresh.length;
}

function decideAll(
  engine: Engine,
  events: readonly StripeEvent[],
  horizon: number | undefined,
): ReadonlyMap<StripeEvent, Decision> {
  const newest = engine.store.db.prepare(
    'SELECT max(created) AS created FROM events WHERE object_id = ? AND object IS ?',
  );
  const close = engine.store.db.prepare(
    `SELECT payload FROM events WHERE object_id = ? AND created >= ? AND object IS ?
     ORDER BY created DESC, rowid DESC LIMIT 1`,
  );
  /** What was applied last, if it is so close that its place before the event must be proven as inside a batch. */
  const appliedBefore = (event: StripeEvent | undefined): readonly StripeEvent[] => {
    const id = event === undefined ? undefined : objectIdOf(event);
    if (event === undefined || id === undefined) return [];
    return close
      .all(id, timestamp(event.created - CLOSE_SECONDS), objectKindOf(event) ?? null)
      .map((row) => JSON.parse(String(row['payload'])) as StripeEvent);
  };
  const decisions = new Map<StripeEvent, Decision>();
  // A read of an object settles the whole batch.
  const byObject = new Map<string, StripeEvent[]>();
  for (const event of events) {
    const target = targetOf(engine, event);
    if (target === undefined) {
      decisions.set(event, { kind: 'store' });
      continue;
    }
    const applied = newest.get(target.id, objectKindOf(event) ?? null)?.['created'];
    const decision = decide(
      engine,
      event,
      target,
      typeof applied === 'string' ? applied : undefined,
      horizon,
    );
    decisions.set(event, decision);
    const key = `${target.table.name} ${target.id}`;
    const list = byObject.get(key);
    if (list === undefined) byObject.set(key, [event]);
    else list.push(event);
  }
  for (const list of byObject.values()) {
    if (!isOrderSure([...appliedBefore(list[0]), ...list])) askStripe(engine, list, decisions);
    settle(list, decisions);
  }
  return decisions;
}

/** The order inside a second is not known: the object itself tells the end of it. */
function askStripe(
  engine: Engine,
  list: readonly StripeEvent[],
  decisions: Map<StripeEvent, Decision>,
): void {
  const last = list.findLast((event) => decisions.get(event)?.kind !== 'store');
  const decision = last === undefined ? undefined : decisions.get(last);
  if (last === undefined || decision === undefined || decision.kind === 'store' || decision.kind === 'fetch')
    return;
  const { table, id } = decision;
  const path = retrievePathOf(table, id, last.data.object);
  if (path !== undefined && !engine.unreadable.has(table.name))
    decisions.set(last, { kind: 'fetch', table, id, path });
}

/** When the last event of an object deletes it, nothing before needs a read; a read makes the earlier states idle. */
function settle(list: readonly StripeEvent[], decisions: Map<StripeEvent, Decision>): void {
  const last = list.at(-1);
  const end = last === undefined ? undefined : decisions.get(last);
  const deleted = end?.kind === 'delete';
  const fetches = list.some((event) => decisions.get(event)?.kind === 'fetch');
  for (const event of list) {
    const decision = decisions.get(event);
    if (event === last || decision === undefined) continue;
    if ((deleted && decision.kind === 'fetch') || (fetches && !deleted && decision.kind === 'apply'))
      decisions.set(event, { kind: 'store' });
  }
}

function targetOf(
  engine: Engine,
  event: StripeEvent,
): { readonly table: TableModel; readonly id: string } | undefined {
  if (objectIdOf(event) === undefined && objectKindOf(event) !== 'cash_balance') return undefined;
  const table = engine.store.model.tableOf(event.data.object);
  const id = table?.idOf(event.data.object, undefined);
  return table === undefined || id === undefined ? undefined : { table, id };
}

function decide(
  engine: Engine,
  event: StripeEvent,
  target: { readonly table: TableModel; readonly id: string },
  applied: string | undefined,
  horizon: number | undefined,
): Decision {
  const { table, id } = target;
  const created = timestamp(event.created);
  const path = retrievePathOf(table, id, event.data.object);
  const readable = path !== undefined && !engine.unreadable.has(table.name);
  // Something as new or newer of this object was applied: this event is history, and came late. A read is always right.
  const stale = applied !== undefined && applied >= created;
  const unsure = stale || (horizon !== undefined && event.created < horizon);
  if (unsure && readable) return { kind: 'fetch', table, id, path };
  if (applied !== undefined && applied > created) return { kind: 'store' };
  if (isDeletion(event)) return { kind: 'delete', table, id };
  if (event.type === 'coupon.deleted') return { kind: 'apply', table, id };
  if (readable && !isSameVersion(event.api_version, engine.options.stripe.apiVersion))
    return { kind: 'fetch', table, id, path };
  return { kind: 'apply', table, id };
}

/**
 * Whether an event's object has the shape that the mirror asks for. Versions of one release (`.dahlia`) only gain
 * properties: a newer one of the same release will do.
 */
export function isSameVersion(version: string | null | undefined, pinned: string): boolean {
  if (version === null || version === undefined) return false;
  if (version === pinned) return true;
  const [date, release] = version.split('.');
  const [pinnedDate, pinnedRelease] = pinned.split('.');
  return release !== undefined && release === pinnedRelease && (date ?? '') > (pinnedDate ?? '');
}

function applyObject(engine: Engine, table: TableModel, event: StripeEvent): readonly Write[] {
  const object: StripeObject =
    event.type === 'coupon.deleted' ? { ...event.data.object, valid: false } : event.data.object;
  return writeObject(engine, table, object);
}

function writeObject(engine: Engine, table: TableModel, object: StripeObject): readonly Write[] {
  const flat = emptyFlat();
  flatten(engine.store.model, table, object, undefined, flat);
  writeFlat(engine, flat);
  for (const write of flat.writes) engine.touched.add(write.table.name, write.id);
  return flat.writes;
}

interface Fetched {
  readonly table: TableModel;
  readonly id: string;
  /** `missing`: Stripe does not have it. `payload`: it cannot be read; the event's own object is the best there is. */
  readonly result: StripeObject | 'missing' | 'payload';
  readonly event: StripeEvent;
}

/** Reads each object once; the answer stands with the last event that asked for it. */
async function fetchAll(
  engine: Engine,
  decisions: ReadonlyMap<StripeEvent, Decision>,
): Promise<ReadonlyMap<StripeEvent, Fetched>> {
  const wanted = new Map<string, { decision: Decision & { kind: 'fetch' }; event: StripeEvent }>();
  for (const [event, decision] of decisions)
    if (decision.kind === 'fetch') wanted.set(`${decision.table.name} ${decision.id}`, { decision, event });
  const fetched = new Map<StripeEvent, Fetched>();
  const queue = [...wanted.values()];
  await Promise.all(
    Array.from({ length: Math.min(FETCHERS, queue.length) }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { decision, event } = next;
        fetched.set(event, { ...decision, event, result: await fetchOne(engine, decision, event) });
      }
    }),
  );
  return fetched;
}

async function fetchOne(
  engine: Engine,
  decision: Decision & { kind: 'fetch' },
  event: StripeEvent,
): Promise<Fetched['result']> {
  const { table, id, path } = decision;
  try {
    return (await retrieve(engine, table, path, 'refetch')) ?? 'missing';
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.kind === 'stopped' || error.kind === 'refused') throw error;
    if (error.kind === 'no-endpoint' && isLegacy(event)) return 'payload';
    engine.logger.warn({ table: table.name, id, status: error.status }, `stripe: ${error.message}`);
    // One object (or one missing permission) must not hold up all others: it is read again later.
    if (error.kind === 'forbidden') engine.unreadable.add(table.name);
    else await engine.commit(() => engine.state.todo().add(`get:${table.name}`, id));
    return 'payload';
  }
}

function writeFetched(engine: Engine, fetched: Fetched): readonly Write[] {
  const { table, id, result, event } = fetched;
  if (result === 'missing') takeAway(engine, table, id);
  else if (result !== 'payload') return writeObject(engine, table, result);
  else if (!isDeletion(event)) return applyObject(engine, table, event);
  else takeAway(engine, table, id, event.data.object);
  return [];
}
