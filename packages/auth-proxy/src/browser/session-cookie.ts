/** `__Host-` binds a cookie to https, this very host and the whole site; plain http has no such prefix. */
export function sessionCookieName(secure: boolean): string {
  return secure ? '__Host-datasette-session' : 'datasette-session';
}

/** Carries a share link to the styles and scripts of the linked page. */
export function linkCookieName(secure: boolean): string {
  return secure ? '__Host-datasette-link' : 'datasette-link';
}

/** Every name of ours: none of them goes upstream. */
export const OWN_COOKIES: ReadonlySet<string> = new Set(
  [true, false].flatMap((secure) => [sessionCookieName(secure), linkCookieName(secure)]),
);

/** A Set-Cookie value for a session. */
export function sessionCookie(value: string, secure: boolean, idleMs: number): string {
  return `${sessionCookieName(secure)}=${value}; Path=/; Max-Age=${Math.floor(idleMs / 1000)}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}

/** A Set-Cookie value for a link, gone with the browser. */
export function linkCookie(value: string, secure: boolean): string {
  return `${linkCookieName(secure)}=${value}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}

/** A Set-Cookie value that takes one away. */
export function clearCookie(name: string, secure: boolean): string {
  return `${name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}
