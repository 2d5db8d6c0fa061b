import type { Call } from '../api/context.ts';

import { invalid, missing } from '../http/failure.ts';
import { hash, hashes, text, texts, type Params } from '../http/params.ts';
import * as shapes from '../shapes/billing.ts';
import type { StripeObject } from '../types.ts';
import { inlinePrice } from './catalogue-routes.ts';

import { randomId } from './ids.ts';

import { named, save, update, type Actor } from './kernel.ts';

/** A price named by an item: an id, or data of which one is made. */
export function priceOf(call: Call, actor: Actor, item: Params, param: string): StripeObject | undefined {
  const data = hash(item, 'price_data');
  if (data !== undefined) return inlinePrice(call, actor, data);
  const id = text(item, 'price') ?? text(item, 'plan');
  if (id === undefined) return undefined;
  const price = call.account.store.get('price', id);
  if (price === undefined) throw missing('price', id, `${param}[price]`, 400);
  return price;
}

export function ratesOf(call: Call, params: Params, name: string): StripeObject[] | undefined {
  if (params[name] === undefined) return undefined;
  return texts(params, name).map((id) => {
    const rate = call.account.store.get('tax_rate', id);
    if (rate === undefined) throw missing('tax_rate', id, name, 400);
    return rate;
  });
}

export function couponsOf(call: Call): { coupon: StripeObject; promotionCode?: string | undefined }[] {
  const asked: Params[] = hashes(call.params, 'discounts');
  const [coupon, code] = [text(call.params, 'coupon'), text(call.params, 'promotion_code')];
  if (coupon !== undefined) asked.push({ coupon });
  if (code !== undefined) asked.push({ promotion_code: code });
  return asked.flatMap((one) => {
    const promotion = named({ ...call, params: one }, 'promotion_code', 'promotion_code');
    const id = promotion
      ? ((promotion['promotion'] as { coupon: string }).coupon ?? '')
      : (text(one, 'coupon') ?? '');
    if (promotion !== undefined && promotion['active'] !== true) {
      throw invalid('discounts', `Promotion code ${promotion.id} is not active.`);
    }
    const found = call.account.store.get('coupon', id);
    if (found === undefined) throw missing('coupon', id, 'discounts[0][coupon]', 400);
    return [{ coupon: found, promotionCode: promotion?.id }];
  });
}

/** An item of an invoice; it waits for the next one unless it is put into one. */
export function makeItem(
  call: Call,
  actor: Actor,
  customer: StripeObject,
  price: StripeObject | undefined,
  quantity: number,
  values: Record<string, unknown>,
): StripeObject {
  const made = shapes.invoiceItem(randomId(call.account, 'ii_'), price, {
    amount: price ? Number(price['unit_amount'] ?? 0) * quantity : 0,
    currency: price?.['currency'] ?? customer['currency'],
    customer: customer.id,
    date: actor.at,
    livemode: false,
    period: { end: actor.at, start: actor.at },
    quantity,
    test_clock: customer['test_clock'] ?? null,
    ...values,
  });
  if (customer['currency'] === null)
    update(actor, customer, { currency: made['currency'] }, 'customer.updated');
  return save(actor, { ...made, net_amount: made['amount'] }, 'invoiceitem.created');
}
