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
