import data from './catalog.json' with { type: 'json' };

/** How a property's JSON value becomes a column. */
export type ColumnType = 'integer' | 'timestamp' | 'text' | 'real' | 'json' | 'expandable-id' | 'boolean';

/** One property of a Stripe object. */
export interface CatalogColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable?: boolean;
  /** An inline list (`{object: 'list', data, has_more}`). */
  readonly list?: boolean;
  readonly itemsExpandable?: boolean;
  readonly format?: string;
  /** Not in the public specification, but in the official Node client's types. */
  readonly sdk?: boolean;
}

/** An inline list of children, and where the rest of it is paged. */
export interface NestedList {
  readonly property: string;
  readonly maxInline: number;
  readonly path: string;
  readonly childTable: string;
  readonly includedByDefault: boolean;
  readonly expand?: string;
}

/** How to list the children of one parent. */
export interface CatalogParent {
  readonly table: string;
  readonly param: string;
  readonly path?: string;
  readonly in?: string;
  readonly optional?: boolean;
}

/** One table of the catalogue: a kind of Stripe object and where it comes from. */
export interface CatalogTable {
  readonly table: string;
  readonly object: string;
  readonly core: boolean;
  readonly group: string;
  readonly kind: 'top' | 'nested' | 'embedded' | 'byId' | 'singleton';
  readonly path?: string;
  readonly created?: boolean;
  readonly unpaged?: boolean;
  readonly retrievePath?: string;
  readonly deletedStub?: boolean;
  readonly deletable?: boolean;
  readonly neverInEvents?: boolean;
  readonly eventTypes?: readonly string[];
  readonly eventTypesWithoutId?: readonly string[];
  readonly deleteEvents?: readonly string[];
  readonly embeddedInEventsOf?: string;
  readonly requiredListParams?: readonly string[];
  readonly listVariants?: readonly {
    readonly params: Readonly<Record<string, string>>;
    readonly why?: string;
    readonly optional?: boolean;
  }[];
  readonly expand?: readonly string[];
  readonly nestedLists?: readonly NestedList[];
  readonly parent?: CatalogParent;
  readonly fanOut?: string;
  readonly key?: readonly string[];
  readonly pseudoColumns?: readonly string[];
  readonly columns: readonly CatalogColumn[];
  readonly notes?: string;
  readonly idNote?: string;
  readonly hiddenByDefault?: string;
  readonly requiredNote?: string;
}

/** Everything the engine knows of Stripe's objects, derived from Stripe's OpenAPI description. */
export interface Catalog {
  /** The pinned `Stripe-Version`. */
  readonly apiVersion: string;
  readonly tables: readonly CatalogTable[];
}

/** The catalogue of the pinned API version. */
export const catalog: Catalog = data as unknown as Catalog;

/** The names of the core tables, or of all. */
export function tableNames(which: 'core' | 'all'): readonly string[] {
  return catalog.tables.filter((table) => which === 'all' || table.core).map((table) => table.table);
}
