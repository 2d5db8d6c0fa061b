import { columnsOf, tableOf, tables } from '../catalogue/catalogue.ts';
import type { TableFacts } from '../catalogue/types.ts';
import type { StripeObject } from '../types.ts';

const empty: Readonly<Record<string, unknown>> = { i: 0, t: 0, s: '', r: 0, j: {}, e: '', b: false };

function blankOf(facts: TableFacts): Record<string, unknown> {
  const blank: Record<string, unknown> = { id: '', object: facts.object };
  for (const column of columnsOf(facts)) {
    if (column.optional || column.name === 'id') continue;
    blank[column.name] = column.nullable ? null : empty[column.type];
  }
  return blank;
}

const blanks = new Map<string, Record<string, unknown>>();
for (const facts of tables) {
  if (blanks.has(facts.object)) continue;
  // An object that was parsed keeps its properties in a fixed layout; one that was filled by key does not, and copies slowly.
  blanks.set(facts.object, JSON.parse(JSON.stringify(blankOf(facts))) as Record<string, unknown>);
}

/**
 * An object with every property that the catalogue requires: null where it may be, else empty, else as given.
 * Properties that a list shows only when asked (`charge.refunds`) must be given as undefined: they are left out.
 */
export function shape(object: string, id: string, values: Record<string, unknown>): StripeObject {
  const blank = blanks.get(object);
  if (blank === undefined) throw new Error(`no such object: ${tableOf(object)?.object ?? object}`);
  return { ...blank, ...values, id, object };
}

/** Adds a list as Stripe shows it inside an object. */
export function listOf(url: string, data: readonly unknown[]): Record<string, unknown> {
  return { object: 'list', data, has_more: false, url };
}

/** An address with nothing in it. */
export function noAddress(): Record<string, unknown> {
  return { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
}
