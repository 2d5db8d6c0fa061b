/** What an Authorization header says. */
export type Presented =
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

const NONE: Presented = { kind: 'none' };
const MALFORMED: Presented = { kind: 'malformed' };

/**
 * Reads an Authorization header. A scheme with nothing after it, and the empty pair that browsers send when
 * their prompt is dismissed, are no credentials; everything else that cannot be read is a wrong one.
 */
export function readAuthorization(header: string | undefined): Presented {
  if (header === undefined) return NONE;
  const text = header.trim();
  if (text === '') return NONE;
  const space = text.search(/\s/);
  const scheme = (space < 0 ? text : text.slice(0, space)).toLowerCase();
  const rest = space < 0 ? '' : text.slice(space).trim();
  if (scheme === 'bearer') return rest === '' ? NONE : { kind: 'bearer', token: rest };
  if (scheme !== 'basic') return MALFORMED;
  if (rest === '') return NONE;
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(rest)) return MALFORMED;
  const decoded = Buffer.from(rest, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return MALFORMED;
  const username = decoded.slice(0, colon);
  const password = decoded.slice(colon + 1);
  return username === '' && password === '' ? NONE : { kind: 'basic', username, password };
}
