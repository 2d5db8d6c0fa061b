import { describe, expect, test } from 'vitest';
import { createRestartPlan } from './backoff.ts';

const backoff = { initialMs: 100, maxMs: 1_000, factor: 2, jitter: 0, resetAfterMs: 5_000 };
const unlimited = { starts: 0, withinMs: 60_000 };

describe('restart plan', () => {
  test('doubles the delay up to the limit', () => {
    const plan = createRestartPlan(backoff, unlimited);
    const delays = [1, 2, 3, 4, 5, 6].map(() => plan.next(0)?.delayMs);
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  test.each([0, 100])('from %i ms on, the delay stays a number after thousands of restarts', (initialMs) => {
    const plan = createRestartPlan({ ...backoff, initialMs, factor: 10 }, unlimited);
    let last: number | undefined;
    for (let turn = 0; turn < 5_000; turn += 1) last = plan.next(0)?.delayMs;
    expect(last).toBe(initialMs === 0 ? 0 : 1_000);
  });

  test('starts over after a stable time, not after a shorter one', () => {
    const plan = createRestartPlan(backoff, unlimited);
    plan.next(0);
    plan.next(0);
    plan.ended(10_000, 6_000);
    expect(plan.next(10_000)?.delayMs).toBe(400);
    plan.ended(20_000, 15_000);
    expect(plan.next(20_000)).toEqual({ attempt: 1, delayMs: 100 });
  });

  test('takes the jitter off the delay', () => {
    const jittered = { ...backoff, jitter: 0.5 };
    expect(createRestartPlan(jittered, unlimited, () => 0).next(0)?.delayMs).toBe(100);
    expect(createRestartPlan(jittered, unlimited, () => 1).next(0)?.delayMs).toBe(50);
  });

  test('gives up after the burst, and forgets starts that are long ago', () => {
    const plan = createRestartPlan({ ...backoff, maxMs: 100 }, { starts: 3, withinMs: 10_000 });
    for (const at of [0, 1_000]) plan.started(at);
    expect(plan.next(1_000)).toBeDefined();
    plan.started(2_000);
    expect(plan.next(2_000)).toBeUndefined();
    expect(plan.next(9_899)).toBeUndefined();
    expect(plan.next(9_900)).toBeDefined();
  });
});
