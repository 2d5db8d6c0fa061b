import { toJson, withoutSecrets } from './scrub.ts';

/** A JSON object as Stripe sends it. */
export type StripeObject = Readonly<Record<string, unknown>>;

/** What goes into a column. */
export type SqlValue = string | number | null;

/** Whether `value` is a JSON object (no array). */
export function isObject(value: unknown): value is StripeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** 'YYYY-MM-DD HH:MM:SS' in UTC of unix seconds. */
export function timestamp(seconds: number): string {
  const whole = Math.floor(seconds);
  const day = Math.floor(whole / 86_400);
  // A page's times are of few days, and dates are dear.
  let date = DATES.get(day);
  if (date === undefined) {
    if (DATES.size > 5_000) DATES.clear();
    date = new Date(day * 86_400_000).toISOString().replace(/T.*/, ' ');
    DATES.set(day, date);
  }
  const rest = whole - day * 86_400;
  return `${date}${two(Math.floor(rest / 3_600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
}

/** Dates by days since 1970. */
const DATES = new Map<number, string>();

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** 'YYYY-MM-DD HH:MM:SS.mmm' in UTC of unix milliseconds. */
export function timestampMs(ms: number): string {
  return new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
}

/** The id of a reference, be it an id or the object itself. */
export function idOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (isObject(value) && typeof value['id'] === 'string') return value['id'];
  return undefined;
}

/** The ids of an array (or inline list) of objects or ids; elements without an id (`{tax_rate: …}`) as they are. */
export function idsOf(value: unknown): unknown {
  const data: unknown = isObject(value) ? value['data'] : value;
  if (!Array.isArray(data)) return value;
  return (data as unknown[]).map((item) => idOf(item) ?? item);
}

/** Follows a dotted path; `*` maps over an array. Undefined when something on the way is missing. */
export function at(value: unknown, path: readonly string[], from = 0): unknown {
  let here = value;
  for (let i = from; i < path.length; i += 1) {
    const step = path[i] ?? '';
    if (step === '*') {
      if (!Array.isArray(here)) return undefined;
      return (here as unknown[]).map((item) => at(item, path, i + 1));
    }
    if (Array.isArray(here)) here = (here as unknown[])[Number(step)];
    else if (isObject(here)) here = here[step];
    else return undefined;
    if (here === undefined) return undefined;
  }
  return here;
}

/** Text of any value: ids of objects, JSON of the rest. */
export function textOf(value: unknown): SqlValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return withoutSecrets(value);
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  return idOf(value) ?? toJson(value);
}

/** Value of an integer, real or boolean column; what is of another kind is kept as text rather than lost. */
export function numberOf(value: unknown): SqlValue {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return textOf(value);
}

/** Value of a timestamp column. */
export function timeOf(value: unknown): SqlValue {
  if (typeof value !== 'number') return textOf(value);
  // Beyond what Date can hold: keep the number rather than fail the page.
  return Math.abs(value) < 8.64e12 ? timestamp(value) : value;
}
