import type { IncomingMessage } from 'node:http';
import type { StripeEvent } from '@datasette-stripe/tdog';
import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { MirrorAccount } from '../mirror.ts';
import { replyJson, type Handler } from './reply.ts';

/** Larger than any event of Stripe's. */
const maxBodyBytes = 1024 * 1024;
const toleranceSeconds = 300;
/** Stripe sends an event again within minutes when it got no answer; the engine knows older ones by their row. */
const rememberedIds = 10_000;

/** What {@link webhookHandler} needs. */
export interface WebhookOptions {
  /** The endpoint's `whsec_…`. */
  readonly secret: string;
  /** The mode of the key; undefined when its prefix does not say. */
  readonly livemode: boolean | undefined;
  /** The mirror's account, once it is known. */
  readonly account: () => MirrorAccount | undefined;
  /** Hands the event to the engine; false when no engine runs. */
  readonly deliver: (event: StripeEvent) => boolean;
  readonly logger: Logger;
  /** Clock, ms. */
  readonly now: () => number;
}

type Verdict = readonly [status: number, message: string];

/**
 * Stripe's webhook: an event with a good signature reaches the engine at once. Whatever is answered with an error, Stripe sends again
 * later; nothing is lost by a missed one either, as the engine polls.
 */
export function webhookHandler(options: WebhookOptions): Handler {
  const seen = new Set<string>();

  function remember(id: string): void {
    seen.add(id);
    const [oldest] = seen;
    if (seen.size > rememberedIds && oldest !== undefined) seen.delete(oldest);
  }

  function judge(body: Buffer, signature: string | undefined): Verdict {
    const event = verify(body, signature, options);
    if (event === undefined) return [400, 'The signature is wrong or too old'];
    const account = options.account();
    const livemode = options.livemode ?? account?.livemode;
    if (livemode !== undefined && event.livemode !== livemode) {
      return [400, `This mirror is of ${livemode ? 'live' : 'test'} mode, the event is of the other one`];
    }
    // Events of connected accounts come to the platform's endpoint too; their objects are not of this mirror.
    if (typeof event.account === 'string' && event.account !== account?.id) {
      return [200, 'An event of another account: ignored'];
    }
    if (seen.has(event.id)) return [200, 'Seen before'];
    if (!options.deliver(event)) return [503, 'The sync engine is not running; send it again later'];
    remember(event.id);
    options.logger.debug({ event: event.id, type: event.type }, 'webhook');
    return [200, 'Received'];
  }

  return (request, response) => {
    void readBody(request).then(
      (body) => {
        const header = request.headers['stripe-signature'];
        const [status, message] =
          body === undefined
            ? ([413, 'The body is larger than 1 MiB'] as const)
            : judge(body, Array.isArray(header) ? header[0] : header);
        if (status >= 400) options.logger.warn({ status }, `webhook refused: ${message}`);
        if (status === 413) response.setHeader('Connection', 'close');
        if (status === 503) response.setHeader('Retry-After', '10');
        replyJson(response, status, { message });
      },
      () => response.destroy(),
    );
  };
}

function verify(
  body: Buffer,
  signature: string | undefined,
  { secret, now }: WebhookOptions,
): StripeEvent | undefined {
  if (signature === undefined) return undefined;
  try {
    const event: unknown = Stripe.webhooks.constructEvent(
      body,
      signature,
      secret,
      toleranceSeconds,
      undefined,
      now(),
    );
    return isEvent(event) ? event : undefined;
  } catch {
    return undefined;
  }
}

/** Stripe signs thin events and more with the same secret; only snapshot events carry an object. */
function isEvent(value: unknown): value is StripeEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as Partial<Record<keyof StripeEvent, unknown>>;
  return (
    event.object === 'event' &&
    typeof event.id === 'string' &&
    typeof event.type === 'string' &&
    typeof event.livemode === 'boolean' &&
    typeof event.data === 'object'
  );
}

/** Undefined when the body is too large; the rest of it is not read. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
