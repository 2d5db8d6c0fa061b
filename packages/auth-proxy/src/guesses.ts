import { RateLimiterMemory, type IRateLimiterMemoryExport } from 'rate-limiter-flexible';
import type { GuessLimits } from './options.ts';
import { openStateFile } from './state-file.ts';

/** How often each client address may be wrong. There is no limit across addresses: nobody can lock out others. */
export interface Guesses {
  /** Seconds to wait before the next guess of this client, 0 when it may guess. */
  waitSeconds(clientKey: string): Promise<number>;
  /** Counts one wrong guess; returns the seconds to wait if the client was over its limit before it. */
  wrong(clientKey: string): Promise<number>;
  /** Gives one guess back: it proved right. */
  giveBack(clientKey: string): Promise<void>;
  /** Clients that have guesses on record. */
  size(): number;
  close(): void;
}

const DAY_SECONDS = 86_400;
const MAX_WAIT_SECONDS = 3_600;
// A record takes about 500 bytes with its timer; who has more addresses than this has other means too.
const MAX_CLIENTS = 50_000;

/** Opens the guess counts, with what an earlier process left in `stateDir`. */
export function createGuesses(limits: Required<GuessLimits>, stateDir: string | undefined): Guesses {
  const perDay = new RateLimiterMemory({ keyPrefix: 'd', points: limits.perDay, duration: DAY_SECONDS });
  const waits = new RateLimiterMemory({ keyPrefix: 'w', points: 0, duration: MAX_WAIT_SECONDS });
  // In the order of their latest wrong guess, to forget the oldest first.
  const clients = new Set<string>();
  const file = openStateFile(stateDir, 'guesses.json', () => ({
    perDay: perDay.dump(),
    waits: waits.dump(),
  }));

  if (typeof file.initial === 'object' && file.initial !== null) {
    const saved = file.initial as { perDay?: IRateLimiterMemoryExport; waits?: IRateLimiterMemoryExport };
    if (saved.perDay !== undefined) perDay.restore(saved.perDay);
    if (saved.waits !== undefined) waits.restore(saved.waits);
    for (const { key } of perDay.dump().storage) clients.add(String(key));
  }

  const remember = (clientKey: string): void => {
    clients.delete(clientKey);
    clients.add(clientKey);
    if (clients.size <= MAX_CLIENTS) return;
    const oldest = clients.values().next().value;
    if (oldest === undefined) return;
    clients.delete(oldest);
    void perDay.delete(oldest);
    void waits.delete(oldest);
  };

  const waitSeconds = async (clientKey: string): Promise<number> => {
    const day = await perDay.get(clientKey);
    if (day !== null && day.consumedPoints >= limits.perDay) return seconds(day.msBeforeNext);
    const wait = await waits.get(clientKey);
    return wait === null ? 0 : seconds(wait.msBeforeNext);
  };

  return {
    waitSeconds,
    wrong: async (clientKey) => {
      const before = await waitSeconds(clientKey);
      // Guesses while waiting are not counted: they were not looked at any closer, and the wait must end some day.
      if (before > 0) return before;
      const { consumedPoints } = await perDay.penalty(clientKey);
      const over = consumedPoints - limits.burst;
      if (over > 0) await waits.block(clientKey, Math.min(2 ** (over - 1), MAX_WAIT_SECONDS));
      remember(clientKey);
      file.changed();
      return 0;
    },
    giveBack: async (clientKey) => {
      await perDay.reward(clientKey);
      await waits.delete(clientKey);
      file.changed();
    },
    size: () => clients.size,
    close: () => {
      file.close();
      for (const clientKey of clients) {
        void perDay.delete(clientKey);
        void waits.delete(clientKey);
      }
    },
  };
}

function seconds(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(ms / 1000);
}
