import type { Engine } from '../engine.ts';
import { childTable, emptyFlat, flatten, type Flat, type Write } from '../model/flatten.ts';
import type { TableModel } from '../model/table-model.ts';
import { isObject, type StripeObject } from '../model/values.ts';
import type { WriteOptions } from '../sqlite/store.ts';

/** Flattens the objects of a page of one table (or, for a list of several kinds, of these tables). */
export function flattenPage(
  engine: Engine,
  tables: readonly string[],
  data: readonly unknown[],
  parent: string | undefined,
  expanded = false,
): Flat {
  const flat = emptyFlat(expanded);
  const { model } = engine.store;
  for (const object of data) {
    if (!isObject(object)) continue;
    const table = childTable(model, tables, object);
    if (table !== undefined) flatten(model, table, object, parent, flat);
  }
  return flat;
}

/** Writes inside the running transaction, and notes what is left to read. */
export function writeFlat(engine: Engine, flat: Flat, options: WriteOptions = {}): number {
  const changes = engine.store.write(flat, options);
  const todo = engine.state.todo();
  for (const rest of flat.remainders) todo.add(`rest:${rest.list}`, rest.parentId);
  if (options.bulk !== true) noteTakenUp(engine, flat.writes);
  return changes;
}

/** An invoice takes up waiting invoice items without an event of theirs: its lines tell. */
function noteTakenUp(engine: Engine, writes: readonly Write[]): void {
  const { store, state } = engine;
  if (!store.model.tables.has('invoiceitems')) return;
  const lines = store.model.tables.get('invoice_line_items');
  const column = lines?.columns.find(({ name }) => name === 'invoice_item');
  if (column === undefined) return;
  for (const { table, object, parent } of writes) {
    if (table !== lines || parent === undefined) continue;
    const item = column.read(object, parent);
    if (typeof item !== 'string') continue;
    const elsewhere = store.db.prepare('SELECT 1 FROM invoiceitems WHERE id = ? AND invoice IS NOT ?');
    if (elsewhere.get(item, parent) !== undefined) state.todo().add('get:invoiceitems', item);
  }
}

/** Flattens one object of a known table. */
export function flattenOne(engine: Engine, table: TableModel, object: StripeObject, expanded = false): Flat {
  const flat = emptyFlat(expanded);
  flatten(engine.store.model, table, object, undefined, flat);
  return flat;
}
