import { legacyTables, tables, tableOf } from '../catalogue/catalogue.ts';
import type { TableFacts } from '../catalogue/types.ts';
import { missing, unknownParameters } from '../http/failure.ts';
import { flagDeleted } from '../store/layer.ts';
import type { StripeObject } from '../types.ts';
import { shape } from '../shapes/shape.ts';
import type { Account, Call } from './context.ts';
import { cashBalance, storedLineItems } from './expand.ts';
import { listItems } from './filters.ts';
import { list, listInline, shown, type Body, type ListPlan } from './lists.ts';

/** Answers one kind of request. */
export type Handler = (call: Call, url: string) => Body;

/** One path and what answers it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** The object type it is about, for permissions. */
  readonly object: string;
  readonly handle: Handler;
}

/** The customer, who must be there and not be deleted. @throws Failure 404 */
export function customerOf(call: Call, id: string, param = 'customer'): StripeObject {
  const customer = call.account.store.get('customer', id);
  if (customer === undefined) throw missing('customer', id, param);
  return customer;
}

const checkCustomer = (call: Call): void => {
  customerOf(call, call.path['customer'] ?? '');
};

const checkRetrieve = (call: Call): void => {
  const unknown = Object.keys(call.params).filter((name) => name !== 'expand');
  if (unknown.length > 0) throw unknownParameters(unknown);
};

/** Retrieves by id; a deleted object answers with its stub where Stripe keeps one. */
export function retrieve(
  objects: readonly string[],
  param: string,
  parent?: readonly [string, string],
): Handler {
  return (call) => {
    checkRetrieve(call);
    const id = call.path[param] ?? '';
    for (const object of objects) {
      const row = call.account.store.find(object, id);
      if (row === undefined) continue;
      if (row.flags & flagDeleted) {
        if (tableOf(object)?.stub) return { id, object, deleted: true };
        continue;
      }
      const found = row.object();
      if (parent !== undefined && found[parent[0]] !== call.path[parent[1]]) continue;
      if (
        !call.account.recorded &&
        object === 'event' &&
        row.created < call.account.now() / 1000 - 30 * 86_400
      ) {
        continue;
      }
      return shown(call, found);
    }
    throw missing(objects[0] ?? 'object', id, param);
  };
}

const lists = (path: string, plan: ListPlan): Route => ({
  method: 'GET',
  path,
  object: plan.facts.object,
  handle: (call, url) => list(call, plan, url),
});

const facts = (object: string): TableFacts => {
  const found = tableOf(object);
  if (found === undefined) throw new Error(`no table of ${object}`);
  return found;
};

const sourceKinds = ['source', 'card', 'bank_account'];

/** A list that stands inside its parent object. */
function inline(path: string, object: string, parent: string, param: string, property: string): Route {
  return {
    method: 'GET',
    path,
    object: parent,
    handle: (call, url) => {
      const id = call.path[param] ?? '';
      const owner = call.account.store.get(parent, id);
      if (owner === undefined) throw missing(parent, id, param);
      const unknown = Object.keys(call.params).filter(
        (name) => !['limit', 'starting_after', 'ending_before', 'expand'].includes(name),
      );
      if (unknown.length > 0) throw unknownParameters(unknown);
      const items =
        object === 'item'
          ? storedLineItems(call.account.store, id)
          : (listItems(owner[property]) as StripeObject[]);
      return listInline(call, items, url);
    },
  };
}

/** What an account has one of. */
function singleton(path: string, object: string, values: Record<string, unknown>): Route {
  return {
    method: 'GET',
    path,
    object,
    handle: (call) => {
      checkRetrieve(call);
      const made: Record<string, unknown> = { ...shape(object, '', values) };
      delete made['id'];
      return made;
    },
  };
}

const listed = (data: readonly unknown[], url: string): Record<string, unknown> => ({
  object: 'list',
  data,
  has_more: false,
  url,
});

