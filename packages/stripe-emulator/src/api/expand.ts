import { columnsOf, tables } from '../catalogue/catalogue.ts';
import { flagDeleted, flagHidden } from '../store/layer.ts';
import type { Store } from '../store/store.ts';
import type { StripeObject } from '../types.ts';
import { invalid } from '../http/failure.ts';

const prefixes: readonly (readonly [string, string])[] = [
  ...tables
    .filter((facts) => facts.prefix !== '' && facts.object !== 'event')
    .map((facts) => [facts.prefix, facts.object] as const),
  ['py_', 'charge'],
  ['pyr_', 'refund'],
  ['dp_', 'dispute'],
  ['du_', 'dispute'],
  ['sku_', 'sku'],
  ['orret_', 'order_return'],
];

const byProperty: Readonly<Record<string, string>> = {
  customer: 'customer',
  product: 'product',
  coupon: 'coupon',
  plan: 'plan',
  price: 'price',
  charge: 'charge',
  order: 'order',
  discounts: 'discount',
};

/** The stored object an id means, whatever kind it is. */
export function resolveId(store: Store, id: string, property?: string): StripeObject | undefined {
  const kinds = new Set(prefixes.filter(([prefix]) => id.startsWith(prefix)).map(([, object]) => object));
  const named = property === undefined ? undefined : byProperty[property];
  if (named !== undefined) kinds.add(named);
  if (property === 'payment_method' || property === 'default_source' || property === 'source') {
    for (const kind of ['payment_method', 'card', 'source', 'bank_account']) kinds.add(kind);
  }
  for (const kind of kinds) {
    const row = store.find(kind, id);
    if (row === undefined) continue;
    if (row.flags & flagDeleted) return { id, object: kind, deleted: true };
    return row.object();
  }
  return undefined;
}

/** A list as it stands inside an object. */
export function inlineList(url: string, items: readonly unknown[], hasMore = false): Record<string, unknown> {
  return { object: 'list', data: items, has_more: hasMore, url };
}

type Includable = (store: Store, owner: StripeObject) => unknown;

const children = (
  store: Store,
  object: string,
  ref: string,
  url: string,
  keep: (item: StripeObject) => boolean,
): Record<string, unknown> => {
  const items: StripeObject[] = [];
  for (const row of store.walk({ object, direction: 'older', ref })) {
    const item = row.object();
    if (!keep(item)) continue;
    if (items.length === 10) return inlineList(url, items, true);
    items.push(item);
  }
  return inlineList(url, items);
};

const sourcesOf: Includable = (store, owner) => {
  const found = ['card', 'bank_account', 'source'].flatMap((object) => [
    ...store.walk({ object, direction: 'older', ref: owner.id }),
  ]);
  const items = found
    .filter((row) => (row.flags & flagHidden) === 0)
    .map((row) => row.object())
    .filter((item) => item['customer'] === owner.id);
  return inlineList(`/v1/customers/${owner.id}/sources`, items.slice(0, 10), items.length > 10);
};

/** The cash balance of a customer: nobody sends money by bank transfer here. */
export function cashBalance(owner: StripeObject): Record<string, unknown> {
  return {
    object: 'cash_balance',
    available: null,
    customer: owner.id,
    customer_account: null,
    livemode: owner['livemode'],
    settings: { reconciliation_mode: 'automatic', using_merchant_default: true },
  };
}

