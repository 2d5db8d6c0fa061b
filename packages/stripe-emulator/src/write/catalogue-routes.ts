import type { Call } from '../api/context.ts';
import type { Route } from '../api/routes.ts';
import { invalid, parameterMissing } from '../http/failure.ts';
import { hash, integer, text, type Params } from '../http/params.ts';
import * as shapes from '../shapes/billing.ts';
import { shape } from '../shapes/shape.ts';
import { flagHidden } from '../store/layer.ts';
import type { StripeObject } from '../types.ts';
import { randomId } from './ids.ts';
import {
  actorOf,
  currency,
  decimal,
  fields,
  named,
  need,
  remove,
  required,
  save,
  update,
  type Actor,
} from './kernel.ts';
import { post } from './post.ts';

const productFields =
  'active:b default_price_data:x default_price:x description:s id:x images:a marketing_features:x metadata:m name:s package_dimensions:x shippable:b statement_descriptor:s tax_code:s type:s unit_label:s url:s';

function createProduct(call: Call): StripeObject {
  const values = fields(call.params, productFields);
  required(call.params, 'name');
  const actor = actorOf(call);
  const id = text(call.params, 'id') ?? randomId(call.account, 'prod_');
  if (call.account.store.get('product', id)) {
    throw invalid('id', 'Product already exists.', 'resource_already_exists');
  }
  const made = shapes.product(id, { created: actor.at, livemode: false, updated: actor.at, ...values });
  save(actor, made, 'product.created');
  const data = hash(call.params, 'default_price_data');
  if (data === undefined) return made;
  const price = createPrice(actor, { ...data, product: id }, made);
  return update(actor, made, { default_price: price.id }, 'product.updated');
}

const priceFields =
  'active:b billing_scheme:s currency:x currency_options:x custom_unit_amount:x lookup_key:s metadata:m nickname:s product:x product_data:x recurring:x tax_behavior:s tiers:x tiers_mode:s transfer_lookup_key:x transform_quantity:x unit_amount:x unit_amount_decimal:x';

/** Makes a price; inline ones are hidden from lists and tell no event. */
export function createPrice(
  actor: Actor,
  params: Params,
  product: StripeObject,
  inline = false,
): StripeObject {
  const amount = integer(params, 'unit_amount');
  const exact = decimal(params, 'unit_amount_decimal');
  if (
    amount === undefined &&
    exact === undefined &&
    params['tiers'] === undefined &&
    !params['custom_unit_amount']
  ) {
    throw parameterMissing('unit_amount');
  }
  const recurring = hash(params, 'recurring');
  if (
    recurring !== undefined &&
    !['day', 'week', 'month', 'year'].includes(required(recurring, 'interval'))
  ) {
    throw invalid(
      'recurring[interval]',
      'Invalid recurring[interval]: must be one of day, month, week, or year',
    );
  }
  const unit = amount ?? (exact !== undefined && Number.isInteger(exact) ? exact : null);
  const made = shapes.price(randomId(actor.account, 'price_'), {
    ...fields(params, priceFields),
    active: !inline && text(params, 'active') !== 'false',
    created: actor.at,
    currency: currency(params),
    livemode: false,
    product: product.id,
    recurring:
      recurring === undefined
        ? null
        : {
            interval: text(recurring, 'interval'),
            interval_count: integer(recurring, 'interval_count') ?? 1,
            meter: text(recurring, 'meter') ?? null,
            trial_period_days: integer(recurring, 'trial_period_days') ?? null,
            usage_type: text(recurring, 'usage_type') ?? 'licensed',
          },
    unit_amount: unit,
    unit_amount_decimal: text(params, 'unit_amount_decimal') ?? (unit === null ? null : String(unit)),
  });
  if (inline) {
    actor.account.store.put(made, actor.at, flagHidden);
    return made;
  }
  save(actor, made, 'price.created');
  if (recurring !== undefined) save(actor, shapes.planOf(made) as StripeObject, 'plan.created');
  return made;
}

