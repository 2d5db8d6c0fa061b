import type { Model, TableModel } from './table-model.ts';
import { at, isObject, type StripeObject } from './values.ts';

/** One row to write. */
export interface Write {
  readonly table: TableModel;
  readonly id: string;
  readonly object: StripeObject;
  readonly parent: string | undefined;
  /**
   * `insert`: a copy inside another object, perhaps not the newest; it only fills a gap. `copy`: one that was rendered
   * with the object that holds it; written unless the row is known to be newer.
   */
  readonly mode: 'upsert' | 'insert' | 'copy';
}

/** An inline list that is complete: children of this parent that are not named are gone. */
export interface ChildSet {
  readonly tables: readonly string[];
  readonly parentTable: string;
  readonly parent: string;
  readonly ids: readonly string[];
}

/** An inline list with `has_more`: the rest is still to be read. */
export interface Remainder {
  /** `TABLE.PROPERTY` of the list. */
  readonly list: string;
  readonly parentId: string;
}

/** What is in one or more objects. */
export interface Flat {
  /** The objects were asked for with all their inline lists: one that is missing must be read by itself. */
  readonly expanded: boolean;
  readonly writes: Write[];
  readonly sets: ChildSet[];
  readonly remainders: Remainder[];
}

/** An empty collection for {@link flatten}. */
export function emptyFlat(expanded = false): Flat {
  return { expanded, writes: [], sets: [], remainders: [] };
}

/**
 * Copies inside other objects that Stripe renders as they are now. A discount has no endpoint of its own: the objects
 * that hold it are where it lives; its coupon's `times_redeemed` changes with it and without an event.
 */
const ALWAYS_CURRENT: ReadonlySet<string> = new Set(['discounts', 'coupons']);

/** A preview is no object that one could ever read again. */
function isPreview(id: string): boolean {
  return id.startsWith('upcoming_in') || id.startsWith('il_tmp_') || id.startsWith('ii_tmp_');
}

/** Adds `object` and all that it holds (inline lists, discounts, expanded references) to `flat`. */
export function flatten(
  model: Model,
  table: TableModel,
  object: StripeObject,
  parent: string | undefined,
  flat: Flat,
  mode: Write['mode'] = 'upsert',
): void {
  const id = table.idOf(object, parent);
  if (id === undefined || isPreview(id) || object['deleted'] === true) return;
  flat.writes.push({ table, id, object, parent, mode });
  for (const list of table.lists) flattenList(model, table, id, object, list, flat);
  for (const name of table.embedded) {
    const value = object[name];
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      if (typeof (value[0] as StripeObject | undefined)?.['object'] !== 'string') continue;
      for (const item of value as unknown[]) embed(model, item, flat);
    } else embed(model, value, flat);
  }
}

function flattenList(
  model: Model,
  table: TableModel,
  id: string,
  object: StripeObject,
  list: TableModel['lists'][number],
  flat: Flat,
): void {
  const value = at(object, list.path);
  if (value === undefined && flat.expanded && list.expanded)
    flat.remainders.push({ list: `${table.name}.${list.path.join('.')}`, parentId: id });
  if (!isObject(value) || !Array.isArray(value['data'])) return;
  const ids: string[] = [];
  for (const item of value['data'] as unknown[]) {
    if (!isObject(item)) continue;
    const child = childTable(model, list.childTables, item);
    if (child === undefined) continue;
    const childId = child.idOf(item, id);
    if (childId !== undefined) ids.push(childId);
    flatten(model, child, item, id, flat);
  }
  if (value['has_more'] === true)
    flat.remainders.push({ list: `${table.name}.${list.path.join('.')}`, parentId: id });
  else flat.sets.push({ tables: list.childTables, parentTable: table.name, parent: id, ids });
}

/** The table of an item of a list that may hold several kinds. */
export function childTable(
  model: Model,
  names: readonly string[],
  item: StripeObject,
): TableModel | undefined {
  const tables = names.map((name) => model.tables.get(name)).filter((table) => table !== undefined);
  return tables.length === 1 ? tables[0] : tables.find((table) => table.spec.object === item['object']);
}

function embed(model: Model, value: unknown, flat: Flat): void {
  if (!isObject(value)) return;
  const table = model.tableOf(value);
  if (table !== undefined)
    flatten(model, table, value, undefined, flat, ALWAYS_CURRENT.has(table.name) ? 'copy' : 'insert');
}