/** Properties that are absent unless they are asked for. */
const includable: Readonly<Record<string, Includable>> = {
  'customer.sources': sourcesOf,
  'customer.tax_ids': (store, owner) =>
    children(
      store,
      'tax_id',
      owner.id,
      `/v1/customers/${owner.id}/tax_ids`,
      (x) => x['customer'] === owner.id,
    ),
  'customer.subscriptions': (store, owner) =>
    children(
      store,
      'subscription',
      owner.id,
      `/v1/customers/${owner.id}/subscriptions`,
      (x) => x['customer'] === owner.id && !['canceled', 'incomplete_expired'].includes(String(x['status'])),
    ),
  'customer.tax': () => ({ automatic_tax: 'unrecognized_location', ip_address: null, location: null }),
  'customer.cash_balance': (_, owner) => cashBalance(owner),
  'customer.invoice_credit_balance': () => ({}),
  'charge.refunds': (store, owner) =>
    children(store, 'refund', owner.id, `/v1/charges/${owner.id}/refunds`, (x) => x['charge'] === owner.id),
  'price.tiers': () => undefined,
  'price.currency_options': (_, owner) => ({
    [String(owner['currency'])]: {
      custom_unit_amount: null,
      tax_behavior: owner['tax_behavior'],
      unit_amount: owner['unit_amount'],
      unit_amount_decimal: owner['unit_amount_decimal'],
    },
  }),
  'coupon.applies_to': () => undefined,
  'coupon.currency_options': () => ({}),
  'invoice.payments': (store, owner) =>
    children(
      store,
      'invoice_payment',
      owner.id,
      `/v1/invoices/${owner.id}/payments`,
      (x) => x['invoice'] === owner.id,
    ),
  'file.links': (store, owner) =>
    children(store, 'file_link', owner.id, `/v1/file_links?file=${owner.id}`, () => true),
  'checkout.session.line_items': (store, owner) =>
    lineItemsOf(store, owner, `/v1/checkout/sessions/${owner.id}`),
  'payment_link.line_items': (store, owner) => lineItemsOf(store, owner, `/v1/payment_links/${owner.id}`),
  'quote.line_items': (store, owner) => lineItemsOf(store, owner, `/v1/quotes/${owner.id}`),
};

/** The line items of a checkout session, payment link or quote; they are kept beside it. */
export function lineItemsOf(store: Store, owner: StripeObject, path: string): Record<string, unknown> {
  const items = storedLineItems(store, owner.id);
  return inlineList(`${path}/line_items`, items.slice(0, 10), items.length > 10);
}

/** All line items kept for an owner. */
export function storedLineItems(store: Store, owner: string): StripeObject[] {
  const kept = store.find('line_items_of', owner)?.object()['items'];
  return Array.isArray(kept) ? (kept as StripeObject[]) : [];
}

const maxDepth = 4;

const properties: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  tables.map((facts) => [facts.object, new Set(columnsOf(facts).map((column) => column.name))] as const),
);

/** Whether an object of this kind can have the property; what the catalogue does not know may have anything. */
function mayHave(object: string, name: string): boolean {
  return properties.get(object)?.has(name) ?? true;
}

function expandAt(
  store: Store,
  owner: Record<string, unknown>,
  steps: readonly string[],
  path: string,
): void {
  const [name, ...rest] = steps;
  if (name === undefined) return;
  if (typeof owner['object'] === 'string' && owner[name] === undefined && !mayHave(owner['object'], name)) {
    throw invalid('expand', `This property cannot be expanded (${path}).`);
  }
  const fill = includable[`${String(owner['object'])}.${name}`];
  let value = owner[name];
  if (value == null && fill !== undefined) {
    value = fill(store, owner as StripeObject);
    if (value !== undefined) owner[name] = value;
  } else if (typeof value === 'string') {
    value = resolveId(store, value, name) ?? value;
    owner[name] = value;
  } else if (Array.isArray(value)) {
    value = value.map((item: unknown) =>
      typeof item === 'string' ? (resolveId(store, item, name) ?? item) : item,
    );
    owner[name] = value;
  }
  for (const item of Array.isArray(value) ? value : [value]) {
    if (typeof item === 'object' && item !== null)
      expandAt(store, item as Record<string, unknown>, rest, path);
  }
}

/**
 * Replaces ids by the objects they mean, in place.
 * @throws Failure 400 beyond four levels
 */
export function expand(store: Store, answer: Record<string, unknown>, paths: readonly string[]): void {
  for (const path of paths) {
    const steps = path.split('.');
    if (steps.filter((step) => step !== 'data').length > maxDepth) {
      throw invalid(
        'expand',
        `You cannot expand more than ${maxDepth} levels of a property. Property: ${path}`,
      );
    }
    expandAt(store, answer, steps, path);
  }
}