/** The price of `price_data`: made on the spot, with its product. */
export function inlinePrice(call: Call, actor: Actor, data: Params): StripeObject {
  const productData = hash(data, 'product_data');
  let product = named({ ...call, params: data }, 'product', 'product');
  if (product === undefined) {
    if (productData === undefined) throw parameterMissing('price_data[product]');
    product = shapes.product(randomId(actor.account, 'prod_'), {
      active: true,
      created: actor.at,
      description: text(productData, 'description') ?? null,
      livemode: false,
      name: required(productData, 'name'),
      updated: actor.at,
    });
    actor.account.store.put(product, actor.at, flagHidden);
  }
  return createPrice(actor, data, product, true);
}

const couponFields =
  'amount_off:i applies_to:x currency:s currency_options:x duration:s duration_in_months:i id:x max_redemptions:i metadata:m name:s percent_off:n redeem_by:i';

function createCoupon(call: Call): StripeObject {
  const values = fields(call.params, couponFields);
  if (values['percent_off'] === undefined && values['amount_off'] === undefined)
    throw parameterMissing('percent_off');
  if (values['amount_off'] !== undefined && values['currency'] === undefined)
    throw parameterMissing('currency');
  const duration = values['duration'] ?? 'once';
  if (duration === 'repeating' && values['duration_in_months'] === undefined) {
    throw parameterMissing('duration_in_months');
  }
  const actor = actorOf(call);
  const id = text(call.params, 'id') ?? randomId(call.account, 'c').slice(-8);
  if (call.account.store.get('coupon', id))
    throw invalid('id', 'Coupon already exists.', 'resource_already_exists');
  const made = shapes.coupon(id, {
    amount_off: null,
    created: actor.at,
    currency: null,
    livemode: false,
    percent_off: null,
    times_redeemed: 0,
    ...values,
    duration,
  });
  return save(actor, made, 'coupon.created');
}

const promotionFields =
  'promotion:x coupon:x code:s active:b customer:x customer_account:x expires_at:i max_redemptions:i metadata:m restrictions:x';

function createPromotionCode(call: Call): StripeObject {
  const values = fields(call.params, promotionFields);
  const promotion = hash(call.params, 'promotion');
  const coupon = named({ ...call, params: promotion ?? call.params }, 'coupon', 'coupon');
  if (coupon === undefined) throw parameterMissing('promotion[coupon]');
  const actor = actorOf(call);
  const code = text(call.params, 'code') ?? randomId(call.account, '').slice(-8).toUpperCase();
  for (const row of call.account.store.walk({ object: 'promotion_code', direction: 'older' })) {
    const other = row.object();
    if (other['code'] === code && other['active'] === true) {
      throw invalid(
        'code',
        'An active promotion code with `code: ' + code + '` already exists.',
        'resource_already_exists',
      );
    }
  }
  const made = shapes.promotionCode(randomId(call.account, 'promo_'), {
    code,
    coupon: coupon.id,
    created: actor.at,
    customer: named(call, 'customer', 'customer')?.id ?? null,
    livemode: false,
    times_redeemed: 0,
    ...values,
    ...(values['code'] ? {} : { code }),
  });
  return save(actor, made, 'promotion_code.created');
}

const taxRateFields =
  'active:b country:s description:s display_name:s inclusive:b jurisdiction:s metadata:m percentage:n state:s tax_type:s';

/** A route that changes some properties. */
function updates(
  path: string,
  object: string,
  param: string,
  spec: string,
  type: string | undefined,
  more: (call: Call, old: StripeObject) => Record<string, unknown> = () => ({}),
): Route {
  return post(path, object, (call, actor) => {
    const old = need(call, object, param);
    const values = { ...fields(call.params, spec, old), ...more(call, old) };
    return update(actor, old, values, type);
  });
}

