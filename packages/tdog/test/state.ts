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
    const objects = new Map(emulator.state.all(spec.object).map((object) => [object.id, object]));
    expect({ table: spec.table, ids: stored.map((row) => row['id']).toSorted() }).toEqual({
      table: spec.table,
      ids: [...objects.keys()].toSorted(),
    });
    for (const row of stored) {
      const object = objects.get(String(row['id']));
      const wrong = spec.columns
        .filter(({ name, type }) => name in row && type !== 'json' && !/secret/.test(name))
        .filter(({ name, type }) => !isSame(row[name], object?.[name], type === 'timestamp'))
        .map(({ name }) => ({ name, row: row[name], object: object?.[name] }));
      expect({ table: spec.table, id: row['id'], wrong }).toEqual({
        table: spec.table,
        id: row['id'],
        wrong: [],
      });
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
