import { setTimeout as delay } from 'node:timers/promises';

/** Shares out a number of bytes per second among all who ask. */
export interface Limiter {
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/**
 * Each request reserves the time that its bytes take after those reserved before, and waits for it. By a clock that
 * never jumps.
 */
export function createLimiter(bytesPerSecond: number): Limiter {
  if (bytesPerSecond <= 0) return { take: () => Promise.resolve() };
  let free = performance.now();
  return {
    take: async (bytes, signal) => {
      const now = performance.now();
      const start = Math.max(now, free);
      free = start + (bytes / bytesPerSecond) * 1000;
      if (start > now) await delay(start - now, undefined, { signal });
    },
  };
}
