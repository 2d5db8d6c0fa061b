import { describe, expect } from 'vitest';
import { test } from '../support/browse.ts';
import { row } from '../support/site.ts';

describe('SQL', () => {
  test('is written in the editor, run by Shift+Enter, and the link keeps it', async ({ page }) => {
    await page.goto('/stripe');
    const editor = page.locator('.CodeMirror');
    await editor.click();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.insertText("select count(*) as how_many from charges where currency = 'usd'");
    await page.keyboard.press('Shift+Enter');
    await page.waitForURL('**/stripe?sql=**');
    expect(await page.getByRole('columnheader').allInnerTexts()).toEqual(['how_many']);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy link' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(page.url());
  });

  test('with an error says what is wrong and keeps the text', async ({ page }) => {
    const answer = await page.goto('/stripe?sql=select+nothing_of_that_name+from+charges');
    expect(answer?.status()).toBe(400);
    expect(await page.locator('.message-error').first().innerText()).toBe(
      'no such column: nothing_of_that_name',
    );
    expect(await page.locator('textarea#sql-editor').inputValue()).toContain('nothing_of_that_name');
  });

  test('that takes too long is stopped, with advice', async ({ page }) => {
    const endless = 'with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n';
    const answer = await page.goto(`/stripe?_timelimit=500&sql=${encodeURIComponent(endless)}`);
    expect(answer?.status()).toBe(400);
    await page.getByRole('heading', { name: 'This query took too long' }).waitFor();
    expect(await page.locator('main pre').innerText()).toBe(endless);
    await page.getByRole('link', { name: 'See its plan' }).click();
    await page.getByRole('columnheader', { name: 'detail' }).waitFor();
  });

  test('of a saved query can be edited', async ({ page }) => {
    await page.goto('/stripe/top-customers');
    await page.locator('summary', { hasText: 'SQL' }).click();
    await page.getByRole('link', { name: 'Edit it' }).click();
    await page.waitForURL('**/stripe?sql=**');
    expect(await page.locator('textarea#sql-editor').inputValue()).toContain('select');
  });

  test('written for Sigma is translated and run', async ({ page }) => {
    await page.goto('/-/sigma');
    await page
      .getByLabel('Sigma query')
      .fill("select date_trunc('month', created) as month, count(*) as n from charges group by 1 order by 1");
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByRole('columnheader', { name: 'month' }).waitFor();
    await page.getByRole('link', { name: 'Open as SQL' }).click();
    await page.getByRole('columnheader', { name: 'month' }).waitFor();
  });
});

describe('a table', () => {
  test('is sorted, narrowed down, grouped, and shows all columns', async ({ page }) => {
    await page.goto('/stripe/charges?_size=20');
    await page.getByRole('link', { name: 'amount', exact: true }).click();
    await page.waitForURL('**_sort=amount**');
    const raw = await page.locator('td[data-column="amount"] .raw').allInnerTexts();
    expect(raw.map(Number)).toEqual([...raw.map(Number)].sort((a, b) => a - b));

    await page.locator('summary', { hasText: 'Narrow down' }).click();
    const line = page.locator('.filter-row').first();
    await line.getByLabel('Column').selectOption('status');
    await line.getByLabel('Value').fill('failed');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.waitForURL('**status__exact=failed**');
    expect(new Set(await page.locator('td[data-column="status"]').allInnerTexts())).toEqual(
      new Set(['failed']),
    );

    await page.getByRole('link', { name: 'currency', exact: true }).first().click();
    await page.locator('.facet-info').first().waitFor();

    await page.getByRole('link', { name: /^All \d+ columns$/ }).click();
    await page.getByRole('columnheader', { name: 'payment_method_details', exact: true }).waitFor();
  });

  test('keeps its head in sight, and scrolls within itself', async ({ page }) => {
    await page.goto('/stripe/charges');
    const wrapper = page.locator('.table-wrapper');
    await wrapper.evaluate((box) => box.scrollTo({ top: 400 }));
    const { head, top } = await wrapper.evaluate((box) => ({
      head: box.querySelector('thead th')?.getBoundingClientRect().top,
      top: box.getBoundingClientRect().top,
    }));
    expect(Math.abs((head ?? 0) - top)).toBeLessThan(3);
  });
});

describe('holding s while clicking', () => {
  test.for([
    ['customers', 'customers'],
    ['charges', 'payments'],
    ['invoices', 'invoices'],
    ['subscriptions', 'subscriptions'],
  ] as const)('a row of %s opens Stripe’s own page, in test mode', async ([table, path], { site, page }) => {
    const { id } = await row(site, `select id from ${table} order by created desc limit 1`);
    await page.goto(`/stripe/${table}?id=${id}`);
    await page.keyboard.down('s');
    const [opened] = await Promise.all([
      page.context().waitForEvent('page'),
      page.locator(`a[href$="/stripe/${table}/${id}"]`).first().click(),
    ]);
    await page.keyboard.up('s');
    await opened.waitForLoadState();
    const account = new URL(opened.url()).pathname.replace(/\/acct_\w+/, '');
    expect(account).toBe(`/test/${path}/${id}`);
    expect(page.url()).toContain(`/stripe/${table}?id=`);
    // Without it the link stays in the site.
    await page.locator(`a[href$="/stripe/${table}/${id}"]`).first().click();
    await page.waitForURL(`**/stripe/${table}/${id}`);
  });

  test('what has no page there is looked for', async ({ site, page }) => {
    const { id } = await row(site, "select id from events where type = 'charge.succeeded' limit 1");
    await page.goto(`/stripe/payment_methods`);
    expect(id).toMatch(/^evt_/);
    const link = page.locator('td.type-pk a').first();
    const wanted = (await link.innerText()).trim();
    await page.keyboard.down('s');
    const [opened] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
    await page.keyboard.up('s');
    expect(new URL(opened.url()).searchParams.get('query')).toBe(wanted);
  });
});

test('JSON is folded, and laid out when it is opened', async ({ site, page }) => {
  const { id } = await row(site, 'select id from charges where payment_method_details is not null limit 1');
  await page.goto(`/stripe/charges/${id}`);
  const json = page.locator('details.json').filter({ hasText: 'card' }).first();
  await json.locator('summary').click();
  expect(JSON.parse(await json.locator('pre').innerText())).toBeTypeOf('object');
});

test('times say on hover what they are in the reader’s zone', async ({ open, site }) => {
  const { id } = await row(site, "select id from charges where created like '%-%' order by created limit 1");
  const page = await open({ timezoneId: 'Asia/Tokyo', locale: 'en-GB' });
  await page.goto(`/stripe/charges/${id}`);
  const time = page.locator('dd time').first();
  await time.hover();
  expect(await time.getAttribute('title')).toContain('Asia/Tokyo');
});

test('errors say what to do next', async ({ page }) => {
  expect((await page.goto('/stripe/nowhere'))?.status()).toBe(404);
  await page.getByRole('link', { name: 'how complete the mirror is' }).waitFor();
  expect((await page.goto('/stripe/customers/cus_nobody'))?.status()).toBe(404);
  await page.getByRole('link', { name: 'deleted objects' }).click();
  await page.getByRole('heading', { name: 'Deleted objects' }).waitFor();
});
