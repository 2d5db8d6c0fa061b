import { expect, test } from 'vitest';
import type { Check, CheckResult } from '@datasette-stripe/health';
import { confirmed, oneOf } from './health.ts';

const context = {
  signal: new AbortController().signal,
  now: Date.now,
  monotonic: () => performance.now(),
};

function answering(...results: CheckResult[]): Check & { runs: number } {
  const check = {
    runs: 0,
    run: (): CheckResult => results[check.runs++] ?? { status: 'pass' as const },
  };
  return check;
}

test('a failure that is gone at a second look is none', async () => {
  const check = answering({ status: 'fail', message: 'half made' }, { status: 'pass' });
  expect(await confirmed(check, 0).run(context)).toEqual({ status: 'pass' });
  expect(check.runs).toBe(2);
});

test('a failure that stays is told', async () => {
  const check = answering({ status: 'fail' }, { status: 'fail', message: 'broken' });
  expect(await confirmed(check, 0).run(context)).toEqual({ status: 'fail', message: 'broken' });
});

test('what passes is asked once', async () => {
  const check = answering({ status: 'pass' });
  await confirmed(check, 0).run(context);
  expect(check.runs).toBe(1);
});

test('of processes that do the same, one that is well makes the ills of the others a warning', async () => {
  const well = answering({ status: 'pass', observed: 3 }, { status: 'pass' });
  const refused: Check = { run: () => Promise.reject(new Error('connect ENOENT')) };
  expect(await oneOf([refused, well]).run(context)).toEqual({
    status: 'warn',
    observed: 3,
    message: 'connect ENOENT',
    metrics: [],
  });
  expect(await oneOf([well, well]).run(context)).toEqual({ status: 'pass', metrics: [] });
  const broken = answering({ status: 'fail', message: 'HTTP 500' });
  expect(await oneOf([refused, broken]).run(context)).toMatchObject({
    status: 'fail',
    message: 'connect ENOENT; HTTP 500',
  });
});
