import { writeHeartbeat } from './connect.ts';
import type { Engine } from './engine.ts';
import { noteCurrent } from './events/poll.ts';
import type { ResolvedOptions } from './options.ts';
import type { State } from './sqlite/state.ts';
import type { Purpose } from './stripe/api.ts';

/** Counts reads; each transaction writes what was counted since the last one to td_requests. */
export interface Meter {
  count(purpose: Purpose, reads?: number): void;
  /** Writes what was counted; call in a transaction, and {@link Meter.settle} after it. */
  flush(state: State): void;
  /** The transaction that wrote it has ended: what was rolled back is counted still. */
  settle(committed: boolean): void;
  /** The heartbeat: everything that happened up to `asOf` is applied. Call in a transaction. */
  beat(engine: Engine, asOf: number): void;
  /** Whether the last heartbeat is so old that a new one is due although nothing happened. */
  due(): boolean;
}

interface Read {
  readonly day: string;
  readonly purpose: Purpose;
  readonly count: number;
}

/** An idle file is written at most this often. */
const IDLE_BEAT_MS = 10_000;

/** Makes the meter of one run. */
export function createMeter({ now, steady }: Pick<ResolvedOptions, 'now' | 'steady'>): Meter {
  // By the day that the read was made on: a transaction may end on the next one.
  const reads = new Map<string, Read>();
  const written: Read[] = [];
  let last = -Infinity;
  const add = (day: string, purpose: Purpose, count: number): void => {
    const key = `${day} ${purpose}`;
    reads.set(key, { day, purpose, count: (reads.get(key)?.count ?? 0) + count });
  };
  return {
    count: (purpose, made = 1) => add(new Date(now()).toISOString().slice(0, 10), purpose, made),
    flush: (state) => {
      if (reads.size === 0) return;
      for (const read of reads.values()) {
        state.addReads(read.day, read.purpose, read.count);
        written.push(read);
      }
      reads.clear();
    },
    settle: (committed) => {
      for (const read of written.splice(0)) if (!committed) add(read.day, read.purpose, read.count);
    },
    beat: (engine, asOf) => {
      last = steady();
      if (engine.state.get('events') !== 'forbidden') noteCurrent(engine, asOf);
      writeHeartbeat(engine.store.db, now());
    },
    due: () => steady() - last >= IDLE_BEAT_MS,
  };
}
