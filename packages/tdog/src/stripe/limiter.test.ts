import { expect, test } from 'vitest';

import { createLimiter } from './limiter.ts';

const make = (perSecond: number, perEndpoint: number) => {
  const clock = { now: 0 };
  const limiter = createLimiter({ perSecond, perEndpoint, now: () => clock.now, random: () => 0.5 });
  return { clock, limiter };
};

/** Asks as fast as it is let for so many ms of a server that allows `allowed` in each second. */
function run(ms: number, allowed: number, perSecond = 1_000): { ok: number; refused: number } {
  const { clock, limiter } = make(perSecond, 1_000);
  let ok = 0;
  let refused = 0;
  let inSecond = 0;
  for (; clock.now < ms; clock.now += 1) {
    if (clock.now % 1_000 === 0) inSecond = 0;
    if (limiter.wait('a') > 0) continue;
    limiter.take('a');
    if (inSecond < allowed) {
      inSecond += 1;
      ok += 1;
      limiter.succeeded('a', clock.now);
    } else {
      refused += 1;
      limiter.limited('a', clock.now, 'global-rate', undefined);
    }
  }
  return { ok, refused };
}

test('finds a limit that is far below its ceiling, with few refusals', () => {
  const { ok, refused } = run(60_000, 20);
  expect(ok).toBeGreaterThan(60 * 20 * 0.75);
  expect(refused).toBeLessThan((ok + refused) * 0.03);
});

test('stays at its own ceiling when nothing refuses', () => {
  const { ok } = run(10_000, 1_000_000, 100);
  expect(ok).toBeGreaterThan(900);
  expect(ok).toBeLessThanOrEqual(1_030);
});

test('Retry-After is waited for, no more and no less', () => {
  const { limiter } = make(100, 100);
  limiter.limited('a', 1, 'global-rate', 2_000);
  expect(limiter.wait('a')).toBe(2_000);
  expect(limiter.wait('b')).toBe(2_000);
});

test('an endpoint that is limited leaves the others alone', () => {
  const { limiter } = make(100, 100);
  limiter.limited('a', 1, 'endpoint-rate', 2_000);
  expect(limiter.wait('a')).toBe(2_000);
  expect(limiter.wait('b')).toBe(0);
});

test('a lock is no limit', () => {
  const { limiter } = make(100, 100);
  const before = limiter.rate;
  limiter.limited('a', 1, 'lock', undefined);
  expect(limiter.rate).toBe(before);
  expect(limiter.wait('a')).toBe(0);
});

/** Asks a server whose answers take 250 ms and whose bucket holds one second's worth, as Stripe's. */
function runAgainstBucket(seconds: number, allowed: number): { ok: number; refused: number } {
  const { clock, limiter } = make(100, 25_000);
  const flying: number[] = [];
  let tokens = allowed;
  let ok = 0;
  let refused = 0;
  for (; clock.now < seconds * 1_000; clock.now += 1) {
    tokens = Math.min(allowed, tokens + allowed / 1_000);
    while (limiter.wait('a') <= 0 && flying.length < 60) {
      limiter.take('a');
      flying.push(clock.now);
    }
    while ((flying[0] ?? Infinity) <= clock.now - 250) {
      const startedAt = flying.shift() ?? 0;
      if (tokens >= 1) {
        tokens -= 1;
        ok += 1;
        limiter.succeeded('a', startedAt);
      } else {
        refused += 1;
        limiter.limited('a', startedAt, 'global-rate', undefined);
      }
    }
  }
  return { ok, refused };
}

test('a server that allows a fifth of the ceiling is used well and refuses less than 2 %', () => {
  const { ok, refused } = runAgainstBucket(60, 20);
  expect(ok).toBeGreaterThan(60 * 20 * 0.9);
  expect(refused).toBeLessThan((ok + refused) * 0.02);
});
