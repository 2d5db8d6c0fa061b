import type { Engine } from '../engine.ts';
import type { StripeEvent } from '../options.ts';
import { isDeletion } from './deletion.ts';
import { idOf, isObject } from '../model/values.ts';
import { q } from '../sqlite/schema.ts';

/** Columns that hold the id of a discount, by the discount's property that names their row. */
const DISCOUNT_OWNERS: readonly { readonly property: string; readonly table: string; readonly id: string }[] =
  [
    { property: 'subscription', table: 'subscriptions', id: 'discount' },
    { property: 'customer', table: 'customers', id: 'discount' },
  ];

/** Events of children that change a list which only an expanded customer shows. */
const OF_CUSTOMER = /^(customer\.source|customer\.tax_id|cash_balance|customer_cash_balance_transaction)\./;

/** Singletons that an event without an id speaks of. */
const SINGLETONS: Readonly<Record<string, string>> = {
  'balance.available': 'balances',
  'balance_settings.updated': 'balance_settings',
  'tax.settings.updated': 'tax_settings',
};

/** What an event changes beside its own object; in the batch's transaction. */
export function applyEffects(engine: Engine, event: StripeEvent, fetched: boolean): void {
  const object = event.data.object;
  if (event.type.startsWith('customer.discount.') && !fetched) discountEffect(engine, event);
  const todo = engine.state.todo();
  const id = idOf(object);
  const table = engine.store.model.tableOf(object);
  if (table?.includable === true && id !== undefined && !fetched && !isDeletion(event))
    todo.add(`get:${table.name}`, id);
  const customer = idOf(object['customer']);
  if (OF_CUSTOMER.test(event.type) && customer !== undefined) todo.add('get:customers', customer);
  if (event.type === 'customer.deleted' && id !== undefined) customerGone(engine, id);
  if (event.type === 'invoice.deleted' && id !== undefined)
    readAgain(engine, ['invoiceitems'], 'invoice', id);
  if (
    event.type === 'customer.updated' &&
    id !== undefined &&
    event.data.previous_attributes?.['balance'] !== undefined
  )
    todo.add('children:customer_balance_transactions', id);
}

/** Events without an object of their own: noted so that what they speak of is read. */
export function applyWithoutObject(engine: Engine, event: StripeEvent): void {
  const todo = engine.state.todo();
  const table = SINGLETONS[event.type];
  if (table !== undefined) todo.add(`get:${table}`, engine.account.id === '' ? 'account' : engine.account.id);
  const customer = idOf(event.data.object['customer']);
  if (event.type === 'entitlements.active_entitlement_summary.updated' && customer !== undefined)
    todo.add('children:entitlements_active_entitlements', customer);
  const alert = event.data.object['alert'];
  if (event.type === 'billing.alert.triggered' && isObject(alert) && typeof alert['id'] === 'string')
    todo.add('get:billing_alerts', alert['id']);
}

/** A discount begins or ends: Stripe sends no second event for the customer or subscription that shows it. */
function discountEffect(engine: Engine, event: StripeEvent): void {
  const { store, state } = engine;
  const discount = idOf(event.data.object);
  if (discount === undefined) return;
  if (
    idOf(event.data.object['invoice']) !== undefined ||
    idOf(event.data.object['invoice_item']) !== undefined
  )
    return;
  for (const owner of DISCOUNT_OWNERS) {
    const id = idOf(event.data.object[owner.property]);
    if (id === undefined || !store.model.tables.has(owner.table)) continue;
    const ended = event.type.endsWith('.deleted');
    const sql = ended
      ? `UPDATE ${q(owner.table)} SET ${q(owner.id)} = NULL WHERE id = ?1 AND ${q(owner.id)} = ?2`
      : `UPDATE ${q(owner.table)} SET ${q(owner.id)} = ?2 WHERE id = ?1 AND ${q(owner.id)} IS NOT ?2`;
    if (Number(store.db.prepare(sql).run(id, discount).changes) > 0) store.touch();
    // One that ends with its subscription is shown there still, and which of the two events comes last is chance.
    if (ended) state.todo().add(`get:${owner.table}`, id);
    // A subscription's discount is not its customer's.
    return;
  }
}

/** With a customer go its tax ids and its cash balance, and its payment methods are detached: partly without an event. */
function customerGone(engine: Engine, customer: string): void {
  readAgain(engine, ['tax_ids', 'cash_balances', 'payment_methods'], 'customer', customer);
}

/** Notes the rows that refer to what is gone: Stripe may have taken them away with it, or not. */
function readAgain(engine: Engine, tables: readonly string[], column: string, id: string): void {
  const { store, state } = engine;
  for (const table of tables) {
    if (!store.model.tables.has(table)) continue;
    const rows = store.db.prepare(`SELECT id FROM ${q(table)} WHERE ${q(column)} = ?`).all(id);
    for (const row of rows) state.todo().add(`get:${table}`, String(row['id']));
  }
}
