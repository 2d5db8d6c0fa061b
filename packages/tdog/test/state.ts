import type { Emulator } from '@datasette-stripe/stripe-emulator';
import { expect } from 'vitest';

import { catalog } from '../src/index.ts';
import type { dump } from './kit.ts';

// What the emulator holds, beside what the mirror made of it: without any code of the engine.

/** Checks that each list's table has the emulator's objects, no more and no less, and their plain values. */
export function expectState(emulator: Emulator, rows: ReturnType<typeof dump>): void {
  for (const spec of catalog.tables) {
    const stored = rows[spec.table];
    if (stored === undefined || spec.kind !== 'top' || spec.object === 'event') continue;
    const { state } = emulator;
    const ids = new Set(stored.map(({ id }) => String(id)));
    const listed = state.all(spec.object).map(({ id }) => id);
    expect({ table: spec.table, missing: listed.filter((id) => !ids.has(id)) }).toEqual({
      table: spec.table,
      missing: [],
    });
    for (const row of stored) {
      // Lists hide some, and others are only referred to.
      const object = state.get(spec.object, String(row['id']));
      const wrong = spec.columns
        .filter(({ name, type }) => name in row && type !== 'json' && !/secret/.test(name))
        .filter(({ name, type }) => !isSame(row[name], object?.[name], type === 'timestamp'))
        .map(({ name }) => ({ name, row: row[name], object: object?.[name] }));
      const expected = { table: spec.table, id: row['id'], isThere: true, wrong: [] };
      expect({ ...expected, isThere: object !== undefined, wrong }).toEqual(expected);
    }
  }
}

/** Plain values only: what is nested, and what the object does not have, other tests look at. */
function isSame(stored: unknown, value: unknown, isTime: boolean): boolean {
  if (value === undefined || (typeof value === 'object' && value !== null)) return true;
  if (typeof value === 'boolean') return stored === Number(value);
  if (isTime && typeof value === 'number')
    return stored === new Date(value * 1_000).toISOString().slice(0, 19).replace('T', ' ');
  return stored === value;
}
