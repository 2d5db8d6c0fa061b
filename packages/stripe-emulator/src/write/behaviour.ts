import { flagHidden } from '../store/layer.ts';
import { testCard, type TestCard } from './cards.ts';
import type { Actor } from './kernel.ts';

/** Notes which test card is behind a payment method; no object of Stripe's says so. */
export function remember(actor: Actor, method: string, number: string): void {
  actor.account.store.put({ id: method, object: 'test_card', number }, actor.at, flagHidden);
}

/** How a payment method behaves; undefined: everything succeeds. */
export function behaviourOf(actor: Actor, method: string): TestCard | undefined {
  const noted = actor.account.store.find('test_card', method)?.object()['number'];
  return typeof noted === 'string' ? testCard(noted) : undefined;
}
