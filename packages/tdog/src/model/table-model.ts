import { catalog, type CatalogColumn, type CatalogTable, type ColumnType } from '../catalog.ts';
import { FILLS, type Fill } from './legacy.ts';
import { LEGACY_TABLES } from './legacy-tables.ts';
import { referenceOf } from './references.ts';
import { isSecret, toJson } from './scrub.ts';
import { TRANSFORMS } from './transforms.ts';
import {
  at,
  idOf,
  idsOf,
  isObject,
  numberOf,
  textOf,
  timeOf,
  type SqlValue,
  type StripeObject,
} from './values.ts';

/** One column: its SQL, and how it is read from an object. */
export interface ColumnModel {
  readonly name: string;
  readonly sqlType: 'TEXT' | 'INTEGER' | 'REAL';
  readonly json: boolean;
  readonly references: string | undefined;
  /** Absent or null in an object = the stored value stays. */
  readonly keep: boolean;
  /** What a kept column begins with. */
  readonly initial: string | undefined;
  /** Where the value comes from, for the documentation. */
  readonly source: string;
  read(object: StripeObject, parent: string | undefined): SqlValue;
}

/** One table as the engine works with it. */
export interface TableModel {
  readonly name: string;
  readonly spec: CatalogTable;
  /** In the order of the file: scalars, then JSON; without id, extra and the two timestamps. */
  readonly columns: readonly ColumnModel[];
  /** Column that names the parent, for rows that belong to one. */
  readonly parentColumn: string | undefined;
  /** Properties of inline lists whose rows go to tables of their own. */
  readonly lists: readonly ListModel[];
  /** Some columns come only by `expand`: an event never shows them, so the object is read again after it. */
  readonly includable: boolean;
  /** Properties whose value may be an object with a table of its own. */
  readonly embedded: readonly string[];
  idOf(object: StripeObject, parent: string | undefined): string | undefined;
  extra(object: StripeObject): SqlValue;
}

/** An inline list of a table's objects. */
export interface ListModel {
  readonly path: readonly string[];
  /** Asked for by `expand`: where it is missing from a list's object, the server did not expand. */
  readonly expanded: boolean;
  readonly childTables: readonly string[];
}

/** The tables of one engine. */
export interface Model {
  readonly tables: ReadonlyMap<string, TableModel>;
  /** Table of an object by its `object`; the object decides between tables that share a kind. */
  tableOf(object: StripeObject): TableModel | undefined;
  /** Adds tables whose API is gone, the first time that an object of it is seen. */
  add(names: readonly string[]): readonly TableModel[];
}

/** Every table that the engine can have: the catalogue's, and those of APIs that are gone. */
export const ALL_TABLES: readonly CatalogTable[] = [...catalog.tables, ...LEGACY_TABLES];

/** Compiles the tables named; `account` is the id of singletons that have none. */
export function createModel(names: readonly string[], account: string): Model {
  const chosen = new Set<string>();
  const tables = new Map<string, TableModel>();
  const byObject = new Map<string, TableModel>();
  const add = (added: readonly string[]): readonly TableModel[] => {
    for (const name of added) chosen.add(name);
    const made: TableModel[] = [];
    for (const spec of ALL_TABLES) {
      if (!added.includes(spec.table) || spec.object === 'event') continue;
      const table = tableModel(spec, chosen, account);
      tables.set(spec.table, table);
      if (spec.object !== 'item' && !byObject.has(spec.object)) byObject.set(spec.object, table);
      made.push(table);
    }
    return made;
  };
  add(names);
  return {
    tables,
    add,
    tableOf: (object) => {
      const kind = object['object'];
      if (typeof kind !== 'string') return undefined;
      if (kind === 'account') return tables.get(object['id'] === account ? 'own_account' : 'accounts');
      if (kind === 'card' || kind === 'bank_account') {
        const external = typeof object['account'] === 'string' && object['customer'] == null;
        return tables.get(`${external ? 'external_account_' : ''}${kind}s`);
      }
      return byObject.get(kind);
    },
  };
}

