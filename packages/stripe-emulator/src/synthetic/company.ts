import { coupon, price, product, promotionCode, taxRate } from '../shapes/billing.ts';
import { shape } from '../shapes/shape.ts';
import type { StripeObject } from '../types.ts';
import { day } from './calendar.ts';
import { nobody, type Ids } from './ids.ts';
import { mix, seeded } from './random.ts';

/** What does not belong to one customer: the catalogue of a made-up software company. */
export interface Company {
  readonly name: string;
  /** Recurring prices by plan, interval and currency, e.g. `team.month.eur`. */
  readonly prices: ReadonlyMap<string, StripeObject>;
  /** What is sold once, by currency. */
  readonly workshop: ReadonlyMap<string, StripeObject>;
  readonly coupons: readonly StripeObject[];
  readonly promotionCodes: readonly StripeObject[];
  /** Tax rates by country. */
  readonly taxRates: ReadonlyMap<string, StripeObject>;
  readonly products: ReadonlyMap<string, StripeObject>;
  readonly paymentLinks: readonly StripeObject[];
  readonly shippingRates: readonly StripeObject[];
  /** Every object above. */
  readonly all: readonly StripeObject[];
}

/** The plans, from small to large, with the month's price by currency. */
export const plans: readonly {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly seats: boolean;
  readonly amounts: Readonly<Record<string, number>>;
}[] = [
  {
    key: 'starter',
    name: 'Fernbrook Starter',
    description: 'One project board and 5 GB of files',
    seats: false,
    amounts: { usd: 2900, eur: 2700, gbp: 2400, jpy: 4400 },
  },
  {
    key: 'team',
    name: 'Fernbrook Team',
    description: 'Unlimited boards, priced per seat',
    seats: true,
    amounts: { usd: 1500, eur: 1400, gbp: 1200, jpy: 2200 },
  },
  {
    key: 'business',
    name: 'Fernbrook Business',
    description: 'Single sign-on, audit log and priority support',
    seats: false,
    amounts: { usd: 19900, eur: 18900, gbp: 16900, jpy: 29800 },
  },
  {
    key: 'enterprise',
    name: 'Fernbrook Enterprise',
    description: 'Own region, custom terms, a named engineer',
    seats: false,
    amounts: { usd: 89900, eur: 84900, gbp: 74900, jpy: 128000 },
  },
];

const workshopAmounts: Readonly<Record<string, number>> = { usd: 45000, eur: 42000, gbp: 36000, jpy: 68000 };
const vat: Readonly<Record<string, readonly [name: string, percentage: number, inclusive: boolean]>> = {
  GB: ['VAT', 20, false],
  DE: ['USt.', 19, false],
  FR: ['TVA', 20, false],
  ES: ['IVA', 21, false],
  SE: ['Moms', 25, false],
  JP: ['消費税', 10, true],
};

const taxCodes: Readonly<Record<string, string>> = {
  txcd_00000000: 'Nontaxable',
  txcd_10103001: 'Software as a service (SaaS) - business use',
  txcd_92010001: 'Shipping',
};

const verification = { additional: [], minimum: ['business_profile.url', 'external_account'] };

function countrySpec(country: string): StripeObject {
  const euro = ['DE', 'ES', 'FR'].includes(country);
  const currency = euro ? 'eur' : ({ GB: 'gbp', JP: 'jpy', SE: 'sek' }[country] ?? 'usd');
  return shape('country_spec', country, {
    default_currency: currency,
    supported_bank_account_currencies: { [currency]: [country] },
    supported_payment_currencies: ['eur', 'gbp', 'jpy', 'usd'],
    supported_payment_methods: ['card', 'stripe'],
    supported_transfer_countries: ['DE', 'ES', 'FR', 'GB', 'SE', 'US'],
    verification_fields: { company: verification, individual: verification },
  });
}

