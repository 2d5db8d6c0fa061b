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

/** Requests in flight at least, and the rate beyond which more of them gain nothing: parsing is slower. */
const MIN_IN_FLIGHT = 8;
const MAX_USEFUL_RATE = 150;
/** Answers whose time is remembered. */
const LATENCIES = 50;

/** Makes the gate of one engine. */
export function createGate(limiter: Limiter, maxConnections: number, now: () => number): Gate {
  const waiters: Waiter[] = [];
  const flying = new Map<string, number>();
  const began = new Map<string, number[]>();
  const latencies: number[] = [];
  let maxInFlight = MIN_IN_FLIGHT;
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
      startsOf(waiter.endpoint).push(now());
      flying.set(waiter.endpoint, (flying.get(waiter.endpoint) ?? 0) + 1);
      waiter.resolve();
    }
  }

  function startsOf(endpoint: string): number[] {
    let starts = began.get(endpoint);
    if (starts === undefined) began.set(endpoint, (starts = []));
    return starts;
  }

  /** As many requests on their way as the rate needs at this latency, twice over; more would only fill the memory. */
  function measure(latencyMs: number): void {
    latencies.push(latencyMs);
    if (latencies.length > LATENCIES) latencies.shift();
    const needed = (Math.min(limiter.rate, MAX_USEFUL_RATE) * Math.min(...latencies)) / 1_000;
    maxInFlight = Math.min(
      maxConnections,
      Math.max(MIN_IN_FLIGHT, Math.ceil(needed * 2) + MIN_IN_FLIGHT / 2),
    );
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
      measure(now() - (startsOf(endpoint).shift() ?? now()));
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
