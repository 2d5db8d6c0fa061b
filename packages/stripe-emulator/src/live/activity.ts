import type { Account } from '../api/context.ts';
import { customer as customerShape, taxId } from '../shapes/billing.ts';
import type { SyntheticBase } from '../synthetic/base.ts';
import { plans } from '../synthetic/company.ts';
import { personOf } from '../synthetic/person.ts';
import { pick, weighted } from '../synthetic/random.ts';
import type { StripeObject } from '../types.ts';
import { testCard } from '../write/cards.ts';
import { randomId } from '../write/ids.ts';
import { methodOf } from '../write/invoices.ts';
import { realSeconds, save, update, type Actor } from '../write/kernel.ts';
import { attach, cardFacts, makeCard } from '../write/payment-methods.ts';
import { confirmIntent, createIntent, openDispute, refundCharge } from '../write/payments.ts';
import { changeItems, createSubscription, itemsOf } from '../write/subscriptions.ts';

const day = 86_400;
const keptIds = 5000;

/** What a company's customers do all day: each call does one thing, with the events Stripe would emit. */
export class Activity {
  readonly #account: Account;
  readonly #base: SyntheticBase;
  readonly #newcomers: string[] = [];

  constructor(account: Account, base: SyntheticBase) {
    this.#account = account;
    this.#base = base;
    for (const row of account.store.journal.walk({ object: 'customer', direction: 'older' })) {
      if (this.#newcomers.length >= keptIds) break;
      this.#newcomers.push(row.id);
    }
  }

  /** Does one thing. */
  act(): void {
    const { random } = this.#account;
    const actor: Actor = { account: this.#account, request: undefined, at: realSeconds(this.#account) };
    const deeds: readonly (readonly [(actor: Actor) => boolean, number])[] = [
      [(a) => this.#profile(a), 46],
      [(a) => this.#seats(a), 14],
      [(a) => this.#signUp(a), 12],
      [(a) => this.#workshop(a), 12],
      [(a) => this.#refund(a), 4],
      [(a) => this.#cancel(a), 4],
      [(a) => this.#card(a), 5],
      [(a) => this.#product(a), 2],
      [(a) => this.#dispute(a), 1],
    ];
    // Not every deed finds its object; a changed profile always does.
    if (!weighted(random, deeds)(actor)) this.#profile(actor);
  }

  #customer(): StripeObject | undefined {
    const { random, store } = this.#account;
    const newcomer = this.#newcomers.length > 0 && random() < 0.3;
    for (let n = 0; n < 20; n++) {
      const id = newcomer
        ? pick(random, this.#newcomers)
        : this.#base.customerId(Math.floor(random() * this.#base.customers));
      const found = store.get('customer', id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #profile(actor: Actor): boolean {
    const { random } = this.#account;
    const customer = this.#customer();
    if (customer === undefined) return false;
    const visits = Number((customer['metadata'] as Record<string, string>)['support_tickets'] ?? 0) + 1;
    const metadata = { ...(customer['metadata'] as object), support_tickets: String(visits) };
    const phone = `+1202555${String(Math.floor(random() * 10_000)).padStart(4, '0')}`;
    update(actor, customer, random() < 0.6 ? { metadata } : { metadata, phone }, 'customer.updated');
    return true;
  }

  #running(): StripeObject | undefined {
    const customer = this.#customer();
    if (customer === undefined) return undefined;
    for (const row of this.#account.store.walk({
      object: 'subscription',
      direction: 'older',
      ref: customer.id,
    })) {
      const subscription = row.object();
      if (subscription['status'] === 'active' && subscription['customer'] === customer.id)
        return subscription;
    }
    return undefined;
  }

  #seats(actor: Actor): boolean {
    const subscription = this.#running();
    const item = subscription && itemsOf(subscription)[0];
    const price = item?.['price'] as StripeObject | undefined;
    const team = this.#base.company.products.get('team');
    if (subscription === undefined || item === undefined || price?.['product'] !== team?.id) return false;
    const step = this.#account.random() < 0.75 ? 1 : -1;
    const quantity = Math.max(1, Number(item['quantity']) + step);
    const change = { id: item.id, price: undefined, quantity, deleted: false, metadata: undefined };
    const { values } = changeItems(actor, subscription, [change], 'create_prorations');
    update(actor, subscription, values, 'customer.subscription.updated');
    return true;
  }

  #signUp(actor: Actor): boolean {
    const { random, store } = this.#account;
    const person = personOf(random, this.#base.company, actor.at);
    const id = randomId(this.#account, 'cus_');
    const created = customerShape(id, {
      address: person.billing.address,
      created: actor.at,
      description: person.business ? person.shortName : null,
      email: person.billing.email,
      livemode: false,
      name: person.name,
      phone: person.billing.phone ?? null,
      preferred_locales: [person.country.locale],
      tax_exempt: person.exempt,
    });
    save(actor, created, 'customer.created');
    this.#newcomers.unshift(id);
    this.#newcomers.length = Math.min(this.#newcomers.length, keptIds);
    if (person.taxIdValue !== undefined) {
      const values = {
        country: person.country.code,
        created: actor.at,
        livemode: false,
        type: person.country.taxId?.[0],
        value: person.taxIdValue,
      };
      save(actor, taxId(randomId(this.#account, 'txi_'), id, values), 'customer.tax_id.created');
    }
    const card = testCard(person.card.brand === 'mastercard' ? 'mastercard' : 'visa');
    if (card === undefined) return true;
    const method = makeCard(actor, card, person.card);
    attach(actor, method, created);
    const settings = { ...(created['invoice_settings'] as object), default_payment_method: method.id };
    const customer = update(actor, created, { invoice_settings: settings }, 'customer.updated');
    const plan = pick(random, plans.slice(0, 3));
    const price = this.#base.company.prices.get(`${plan.key}.month.${person.currency}`);
    if (price === undefined) return true;
    const coupon = random() < 0.15 ? store.get('coupon', 'WELCOME20') : undefined;
    createSubscription(actor, {
      customer,
      items: [{ price, quantity: plan.seats ? 2 + Math.floor(random() * 8) : 1 }],
      trialEnd: random() < 0.55 ? actor.at + 14 * day : undefined,
      coupons: coupon ? [{ coupon }] : [],
      values: {
        default_payment_method: method.id,
        default_tax_rates: person.taxRate && person.exempt === 'none' ? [person.taxRate] : [],
      },
    });
    return true;
  }

  #workshop(actor: Actor): boolean {
    const customer = this.#customer();
    const price = this.#base.company.workshop.get(String(customer?.['currency']));
    if (customer === undefined || price === undefined) return false;
    const declined = this.#account.random() < 0.1 ? testCard('chargeCustomerFail') : undefined;
    const method = declined
      ? makeCard(actor, declined, cardFacts(declined, 8, new Date(actor.at * 1000).getUTCFullYear() + 2))
      : methodOf(actor, { id: '', object: 'invoice', customer: customer.id });
    if (method === undefined) return false;
    const intent = createIntent(actor, {
      amount: price['unit_amount'],
      currency: price['currency'],
      customer: customer.id,
      description: 'Onboarding workshop',
      receipt_email: customer['email'],
    });
    confirmIntent(actor, intent, method, true);
    return true;
  }

  #charge(): StripeObject | undefined {
    const skip = Math.floor(this.#account.random() * 40);
    let n = 0;
    for (const row of this.#account.store.walk({ object: 'charge', direction: 'older' })) {
      if (n++ < skip) continue;
      if (n > skip + 20) return undefined;
      const charge = row.object();
      if (
        charge['status'] === 'succeeded' &&
        charge['amount_refunded'] === 0 &&
        charge['disputed'] === false
      ) {
        return charge;
      }
    }
    return undefined;
  }

  #refund(actor: Actor): boolean {
    const charge = this.#charge();
    if (charge === undefined) return false;
    const part = this.#account.random() < 0.4 ? Math.ceil(Number(charge['amount']) / 2) : undefined;
    refundCharge(actor, charge, part, { reason: 'requested_by_customer', metadata: {} });
    return true;
  }

  #dispute(actor: Actor): boolean {
    const charge = this.#charge();
    if (charge === undefined) return false;
    openDispute(
      actor,
      charge,
      pick(this.#account.random, ['fraudulent', 'product_not_received', 'duplicate']),
    );
    return true;
  }

  #cancel(actor: Actor): boolean {
    const subscription = this.#running();
    if (subscription === undefined) return false;
    const back = subscription['cancel_at_period_end'] === true;
    const details = subscription['cancellation_details'] as object;
    const patch = back
      ? {
          cancel_at: null,
          cancel_at_period_end: false,
          canceled_at: null,
          cancellation_details: { ...details, feedback: null, reason: null },
        }
      : {
          cancel_at: itemsOf(subscription)[0]?.['current_period_end'],
          cancel_at_period_end: true,
          canceled_at: actor.at,
          cancellation_details: { ...details, feedback: 'too_expensive', reason: 'cancellation_requested' },
        };
    update(actor, subscription, patch, 'customer.subscription.updated');
    return true;
  }

  /** A new card takes the place of the old one. */
  #card(actor: Actor): boolean {
    const customer = this.#customer();
    const card = testCard('visa');
    if (customer === undefined || card === undefined) return false;
    const year = new Date(actor.at * 1000).getUTCFullYear() + 4;
    const method = attach(
      actor,
      makeCard(actor, card, cardFacts(card, 1 + Math.floor(this.#account.random() * 12), year)),
      customer,
    );
    const settings = { ...(customer['invoice_settings'] as object), default_payment_method: method.id };
    update(actor, customer, { invoice_settings: settings }, 'customer.updated');
    return true;
  }

  #product(actor: Actor): boolean {
    const product = pick(this.#account.random, [...this.#base.company.products.values()]);
    const current = this.#account.store.get('product', product.id);
    if (current === undefined) return false;
    const metadata = {
      ...(current['metadata'] as object),
      reviewed: new Date(actor.at * 1000).toISOString(),
    };
    update(actor, current, { metadata, updated: actor.at }, 'product.updated');
    return true;
  }
}
