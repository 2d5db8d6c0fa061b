import { expect, test } from 'vitest';

import { createWindows, PAGE_SIZE, windowQuery, type Window } from './windows.ts';

interface Item {
  readonly id: string;
  readonly created: number;
}

/** Answers as Stripe does: newest first, `created` bounds, `starting_after`. */
function page(items: readonly Item[], query: readonly string[]): { data: readonly Item[]; more: boolean } {
  const value = (name: string): string | undefined =>
    query.find((part) => part.startsWith(`${name}=`))?.split('=')[1];
  const gte = Number(value('created[gte]') ?? '-Infinity');
  const lt = Number(value('created[lt]') ?? 'Infinity');
  const after = value('starting_after');
  const from = after === undefined ? 0 : items.findIndex((item) => item.id === after) + 1;
  const all = items.slice(from).filter((item) => item.created >= gte && item.created < lt);
  return { data: all.slice(0, PAGE_SIZE), more: all.length > PAGE_SIZE };
}

/** Walks all windows in turns, splitting as often as it is let; returns the ids seen and the pages read. */
function walk(items: readonly Item[], floor: number, now: number): { ids: string[]; pages: number } {
  let windows = createWindows(floor, now);
  const ids: string[] = [];
  let pages = 0;
  for (let turn = 0; windows.open.length > 0; turn += 1) {
    // A restart in between must change nothing.
    if (turn % 17 === 16) windows = createWindows(floor, now, windows.save());
    const window = windows.open[turn % windows.open.length] as Window;
    const answer = page(items, windowQuery(window, PAGE_SIZE));
    pages += 1;
    ids.push(...answer.data.map((item) => item.id));
    const last = answer.data.at(-1);
    windows.page(window, {
      count: answer.data.length,
      hasMore: answer.more,
      lastId: last?.id,
      lastCreated: last?.created,
    });
    if (windows.open.length < 8) windows.split();
  }
  return { ids, pages };
}

const now = 1_700_000_000;
const year = 365 * 86_400;
const shapes: Readonly<Record<string, (i: number) => number>> = {
  evenly: (i) => now - i * 2_000,
  'in monthly bursts': (i) => now - Math.floor(i / 800) * 30 * 86_400 - (i % 800),
  'all in one second': () => now - 1_000,
  'in one burst long ago': (i) => now - 2 * year - i,
};

test.each(Object.keys(shapes))('created %s: every object once or more, few requests too many', (name) => {
  const items = Array.from({ length: 20_000 }, (_, i) => ({
    id: `id_${i}`,
    created: shapes[name]?.(i) ?? 0,
  })).sort((a, b) => b.created - a.created);
  const { ids, pages } = walk(items, now - 3 * year, now);
  expect(new Set(ids).size).toBe(items.length);
  expect(pages).toBeLessThanOrEqual((items.length / PAGE_SIZE) * 1.15);
});

test('windows that meet where there is something in each second: nothing falls between them', () => {
  for (const perSecond of [1, 7, 40]) {
    const items = Array.from({ length: 8_000 }, (_, i) => ({
      id: `id_${i}`,
      created: now - Math.floor(i / perSecond),
    }));
    const { ids } = walk(items, now - Math.floor(8_000 / perSecond), now + 1);
    expect(new Set(ids).size).toBe(items.length);
  }
});

test('a short page with more to come is no end, the same second as the lower bound neither', () => {
  const windows = createWindows(0, now, JSON.stringify({ open: [{ gte: 5, lt: 90 }], pages: 1, walked: 1 }));
  const [window] = windows.open as [Window];
  expect(windows.page(window, { count: 3, hasMore: true, lastId: 'a', lastCreated: 50 }).finished).toBe(
    false,
  );
  expect(windows.page(window, { count: 100, hasMore: true, lastId: 'b', lastCreated: 5 }).finished).toBe(
    false,
  );
  expect(windows.page(window, { count: 100, hasMore: true, lastId: 'c', lastCreated: 4 }).finished).toBe(
    true,
  );
});

test('a page that could not be committed is taken back', () => {
  const windows = createWindows(0, now);
  const [window] = windows.open;
  const before = windows.save();
  windows.page(window as Window, { count: 100, hasMore: true, lastId: 'x', lastCreated: now - 5 }).undo();
  expect(windows.save()).toBe(before);
  windows.page(window as Window, { count: 3, hasMore: false, lastId: 'x', lastCreated: now - 5 }).undo();
  expect(windows.save()).toBe(before);
});
