import type { Engine } from '../engine.ts';

/** Remembers which rows were written lately, so that an answer that was asked for before does not set them back. */
export interface Touched {
  /** Take before a request is sent. */
  mark(): number;
  add(table: string, id: string): void;
  /** Whether the row was written after `mark`. */
  since(table: string, id: string, mark: number): boolean;
}

/** No request takes longer than this many writes. */
const KEEP = 200_000;

/** Makes an empty memory. */
export function createTouched(): Touched {
  let sequence = 0;
  const last = new Map<string, number>();
  return {
    mark: () => sequence,
    add: (table, id) => {
      const key = `${table} ${id}`;
      sequence += 1;
      last.delete(key);
      last.set(key, sequence);
      if (last.size > KEEP) {
        const oldest = last.keys().next();
        if (oldest.done !== true) last.delete(oldest.value);
      }
    },
    since: (table, id, mark) => (last.get(`${table} ${id}`) ?? -1) > mark,
  };
}

/** Notes a row as written now. */
export function remember(engine: Engine, table: string, id: string): void {
  engine.touched.add(table, id);
}
