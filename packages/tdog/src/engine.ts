import { setTimeout as sleep } from 'node:timers/promises';

import type { Logger } from 'pino';

import type { CatalogTable } from './catalog.ts';
import type { Stamp } from './events/stamp.ts';
import type { Touched } from './events/touched.ts';
import type { ResolvedOptions } from './options.ts';
import type { State } from './sqlite/state.ts';
import type { Store } from './sqlite/store.ts';
import type { Api } from './stripe/api.ts';
import { ApiProblem } from './stripe/problem.ts';

/** What all parts of a running engine share. */
export interface Engine {
  readonly options: ResolvedOptions;
  readonly api: Api;
  readonly store: Store;
  readonly state: State;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly account: Account;
  readonly touched: Touched;
  /** Of a new file: asked for together with the account. */
  readonly stamp: Promise<Stamp> | undefined;
  /** Tables whose objects the key may not read by id; events of another version are applied as they are. */
  readonly unreadable: Set<string>;
  /** The tables chosen, as the catalogue has them. */
  readonly specs: ReadonlyMap<string, CatalogTable>;
  /** Runs `work` in one transaction; waits while the disk is full or the file busy, so that nothing is lost. */
  commit<T>(work: () => T, onRollback?: () => void): Promise<T>;
  /** Counts what {@link SyncProgress} shows. */
  readonly counters: Counters;
}

/** Whose data it is. */
export interface Account {
  /** Empty when the key may not read the account. */
  readonly id: string;
  readonly livemode: boolean;
  /** Unix seconds; no object is older. */
  readonly created: number;
}

/** Counted in memory, for progress and result. */
export interface Counters {
  objects: number;
  events: number;
}

/** SQLite's result codes for a full disk, a failed write and a busy file. */
const WAIT_FOR: ReadonlySet<number> = new Set([5, 6, 10, 13, 14]);

/** What {@link createCommit} needs beside the store. */
export interface CommitHooks {
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly onTrouble: (trouble: string | undefined) => void;
  /** Runs in each transaction, last. */
  readonly also: () => void;
  /** What is remembered of a transaction in memory stands or falls with it. */
  readonly settle: (committed: boolean) => void;
}

/** See {@link Engine.commit}. */
export function createCommit(
  store: Store,
  { signal, logger, onTrouble, also, settle }: CommitHooks,
): Engine['commit'] {
  return async (work, onRollback) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = store.transaction(() => {
          const done = work();
          also();
          return done;
        });
        settle(true);
        if (attempt > 1) onTrouble(undefined);
        return result;
      } catch (error) {
        settle(false);
        onRollback?.();
        const code = (error as { errcode?: unknown }).errcode;
        if (typeof code !== 'number' || !WAIT_FOR.has(code & 0xff)) throw error;
        const message = error instanceof Error ? error.message : String(error);
        onTrouble(`the database cannot be written: ${message}`);
        logger.error({ attempt, code }, `sqlite: ${message}; waiting until the file can be written`);
        try {
          await sleep(Math.min(30_000, 250 * 2 ** Math.min(attempt, 8)), undefined, { signal });
        } catch (cause) {
          throw new ApiProblem('stopped', 'the engine stops', { cause });
        }
      }
    }
  };
}
