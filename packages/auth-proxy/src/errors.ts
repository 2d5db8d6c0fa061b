/** Every code an {@link AuthProxyError} can carry. */
export type AuthProxyErrorCode =
  | 'AUTH_PROXY_OPTIONS_INVALID'
  | 'AUTH_PROXY_HTPASSWD_UNREADABLE'
  | 'AUTH_PROXY_STATE_UNREADABLE'
  | 'AUTH_PROXY_LINK_INVALID';

/** What each code means, for the README and whoever shows an error to a person. */
export const ERROR_CODES: Readonly<Record<AuthProxyErrorCode, string>> = {
  AUTH_PROXY_OPTIONS_INVALID: 'An option is missing or malformed; the message names each of them.',
  AUTH_PROXY_HTPASSWD_UNREADABLE: 'The htpasswd file cannot be read, or a line is not `user:bcrypt-hash`.',
  AUTH_PROXY_STATE_UNREADABLE: 'The state directory cannot be read or written.',
  AUTH_PROXY_LINK_INVALID: 'A share link cannot be made for this path or expiry.',
};

/** The one error class of this package: compare `code`, not the message. */
export class AuthProxyError extends Error {
  override readonly name: string = 'AuthProxyError';
  /** Why, from a closed list. */
  readonly code: AuthProxyErrorCode;

  constructor(code: AuthProxyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
