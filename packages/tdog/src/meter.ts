import { writeHeartbeat } from './connect.ts';
import type { Engine } from './engine.ts';
import { noteCurrent } from './events/poll.ts';
import type { Purpose } from './stripe/api.ts';

/** Counts reads in memory and writes them to td_requests now and then. */
export interface Meter {
  count(purpose: Purpose): void;
  /** Writes what was counted; call in a transaction. */
  flush(engine: Engine): void;
  /** The heartbeat: everything up to now is applied. Call in a transaction. */
  beat(engine: Engine): void;
  /** Whether the last heartbeat is so old that a new one is due although nothing happened. */
  due(): boolean;
}

/** An idle file is written at most this often. */
const IDLE_BEAT_MS = 10_000;

/** Makes the meter of one run. */
export function createMeter(now: () => number): Meter {
  const reads = new Map<Purpose, number>();
  let last = -Infinity;
  const flush = (engine: Engine): void => {
    const day = new Date(now()).toISOString().slice(0, 10);
    for (const [purpose, count] of reads) engine.state.addReads(day, purpose, count);
    reads.clear();
  };
  return {
    count: (purpose) => {
      reads.set(purpose, (reads.get(purpose) ?? 0) + 1);
    },
    flush,
    beat: (engine) => {
      last = now();
      flush(engine);
      noteCurrent(engine, last);
      writeHeartbeat(engine.store.db, last);
    },
    due: () => now() - last >= IDLE_BEAT_MS,
  };
}
