import { isObject } from '../model/values.ts';
import type { StripeEvent } from '../options.ts';
import { isDeletion } from './deletion.ts';

/** Events this close together may stand in either order. */
export const CLOSE_SECONDS = 10;

/**
 * Whether the order of these events of one object can be believed. Stripe stamps events with whole seconds and promises
 * no order of what lies close together: it is sure where an event's old values are the state before it, where both show the same state,
 * or where the first one is the creation.
 */
export function isOrderSure(events: readonly StripeEvent[]): boolean {
  return events.every((event, index) => {
    const before = events[index - 1];
    return before === undefined || event.created - before.created > CLOSE_SECONDS || follows(before, event);
  });
}

function follows(before: StripeEvent, event: StripeEvent): boolean {
  if (before.type.endsWith('.created') && !event.type.endsWith('.created')) return true;
  // Nothing follows a deletion; what seems to came before it, with the same state perhaps.
  if (isDeletion(before)) return false;
  if (same(before.data.object, event.data.object)) return true;
  const previous = event.data.previous_attributes;
  if (previous === undefined || Object.keys(previous).length === 0) return false;
  return Object.entries(previous).every(([key, old]) => holds(before.data.object[key], old));
}

/** Whether a state has these old values; of nested objects only the changed part is told. */
function holds(state: unknown, old: unknown): boolean {
  if (isObject(old) && isObject(state) && Object.keys(old).length > 0)
    return Object.entries(old).every(([key, value]) => holds(state[key], value));
  return same(state ?? null, old ?? null);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
