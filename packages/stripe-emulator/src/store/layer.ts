import type { StripeObject } from '../types.ts';

/** Where an object stands in its list: newest first by `created`, then by `seq`. */
export interface Key {
  readonly created: number;
  readonly seq: number;
}

/** Deleted: only a stub or 404 is left. */
export const flagDeleted = 1;
/** Reachable by id, in no list. */
export const flagHidden = 2;
/** An inline list holds more than its ten shown items. */
export const flagLong = 4;
/** Bound to a test clock. */
export const flagClock = 8;

/** An object in a list, not yet parsed or written. */
export interface Row extends Key {
  readonly id: string;
  readonly flags: number;
  /** The object; not to be changed. */
  object(): StripeObject;
  /** Its JSON. */
  text(): string;
}

/** What a walk over a list looks at. */
export interface Walk {
  /** The object type. */
  readonly object: string;
  /** Start behind this place; undefined: at the list's end. */
  readonly after?: Key | undefined;
  /** Away from now, or towards it. */
  readonly direction: 'older' | 'newer';
  /** Least `created`, inclusive. */
  readonly from?: number | undefined;
  /** Greatest `created`, inclusive. */
  readonly to?: number | undefined;
  /** Only objects that name this id somewhere at their top level. */
  readonly ref?: string | undefined;
}

/** A source of objects. */
export interface Layer {
  /** The row, also when it is deleted or hidden. */
  find(object: string, id: string): Row | undefined;
  /** Rows in list order. */
  walk(walk: Walk): Iterable<Row>;
  /** How many rows of a type. */
  count(object: string): number;
  /** The types there are. */
  types(): string[];
}

/** Negative when a comes before b in a list (is newer). */
export function newestFirst(a: Key, b: Key): number {
  return b.created - a.created || b.seq - a.seq;
}
