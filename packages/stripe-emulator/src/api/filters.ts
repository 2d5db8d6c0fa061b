import { invalid, unknownParameters } from '../http/failure.ts';
import { boolean, hash, range, text, texts, type Param, type Params } from '../http/params.ts';
import type { TableFacts } from '../catalogue/types.ts';
import type { StripeObject } from '../types.ts';

/** Whether an object belongs to a list. */
export type Test = (object: StripeObject) => boolean;

/** What narrows a list down: an id that every object names, and tests. */
export interface Narrowing {
  readonly ref: string | undefined;
  readonly tests: readonly Test[];
}

/** The value of a path such as `parent.subscription_details.subscription`; ids of expanded objects. */
export function at(object: unknown, path: string): unknown {
  let value = object;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return idOf(value);
}

/** An id, or the id of an expanded object. */
export function idOf(value: unknown): unknown {
  const inner = (value as { id?: unknown } | null | undefined)?.id;
  return typeof inner === 'string' ? inner : value;
}

/** Where a filter's value stands in the object, if not under its own name. First hit counts. */
const places: Readonly<Record<string, readonly string[]>> = {
  'invoice.subscription': ['parent.subscription_details.subscription', 'subscription'],
  'promotion_code.coupon': ['promotion.coupon', 'coupon'],
  'customer_balance_transaction.invoice': ['invoice'],
  'account_person.relationship': [],
};

const timeFilters = new Set([
  'arrival_date',
  'due_date',
  'current_period_start',
  'current_period_end',
  'canceled_at',
  'completed_at',
  'released_at',
  'effective_at',
  'transacted_at',
]);
const refFilters = new Set([
  'customer',
  'charge',
  'payment_intent',
  'subscription',
  'invoice',
  'price',
  'product',
  'coupon',
  'payment_method',
  'setup_intent',
  'source',
  'destination',
  'order',
  'payment_link',
  'file',
  'transfer_group',
  'test_clock',
  'value_list',
]);

type Special = (value: Param, params: Params) => Test;

const oneOf =
  (name: string): Special =>
  (_, params) => {
    const wanted = new Set(texts(params, name));
    const property = name === 'ids' ? 'id' : name === 'lookup_keys' ? 'lookup_key' : name;
    return (object) => wanted.has(String(object[property]));
  };

/** Filters that are more than "the property equals the value". */
const specials: Readonly<Record<string, Special>> = {
  'event.type': (value) => {
    const wanted = typeof value === 'string' ? value : '';
    if (!wanted.includes('*')) return (event) => event['type'] === wanted;
    const start = wanted.slice(0, wanted.indexOf('*'));
    return (event) => String(event['type']).startsWith(start);
  },
  'event.types': (_, params) => {
    const wanted = texts(params, 'types');
    if (wanted.length > 20) throw invalid('types', 'You may only specify up to 20 event types.');
    return (event) =>
      wanted.some((type) =>
        type.endsWith('*') ? String(event['type']).startsWith(type.slice(0, -1)) : event['type'] === type,
      );
  },
  'event.delivery_success': (_, params) => {
    const success = boolean(params, 'delivery_success');
    return (event) => (event['pending_webhooks'] === 0) === success;
  },
  'price.recurring': (_, params) => {
    const wanted = hash(params, 'recurring') ?? {};
    return (price) =>
      Object.entries(wanted).every(([name, value]) => at(price, `recurring.${name}`) === value);
  },
  'price.lookup_keys': oneOf('lookup_keys'),
  'product.ids': oneOf('ids'),
  'sku.ids': oneOf('ids'),
  'order.ids': oneOf('ids'),
  'entitlements.feature.archived': (value) => (object) => object['active'] !== (value === 'true'),
  'subscription.price': (value) => (object) =>
    listItems(object['items']).some((item) => at(item, 'price') === value),
  'subscription.automatic_tax': (_, params) => (object) =>
    String(at(object, 'automatic_tax.enabled')) === text(hash(params, 'automatic_tax') ?? {}, 'enabled'),
  'subscription.current_period_start': periodTest('current_period_start'),
  'subscription.current_period_end': periodTest('current_period_end'),
  'invoice_payment.payment': (_, params) => {
    const wanted = hash(params, 'payment') ?? {};
    return (object) =>
      Object.entries(wanted).every(([name, value]) => at(object, `payment.${name}`) === value);
  },
  'invoiceitem.pending': (value) => (object) => (object['invoice'] === null) === (value === 'true'),
  'subscription_schedule.scheduled': (value) => (object) =>
    (object['status'] === 'not_started') === (value === 'true'),
  'checkout.session.customer_details': (_, params) => {
    const email = text(hash(params, 'customer_details') ?? {}, 'email');
    return (object) => at(object, 'customer_details.email') === email;
  },
  'file_link.expired': (value) => (object) => object['expired'] === (value === 'true'),
  // The objects do not say which payout they went into; the list looks it up.
  'balance_transaction.payout': () => () => true,
  'tax_id.owner': (_, params) => {
    const owner = hash(params, 'owner') ?? {};
    const type = text(owner, 'type') ?? 'self';
    if (type === 'self') return (object) => (at(object, 'owner.type') ?? 'customer') === 'self';
    const customer = text(owner, 'customer');
    return (object) => object['customer'] === customer;
  },
  'setup_intent.attach_to_self': (value) => (object) =>
    (object['attach_to_self'] === true) === (value === 'true'),
  'source.object': (value) => (object) => object.object === value,
  'card.object': (value) => (object) => object.object === value,
  'bank_account.object': (value) => (object) => object.object === value,
  'radar.value_list.contains': () => () => true,
  'payment_record.created_after': (value) => (object) => Number(object['created']) > Number(value),
  'payment_record.created_before': (value) => (object) => Number(object['created']) < Number(value),
};

