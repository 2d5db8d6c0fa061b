import type { Engine } from '../engine.ts';
import { LEGACY_TABLES } from '../model/legacy-tables.ts';
import { toJson } from '../model/scrub.ts';
import { isObject, timestamp, timestampMs } from '../model/values.ts';
import type { StripeEvent } from '../options.ts';

/** The id that an event is about, if its object has one that can be read again. */
export function objectIdOf(event: StripeEvent): string | undefined {
  const id = event.data.object['id'];
  return typeof id === 'string' && id !== '' && !id.startsWith('upcoming_in') ? id : undefined;
}

/** The kind of the object that an event is about. */
export function objectKindOf(event: StripeEvent): string | undefined {
  const kind = event.data.object['object'];
  return typeof kind === 'string' ? kind : undefined;
}

/** Whether `value` has the form of an event. */
export function isEvent(value: unknown): value is StripeEvent {
  return (
    isObject(value) &&
    typeof value['id'] === 'string' &&
    typeof value['type'] === 'string' &&
    typeof value['created'] === 'number' &&
    isObject(value['data']) &&
    isObject(value['data']['object'])
  );
}

const LEGACY_KINDS: ReadonlyMap<string, string> = new Map(
  LEGACY_TABLES.map((table) => [table.object, table.table]),
);

/**
 * Keeps events for good, inside the running transaction. Returns those that were new.
 *
 * @param events - oldest first; `created` has whole seconds, so that of one second the order of the rows is that of the
 * events
 * @param where - `before` what is there: for a list that is walked from its newest end, page by page
 */
export function storeEvents(
  engine: Engine,
  events: readonly StripeEvent[],
  where: 'after' | 'before' = 'after',
): readonly StripeEvent[] {
  const { db } = engine.store;
  const insert = db.prepare(`INSERT INTO events
    (rowid, id, object_id, object, type, created, api_version, previous_attributes, payload, insert_ts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`);
  let place: number | undefined;
  if (where === 'before') {
    const lowest = Number(db.prepare('SELECT min(rowid) AS n FROM events').get()?.['n'] ?? 1);
    place = Math.min(lowest, 1) - events.length;
  }
  const ts = timestampMs(engine.options.now());
  const fresh: StripeEvent[] = [];
  for (const event of events) {
    if (!isEvent(event)) continue;
    const previous = event.data.previous_attributes;
    const { changes } = insert.run(
      place ?? null,
      event.id,
      objectIdOf(event) ?? null,
      objectKindOf(event) ?? null,
      event.type,
      timestamp(event.created),
      event.api_version ?? null,
      previous === undefined ? null : toJson(previous),
      toJson(event),
      ts,
    );
    if (place !== undefined) place += 1;
    if (Number(changes) > 0) fresh.push(event);
  }
  if (fresh.length > 0) engine.store.touch();
  return fresh;
}

/** Whether an event is kept already. */
export function isStored(engine: Engine, id: string): boolean {
  return engine.store.db.prepare('SELECT 1 FROM events WHERE id = ?').get(id) !== undefined;
}

/** Whether an event's object is of an API that is gone. */
export function isLegacy(event: StripeEvent): boolean {
  return LEGACY_KINDS.has(objectKindOf(event) ?? '');
}

/** Makes the tables of such objects, if one of these kinds is among them: all at once, as they refer to each other. */
export function wakeLegacy(engine: Engine, kinds: Iterable<string | undefined>): void {
  for (const kind of kinds) {
    const table = LEGACY_KINDS.get(kind ?? '');
    if (table === undefined || engine.store.model.tables.has(table)) continue;
    const names = [...LEGACY_KINDS.values()];
    engine.store.wake(names);
    for (const name of names)
      if (engine.state.progress(name) === undefined)
        engine.state.setProgress(name, { state: 'done', cursor: 'events', share: 1 });
  }
}
