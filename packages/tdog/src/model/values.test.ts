import { expect, test } from 'vitest';

import { timestamp } from './values.ts';

const DAY = 86_400;

test('a time is what Date makes of it, to the second, on each day of a thousand years', () => {
  const wrong: number[] = [];
  for (let day = Date.UTC(1600, 0, 1) / 1_000 / DAY; day < Date.UTC(2600, 0, 1) / 1_000 / DAY; day += 1) {
    const seconds = day * DAY + ((Math.abs(day) * 7_919) % DAY);
    if (timestamp(seconds) !== new Date(seconds * 1_000).toISOString().slice(0, 19).replace('T', ' '))
      wrong.push(seconds);
  }
  expect(wrong).toEqual([]);
});

test('parts of a second are left out, also before 1970', () => {
  expect(timestamp(1_700_000_000.9)).toBe('2023-11-14 22:13:20');
  expect(timestamp(-0.5)).toBe('1969-12-31 23:59:59');
});
