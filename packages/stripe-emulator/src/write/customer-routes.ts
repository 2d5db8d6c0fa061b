import type { Call } from '../api/context.ts';
import type { Route } from '../api/routes.ts';
import { invalid, missing } from '../http/failure.ts';
import { hash, hashes, integer, text, type Params } from '../http/params.ts';
import * as shapes from '../shapes/billing.ts';
import type { StripeObject } from '../types.ts';
import { flagHidden } from '../store/layer.ts';
import { randomId } from './ids.ts';
import { creditBalance } from './invoices.ts';
import {
  actorOf,
  fields,
  inTimeOf,
  named,
  need,
  remove,
  required,
  save,
  tell,
  update,
  type Actor,
} from './kernel.ts';
import { attach, methodNamed } from './payment-methods.ts';
import { endSubscription } from './subscriptions.ts';
import { post } from './post.ts';

const customerFields =
  'address:x balance:i business_name:s cash_balance:x description:s email:s individual_name:s invoice_prefix:s invoice_settings:x metadata:m name:s next_invoice_sequence:i payment_method:x phone:s preferred_locales:a shipping:x source:x tax:x tax_exempt:s tax_id_data:x test_clock:x validate:x default_source:s coupon:x promotion_code:x';

const addressOf = (given: Params | undefined): Record<string, unknown> | null =>
  given === undefined
    ? null
    : {
        city: text(given, 'city') ?? null,
        country: text(given, 'country') ?? null,
        line1: text(given, 'line1') ?? null,
        line2: text(given, 'line2') ?? null,
        postal_code: text(given, 'postal_code') ?? null,
        state: text(given, 'state') ?? null,
      };

function nestedValues(call: Call, old: StripeObject | undefined): Record<string, unknown> {
  const { params } = call;
  const values: Record<string, unknown> = {};
  if (params['address'] !== undefined) values['address'] = addressOf(hash(params, 'address'));
  if (params['shipping'] !== undefined) {
    const shipping = hash(params, 'shipping');
    values['shipping'] = shipping && {
      address: addressOf(hash(shipping, 'address')),
      name: text(shipping, 'name') ?? '',
      phone: text(shipping, 'phone') ?? null,
    };
  }
  const settings = hash(params, 'invoice_settings');
  if (settings !== undefined) {
    const method = settings['default_payment_method'];
    // A test card's name stands for the payment method that is made of it in the same call.
    const alias = method === params['payment_method'];
    if (
      typeof method === 'string' &&
      method !== '' &&
      !alias &&
      !call.account.store.get('payment_method', method)
    ) {
      throw missing('PaymentMethod', method, 'invoice_settings[default_payment_method]', 400);
    }
    const before = (old?.['invoice_settings'] ?? {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    }) as Record<string, unknown>;
    values['invoice_settings'] = {
      ...before,
      ...(method === undefined || alias ? {} : { default_payment_method: method === '' ? null : method }),
      ...(settings['footer'] === undefined ? {} : { footer: text(settings, 'footer') ?? null }),
    };
  }
  const email = values['email'] ?? params['email'];
  if (typeof email === 'string' && email !== '' && !email.includes('@')) {
    throw invalid('email', `Invalid email address: ${email}`, 'email_invalid');
  }
  return values;
}

function createTaxId(actor: Actor, customer: StripeObject, params: Params): StripeObject {
  const value = required(params, 'value');
  const type = required(params, 'type');
  const made = shapes.taxId(randomId(actor.account, 'txi_'), customer.id, {
    country: type === 'eu_vat' ? value.slice(0, 2) : type.slice(0, 2).toUpperCase(),
    created: actor.at,
    livemode: false,
    type,
    value,
    verification: { status: 'pending', verified_address: null, verified_name: null },
  });
  return save(actor, made, 'customer.tax_id.created');
}

