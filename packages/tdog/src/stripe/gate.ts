import type { Limiter } from './limiter.ts';

/** One who waits for a request slot. */
interface Waiter {
  readonly endpoint: string;
  readonly priority: () => number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Lets requests through as the limiter allows: of those that wait, the most important whose endpoint is free. */
export interface Gate {
  /** Resolves when the request may start; each must be followed by one {@link Gate.leave}. */
  enter(endpoint: string, priority: () => number): Promise<void>;
  leave(endpoint: string): void;
  /** Look again: a limit has changed. */
  pump(): void;
  readonly inFlight: number;
  /** How many requests could start beside those that wait and run. */
  free(endpoint: string): number;
  close(reason: Error): void;
}

/** Makes the gate of one engine. */
export function createGate(limiter: Limiter, maxInFlight: number): Gate {
  const waiters: Waiter[] = [];
  const flying = new Map<string, number>();
  let inFlight = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed: { readonly reason: Error } | undefined;

  function pump(): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    while (waiters.length > 0 && inFlight < maxInFlight) {
      let best = -1;
      let bestPriority = -Infinity;
      let soonest = Infinity;
      for (let i = 0; i < waiters.length; i += 1) {
        const waiter = waiters[i];
        if (
          waiter === undefined ||
          (flying.get(waiter.endpoint) ?? 0) >= limiter.concurrency(waiter.endpoint)
        )
          continue;
        const wait = limiter.wait(waiter.endpoint);
        if (wait > 0) {
          soonest = Math.min(soonest, wait);
          continue;
        }
        const priority = waiter.priority();
        if (priority > bestPriority) {
          best = i;
          bestPriority = priority;
        }
      }
      if (best < 0) {
        if (soonest < Infinity) timer = setTimeout(pump, Math.max(1, Math.ceil(soonest)));
        return;
      }
      const [waiter] = waiters.splice(best, 1);
      if (waiter === undefined) return;
      limiter.take(waiter.endpoint);
      inFlight += 1;
      flying.set(waiter.endpoint, (flying.get(waiter.endpoint) ?? 0) + 1);
      waiter.resolve();
    }
  }

  return {
    enter: (endpoint, priority) =>
      new Promise((resolve, reject) => {
        if (closed !== undefined) {
          reject(closed.reason);
          return;
        }
        waiters.push({ endpoint, priority, resolve, reject });
        pump();
      }),
    leave: (endpoint) => {
      inFlight -= 1;
      flying.set(endpoint, (flying.get(endpoint) ?? 1) - 1);
      pump();
    },
    pump,
    get inFlight() {
      return inFlight;
    },
    free: (endpoint) => {
      const waiting = waiters.reduce((sum, waiter) => sum + (waiter.endpoint === endpoint ? 1 : 0), 0);
      return limiter.concurrency(endpoint) - (flying.get(endpoint) ?? 0) - waiting;
    },
    close: (reason) => {
      closed = { reason };
      if (timer !== undefined) clearTimeout(timer);
      for (const waiter of waiters.splice(0)) waiter.reject(reason);
    },
  };
}
