import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `attempt` until it neither throws nor answers undefined, and answers what it answered.
 * The last failure is the one that is thrown at the deadline.
 */
export async function eventually<T>(
  what: string,
  attempt: () => Promise<T | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    await sleep(200);
  }
}