function periodTest(name: string): Special {
  return (_, params) => {
    const bounds = range(params, name);
    return (object) => {
      const values = [object[name], ...listItems(object['items']).map((item) => item[name])];
      return values.some((value) => inRange(value, bounds));
    };
  };
}

/** The items of an inline list. */
export function listItems(list: unknown): Record<string, unknown>[] {
  const data = (list as { data?: unknown } | null | undefined)?.data;
  return Array.isArray(data) ? (data as Record<string, unknown>[]) : [];
}

function inRange(value: unknown, bounds: ReturnType<typeof range>): boolean {
  if (typeof value !== 'number') return false;
  return value >= (bounds?.from ?? -Infinity) && value <= (bounds?.to ?? Infinity);
}

/** What a list shows when the filter is not given. */
const defaults: Readonly<Record<string, (params: Params) => Test | undefined>> = {
  subscription: (params) => {
    const status = text(params, 'status');
    const ended = ['canceled', 'incomplete_expired'];
    if (status === 'all') return undefined;
    if (status === 'ended') return (object) => ended.includes(String(object['status']));
    if (status !== undefined) return (object) => object['status'] === status;
    return (object) => !ended.includes(String(object['status']));
  },
  price: (params) => (params['active'] === undefined ? (object) => object['active'] === true : undefined),
  review: () => (object) => object['open'] === true,
  tax_id: (params) =>
    params['owner'] === undefined ? (object) => at(object, 'owner.type') === 'self' : undefined,
  payment_method: (params) =>
    params['customer'] === undefined ? (object) => typeof object['customer'] === 'string' : undefined,
  setup_intent: (params) =>
    params['attach_to_self'] === undefined ? (object) => object['attach_to_self'] !== true : undefined,
  'tax.registration': (params) => {
    const status = text(params, 'status');
    return status === 'all' ? () => true : (object) => object['status'] === (status ?? 'active');
  },
};

const paging = ['limit', 'starting_after', 'ending_before'];

/** The parameters that a list takes. */
export function listParameters(facts: TableFacts): Set<string> {
  return new Set([
    ...(facts.paginated === false ? [] : paging),
    'expand',
    ...(facts.created ? ['created'] : []),
    ...(facts.filters ?? []),
    ...(facts.required ?? []),
  ]);
}

/**
 * Turns the parameters of a list into tests.
 * @throws Failure 400 for unknown parameters and impossible values
 */
export function narrow(
  facts: TableFacts,
  params: Params,
  extra: Readonly<Record<string, string>>,
): Narrowing {
  const known = listParameters(facts);
  const unknown = Object.keys(params).filter((name) => !known.has(name));
  if (unknown.length > 0) throw unknownParameters(unknown);
  const tests: Test[] = [];
  let ref: string | undefined;
  const standard = defaults[facts.object]?.(params);
  if (standard !== undefined) tests.push(standard);
  const handled = facts.object === 'subscription' || facts.object === 'tax.registration' ? ['status'] : [];
  for (const [name, value] of Object.entries(params)) {
    if (paging.includes(name) || name === 'expand' || name === 'created' || handled.includes(name)) continue;
    if (value === '') continue;
    tests.push(testOf(facts.object, name, value, params));
    if (refFilters.has(name) && typeof value === 'string') ref ??= value;
    if (facts.object === 'invoice_payment' && name === 'payment') {
      const id = Object.entries(hash(params, name) ?? {}).find(([key]) => key !== 'type')?.[1];
      if (typeof id === 'string') ref ??= id;
    }
  }
  for (const [name, value] of Object.entries(extra)) {
    ref ??= value;
    tests.push(testOf(facts.object, name, value, {}));
  }
  return { ref, tests };
}

function testOf(object: string, name: string, value: Param, params: Params): Test {
  const special = specials[`${object}.${name}`];
  if (special !== undefined) return special(value, params);
  if (timeFilters.has(name)) {
    const bounds = range(params, name);
    return (item) => inRange(item[name], bounds);
  }
  const paths = places[`${object}.${name}`] ?? [name];
  if (typeof value !== 'string') return () => true;
  return (item) => {
    for (const path of paths) {
      const found = at(item, path);
      if (found === undefined || found === null) continue;
      return ['string', 'number', 'boolean'].includes(typeof found) && `${found as string}` === value;
    }
    return paths.length === 0;
  };
}
