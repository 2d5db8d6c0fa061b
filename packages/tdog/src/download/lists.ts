import type { CatalogTable } from '../catalog.ts';

/** One list to walk from end to end. */
export interface ListPlan {
  /** Name in td_progress' cursor: the table, with the variant's parameters. */
  readonly key: string;
  readonly table: string;
  readonly path: string;
  readonly params: readonly string[];
  readonly expand: readonly string[];
  /** The list takes `created[…]`. */
  readonly windows: boolean;
  /** The list takes `limit` and cursors. */
  readonly paged: boolean;
  /** A refusal of this variant is no failure of the table. */
  readonly optional: boolean;
  readonly single: boolean;
}

/** Lists that are not walked although they could be, and why. */
export const NOT_WALKED: Readonly<Record<string, string>> = {
  apps_secrets: 'a store of secrets: never mirrored',
  billing_meter_event_summaries: 'one list per meter, customer and time window: read them by need',
  mandates: 'no list; rows come by their ids in setup intents and payment methods',
  tax_transactions: 'no list; Stripe tells their ids only to who makes them',
  tax_transaction_line_items: 'no list of their parents',
};

/** The lists of one table: none for tables that only come with others. */
export function listsOf(spec: CatalogTable): readonly ListPlan[] {
  if (spec.path === undefined || spec.table in NOT_WALKED) return [];
  if (spec.kind === 'singleton' && spec.parent === undefined)
    return [plan(spec, {}, { single: true, windows: false, paged: false, expand: [] })];
  if (spec.kind !== 'top') return [];
  const variants = spec.listVariants ?? [{ params: {} }];
  return variants.map((variant) => plan(spec, variant.params, { optional: variant.optional ?? false }));
}

function plan(
  spec: CatalogTable,
  params: Readonly<Record<string, string>>,
  change: Partial<ListPlan>,
): ListPlan {
  const query = Object.entries(params).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return {
    key: [spec.table, ...query].join('?'),
    table: spec.table,
    path: spec.path ?? '',
    params: query,
    expand: spec.expand ?? [],
    windows: spec.created === true,
    paged: spec.unpaged !== true,
    optional: false,
    single: false,
    ...change,
  };
}

/** Children of one parent, and of which parents. `{id}` is the parent's id. */
export interface FanOut {
  readonly list: string;
  /** Where the items go; several when the list holds several kinds. */
  readonly tables: readonly string[];
  readonly parentTable: string;
  readonly path: string;
  /** SQL condition on the parent's row `p`; undefined = filled only by what pages leave over. */
  readonly where: string | undefined;
  readonly paged: boolean;
  /** The path answers with the one object itself. */
  readonly single?: boolean;
  /** What makes the objects as complete as their table's own list does. */
  readonly expand?: readonly string[];
}

/** So few parents that each can be asked, whatever the cheap test says. */
const FEW = 100;

/** Which parents have children at all, where the object or another table tells. */
const WHERE: Readonly<Record<string, string>> = {
  account_capabilities: '1',
  account_persons: '1',
  customer_balance_transactions: `p.balance <> 0
    OR p.id IN (SELECT customer FROM invoices WHERE starting_balance <> coalesce(ending_balance, starting_balance) OR starting_balance <> 0)
    OR p.id IN (SELECT customer FROM credit_notes WHERE customer_balance_transaction IS NOT NULL)`,
  customer_cash_balance_transactions: 'p.cash_balance IS NOT NULL',
  financial_connections_account_owners: 'p.ownership IS NOT NULL',
  financial_connections_transactions: `p.subscriptions LIKE '%transactions%'`,
  issuing_tokens: '1',
  payment_attempt_records: '1',
  payment_intent_amount_details_line_items: `json_extract(p.amount_details, '$.line_items') IS NOT NULL`,
  setup_attempts: 'p.latest_attempt IS NOT NULL',
  source_transactions: `p.type NOT IN ('card', 'three_d_secure')`,
  treasury_credit_reversals: '1',
  treasury_debit_reversals: '1',
  treasury_inbound_transfers: '1',
  treasury_outbound_payments: '1',
  treasury_outbound_transfers: '1',
  treasury_received_credits: '1',
  treasury_received_debits: '1',
  treasury_transactions: '1',
  treasury_transaction_entries: '1',
};

/** The per-parent lists of a table that has no list of its own. */
export function fanOutOf(spec: CatalogTable): FanOut | undefined {
  const { parent, path, table } = spec;
  if (parent === undefined || parent.optional === true || path === undefined || table in NOT_WALKED)
    return undefined;
  const test = WHERE[table];
  // Core children come inline with their parents; what is missing of them is noted page by page.
  if (test === undefined && spec.core) return undefined;
  if (ENTITLEMENTS.has(table)) return fan(spec, path, parent, 'EXISTS (SELECT 1 FROM entitlements_features)');
  const few = `(SELECT count(*) FROM ${parent.table}) <= ${FEW}`;
  const where = test === undefined ? few : table in OF_PARENT || test === '1' ? test : `${few} OR ${test}`;
  return fan(spec, path, parent, where);
}

/** Children that exist only where features are defined. */
const ENTITLEMENTS: ReadonlySet<string> = new Set(['entitlements_active_entitlements', 'product_features']);

/** Queries with another column of the parent. */
const OF_PARENT: Readonly<Record<string, string>> = {
  financial_connections_account_owners: '?ownership={ownership}',
};

function fan(
  spec: CatalogTable,
  path: string,
  parent: NonNullable<CatalogTable['parent']>,
  where: string,
): FanOut {
  return {
    list: `children:${spec.table}`,
    tables: [spec.table],
    parentTable: parent.table,
    path:
      parent.in === 'query'
        ? `${path}?${parent.param}={id}`
        : path.replace(`{${parent.param}}`, '{id}') + (OF_PARENT[spec.table] ?? ''),
    where,
    paged: spec.unpaged !== true && spec.kind !== 'singleton',
    single: spec.kind === 'singleton',
  };
}

/** The rest of an inline list that was cut off. */
export function remainderOf(spec: CatalogTable, property: string): FanOut | undefined {
  const list = spec.nestedLists?.find((nested) => nested.property === property);
  if (list === undefined) return undefined;
  return {
    list: `rest:${spec.table}.${property}`,
    tables: list.childTable.split('|'),
    parentTable: spec.table,
    path: list.path,
    where: undefined,
    paged: true,
  };
}

/** Lists of the objects of a test clock, which plain lists hide. */
export const CLOCK_LISTS: readonly { readonly table: string; readonly path: string }[] = [
  { table: 'customers', path: '/v1/customers?test_clock={id}' },
  { table: 'subscriptions', path: '/v1/subscriptions?status=all&test_clock={id}' },
  { table: 'quotes', path: '/v1/quotes?test_clock={id}' },
];
