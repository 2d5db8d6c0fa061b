import { invalid } from './failure.ts';

/** Decoded parameters: text, nested by `a[b]`, arrays by `a[]` or `a[0]`. */
export type Param = string | Params | Param[];
/** The parameters of a request by name. */
export interface Params {
  [name: string]: Param;
}

const unsafe = new Set(['__proto__', 'constructor', 'prototype']);

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
};

type Tree = Map<string, Tree | string>;

function insert(tree: Tree, path: readonly string[], value: string): void {
  let at = tree;
  path.forEach((name, index) => {
    const step = name === '' ? String(at.size) : name;
    if (index === path.length - 1) {
      at.set(step, value);
      return;
    }
    // `items[][price]=a&items[][quantity]=2` is one item until a name repeats, as Stripe reads it.
    const last = name === '' ? at.get(String(at.size - 1)) : undefined;
    const next = path[index + 1];
    if (last instanceof Map && next !== undefined && next !== '' && !last.has(next)) {
      at = last;
      return;
    }
    const known = at.get(step);
    const child: Tree = known instanceof Map ? known : new Map<string, Tree | string>();
    at.set(step, child);
    at = child;
  });
}

function settle(tree: Tree): Params | Param[] {
  const entries = [...tree];
  if (entries.length > 0 && entries.every(([name], index) => name === String(index))) {
    return entries.map(([, value]) => (typeof value === 'string' ? value : settle(value)));
  }
  const result: Params = {};
  for (const [name, value] of entries) result[name] = typeof value === 'string' ? value : settle(value);
  return result;
}

/**
 * Reads form-encoded parameters, as they stand in a query or a body.
 * @throws Failure 400 for a name that no parameter can have
 */
export function parseParams(text: string): Params {
  const tree: Tree = new Map<string, Tree | string>();
  for (const part of text.split('&')) {
    if (part === '') continue;
    const cut = part.indexOf('=');
    const name = decode(cut < 0 ? part : part.slice(0, cut));
    const value = cut < 0 ? '' : decode(part.slice(cut + 1));
    const path = name
      .replaceAll(']', '')
      .split('[')
      .map((step) => step);
    if (path.some((step) => unsafe.has(step))) throw invalid(name, `Invalid parameter name: ${name}`);
    insert(tree, path, value);
  }
  const settled = settle(tree);
  return Array.isArray(settled) ? Object.fromEntries(settled.map((value, index) => [index, value])) : settled;
}

/** The text of a parameter, undefined when it is absent or empty. */
export function text(params: Params, name: string): string | undefined {
  const value = params[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A whole number. @throws Failure 400 */
export function integer(params: Params, name: string): number | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,15}$/.test(value)) {
    throw invalid(name, `Invalid integer: ${value}`, 'parameter_invalid_integer');
  }
  return Number(value);
}

/** `true` or `false`. @throws Failure 400 */
export function boolean(params: Params, name: string): boolean | undefined {
  const value = text(params, name);
  if (value === undefined) return undefined;
  if (value !== 'true' && value !== 'false') throw invalid(name, `Invalid boolean: ${value}`);
  return value === 'true';
}

/** Texts of `name[]`. */
export function texts(params: Params, name: string): string[] {
  const value = params[name];
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string');
  return typeof value === 'string' && value !== '' ? [value] : [];
}

/** The hash below a name. */
export function hash(params: Params, name: string): Params | undefined {
  const value = params[name];
  return typeof value === 'object' && !Array.isArray(value) ? value : undefined;
}

/** The hashes of `name[0][…]`. */
export function hashes(params: Params, name: string): Params[] {
  const value = params[name];
  return Array.isArray(value)
    ? value.filter((item): item is Params => typeof item === 'object' && !Array.isArray(item))
    : [];
}

/** Least and greatest value, both inclusive, of `name=1` or `name[gte]=1`. @throws Failure 400 */
export function range(
  params: Params,
  name: string,
): { from: number | undefined; to: number | undefined } | undefined {
  const value = params[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') {
    const exact = integer(params, name);
    return { from: exact, to: exact };
  }
  if (Array.isArray(value)) throw invalid(name, `Invalid object`);
  for (const key of Object.keys(value)) {
    if (!['gt', 'gte', 'lt', 'lte'].includes(key)) {
      throw invalid(`${name}[${key}]`, `Received unknown parameter: ${name}[${key}]`, 'parameter_unknown');
    }
  }
  const above = [plus(integer(value, 'gt'), 1), integer(value, 'gte')].filter((n) => n !== undefined);
  const below = [plus(integer(value, 'lt'), -1), integer(value, 'lte')].filter((n) => n !== undefined);
  return {
    from: above.length > 0 ? Math.max(...above) : undefined,
    to: below.length > 0 ? Math.min(...below) : undefined,
  };
}

const plus = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value + by;
