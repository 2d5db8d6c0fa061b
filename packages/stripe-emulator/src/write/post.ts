import type { Call } from '../api/context.ts';
import { shown } from '../api/lists.ts';
import type { Route } from '../api/routes.ts';
import type { StripeObject } from '../types.ts';
import { actorOf, type Actor } from './kernel.ts';

/** A path that changes something and answers with an object, as the request wants to see it (`expand`). */
export function post(
  path: string,
  object: string,
  change: (call: Call, actor: Actor) => StripeObject,
): Route {
  return { method: 'POST', path, object, handle: (call) => shown(call, change(call, actorOf(call))) };
}