function tableModel(spec: CatalogTable, chosen: ReadonlySet<string>, account: string): TableModel {
  const fills = FILLS[spec.table] ?? [];
  const filled = new Set(fills.map((fill) => fill.column));
  const lists = (spec.nestedLists ?? [])
    .map((list) => ({
      path: list.property.split('.'),
      childTables: list.childTable.split('|'),
      expanded: spec.expand?.includes(`data.${list.property}`) === true,
    }))
    .filter((list) => list.childTables.every((table) => chosen.has(table)));
  const listNames = new Set(lists.filter((list) => list.path.length === 1).map((list) => list.path[0]));
  const included = new Set((spec.expand ?? []).map((path) => path.replace(/^data\./, '')));
  const hiddenLists = new Set(
    (spec.nestedLists ?? []).filter((list) => !list.includedByDefault).map((list) => list.property),
  );
  const pseudo = (spec.pseudoColumns ?? []).map((text) => text.split(' ')[0] ?? text);
  const columns: ColumnModel[] = [];
  for (const column of spec.columns) {
    if (column.name === 'id' || filled.has(column.name)) continue;
    // What is an id where it is not expanded is always shown: null is null.
    const isShown = column.type !== 'json' || column.itemsExpandable === true;
    const keep = (included.has(column.name) && !isShown) || hiddenLists.has(column.name);
    columns.push(catalogColumn(spec, column, listNames.has(column.name), keep, chosen));
  }
  for (const fill of fills) columns.push(fillColumn(spec, fill, chosen));
  const parentColumn = pseudo[0] ?? parentColumnOf(spec, columns);
  for (const name of pseudo) columns.push(parentOnly(spec, name, chosen));
  const withParent = columns.map((column) =>
    column.name === parentColumn && pseudo.length === 0 ? orParent(column) : column,
  );
  const known = new Set([
    'id',
    'object',
    'deleted',
    ...spec.columns.map((column) => column.name),
    ...fills.flatMap((fill) => fill.from.map((path) => path.split('.')[0] ?? path)),
    ...pseudo,
  ]);
  return {
    name: spec.table,
    spec,
    columns: [...withParent.filter((column) => !column.json), ...withParent.filter((column) => column.json)],
    parentColumn,
    lists,
    includable: (spec.expand ?? []).some((path) => {
      const column = spec.columns.find((one) => one.name === path.replace(/^data\./, '').split('.')[0]);
      return column?.type === 'json' && column.itemsExpandable !== true;
    }),
    embedded: embeddedProperties(spec, fills),
    idOf: idReader(spec, account),
    extra: (object) => {
      let extra: Record<string, unknown> | undefined;
      for (const key in object)
        if (!known.has(key) && !isSecret(spec.object, key)) (extra ??= {})[key] = object[key];
      return extra === undefined ? null : toJson(extra);
    },
  };
}

function idReader(spec: CatalogTable, account: string): TableModel['idOf'] {
  const key = spec.key;
  if (key !== undefined)
    return (object, parent) => {
      const parts = key.map((name, index) => idOf(object[name]) ?? (index === 0 ? parent : undefined));
      return parts.includes(undefined) ? undefined : parts.join(':');
    };
  if (spec.kind === 'singleton')
    return (object) => (typeof object['id'] === 'string' ? object['id'] : account);
  return (object, parent) => {
    const id = object['id'];
    // Only as a child of something can an object without an id be anything.
    return typeof id === 'string' && (id !== '' || parent !== undefined) ? id : undefined;
  };
}

function embeddedProperties(spec: CatalogTable, fills: readonly Fill[]): readonly string[] {
  const names = spec.columns
    .filter((column) => column.type === 'expandable-id' || column.type === 'json' || column.sdk === true)
    .map((column) => column.name)
    .filter((name) => name !== 'metadata');
  const roots = fills.flatMap((fill) => fill.from.map((path) => path.split('.')[0] ?? path));
  // A shape of 2020 held these whole where today's holds an id or nothing.
  return [...new Set([...names, ...roots, 'price', 'plan', 'coupon', 'source', 'tax_rates', 'discount'])];
}

function parentColumnOf(spec: CatalogTable, columns: readonly ColumnModel[]): string | undefined {
  const parent = spec.parent?.table ?? spec.embeddedInEventsOf;
  if (parent === undefined) return undefined;
  const found = columns.find(
    (column) => !column.json && referenceOf(spec.table, column.name) === parent && column.name !== 'discount',
  );
  return found?.name;
}

const SQL_TYPES: Readonly<Record<ColumnType, ColumnModel['sqlType']>> = {
  integer: 'INTEGER',
  boolean: 'INTEGER',
  timestamp: 'TEXT',
  text: 'TEXT',
  json: 'TEXT',
  real: 'REAL',
  'expandable-id': 'TEXT',
};

