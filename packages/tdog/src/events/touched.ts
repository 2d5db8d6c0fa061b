/**
 * Remembers which rows were written lately, so that an answer that was asked for before does not set them back. A row
 * counts as written when its transaction is: one that is rolled back and run again must find the same memory.
 */
export interface Touched {
  /** Take before a request is sent. */
  mark(): number;
  /** Call inside the transaction that writes the row. */
  add(table: string, id: string): void;
  /** The running transaction has ended. */
  settle(committed: boolean): void;
  /** Whether the row was written after `mark`. */
  since(table: string, id: string, mark: number): boolean;
}

/** No request takes longer than this many writes. */
const KEEP = 200_000;

/** Makes an empty memory. */
export function createTouched(): Touched {
  let sequence = 0;
  const last = new Map<string, number>();
  const pending: string[] = [];
  const remember = (key: string): void => {
    sequence += 1;
    last.delete(key);
    last.set(key, sequence);
    if (last.size > KEEP) {
      const oldest = last.keys().next();
      if (oldest.done !== true) last.delete(oldest.value);
    }
  };
  return {
    mark: () => sequence,
    add: (table, id) => {
      pending.push(`${table} ${id}`);
    },
    settle: (committed) => {
      for (const key of pending.splice(0)) if (committed) remember(key);
    },
    since: (table, id, mark) => (last.get(`${table} ${id}`) ?? -1) > mark,
  };
}