function createCustomer(call: Call): StripeObject {
  const values = { ...fields(call.params, customerFields), ...nestedValues(call, undefined) };
  const clock = named(call, 'test_helpers.test_clock', 'test_clock');
  const actor = inTimeOf(actorOf(call), { test_clock: clock?.id });
  const prefix = randomId(call.account, 'cus_').slice(-8).toUpperCase();
  let customer = shapes.customer(randomId(call.account, 'cus_'), {
    created: actor.at,
    invoice_prefix: prefix,
    livemode: false,
    test_clock: clock?.id ?? null,
    ...values,
  });
  const method = text(call.params, 'payment_method') ?? text(call.params, 'source');
  const found = method === undefined ? undefined : methodNamed(actor, method, 'payment_method');
  if (found !== undefined && typeof found['customer'] === 'string') attach(actor, found, customer);
  save(actor, customer, 'customer.created');
  if (found !== undefined) {
    attach(actor, found, customer);
    const settings = hash(call.params, 'invoice_settings') ?? {};
    const standard = method === text(settings, 'default_payment_method');
    if (call.params['source'] !== undefined || standard) {
      const next = { ...(customer['invoice_settings'] as object), default_payment_method: found.id };
      customer = update(actor, customer, { invoice_settings: next }, 'customer.updated');
    }
  }
  for (const data of hashes(call.params, 'tax_id_data')) createTaxId(actor, customer, data);
  return customer;
}

/** Deletes a customer: subscriptions end, payment methods are let go. */
export function deleteCustomer(actor: Actor, customer: StripeObject): Record<string, unknown> {
  const { store } = actor.account;
  for (const row of [...store.walk({ object: 'subscription', direction: 'older', ref: customer.id })]) {
    const subscription = row.object();
    if (subscription['customer'] !== customer.id || subscription['status'] === 'canceled') continue;
    endSubscription(actor, subscription, 'cancellation_requested');
  }
  for (const row of [...store.walk({ object: 'payment_method', direction: 'older', ref: customer.id })]) {
    const method = row.object();
    if (method['customer'] !== customer.id) continue;
    store.put({ ...method, customer: null }, row.created, flagHidden);
  }
  for (const object of ['tax_id', 'card', 'bank_account']) {
    for (const row of [...store.walk({ object, direction: 'older', ref: customer.id })]) {
      if (row.object()['customer'] === customer.id) store.remove(object, row.id);
    }
  }
  return remove(actor, customer, 'customer.deleted');
}

/** Customers, their tax ids and their credit. */
export const customerRoutes: readonly Route[] = [
  post('/v1/customers', 'customer', createCustomer),
  post('/v1/customers/{customer}', 'customer', (call, actor) => {
    const customer = need(call, 'customer', 'customer');
    const values = { ...fields(call.params, customerFields, customer), ...nestedValues(call, customer) };
    return update(inTimeOf(actor, customer), customer, values, 'customer.updated');
  }),
  {
    method: 'DELETE',
    path: '/v1/customers/{customer}',
    object: 'customer',
    handle: (call) => {
      const customer = need(call, 'customer', 'customer');
      return deleteCustomer(inTimeOf(actorOf(call), customer), customer);
    },
  },
  post('/v1/customers/{customer}/tax_ids', 'tax_id', (call, actor) => {
    fields(call.params, 'type:s value:s');
    return createTaxId(actor, need(call, 'customer', 'customer'), call.params);
  }),
  {
    method: 'DELETE',
    path: '/v1/customers/{customer}/tax_ids/{id}',
    object: 'tax_id',
    handle: (call) => {
      const tax = need(call, 'tax_id', 'id');
      if (tax['customer'] !== call.path['customer']) throw missing('tax_id', tax.id, 'id');
      return remove(actorOf(call), tax, 'customer.tax_id.deleted');
    },
  },
  post('/v1/customers/{customer}/balance_transactions', 'customer_balance_transaction', (call) => {
    const values = fields(call.params, 'amount:i currency:s description:s metadata:m');
    const customer = need(call, 'customer', 'customer');
    const amount = integer(call.params, 'amount');
    if (amount === undefined) throw invalid('amount', 'Missing required param: amount.', 'parameter_missing');
    const actor = inTimeOf(actorOf(call), customer);
    const owner = customer['currency'] === null ? { ...customer, currency: values['currency'] } : customer;
    const ending = Number(customer['balance']) + amount;
    const description = typeof values['description'] === 'string' ? values['description'] : null;
    return creditBalance(actor, owner, amount, ending, 'adjustment', null, description);
  }),
  {
    method: 'DELETE',
    path: '/v1/customers/{customer}/discount',
    object: 'discount',
    handle: (call) => {
      const customer = need(call, 'customer', 'customer');
      const discount = customer['discount'] as StripeObject | null;
      if (discount === null) throw missing('discount', '', 'discount');
      const actor = actorOf(call);
      update(actor, customer, { discount: null }, 'customer.updated');
      tell(actor, 'customer.discount.deleted', discount);
      return { id: discount.id, object: 'discount', deleted: true };
    },
  },
];
