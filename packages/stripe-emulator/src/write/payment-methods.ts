import type { Call } from '../api/context.ts';
import type { Route } from '../api/routes.ts';
import { Failure, invalid, missing } from '../http/failure.ts';
import { hash, text, type Params } from '../http/params.ts';
import { billingDetails, paymentMethod, setupIntent, type CardFacts } from '../shapes/payments.ts';
import { flagHidden } from '../store/layer.ts';
import type { StripeObject } from '../types.ts';
import { testCard, validNumber, type TestCard } from './cards.ts';
import { cardError } from './declines.ts';
import { randomId } from './ids.ts';
import {
  actorOf,
  fields,
  inTimeOf,
  named,
  need,
  required,
  save,
  tell,
  update,
  type Actor,
} from './kernel.ts';
import { remember, behaviourOf } from './behaviour.ts';
import { post } from './post.ts';

const fingerprintOf = (number: string): string =>
  `Emu${Number(number).toString(36).toUpperCase().padStart(13, '0')}`;

/** The facts of a test card as a payment method shows them. */
export function cardFacts(card: TestCard, expMonth: number, expYear: number): CardFacts {
  return {
    brand: card.brand,
    last4: card.number.slice(-4),
    expMonth,
    expYear,
    country: card.country,
    funding: card.funding,
    fingerprint: fingerprintOf(card.number),
  };
}

function cardFrom(card: Params, at: number): { card: TestCard; facts: CardFacts } {
  const token = text(card, 'token');
  const next = new Date(at * 1000).getUTCFullYear() + 1;
  if (token !== undefined) {
    const found = testCard(token);
    if (found === undefined) throw missing('token', token, 'card[token]', 400);
    return { card: found, facts: cardFacts(found, 8, next) };
  }
  const number = text(card, 'number') ?? '';
  const found = testCard(number);
  if (found === undefined) {
    throw validNumber(number)
      ? new Failure(402, 'Your card was declined. Your request was in test mode, but used a non test card.', {
          type: 'card_error',
          code: 'card_declined',
          decline_code: 'test_mode_live_card',
        })
      : new Failure(402, 'Your card number is incorrect.', {
          type: 'card_error',
          code: 'incorrect_number',
          param: 'number',
        });
  }
  return {
    card: found,
    facts: cardFacts(found, Number(text(card, 'exp_month') ?? 8), Number(text(card, 'exp_year') ?? next)),
  };
}

const billingOf = (
  params: Params,
): {
  name: string | null;
  email: string | null;
  phone: string | null;
  address: Record<string, unknown> | null;
} => {
  const given = hash(params, 'billing_details') ?? {};
  const address = hash(given, 'address');
  return {
    name: text(given, 'name') ?? null,
    email: text(given, 'email') ?? null,
    phone: text(given, 'phone') ?? null,
    address:
      address === undefined
        ? null
        : { city: null, country: null, line1: null, line2: null, postal_code: null, state: null, ...address },
  };
};

/** Makes a payment method of a test card, attached to nobody: it is in no list until it is. */
export function makeCard(actor: Actor, card: TestCard, facts: CardFacts, params: Params = {}): StripeObject {
  const id = randomId(actor.account, 'pm_');
  const made = paymentMethod(id, facts, billingOf(params), {
    created: actor.at,
    livemode: false,
    metadata: hash(params, 'metadata') ?? {},
  });
  actor.account.store.put(made, actor.at, flagHidden);
  remember(actor, id, card.number);
  return made;
}

/** The payment method a parameter means: an id, or one of the `pm_card_…` names, of which a new one is made. */
export function methodNamed(actor: Actor, id: string, param: string): StripeObject {
  const { store } = actor.account;
  const found = store.get('payment_method', id);
  if (found !== undefined) return found;
  const card = id.startsWith('pm_card_') || id.startsWith('tok_') ? testCard(id) : undefined;
  if (card === undefined) throw missing('PaymentMethod', id, param, 400);
  return makeCard(actor, card, cardFacts(card, 8, new Date(actor.at * 1000).getUTCFullYear() + 1));
}

/** Attaches to a customer. @throws Failure 402 for cards that are declined then */
export function attach(actor: Actor, method: StripeObject, customer: StripeObject): StripeObject {
  if (method['customer'] === customer.id) return method;
  if (typeof method['customer'] === 'string') {
    throw invalid(
      'payment_method',
      'This payment method has already been attached to a customer.',
      'payment_method_unexpected_state',
    );
  }
  const behaviour = behaviourOf(actor, method.id);
  if (behaviour?.declineAttach && behaviour.decline)
    throw cardError(behaviour.decline, { payment_method: method });
  const attached = { ...method, customer: customer.id };
  actor.account.store.put(attached, actor.at, 0);
  tell(actor, 'payment_method.attached', attached);
  return attached;
}

function detach(call: Call): StripeObject {
  const actor = actorOf(call);
  const method = need(call, 'payment_method', 'payment_method');
  const customer = method['customer'];
  if (typeof customer !== 'string') {
    throw invalid(
      'payment_method',
      'The payment method you provided is not attached to a customer so detachment is impossible.',
    );
  }
  const detached = { ...method, customer: null };
  actor.account.store.put(detached, actor.at, flagHidden);
  tell(actor, 'payment_method.detached', detached, { customer });
  const owner = call.account.store.get('customer', customer);
  const settings = owner?.['invoice_settings'] as { default_payment_method?: unknown } | undefined;
  if (owner && settings?.default_payment_method === method.id) {
    update(
      actor,
      owner,
      { invoice_settings: { ...settings, default_payment_method: null } },
      'customer.updated',
    );
  }
  return detached;
}

