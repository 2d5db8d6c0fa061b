import { tableOf } from '../catalogue/catalogue.ts';
import { flagDeleted, flagHidden } from '../store/layer.ts';
import { createdOf, type Store } from '../store/store.ts';
import type { StripeEvent, StripeObject } from '../types.ts';

/** Events named `.deleted` after which the object is still there: cancelled, detached, ended. */
const notGone = new Set([
  'customer.subscription.deleted',
  'customer.source.deleted',
  'customer.discount.deleted',
]);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isStripeObject = (value: unknown): value is StripeObject =>
  isObject(value) && typeof value['id'] === 'string' && typeof value['object'] === 'string';

/** Full objects inside an object, innermost first, with the property that holds each. */
function* inside(value: unknown, property: string): Generator<{ object: StripeObject; property: string }> {
  if (Array.isArray(value)) {
    for (const item of value) yield* inside(item, property);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    yield* inside(inner, name === 'data' ? property : name);
  }
  if (isStripeObject(value)) yield { object: value, property };
}

/** Sources and cards that belong to nobody any more are in no list; only sources are still to be had by id. */
function detach(store: Store, object: StripeObject, at: number): void {
  store.put(object, at, object.object === 'source' ? flagHidden : flagDeleted);
}

/** What the customer takes along when it goes: what can be reached only through it. */
function removeWith(store: Store, customer: string): void {
  for (const object of ['tax_id', 'card', 'bank_account', 'source']) {
    for (const row of [...store.walk({ object, direction: 'older', ref: customer })]) {
      const item = row.object();
      if (item['customer'] !== customer) continue;
      if (object === 'source') detach(store, item, row.created);
      else store.remove(object, row.id);
    }
  }
}

/** The object that a discount hangs on shows it too, though no event of its own says so. */
function hangDiscount(store: Store, discount: StripeObject, gone: boolean): void {
  const [object, id] =
    typeof discount['subscription'] === 'string'
      ? ['subscription', discount['subscription']]
      : typeof discount['invoice'] === 'string' || typeof discount['invoice_item'] === 'string'
        ? ['', '']
        : ['customer', String(discount['customer'])];
  const owner = object === '' ? undefined : store.get(object, id);
  if (owner === undefined || !('discount' in owner)) return;
  const current = owner['discount'] as { id?: unknown } | null;
  if (gone && current?.id !== discount.id) return;
  store.put({ ...owner, discount: gone ? null : discount }, 0);
}

function putShown(store: Store, object: StripeObject, at: number, flags?: number): void {
  if (tableOf(object.object) === undefined && object.object !== 'discount') return;
  store.put(object, createdOf(object, at), flags);
}

/** Objects of an inline price, or a snapshot, which no list shows. */
function harvest(store: Store, event: StripeEvent): void {
  const top = event.data.object;
  for (const [name, value] of Object.entries(top)) {
    for (const { object, property } of inside(value, name)) {
      const known = store.find(object.object, object.id);
      if (known !== undefined && known.flags & flagDeleted) continue;
      // charge.source is the card as it was when it was charged
      if (property === 'source' && known !== undefined) continue;
      putShown(store, object, event.created);
    }
  }
}

/** Applies one recorded event: afterwards the store holds what it has shown. */
export function replay(store: Store, event: StripeEvent): void {
  harvest(store, event);
  store.put({ ...event, object: 'event' }, event.created);
  const shown = event.data.object;
  if (!isStripeObject(shown)) return;
  const gone = event.type.endsWith('.deleted') && !notGone.has(event.type);
  const known = store.find(shown.object, shown.id);
  if (gone) {
    store.put(shown, createdOf(shown, event.created), flagDeleted);
    if (shown.object === 'customer') removeWith(store, shown.id);
    return;
  }
  // A late event about something deleted (a tax id is verified after its customer went) does not bring it back.
  if (known !== undefined && known.flags & flagDeleted && !event.type.endsWith('.created')) return;
  const owner = shown['customer'];
  const orphan =
    shown.object === 'tax_id' &&
    typeof owner === 'string' &&
    store.find('customer', owner)?.flags === flagDeleted;
  if (orphan) return;
  if (event.type === 'customer.source.deleted') detach(store, shown, event.created);
  else putShown(store, shown, event.created, event.type === 'customer.source.created' ? 0 : undefined);
  if (shown.object === 'discount') hangDiscount(store, shown, event.type.endsWith('.deleted'));
}
