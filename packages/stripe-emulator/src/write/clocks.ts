import { flagClock } from '../store/layer.ts';
import type { Call } from '../api/context.ts';
import type { Route } from '../api/routes.ts';
import { invalid, parameterMissing } from '../http/failure.ts';
import { integer } from '../http/params.ts';
import { shape } from '../shapes/shape.ts';
import type { StripeObject } from '../types.ts';
import { deleteCustomer } from './customer-routes.ts';
import { randomId } from './ids.ts';
import { actorOf, fields, need, save, update, type Actor, tell } from './kernel.ts';
import { dueOf, happen } from './schedule.ts';
import { post } from './post.ts';

const kind = 'test_helpers.test_clock';

/** Every subscription and invoice of the clock's customers. */
function bound(actor: Actor, clock: string): StripeObject[] {
  const { journal } = actor.account.store;
  return ['subscription', 'invoice'].flatMap((object) =>
    [...journal.walk({ object, direction: 'newer', ref: clock })]
      .filter((row) => row.flags & flagClock)
      .map((row) => row.object())
      .filter((one) => one['test_clock'] === clock),
  );
}

/** So many things happen in one advance at the most; a minutely price over years would never end. */
const maxHappenings = 10_000;

/** Lets time pass up to a moment: everything that falls due happens, each at its time. */
function advance(actor: Actor, clock: StripeObject, to: number): StripeObject {
  let current = update(
    actor,
    clock,
    { status: 'advancing', status_details: { advancing: { target_frozen_time: to } } },
    'test_helpers.test_clock.advancing',
  );
  for (let n = 0; n < maxHappenings; n++) {
    let next: { at: number; object: StripeObject } | undefined;
    for (const object of bound(actor, clock.id)) {
      const at = dueOf(object, actor.account.store);
      if (at !== undefined && at <= to && (next === undefined || at < next.at)) next = { at, object };
    }
    if (next === undefined) break;
    const at = Math.max(next.at, Number(current['frozen_time']));
    current = update(actor, current, { frozen_time: at });
    happen({ ...actor, at }, next.object);
  }
  return update(
    actor,
    current,
    { frozen_time: to, status: 'ready', status_details: {} },
    'test_helpers.test_clock.ready',
  );
}

function create(call: Call): StripeObject {
  const values = fields(call.params, 'frozen_time:i name:s');
  if (values['frozen_time'] === undefined) throw parameterMissing('frozen_time');
  const actor = actorOf(call);
  const made = shape(kind, randomId(call.account, 'clock_'), {
    created: actor.at,
    deletes_after: actor.at + 30 * 86_400,
    livemode: false,
    status: 'ready',
    status_details: {},
    ...values,
  });
  return save(actor, made, 'test_helpers.test_clock.created');
}

/** Test clocks: customers made on one live in its time. */
export const clockRoutes: readonly Route[] = [
  post('/v1/test_helpers/test_clocks', kind, create),
  post('/v1/test_helpers/test_clocks/{test_clock}/advance', kind, (call, actor) => {
    fields(call.params, 'frozen_time:i');
    const clock = need(call, kind, 'test_clock');
    const to = integer(call.params, 'frozen_time');
    if (to === undefined) throw parameterMissing('frozen_time');
    if (to <= Number(clock['frozen_time'])) {
      throw invalid(
        'frozen_time',
        'Test clock can only be advanced to a time in the future of its current frozen time.',
      );
    }
    return advance(actor, clock, to);
  }),
  {
    method: 'DELETE',
    path: '/v1/test_helpers/test_clocks/{test_clock}',
    object: kind,
    handle: (call) => {
      const clock = need(call, kind, 'test_clock');
      const actor = { ...actorOf(call), at: Number(clock['frozen_time']) };
      const { store } = call.account;
      for (const row of [...store.journal.walk({ object: 'customer', direction: 'older', ref: clock.id })]) {
        const customer = store.get('customer', row.id);
        if (customer) deleteCustomer(actor, customer);
      }
      store.remove(kind, clock.id);
      tell(actor, 'test_helpers.test_clock.deleted', clock);
      return { id: clock.id, object: kind, deleted: true };
    },
  },
];
