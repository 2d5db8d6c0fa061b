/** A reader that does not read must not fill the memory. */
const maxQueued = 10_000;

/** Hands each value to every reader. */
export interface Broadcast<T> {
  emit(value: T): void;
  /** Readers get what is queued, then end. */
  end(): void;
  reader(): AsyncIterableIterator<T>;
}

/** `missed` makes the value that stands for so many left out. */
export function createBroadcast<T>(missed: (count: number) => T): Broadcast<T> {
  interface Reader {
    queue: T[];
    lost: number;
    waiting: ((result: IteratorResult<T>) => void)[];
  }
  const readers = new Set<Reader>();
  let ended = false;

  const take = (reader: Reader): IteratorResult<T> | undefined => {
    if (reader.lost > 0) {
      const value = missed(reader.lost);
      reader.lost = 0;
      return { done: false, value };
    }
    const value = reader.queue.shift();
    if (value !== undefined) return { done: false, value };
    return ended || !readers.has(reader) ? { done: true, value: undefined } : undefined;
  };
  const settle = (reader: Reader): void => {
    while (reader.waiting.length > 0) {
      const result = take(reader);
      if (result === undefined) return;
      reader.waiting.shift()?.(result);
    }
  };

  return {
    emit(value): void {
      for (const reader of readers) {
        reader.queue.push(value);
        if (reader.queue.length > maxQueued) {
          reader.queue.shift();
          reader.lost += 1;
        }
        settle(reader);
      }
    },
    end(): void {
      ended = true;
      for (const reader of readers) settle(reader);
    },
    reader(): AsyncIterableIterator<T> {
      const reader: Reader = { queue: [], lost: 0, waiting: [] };
      readers.add(reader);
      return {
        next: () =>
          new Promise((resolve) => {
            reader.waiting.push(resolve);
            settle(reader);
          }),
        return: () => {
          readers.delete(reader);
          reader.queue = [];
          settle(reader);
          return Promise.resolve({ done: true, value: undefined });
        },
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
  };
}
