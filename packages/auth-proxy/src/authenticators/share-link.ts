import type { Authenticator } from './authenticator.ts';

/** Options of {@link shareLink}. */
export interface ShareLinkOptions {
  /** Signs the links (≥ 32 characters). Without it one is made once and kept in `stateDir` with mode 0600. */
  readonly secret?: string;
  /** Folder for `share-links.json` (which links exist and which are revoked) and the made secret. */
  readonly stateDir: string;
  /**
   * Paths under which the upstream's public styles and scripts lie: a browser that holds a link may load them.
   * @defaultValue `['/-/static/', '/-/static-plugins/']`
   */
  readonly assets?: readonly string[];
  /** Clock, ms. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** What a share link is made of. */
export interface ShareLinkRequest {
  /** Path and query of one table or query, as in the address bar: `/stripe/customers?country=DE`. */
  readonly path: string;
  /** When it ends, ms since 1970. At most 366 days ahead. */
  readonly expiresAt: number;
  /** A note for the list of links. */
  readonly note?: string;
}

/** A link that was made. */
export interface ShareLink {
  readonly id: string;
  readonly path: string;
  readonly expiresAt: number;
  readonly createdAt: number;
  readonly revokedAt?: number;
  readonly note?: string;
}

/** Opens one path to whoever holds the link, until it ends or is revoked. */
export interface ShareLinkAuthenticator extends Authenticator {
  /** Makes a link. `url` is a path to put after the site's origin. @throws AuthProxyError `AUTH_PROXY_LINK_INVALID` */
  create(request: ShareLinkRequest): Promise<ShareLink & { readonly url: string }>;
  /** Ends a link at once; false when there is none with this id. */
  revoke(id: string): Promise<boolean>;
  /** Every link that has not expired, newest first. */
  list(): readonly ShareLink[];
}
