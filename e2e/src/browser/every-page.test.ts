import axe, { type AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { test } from '../support/browse.ts';
import { addressOf, pages } from '../support/pages.ts';

const names = Object.keys(pages) as (keyof typeof pages)[];
const standard = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];

/** What axe finds, one line for each element. */
async function violations(page: Page, runOnly: readonly string[]): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async (only) => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    const results: AxeResults = await checker.run(document, {
      runOnly: [...only],
      resultTypes: ['violations'],
    });
    return results.violations;
  }, runOnly);
  return found.flatMap(({ id, nodes }) =>
    nodes.map(
      (node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary?.split('\n')[1]?.trim() ?? ''}`,
    ),
  );
}

/** What is wider than the window, if anything makes it scroll sideways. */
async function sideways(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const wide = [...document.querySelectorAll('body *')].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1,
    );
    return wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
  });
}

describe.each(names)('%s', (name) => {
  test('WCAG AA in light and dark, and no sideways scrolling on a phone', async ({ site, page }) => {
    await page.goto(await addressOf(site, name));
    expect(await violations(page, standard), 'light').toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await violations(page, ['color-contrast']), 'dark').toEqual([]);
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await sideways(page)).toEqual([]);
    expect(await violations(page, ['scrollable-region-focusable']), 'phone').toEqual([]);
  });
});

test('the sign-in page too', async ({ open }) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const stranger = await open({ signedIn: false, colorScheme, viewport: { width: 320, height: 640 } });
    await stranger.goto('/stripe/customers');
    await stranger.locator('input[type=password]').waitFor();
    expect(await violations(stranger, standard), colorScheme).toEqual([]);
    expect(await sideways(stranger)).toEqual([]);
  }
});
