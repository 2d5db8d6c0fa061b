import { Failure } from '../http/failure.ts';
import type { Decline } from '../shapes/payments.ts';

/** 402: the card was declined, with what Stripe shows beside the reason. */
export function cardError(decline: Decline, beside: Record<string, unknown> = {}): Failure {
  return new Failure(402, decline.message, {
    type: 'card_error',
    code: decline.code,
    ...(decline.code === 'card_declined' ? { decline_code: decline.declineCode } : {}),
    ...(decline.code === 'incorrect_cvc' ? { param: 'cvc' } : {}),
    ...beside,
  });
}
