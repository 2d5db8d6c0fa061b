import type { Authenticator } from './authenticators/authenticator.ts';
import type {
  FunctionAuthenticatorOptions,
  HtpasswdOptions,
  StaticCredential,
} from './authenticators/credentials.ts';
import type { ShareLinkAuthenticator, ShareLinkOptions } from './authenticators/share-link.ts';
import type { StripeAccountAuthenticator, StripeAccountOptions } from './authenticators/stripe-account.ts';
import type { StripeKeyAuthenticator, StripeKeyOptions } from './authenticators/stripe-key.ts';
import type { AuthProxy, AuthProxyOptions } from './options.ts';

const later = (): never => {
  throw new Error('being written');
};
export const createAuthProxy: (options: AuthProxyOptions) => AuthProxy = later;
export const stripeKey: (options: StripeKeyOptions) => StripeKeyAuthenticator = later;
export const stripeAccount: (options: StripeAccountOptions) => StripeAccountAuthenticator = later;
export const shareLink: (options: ShareLinkOptions) => ShareLinkAuthenticator = later;
export const staticCredentials: (credentials: readonly StaticCredential[]) => Authenticator = later;
export const htpasswd: (options: HtpasswdOptions) => Authenticator = later;
export const fromFunction: (options: FunctionAuthenticatorOptions) => Authenticator = later;
