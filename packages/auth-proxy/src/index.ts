export {
  createAuthProxy,
  fromFunction,
  htpasswd,
  shareLink,
  staticCredentials,
  stripeAccount,
  stripeKey,
} from './api-draft.ts';
export { AuthProxyError, ERROR_CODES, type AuthProxyErrorCode } from './errors.ts';
export type {
  Attempt,
  Authenticator,
  AuthResult,
  GateResult,
  Identity,
} from './authenticators/authenticator.ts';
export type {
  FunctionAuthenticatorOptions,
  HtpasswdOptions,
  StaticCredential,
} from './authenticators/credentials.ts';
export type {
  ShareLink,
  ShareLinkAuthenticator,
  ShareLinkOptions,
  ShareLinkRequest,
} from './authenticators/share-link.ts';
export type {
  SampleObject,
  StripeAccountAuthenticator,
  StripeAccountOptions,
} from './authenticators/stripe-account.ts';
export type { KeyVerdict, StripeKeyAuthenticator, StripeKeyOptions } from './authenticators/stripe-key.ts';
export type {
  AuthProxy,
  AuthProxyOptions,
  CacheOptions,
  Counters,
  GuessLimits,
  Handler,
  OpenPath,
  Timeouts,
} from './options.ts';
