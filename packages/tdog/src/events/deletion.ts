import type { Engine } from '../engine.ts';
import type { TableModel } from '../model/table-model.ts';
import type { StripeObject } from '../model/values.ts';
import type { StripeEvent } from '../options.ts';

/** Types that end in `.deleted` although the object lives on: cancelled, detached, ended, or still referred to. */
const ROW_STAYS: ReadonlySet<string> = new Set([
  'customer.subscription.deleted',
  'customer.source.deleted',
  'customer.discount.deleted',
  'coupon.deleted',
]);

/** Whether an event says that its object is gone. */
export function isDeletion(event: StripeEvent): boolean {
  return (
    (event.type.endsWith('.deleted') && !ROW_STAYS.has(event.type)) || event.data.object['deleted'] === true
  );
}

/**
 * Takes away the row of an object that Stripe no longer has, in the running transaction; `object` is its last state, if
 * an event told it. A coupon stays, as discounts go on referring to it: it is no longer valid. Returns whether a row
 * was taken away.
 */
export function takeAway(engine: Engine, table: TableModel, id: string, object?: StripeObject): boolean {
  const { store } = engine;
  engine.touched.add(table.name, id);
  if (table.name === 'coupons' && store.has(table, id)) {
    const update = store.db.prepare('UPDATE coupons SET valid = 0 WHERE id = ? AND valid IS NOT 0');
    if (Number(update.run(id).changes) > 0) store.touch();
    return false;
  }
  if (store.remove(table, id, object)) return true;
  // So that a copy inside another object does not bring it back, nor is it asked for again.
  if (object === undefined)
    store.noteMissing(table.name, id, { id, object: table.spec.object, deleted: true });
  return false;
}