function createSetup(call: Call): StripeObject {
  const actor = actorOf(call);
  const values = fields(
    call.params,
    'customer:x payment_method:x confirm:x usage:s description:s metadata:m payment_method_types:a automatic_payment_methods:x return_url:x payment_method_data:x payment_method_options:x on_behalf_of:s attach_to_self:x flow_directions:a mandate_data:x single_use:x use_stripe_sdk:x payment_method_configuration:x',
  );
  const customer = named(call, 'customer', 'customer');
  const id = randomId(call.account, 'seti_');
  const method = text(call.params, 'payment_method');
  let made = setupIntent(id, {
    created: inTimeOf(actor, customer).at,
    customer: customer?.id ?? null,
    livemode: false,
    status: 'requires_payment_method',
    ...values,
  });
  if (method !== undefined) {
    made = {
      ...made,
      payment_method: methodNamed(actor, method, 'payment_method').id,
      status: 'requires_confirmation',
    };
  }
  save(actor, made, 'setup_intent.created');
  return text(call.params, 'confirm') === 'true' ? confirmSetup(actor, made) : made;
}

function confirmSetup(actor: Actor, intent: StripeObject): StripeObject {
  const method =
    typeof intent['payment_method'] === 'string'
      ? actor.account.store.get('payment_method', intent['payment_method'])
      : undefined;
  if (method === undefined) {
    throw invalid(
      'payment_method',
      "You cannot confirm this SetupIntent because it's missing a payment method.",
      'setup_intent_unexpected_state',
    );
  }
  const behaviour = behaviourOf(actor, method.id);
  if (behaviour?.declineAttach && behaviour.decline) {
    const error = cardError(behaviour.decline, { payment_method: method });
    const failed = {
      ...intent,
      payment_method: null,
      status: 'requires_payment_method',
      last_setup_error: { ...error.details, message: error.message, type: 'card_error' },
    };
    save(actor, failed, 'setup_intent.setup_failed');
    throw cardError(behaviour.decline, { payment_method: method, setup_intent: failed });
  }
  const customer =
    typeof intent['customer'] === 'string'
      ? actor.account.store.get('customer', intent['customer'])
      : undefined;
  if (customer !== undefined) attach(actor, method, customer);
  return save(actor, { ...intent, status: 'succeeded' }, 'setup_intent.succeeded');
}

const methodFields = 'billing_details:x metadata:m allow_redisplay:s card:x';

/** Payment methods and setup intents. */
export const paymentMethodRoutes: readonly Route[] = [
  post('/v1/payment_methods', 'payment_method', (call, actor) => {
    fields(call.params, `type:s ${methodFields} customer:x payment_method:x`);
    const type = required(call.params, 'type');
    if (type !== 'card')
      throw invalid('type', `The emulator makes payment methods of type card only, got ${type}`);
    const { card, facts } = cardFrom(hash(call.params, 'card') ?? {}, actor.at);
    return makeCard(actor, card, facts, call.params);
  }),
  post('/v1/payment_methods/{payment_method}', 'payment_method', (call, actor) => {
    const method = need(call, 'payment_method', 'payment_method');
    const values = fields(call.params, methodFields, method);
    if (call.params['billing_details'] !== undefined)
      values['billing_details'] = billingDetails(billingOf(call.params));
    return update(actor, method, values, 'payment_method.updated');
  }),
  post('/v1/payment_methods/{payment_method}/attach', 'payment_method', (call) => {
    fields(call.params, 'customer:s');
    required(call.params, 'customer');
    const customer = named(call, 'customer', 'customer') as StripeObject;
    const actor = inTimeOf(actorOf(call), customer);
    return attach(actor, methodNamed(actor, call.path['payment_method'] ?? '', 'payment_method'), customer);
  }),
  post('/v1/payment_methods/{payment_method}/detach', 'payment_method', detach),
  post('/v1/setup_intents', 'setup_intent', createSetup),
  post('/v1/setup_intents/{intent}/confirm', 'setup_intent', (call, actor) => {
    fields(
      call.params,
      'payment_method:x return_url:x mandate_data:x use_stripe_sdk:x payment_method_options:x client_secret:x',
    );
    const method = text(call.params, 'payment_method');
    const intent = need(call, 'setup_intent', 'intent');
    const with_ =
      method === undefined
        ? intent
        : { ...intent, payment_method: methodNamed(actor, method, 'payment_method').id };
    return confirmSetup(actor, with_);
  }),
  post('/v1/setup_intents/{intent}/cancel', 'setup_intent', (call, actor) => {
    const values = fields(call.params, 'cancellation_reason:s');
    const intent = need(call, 'setup_intent', 'intent');
    if (intent['status'] === 'succeeded' || intent['status'] === 'canceled') {
      throw invalid(
        'intent',
        `You cannot cancel this SetupIntent because it has a status of ${String(intent['status'])}.`,
        'setup_intent_unexpected_state',
      );
    }
    return save(actor, { ...intent, ...values, status: 'canceled' }, 'setup_intent.canceled');
  }),
];
