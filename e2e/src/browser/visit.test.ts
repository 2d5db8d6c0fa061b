import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { test } from '../support/browse.ts';
import { row, type Site } from '../support/site.ts';

async function signIn(page: Page, key: string): Promise<void> {
  await page.locator('input[type=password]').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** What has the focus, as a person would call it. */
async function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute('aria-label') ?? element?.textContent?.trim() ?? '';
  });
}

async function customerOf(site: Site): Promise<Readonly<Record<string, string>>> {
  return row(site, 'select id, name from customers where name is not null order by created limit 1');
}

describe('the door', () => {
  test('a wrong key is told so, the right one opens the page that was asked for', async ({
    site,
    stranger,
  }) => {
    await stranger.goto('/stripe/customers?_sort=name');
    expect(await stranger.title()).toContain('Sign in');
    await signIn(stranger, `${site.key}x`);
    await stranger.getByRole('alert').waitFor();
    await signIn(stranger, site.key);
    await stranger.waitForURL('**/stripe/customers?_sort=name');
    await stranger.getByRole('columnheader', { name: 'email' }).waitFor();
  });

  test('the start page says that this is a demo, and where the tables are', async ({ page }) => {
    await page.goto('/');
    await page.getByText('This is a demo').waitFor();
    await page.getByRole('link', { name: 'customers', exact: true }).click();
    await page.waitForURL('**/stripe/customers');
  });

  test('signing out closes the site', async ({ site, stranger }) => {
    await stranger.goto('/');
    await signIn(stranger, site.key);
    await stranger.getByRole('heading', { name: 'Dashboards' }).waitFor();
    await stranger.locator('summary[aria-label="Menu"]').click();
    await stranger.getByRole('link', { name: 'Sign out' }).click();
    await stranger.getByRole('button', { name: 'Sign out' }).click();
    await stranger.waitForLoadState('load');
    expect((await stranger.goto('/stripe'))?.status()).toBe(401);
  });
});

describe('by keyboard alone', () => {
  test('one skips to the content, searches with /, and opens a hit', async ({ site, page }) => {
    const { id, name = '' } = await customerOf(site);
    await page.goto('/stripe/products');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('content');

    await page.keyboard.press('/');
    expect(await focused(page)).toBe('Search everything');
    await page.keyboard.type(name);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/-/search?**');
    const hit = page.locator(`a[href$="/stripe/customers/${id}"]`).first();
    await hit.waitFor();
    // Along the hits until ours has the focus.
    for (let press = 0; press < 60; press++) {
      if (await hit.evaluate((link) => link === document.activeElement)) break;
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/stripe/customers/${id}`);
  });

  test('a slash that is typed stays a slash', async ({ page }) => {
    await page.goto('/-/search');
    await page.getByRole('searchbox', { name: 'Search everything' }).last().fill('');
    await page.keyboard.type('a/b');
    expect(await page.getByRole('searchbox', { name: 'Search everything' }).last().inputValue()).toBe('a/b');
  });

  test('the menu opens, closes on Escape, and shows where the focus is', async ({ page }) => {
    await page.goto('/stripe/customers');
    const summary = page.locator('summary[aria-label="Menu"]');
    await summary.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Share links' }).waitFor();
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Start');
    const outline = await page.evaluate(() => {
      const style = document.activeElement === null ? undefined : getComputedStyle(document.activeElement);
      return { style: style?.outlineStyle, width: style?.outlineWidth };
    });
    expect(outline).toEqual({ style: 'solid', width: '2px' });
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Share links' }).waitFor({ state: 'hidden' });
    // Where it came from, not at the top of the page.
    expect(await focused(page)).toBe('Menu');
  });

  test('every bar of a chart can be reached and says what it is', async ({ page }) => {
    await page.goto('/-/dashboards/payments');
    const bars = page.locator('.panel svg a');
    expect(await bars.count()).toBeGreaterThan(5);
    await bars.first().focus();
    expect(await focused(page)).toMatch(/^\d{4}-\d\d, \w+/);
  });
});

test('without script the site can be searched, narrowed down, switched and signed out of', async ({
  site,
  open,
}) => {
  const page = await open({ javaScriptEnabled: false });
  const { id, name = '' } = await customerOf(site);
  await page.goto('/');
  await page.getByRole('searchbox', { name: 'Search everything' }).last().fill(name);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.locator(`a[href$="/stripe/customers/${id}"]`).first().click();
  await page.getByRole('heading', { name: 'Timeline' }).waitFor();

  await page.goto('/stripe/charges');
  await page.locator('summary', { hasText: 'Narrow down' }).click();
  await page.getByLabel('Column').last().selectOption('status');
  await page.getByLabel('Value').last().fill('failed');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByRole('heading', { name: /where status = "failed"/ }).waitFor();

  await page.goto('/-/dashboards/mrr');
  await page.getByLabel('Discounts').selectOption('0');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL('**coupons=0**');

  await page.goto('/stripe?sql=select+1+as+one');
  await page.getByRole('textbox', { name: 'SQL (SQLite)' }).fill('select 2 as two');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.getByRole('columnheader', { name: 'two' }).waitFor();
});

test('what the site adds to a page is less than 60 KB, and loads once', async ({ page, site }) => {
  const sizes = new Map<string, number>();
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (!pathname.startsWith('/static/')) return;
    sizes.set(pathname, Number.NaN);
  });
  const stock = 8_000;
  for (const path of ['/', '/-/dashboards/mrr', '/stripe/charges?_size=1', '/-/search?q=a']) {
    await page.goto(path, { waitUntil: 'networkidle' });
  }
  for (const path of sizes.keys()) {
    sizes.set(path, (await (await page.request.get(site.url + path)).body()).byteLength);
  }
  expect([...sizes.keys()].sort()).toEqual(['/static/paths.js', '/static/site.css', '/static/site.js']);
  const sum = [...sizes.values()].reduce((total, size) => total + size, 0);
  // What a page with one row has beside its row: head, menu, search, script's data.
  const html = await (await page.request.get(`${site.url}/stripe/charges?_size=1`)).body();
  expect(sum + html.byteLength).toBeLessThan(60_000 + stock);
});
