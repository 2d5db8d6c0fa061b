/** A range of bytes, both ends included; `unsatisfiable` is answered 416, `whole` is no range. */
export type ByteRange =
  | { readonly kind: 'range'; readonly first: number; readonly last: number }
  | { readonly kind: 'whole' | 'unsatisfiable' };

/** Reads a Range header. Several ranges at once are answered with the whole, as RFC 9110 allows. */
export function parseRange(header: string | undefined, bytes: number): ByteRange {
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '');
  if (match === null) return { kind: 'whole' };
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return { kind: 'whole' };
  if (from === '') {
    const length = Math.min(Number(to), bytes);
    return length === 0
      ? { kind: 'unsatisfiable' }
      : { kind: 'range', first: bytes - length, last: bytes - 1 };
  }
  const first = Number(from);
  const last = to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1);
  if (to !== '' && Number(to) < first) return { kind: 'whole' };
  return first >= bytes ? { kind: 'unsatisfiable' } : { kind: 'range', first, last };
}

/** The entity tags of an If-None-Match header, weak marks dropped: the comparison is the weak one. */
export function parseTags(header: string | undefined): string[] {
  return [...(header ?? '').matchAll(/(?:W\/)?("[^"]*")/g)].map((match) => match[1] ?? '');
}

/** The data version in an entity tag of ours. */
export function versionOf(etag: string): string | undefined {
  return /^"(.+)\.[\w-]+"$/.exec(etag)?.[1];
}

/** What the client would rather have: zstd before gzip, unless it weighs them otherwise. */
export function chooseEncoding(header: string | undefined): 'zstd' | 'gzip' | 'identity' {
  const weights = new Map<string, number>();
  for (const part of (header ?? '').toLowerCase().split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    if (coding !== '') weights.set(coding, q === undefined ? 1 : Number(q) || 0);
  }
  const weight = (coding: string): number => weights.get(coding) ?? weights.get('*') ?? 0;
  const [zstd, gzip] = [weight('zstd'), weight('gzip')];
  const identity = weights.get('identity') ?? 0;
  if (Math.max(zstd, gzip) === 0 || identity > Math.max(zstd, gzip)) return 'identity';
  return zstd >= gzip ? 'zstd' : 'gzip';
}

/** Content-Disposition with a name that any header and any disk can hold. */
export function disposition(name: string, at: number): string {
  const time = new Date(at)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '');
  const safe = name.replace(/[^\w.-]+/g, '_').replace(/^[._]+/, '') || 'database';
  return `attachment; filename="${safe}-${time}.sqlite"`;
}