/** Makes the catalogue of an account that opened at `opened`. */
export function makeCompany(seed: number, ids: Ids, opened: number, accountId: string): Company {
  const all: StripeObject[] = [];
  let ordinal = 0;
  const add = (object: StripeObject): StripeObject => {
    all.push(object);
    return object;
  };
  const id = (type: string): string => ids.make(type, nobody, ordinal++);
  const random = seeded(mix(seed, 7));
  let clock = opened + 3600;
  const created = (): number => (clock += 240 + Math.floor(random() * 3600));
  const products = new Map<string, StripeObject>();
  const prices = new Map<string, StripeObject>();

  for (const plan of plans) {
    const made = created();
    const productId = id('product');
    for (const [currency, month] of Object.entries(plan.amounts)) {
      for (const [interval, amount] of [
        ['month', month],
        ['year', month * 10],
      ] as const) {
        const key = `${plan.key}.${interval}.${currency}`;
        const values = recurring(key, productId, interval, amount, currency, created());
        prices.set(key, add(price(id('price'), values)));
      }
    }
    const first = prices.get(`${plan.key}.month.usd`);
    const values = {
      created: made,
      default_price: first?.id ?? null,
      description: plan.description,
      livemode: false,
      name: plan.name,
      tax_code: 'txcd_10103001',
      unit_label: plan.seats ? 'seat' : null,
      updated: made + 600,
      url: `https://fernbrook.example/${plan.key}`,
      metadata: { plan: plan.key },
    };
    products.set(plan.key, add(product(productId, values)));
  }
  // The first year's price, archived since: lists hide it unless asked for.
  const starter = products.get('starter');
  if (starter !== undefined) {
    for (const [currency, amount] of Object.entries({ usd: 1900, eur: 1800, gbp: 1500, jpy: 2800 })) {
      const values = recurring(
        `starter-2023.month.${currency}`,
        starter.id,
        'month',
        amount,
        currency,
        created(),
      );
      prices.set(
        `legacy.month.${currency}`,
        add(
          price(id('price'), {
            ...values,
            active: false,
            lookup_key: null,
            nickname: 'Starter (first year)',
          }),
        ),
      );
    }
  }

  const workshop = new Map<string, StripeObject>();
  const workshopId = id('product');
  const workshopCreated = created();
  for (const [currency, amount] of Object.entries(workshopAmounts)) {
    const values = {
      created: created(),
      currency,
      livemode: false,
      lookup_key: null,
      nickname: null,
      product: workshopId,
      recurring: null,
      unit_amount: amount,
      metadata: {},
    };
    workshop.set(currency, add(price(id('price'), values)));
  }
  products.set(
    'workshop',
    add(
      product(workshopId, {
        created: workshopCreated,
        default_price: workshop.get('usd')?.id ?? null,
        description: 'Half a day with an engineer, online',
        livemode: false,
        name: 'Onboarding workshop',
        updated: workshopCreated,
      }),
    ),
  );
  add(
    product(id('product'), {
      active: false,
      created: created(),
      description: 'Printed handbook (sold out)',
      livemode: false,
      name: 'Fernbrook handbook',
      shippable: true,
      type: 'good',
      updated: opened + 400 * day,
    }),
  );

  const couponFacts = [
    ['WELCOME20', '20 % off for three months', 20, 'repeating', 3],
    ['FRIENDS10', 'Friends of the house', 10, 'forever', null],
    ['LAUNCH50', 'Launch week', 50, 'once', null],
  ] as const;
  const coupons = couponFacts.map(([couponId, name, percent, duration, months]) =>
    add(
      coupon(couponId, {
        amount_off: null,
        created: created(),
        currency: null,
        duration,
        duration_in_months: months,
        livemode: false,
        name,
        percent_off: percent,
        times_redeemed: 0,
      }),
    ),
  );
  const promotionCodes = coupons.map((made, index) =>
    add(
      promotionCode(id('promotion_code'), {
        active: index < 2,
        code: ['HELLO20', 'FRIEND10', 'LAUNCH50'][index] ?? 'CODE',
        coupon: made.id,
        created: created(),
        livemode: false,
        times_redeemed: 0,
      }),
    ),
  );

  const taxRates = new Map<string, StripeObject>();
  for (const [country, [name, percentage, inclusive]] of Object.entries(vat)) {
    const values = {
      country,
      created: created(),
      description: `${name} ${country}`,
      display_name: name,
      inclusive,
      jurisdiction: country,
      livemode: false,
      percentage,
    };
    taxRates.set(country, add(taxRate(id('tax_rate'), values)));
  }

  for (const [code, name] of Object.entries(taxCodes)) {
    add(shape('tax_code', code, { description: name, name }));
  }
  for (const country of ['DE', 'ES', 'FR', 'GB', 'JP', 'SE', 'US']) add(countrySpec(country));
  for (const currency of Object.keys(workshopAmounts)) {
    add(
      shape('bank_account', ids.make('bank_account', nobody, currency.charCodeAt(0)), {
        account: accountId,
        account_holder_name: 'Fernbrook Software',
        account_holder_type: 'company',
        bank_name: 'STRIPE TEST BANK',
        country: 'GB',
        currency,
        default_for_currency: true,
        fingerprint: `Fernbrook${currency}0000`,
        last4: '6789',
        metadata: {},
        routing_number: '108800',
        status: 'new',
      }),
    );
  }

  const paymentLinks = ['usd', 'gbp'].map((currency) =>
    add(
      shape('payment_link', id('payment_link'), {
        active: true,
        after_completion: { hosted_confirmation: { custom_message: null }, type: 'hosted_confirmation' },
        automatic_tax: { enabled: false, liability: null },
        billing_address_collection: 'auto',
        currency,
        custom_fields: [],
        custom_text: {
          after_submit: null,
          shipping_address: null,
          submit: null,
          terms_of_service_acceptance: null,
        },
        customer_creation: 'always',
        invoice_creation: {
          enabled: false,
          invoice_data: {
            account_tax_ids: null,
            custom_fields: null,
            description: null,
            footer: null,
            issuer: null,
            metadata: {},
            rendering_options: null,
          },
        },
        livemode: false,
        metadata: {},
        payment_method_collection: 'always',
        phone_number_collection: { enabled: false },
        shipping_options: [],
        submit_type: 'pay',
        tax_id_collection: { enabled: true, required: 'never' },
        url: `https://buy.stripe.com/test_fernbrook_${currency}`,
      }),
    ),
  );
  const shippingRates = [
    ['Standard', 500],
    ['Express', 1500],
  ].map(([name, amount]) =>
    add(
      shape('shipping_rate', id('shipping_rate'), {
        active: true,
        created: created(),
        delivery_estimate: {
          maximum: { unit: 'business_day', value: 5 },
          minimum: { unit: 'business_day', value: 2 },
        },
        display_name: name,
        fixed_amount: { amount, currency: 'gbp' },
        livemode: false,
        metadata: {},
        tax_behavior: 'exclusive',
        tax_code: 'txcd_92010001',
        type: 'fixed_amount',
      }),
    ),
  );
  return {
    name: 'Fernbrook Software',
    prices,
    workshop,
    coupons,
    promotionCodes,
    taxRates,
    products,
    paymentLinks,
    shippingRates,
    all,
  };
}

function recurring(
  key: string,
  productId: string,
  interval: string,
  amount: number,
  currency: string,
  created: number,
): Record<string, unknown> {
  return {
    created,
    currency,
    livemode: false,
    lookup_key: key.replaceAll('.', '_'),
    nickname: interval === 'month' ? 'Monthly' : 'Yearly',
    product: productId,
    recurring: {
      interval,
      interval_count: 1,
      meter: null,
      trial_period_days: null,
      usage_type: 'licensed',
    },
    tax_behavior: 'exclusive',
    unit_amount: amount,
  };
}
