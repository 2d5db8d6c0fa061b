import { mix } from './random.ts';

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const values = new Map([...letters].map((letter, index) => [letter, index]));

const half = 2 ** 22;
const mask = half - 1;
const codeLength = 8;

/** Objects of one type of one customer, at the most. */
export const maxOrdinal: number = 4096;
/** The owner number of what belongs to no customer. */
export const nobody: number = 2 ** 24;

function base62(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = letters.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

function unbase62(text: string): number {
  let value = 0;
  for (const letter of text) {
    const digit = values.get(letter);
    if (digit === undefined) return NaN;
    value = value * 62 + digit;
  }
  return value;
}

const round = (value: number, key: number): number => (mix(value, key) & mask) >>> 0;

/** Turns a place (owner × 4096 + ordinal) into letters without pattern, and back. */
class Code {
  readonly #keys: readonly number[];

  constructor(seed: number, type: string) {
    const salt = mix(seed, ...[...type].map((letter) => letter.charCodeAt(0)));
    this.#keys = [1, 2, 3, 4].map((n) => mix(salt, n));
  }

  encode(place: number): string {
    let left = Math.floor(place / half);
    let right = place % half;
    for (const key of this.#keys) [left, right] = [right, (left ^ round(right, key)) & mask];
    return base62(left * half + right, codeLength);
  }

  decode(text: string): number {
    const value = unbase62(text);
    if (!(value < half * half)) return -1;
    let left = Math.floor(value / half);
    let right = value % half;
    for (const key of this.#keys.toReversed()) [left, right] = [(right ^ round(left, key)) & mask, left];
    return left * half + right;
  }
}

/** `cus_`, `prod_`, `si_` and such have 14 letters; the others 24, with a part of the account's id. */
const short = new Set(['customer', 'product', 'subscription_item']);
/** Payments' ids begin with 3, all others with 1. */
const payments = new Set(['payment_intent', 'charge', 'refund', 'balance_transaction']);

/** The ids of a synthetic account: each says, to who knows the seed, which object of whom it is. */
export class Ids {
  readonly #seed: number;
  readonly #tag: string;
  readonly #codes = new Map<string, Code>();
  readonly #prefixes: ReadonlyMap<string, string>;

  constructor(seed: number, accountId: string, prefixes: ReadonlyMap<string, string>) {
    this.#seed = seed;
    this.#tag = accountId.replace('acct_', '').padEnd(10, '0').slice(-10);
    this.#prefixes = prefixes;
  }

  #code(type: string): Code {
    let code = this.#codes.get(type);
    if (code === undefined) this.#codes.set(type, (code = new Code(this.#seed, type)));
    return code;
  }

  /** The id of an object of an owner. */
  make(type: string, owner: number, ordinal: number): string {
    const code = this.#code(type).encode(owner * maxOrdinal + ordinal);
    const prefix = this.#prefixes.get(type) ?? `${type}_`;
    const filler = base62(mix(this.#seed, owner, ordinal) % 62 ** 5, 5);
    if (short.has(type)) return `${prefix}${filler}${code}${filler.charAt(0)}`;
    return `${prefix}${payments.has(type) ? '3' : '1'}${filler}${this.#tag}${code}`;
  }

  /** Whose object, and which, an id means; undefined when it is none of ours. */
  read(type: string, id: string): { owner: number; ordinal: number } | undefined {
    const text = short.has(type) ? id.slice(-codeLength - 1, -1) : id.slice(-codeLength);
    if (text.length < codeLength) return undefined;
    const place = this.#code(type).decode(text);
    if (place < 0) return undefined;
    const [owner, ordinal] = [Math.floor(place / maxOrdinal), place % maxOrdinal];
    return this.make(type, owner, ordinal) === id ? { owner, ordinal } : undefined;
  }
}