const READERS: Readonly<Record<ColumnType, (value: unknown) => SqlValue>> = {
  integer: numberOf,
  boolean: numberOf,
  real: numberOf,
  timestamp: timeOf,
  text: textOf,
  'expandable-id': textOf,
  json: (value) => (value === null || value === undefined ? null : toJson(value)),
};

function catalogColumn(
  spec: CatalogTable,
  column: CatalogColumn,
  asIds: boolean,
  keep: boolean,
  chosen: ReadonlySet<string>,
): ColumnModel {
  const { name, type } = column;
  const reader = READERS[type];
  const deep = type === 'json' ? deepLists(spec, name) : [];
  const read: ColumnModel['read'] = isSecret(spec.object, name)
    ? () => null
    : name === 'metadata'
      ? (object) => metadata(object[name])
      : asIds || (type === 'json' && column.itemsExpandable === true)
        ? (object) => reader(idsOf(object[name]))
        : deep.length > 0
          ? (object) => reader(deep.reduce((value, path) => without(value, path, 1), object[name]))
          : (object) => reader(object[name]);
  return {
    name,
    sqlType: SQL_TYPES[type],
    json: type === 'json',
    references: targetOf(spec.table, name, type, chosen),
    keep,
    initial: undefined,
    source: isSecret(spec.object, name) ? 'never stored (secret)' : asIds ? `ids of ${name}` : name,
    read,
  };
}

/** tdog 0.7 stores empty metadata as NULL; so does every other tool's `WHERE metadata IS NOT NULL`. */
function metadata(value: unknown): SqlValue {
  if (!isObject(value)) return textOf(value);
  for (const _ in value) return toJson(value);
  return null;
}

/** An inline list deep inside a JSON column is there only when it was expanded: leave it to its own table. */
function deepLists(spec: CatalogTable, name: string): readonly (readonly string[])[] {
  return (spec.nestedLists ?? [])
    .map((list) => list.property.split('.'))
    .filter((path) => path.length > 1 && path[0] === name);
}

/** A copy that lacks what stands at the path; the rest is shared. */
function without(value: unknown, path: readonly string[], from: number): unknown {
  const name = path[from] ?? '';
  if (!isObject(value) || !(name in value)) return value;
  const copy: Record<string, unknown> = { ...value };
  if (from === path.length - 1) delete copy[name];
  else copy[name] = without(value[name], path, from + 1);
  return copy;
}

function fillColumn(spec: CatalogTable, fill: Fill, chosen: ReadonlySet<string>): ColumnModel {
  const paths = fill.from.map((path) => path.split('.'));
  const transforms = fill.from.map((_, index) => TRANSFORMS[fill.as?.[index] ?? 'same']);
  const type: ColumnType = fill.type === 'ids' ? 'json' : fill.type;
  const reader = READERS[type];
  return {
    name: fill.column,
    sqlType: SQL_TYPES[type],
    json: type === 'json',
    references: targetOf(spec.table, fill.column, type, chosen),
    keep: fill.keep ?? false,
    initial: fill.initial,
    source: fill.from.join(', else '),
    read: (object) => {
      let isNull = false;
      for (let i = 0; i < paths.length; i += 1) {
        const found = at(object, paths[i] ?? []);
        if (found === undefined) continue;
        const value = transforms[i]?.(found);
        if (value === undefined) continue;
        if (value === null) {
          isNull = true;
          continue;
        }
        return reader(fill.type === 'ids' ? idsOf(value) : value);
      }
      return isNull && fill.otherwise === undefined ? null : (fill.otherwise ?? null);
    },
  };
}

function parentOnly(spec: CatalogTable, name: string, chosen: ReadonlySet<string>): ColumnModel {
  return {
    name,
    sqlType: 'TEXT',
    json: false,
    references: targetOf(spec.table, name, 'text', chosen),
    keep: true,
    initial: undefined,
    source: 'the parent',
    read: (object, parent) => idOf(object[name]) ?? parent ?? null,
  };
}

function orParent(column: ColumnModel): ColumnModel {
  return {
    ...column,
    read: (object, parent) => column.read(object, parent) ?? parent ?? null,
  };
}

function targetOf(
  table: string,
  column: string,
  type: ColumnType,
  chosen: ReadonlySet<string>,
): string | undefined {
  if (type !== 'expandable-id' && type !== 'text') return undefined;
  const target = referenceOf(table, column);
  return target !== undefined && chosen.has(target) ? target : undefined;
}
