export { createAuthProxy } from './auth-proxy.ts';
export { fromFunction, type FunctionAuthenticatorOptions } from './authenticators/from-function.ts';
export { htpasswd, type HtpasswdOptions } from './authenticators/htpasswd.ts';
export {
  shareLink,
  type ShareLink,
  type ShareLinkAuthenticator,
  type ShareLinkOptions,
  type ShareLinkRequest,
} from './authenticators/share-link.ts';
export { staticCredentials, type StaticCredential } from './authenticators/static-credentials.ts';
export {
  stripeAccount,
  type SampleObject,
  type StripeAccountAuthenticator,
  type StripeAccountOptions,
} from './authenticators/stripe-account.ts';
export {
  stripeKey,
  type KeyVerdict,
  type StripeKeyAuthenticator,
  type StripeKeyOptions,
} from './authenticators/stripe-key.ts';
export type {
  Attempt,
  Authenticator,
  AuthResult,
  GateResult,
  Identity,
} from './authenticators/authenticator.ts';
export { AuthProxyError, ERROR_CODES, type AuthProxyErrorCode } from './errors.ts';
export { DATASETTE_CSP } from './http/response-headers.ts';
export {
  dependsOnDataOnly,
  type AuthProxy,
  type AuthProxyOptions,
  type CacheOptions,
  type Counters,
  type GuessLimits,
  type Handler,
  type OpenPath,
  type Timeouts,
} from './options.ts';
