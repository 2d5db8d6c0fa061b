import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { basic } from '../support/app.ts';
import { startChromium } from '../support/chromium.ts';
import { startNativeDemo, type NativeDemo } from '../support/native.ts';

let demo: NativeDemo;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the browser itself found fault with: errors of scripts, refused content, failed requests. */
let complaints: string[];

beforeAll(async () => {
  demo = await startNativeDemo();
  browser = await startChromium();
});

afterAll(async () => {
  await browser?.close();
  await demo?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  context = await browser.newContext({ baseURL: demo.url });
  page = await context.newPage();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // The sign-in page is a 401 on purpose.
    if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text());
  });
});

afterEach(async () => {
  await context.close();
  expect(complaints).toEqual([]);
});

async function signIn(path = '/'): Promise<void> {
  await page.goto(path);
  await page.locator('input[type=password]').fill(demo.key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForLoadState('load');
}

async function rows(query: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const response = await fetch(`${demo.url}/stripe.json?_shape=array&sql=${encodeURIComponent(query)}`, {
    headers: { authorization: basic(demo.key) },
  });
  return (await response.json()) as Record<string, string>[];
}

test('a wrong key is told so, the right one opens the page that was asked for', async () => {
  await page.goto('/stripe/customers');
  expect(await page.title()).toContain('Sign in');
  await page.locator('input[type=password]').fill(`${demo.key}x`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.locator('input[type=password]').fill(demo.key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/stripe/customers');
  expect(await page.locator('table').count()).toBeGreaterThan(0);
});

test('the start page says that this is a demo and leads to the tables', async () => {
  await signIn();
  expect(await page.locator('body').innerText()).toMatch(/demo/i);
  await page.getByRole('link', { name: 'customers', exact: true }).first().click();
  await page.waitForURL('**/stripe/customers');
});

test('a customer is found by name, and its row leads on to what refers to it', async () => {
  const [customer] = await rows(
    'select id, name from customers where name is not null and id in (select customer from invoices) limit 1',
  );
  await signIn();
  const search = page.getByRole('searchbox').first();
  await search.fill(customer?.name ?? '');
  await search.press('Enter');
  await page.locator(`a[href$="/stripe/customers/${customer?.id}"]`).first().click();
  await page.waitForURL(`**/stripe/customers/${customer?.id}`);
  const invoices = page.locator('a[href*="/stripe/invoices"]').first();
  await invoices.click();
  await page.waitForURL('**/stripe/invoices**');
});

test('references of a row are links', async () => {
  const [charge] = await rows('select id, customer from charges where customer is not null limit 1');
  await signIn(`/stripe/charges/${charge?.id}`);
  await page.locator(`a[href$="/stripe/customers/${charge?.customer}"]`).first().click();
  await page.waitForURL(`**/stripe/customers/${charge?.customer}`);
});

test('the progress page says that the mirror is complete', async () => {
  await signIn('/tdog/progress');
  await page.getByRole('heading', { name: 'The mirror is complete' }).waitFor();
});

test('every dashboard opens', async () => {
  await signIn('/-/dashboards');
  const links = await page
    .locator('a[href*="/-/dashboards/"]')
    .evaluateAll((anchors) => [...new Set(anchors.map((anchor) => (anchor as HTMLAnchorElement).pathname))]);
  expect(links.length).toBeGreaterThan(0);
  for (const link of links) {
    const response = await page.goto(link);
    expect(response?.status(), link).toBe(200);
    await page.waitForLoadState('networkidle');
  }
});

test("SQL of one's own, as a table", async () => {
  await signIn('/stripe?sql=select+currency,+count(*)+as+n+from+charges+group+by+currency');
  expect(await page.getByRole('columnheader', { name: 'currency' }).count()).toBeGreaterThan(0);
});

test.each(['/', '/stripe/customers', '/-/search?q=a', '/-/dashboards', '/tdog/progress'])(
  'no sideways scrolling on a phone: %s',
  async (path) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await signIn(path);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
  },
);

test('signing out closes the site', async () => {
  await signIn();
  await page.locator('details.nav-menu summary').click();
  await page.getByRole('link', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForLoadState('load');
  const response = await page.goto('/stripe');
  expect(response?.status()).toBe(401);
});