/** What the own account may do. */
function capabilities(account: Account): StripeObject[] {
  const own = account.own();
  return Object.entries(own['capabilities'] as Record<string, string>).map(([id, status]) =>
    shape('capability', id, {
      account: account.id,
      requested: true,
      requested_at: own['created'],
      requirements: own['requirements'],
      future_requirements: own['future_requirements'],
      status,
    }),
  );
}

const special: readonly Route[] = [
  inline('/v1/invoices/{invoice}/lines', 'line_item', 'invoice', 'invoice', 'lines'),
  inline(
    '/v1/credit_notes/{credit_note}/lines',
    'credit_note_line_item',
    'credit_note',
    'credit_note',
    'lines',
  ),
  inline('/v1/checkout/sessions/{session}/line_items', 'item', 'checkout.session', 'session', 'line_items'),
  inline('/v1/payment_links/{payment_link}/line_items', 'item', 'payment_link', 'payment_link', 'line_items'),
  inline('/v1/quotes/{quote}/line_items', 'item', 'quote', 'quote', 'line_items'),
  {
    method: 'GET',
    path: '/v1/quotes/{quote}/computed_upfront_line_items',
    object: 'quote',
    handle: (call, url) => {
      if (call.account.store.get('quote', call.path['quote'] ?? '') === undefined) {
        throw missing('quote', call.path['quote'] ?? '', 'quote');
      }
      return listInline(call, [], url);
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/{customer}/sources',
    object: 'customer',
    handle: (call, url) => {
      const wanted = call.params['object'];
      const objects =
        typeof wanted === 'string' ? sourceKinds.filter((kind) => kind === wanted) : sourceKinds;
      const plan = {
        facts: facts('source'),
        objects,
        parent: { customer: 'customer' },
        before: checkCustomer,
      };
      return list(call, plan, url);
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/{customer}/sources/{id}',
    object: 'customer',
    handle: (call, url) => {
      checkCustomer(call);
      return retrieve(sourceKinds, 'id', ['customer', 'customer'])(call, url);
    },
  },
  ...['cards', 'bank_accounts'].flatMap((name) => [
    lists(`/v1/customers/{customer}/${name}`, {
      facts: { ...facts(name.slice(0, -1)), filters: [] },
      parent: { customer: 'customer' },
      before: checkCustomer,
    }),
  ]),
  lists('/v1/customers/{customer}/payment_methods', {
    facts: { ...facts('payment_method'), filters: ['type', 'allow_redisplay'] },
    parent: { customer: 'customer' },
    before: checkCustomer,
  }),
  {
    method: 'GET',
    path: '/v1/customers/{customer}/payment_methods/{payment_method}',
    object: 'payment_method',
    handle: retrieve(['payment_method'], 'payment_method', ['customer', 'customer']),
  },
  lists('/v1/customers/{customer}/subscriptions', {
    facts: facts('subscription'),
    parent: { customer: 'customer' },
    before: checkCustomer,
  }),
  {
    method: 'GET',
    path: '/v1/customers/{customer}/tax_ids',
    object: 'tax_id',
    handle: (call, url) => {
      checkCustomer(call);
      const params = { ...call.params, owner: { type: 'customer', customer: call.path['customer'] ?? '' } };
      const plan = { facts: facts('tax_id'), parent: { customer: 'customer' } };
      return list({ ...call, params }, plan, url);
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/{customer}/tax_ids/{id}',
    object: 'tax_id',
    handle: (call, url) => {
      checkCustomer(call);
      return retrieve(['tax_id'], 'id', ['customer', 'customer'])(call, url);
    },
  },
  lists('/v1/charges/{charge}/refunds', { facts: facts('refund'), parent: { charge: 'charge' } }),
  lists('/v1/balance/history', { facts: facts('balance_transaction') }),
  {
    method: 'GET',
    path: '/v1/account',
    object: 'account',
    handle: (call) => shown(call, call.account.own()),
  },
  {
    method: 'GET',
    path: '/v1/accounts/{account}',
    object: 'account',
    handle: (call, url) =>
      call.path['account'] === call.account.id
        ? shown(call, call.account.own())
        : retrieve(['account'], 'account')(call, url),
  },
  lists('/v1/accounts/{account}/external_accounts', {
    facts: facts('bank_account'),
    objects: ['bank_account', 'card'],
    parent: { account: 'account' },
  }),
  {
    method: 'GET',
    path: '/v1/accounts/{account}/external_accounts/{id}',
    object: 'account',
    handle: retrieve(['bank_account', 'card'], 'id', ['account', 'account']),
  },
  {
    method: 'GET',
    path: '/v1/customers/{customer}/cash_balance',
    object: 'cash_balance',
    handle: (call) => cashBalance(customerOf(call, call.path['customer'] ?? '')),
  },
  singleton('/v1/balance_settings', 'balance_settings', {
    payments: {
      debit_negative_balances: true,
      payouts: {
        minimum_balance_by_currency: null,
        schedule: { interval: 'daily' },
        statement_descriptor: null,
        status: 'enabled',
      },
      settlement_timing: { delay_days: 2 },
    },
  }),
  singleton('/v1/tax/settings', 'tax.settings', {
    defaults: { provider: 'stripe', tax_behavior: null, tax_code: 'txcd_10103001' },
    livemode: false,
    status: 'pending',
    status_details: { pending: { missing_fields: ['head_office'] } },
  }),
  {
    method: 'GET',
    path: '/v1/accounts/{account}/capabilities',
    object: 'account',
    handle: (call, url) => listed(capabilities(call.account), url),
  },
  {
    method: 'GET',
    path: '/v1/accounts/{account}/capabilities/{capability}',
    object: 'account',
    handle: (call) => {
      const id = call.path['capability'] ?? '';
      const found = capabilities(call.account).find((one) => one.id === id);
      if (found === undefined) throw missing('capability', id, 'capability');
      return found;
    },
  },
  { method: 'GET', path: '/v1/balance', object: 'balance', handle: (call) => call.account.balance() },
];

const generic = (all: readonly TableFacts[]): Route[] =>
  all.flatMap((table): Route[] => {
    const routes: Route[] = [];
    if (table.path !== undefined && table.kind !== 'singleton' && table.kind !== 'byId') {
      const names = [...table.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
      const parent =
        names.length === 0 ? undefined : Object.fromEntries(names.map((n) => [parentProperty(table, n), n]));
      routes.push(lists(table.path, parent === undefined ? { facts: table } : { facts: table, parent }));
    }
    const retrievePath = table.retrieve ?? (table.kind === 'byId' ? table.path : undefined);
    if (retrievePath !== undefined) {
      const param = [...retrievePath.matchAll(/\{(\w+)\}/g)].at(-1)?.[1] ?? 'id';
      routes.push({
        method: 'GET',
        path: retrievePath,
        object: table.object,
        handle: retrieve([table.object], param),
      });
    }
    return routes;
  });

/** The property by which a child names its parent in the path. */
function parentProperty(table: TableFacts, param: string): string {
  if (param !== 'id') return param;
  return (
    { transfer_reversal: 'transfer', fee_refund: 'fee', 'billing.meter_event_summary': 'meter' }[
      table.object
    ] ?? param
  );
}

/** All paths that are read. Those of recorded timelines have the APIs of their time too. */
export function readRoutes(recorded: boolean): Route[] {
  const seen = new Set<string>();
  return [...special, ...generic(recorded ? [...tables, ...legacyTables] : tables)].filter((route) => {
    const shape = `${route.method} ${route.path.replaceAll(/\{\w+\}/g, '{}')}`;
    if (seen.has(shape)) return false;
    seen.add(shape);
    return true;
  });
}
