import type { StripeObject } from '../model/values.ts';
import type { Api } from '../stripe/api.ts';

/** The newest event as Stripe's list showed it, and when it was asked for. */
export interface Stamp {
  readonly newest: StripeObject | undefined;
  /** Unix milliseconds. */
  readonly askedAt: number;
}

/** Reads the newest event: everything that happens from here on comes as events, whatever the pages show or miss. */
export async function readStamp(api: Api, now: () => number, purpose: 'download' | 'proof'): Promise<Stamp> {
  const askedAt = now();
  const page = await api.list('/v1/events?limit=1', { endpoint: 'GET /v1/events', purpose });
  return { newest: page.data[0], askedAt };
}
