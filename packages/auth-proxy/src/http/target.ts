/** A request target that passed the hygiene rules. */
export interface Target {
  /** Path exactly as received. */
  readonly path: string;
  /** `?…` or empty. */
  readonly search: string;
}

// Anything outside printable ASCII, plus what upstreams and browsers read differently from us.
const UNUSUAL = /[^\x21-\x7e]|[\\#%]|\/\/|\/\./;
const DOT_SEGMENT = /(?:^|\/|%2f|%5c)(?:\.|%2e){1,2}(?=\/|;|%2f|%5c|$)/i;
const BAD_ESCAPE = /%(?![0-9a-f]{2})/i;
const NUL = /%00/;

/**
 * Splits a request target, or says what is wrong with it: what a proxy, a router and an upstream could read
 * in two ways is refused rather than repaired (CVE-2026-48020 and its many kin).
 */
export function parseTarget(url: string): Target | { readonly problem: string } {
  if (!url.startsWith('/')) return { problem: 'The request target must be a path that begins with a slash.' };
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const search = question < 0 ? '' : url.slice(question);
  // Nearly all requests end here: one regular expression, no escapes.
  if (!UNUSUAL.test(url)) return { path, search };
  if (url.includes('#')) return { problem: 'A request target must not contain a fragment (#).' };
  if (BAD_ESCAPE.test(url)) {
    return {
      problem: 'A percent sign in the address must be written %25 or be part of an escape such as %20.',
    };
  }
  if (NUL.test(url)) return { problem: 'The address must not contain NUL.' };
  if (/\\|%5c/i.test(path)) return { problem: 'The path must not contain a backslash.' };
  if (path.includes('//')) return { problem: 'The path must not contain an empty segment (//).' };
  if (DOT_SEGMENT.test(path)) return { problem: 'The path must not contain . or .. segments.' };
  if (/[^\x21-\x7e]/.test(url)) return { problem: 'The address must be percent-encoded ASCII.' };
  // Browsers leave a backslash in a query as it is.
  return { path, search: search.replaceAll('\\', '%5C') };
}

/** Takes one parameter out of a query: its value as it stands and the query without it. */
export function takeParameter(search: string, name: string): { value: string | undefined; search: string } {
  if (!search.includes(name)) return { value: undefined, search };
  let value: string | undefined;
  const kept = search
    .slice(1)
    .split('&')
    .filter((pair) => {
      if (!pair.startsWith(`${name}=`)) return true;
      value ??= pair.slice(name.length + 1);
      return false;
    });
  return { value, search: kept.length === 0 ? '' : `?${kept.join('&')}` };
}