/** A route that deletes. */
function deletes(path: string, object: string, param: string, type: string): Route {
  return {
    method: 'DELETE',
    path,
    object,
    handle: (call) => remove(actorOf(call), need(call, object, param), type),
  };
}

/** Products, prices, coupons, promotion codes, tax rates, shipping rates. */
export const catalogueRoutes: readonly Route[] = [
  post('/v1/products', 'product', createProduct),
  updates('/v1/products/{id}', 'product', 'id', productFields, 'product.updated', (call) => {
    const price = named(call, 'price', 'default_price');
    return { updated: actorOf(call).at, ...(price === undefined ? {} : { default_price: price.id }) };
  }),
  {
    method: 'DELETE',
    path: '/v1/products/{id}',
    object: 'product',
    handle: (call) => {
      const product = need(call, 'product', 'id');
      for (const row of call.account.store.walk({ object: 'price', direction: 'older', ref: product.id })) {
        if (row.object()['product'] === product.id) {
          throw invalid(
            'id',
            'This product cannot be deleted because it has one or more user-created prices.',
          );
        }
      }
      return remove(actorOf(call), product, 'product.deleted');
    },
  },
  post('/v1/prices', 'price', (call, actor) => {
    fields(call.params, priceFields);
    const data = hash(call.params, 'product_data');
    let product = named(call, 'product', 'product');
    if (product === undefined && data !== undefined) {
      const values = {
        created: actor.at,
        livemode: false,
        name: required(data, 'name'),
        updated: actor.at,
      };
      product = save(actor, shapes.product(randomId(call.account, 'prod_'), values), 'product.created');
    }
    if (product === undefined) throw parameterMissing('product');
    return createPrice(actor, call.params, product);
  }),
  updates(
    '/v1/prices/{price}',
    'price',
    'price',
    'active:b currency_options:x lookup_key:s metadata:m nickname:s tax_behavior:s transfer_lookup_key:x',
    'price.updated',
  ),
  post('/v1/coupons', 'coupon', createCoupon),
  updates(
    '/v1/coupons/{coupon}',
    'coupon',
    'coupon',
    'currency_options:x metadata:m name:s',
    'coupon.updated',
  ),
  deletes('/v1/coupons/{coupon}', 'coupon', 'coupon', 'coupon.deleted'),
  post('/v1/promotion_codes', 'promotion_code', createPromotionCode),
  updates(
    '/v1/promotion_codes/{promotion_code}',
    'promotion_code',
    'promotion_code',
    'active:b metadata:m restrictions:x',
    'promotion_code.updated',
  ),
  post('/v1/tax_rates', 'tax_rate', (call, actor) => {
    const values = fields(call.params, taxRateFields);
    for (const name of ['display_name', 'inclusive', 'percentage']) required(call.params, name);
    const made = shapes.taxRate(randomId(call.account, 'txr_'), {
      created: actor.at,
      effective_percentage: values['percentage'],
      livemode: false,
      tax_type: null,
      ...values,
    });
    return save(actor, made, 'tax_rate.created');
  }),
  updates(
    '/v1/tax_rates/{tax_rate}',
    'tax_rate',
    'tax_rate',
    'active:b country:s description:s display_name:s jurisdiction:s metadata:m state:s tax_type:s',
    'tax_rate.updated',
  ),
  post('/v1/shipping_rates', 'shipping_rate', (call, actor) => {
    const values = fields(
      call.params,
      'display_name:s type:s fixed_amount:x metadata:m tax_behavior:s tax_code:s delivery_estimate:x',
    );
    const fixed = hash(call.params, 'fixed_amount') ?? {};
    const made = shape('shipping_rate', randomId(call.account, 'shr_'), {
      active: true,
      created: actor.at,
      fixed_amount: { amount: integer(fixed, 'amount') ?? 0, currency: currency(fixed) },
      livemode: false,
      metadata: {},
      type: 'fixed_amount',
      tax_behavior: 'unspecified',
      ...values,
    });
    return save(actor, made);
  }),
];
