import {
  createAuthProxy,
  shareLink,
  stripeAccount,
  stripeKey,
  type AuthProxy,
  type SampleObject,
  type StripeKeyAuthenticator,
} from '@datasette-stripe/auth-proxy';
import type { Logger } from 'pino';
import { isCacheable } from './cacheable.ts';
import type { Config, StripeAccess } from './config.ts';
import { isForAnyDatasette } from './datasette.ts';
import type { Mirror } from './mirror.ts';

/** What {@link openDoor} needs. */
export interface DoorOptions {
  readonly config: Config;
  readonly stripe: StripeAccess;
  readonly demo: boolean;
  /** Where each process of Datasette listens. */
  readonly upstreamSockets: readonly string[];
  readonly stateDir: string;
  readonly mirror: Mirror;
  /** Stripe has been asked: that counts against the account's read allowance. */
  readonly onAsk: () => void;
  /** What people see does not depend on the data alone for now: nothing is cached. */
  readonly unsettled: () => boolean;
  readonly logger: Logger;
}

/** The proxy, and the authenticator that more is done with. */
export interface Door {
  readonly proxy: AuthProxy;
  readonly key: StripeKeyAuthenticator;
}

/** Who may enter: who holds the mirrored key or a share link, and if it is wished, other keys of the same account. */
export function openDoor(options: DoorOptions): Door {
  const { config, stripe, stateDir, mirror, logger } = options;
  const key = stripeKey({
    key: stripe.secretKey,
    apiBase: stripe.apiBase,
    stateDir,
    onAsk: options.onAsk,
    logger,
    ...(stripe.context === undefined ? {} : { context: stripe.context }),
  });
  const links = shareLink({
    stateDir,
    assets: ['/static/', '/-/static/', '/-/static-plugins/'],
    ...(config.shareLinkSecret === undefined ? {} : { secret: config.shareLinkSecret }),
  });
  const team = config.authStripeAccount
    ? [
        stripeAccount({
          // Only an organisation's key does not say its mode; what it mirrors says it then.
          livemode: stripe.livemode ?? mirror.account()?.livemode ?? true,
          apiBase: stripe.apiBase,
          samples: () => samples(mirror),
          onAsk: options.onAsk,
          logger,
        }),
      ]
    : [];
  const proxy = createAuthProxy({
    upstream: options.upstreamSockets.map((socket) => `unix:${socket}`),
    balanced: isForAnyDatasette,
    authenticators: [key, links, ...team],
    allowAnyone: !config.authEnabled,
    trustedProxies: config.trustedProxies,
    requireTls: config.production,
    openPaths: [
      { path: '/tdog/live', plainHttp: true },
      { path: '/tdog/ready', plainHttp: true },
      { path: '/tdog/health.json', plainHttp: true },
      ...(config.webhookSecret === undefined ? [] : [{ path: '/tdog/webhook', methods: ['POST'] }]),
    ],
    siteName: 'Stripe mirror',
    ...(options.demo
      ? { notice: 'This is a demo with a made-up company. Its key was printed where the demo was started.' }
      : {}),
    stateDir,
    cache: {
      dataVersion: () => (options.unsettled() ? undefined : mirror.dataVersion()),
      cacheable: isCacheable,
    },
    logger,
  });
  return { proxy, key };
}

/** Tables whose objects only their account can retrieve, and where the API has them. */
const provable = ['customers', 'charges', 'invoices', 'payment_intents', 'subscriptions'] as const;

function samples(mirror: Mirror): readonly SampleObject[] {
  return provable.flatMap((table) =>
    mirror.newestIds(table, 1).map((id) => ({ id, path: `/v1/${table}/${encodeURIComponent(id)}` })),
  );
}
