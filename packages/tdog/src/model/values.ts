import { toJson, withoutSecrets } from './scrub.ts';

/** A JSON object as Stripe sends it. */
export type StripeObject = Readonly<Record<string, unknown>>;

/** What goes into a column. */
export type SqlValue = string | number | null;

/** Whether `value` is a JSON object (no array). */
export function isObject(value: unknown): value is StripeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const DAY = 86_400;
/** Days from 0000-03-01, where a year's last day is the leap day, to 1970-01-01; and of 400 years. */
const DAYS_TO_1970 = 719_468;
const DAYS_OF_400_YEARS = 146_097;

/** 'YYYY-MM-DD HH:MM:SS' in UTC of unix seconds. */
export function timestamp(seconds: number): string {
  const whole = Math.floor(seconds);
  const day = Math.floor(whole / DAY);
  const rest = whole - day * DAY;
  return `${date(day)} ${two(Math.floor(rest / 3_600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
}

/** 'YYYY-MM-DD' of the day so many days after 1970-01-01. By hand, as a row has many times and `Date` is dear. */
function date(day: number): string {
  const since = day + DAYS_TO_1970;
  const era = Math.floor(since / DAYS_OF_400_YEARS);
  const dayOfEra = since - era * DAYS_OF_400_YEARS;
  const leapDays =
    Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  // From March on, months are 31, 30, 31, 30, 31 days long, over and over: 153 days in five.
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(dayOfMonth)}`;
}

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
