import type { Page } from 'playwright-core';
import { describe, expect } from 'vitest';
import { test } from '../support/browse.ts';
import { row } from '../support/site.ts';
import { readSheet } from '../support/spreadsheet.ts';

/** Types into the search box of a page and goes where Enter leads. */
async function search(page: Page, text: string): Promise<void> {
  const box = page.getByRole('searchbox', { name: 'Search everything' }).first();
  await box.fill(text);
  await box.press('Enter');
  await page.waitForURL('**/-/search?**');
}

/** Waits for the panels of a dashboard that took longer than its page waits. */
async function whole(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('[data-pending]') === null);
}

/** The values of a table's column in the order of the rows. */
async function column(page: Page, name: string): Promise<string[]> {
  return page.locator(`td[data-column="${name}"]`).allInnerTexts();
}

const customerWithInvoice = `select c.id, c.name, c.email, i.id as invoice, i.number from invoices i
  join customers c on c.id = i.customer where i.number is not null and c.name is not null
  and i.status = 'paid' order by c.created limit 1`;

describe('finding', () => {
  test('a customer by name, an invoice of it, and back by its references', async ({ site, page }) => {
    const { id, name = '', invoice } = await row(site, customerWithInvoice);
    await page.goto('/');
    await search(page, name);
    await page.getByRole('link', { name, exact: true }).first().click();
    await page.waitForURL(`**/stripe/customers/${id}`);
    // What refers to the row, counted.
    await page.getByRole('heading', { name: 'Timeline' }).waitFor();
    await page.getByRole('link', { name: /^\d+\+? invoices$/ }).click();
    await page.waitForURL('**/stripe/invoices?customer=**');
    await page.locator(`a[href$="/stripe/invoices/${invoice}"]`).click();
    await page.waitForURL(`**/stripe/invoices/${invoice}`);
    expect(await page.locator('dd .state.good').innerText()).toBe('paid');
    // A reference is a link with the name of what it leads to.
    await page.getByRole('link', { name, exact: true }).first().click();
    await page.waitForURL(`**/stripe/customers/${id}`);
  });

  test.for(['id', 'email', 'number'] as const)('by part of the %s', async (kind, { site, page }) => {
    const customer = await row(site, customerWithInvoice);
    const text = customer[kind] ?? '';
    await page.goto('/');
    await search(page, kind === 'number' ? text : text.slice(2, -3));
    const target = kind === 'number' ? `invoices/${customer['invoice']}` : `customers/${customer['id']}`;
    await page.locator(`a[href$="/stripe/${target}"]`).first().click();
    await page.waitForURL(`**/stripe/${target}`);
  });

  test('a name by its letters without accents', async ({ site, page }) => {
    const { id, name = '' } = await row(
      site,
      "select id, name from customers where name glob '*[áéíóúñüöäç]*' and name not glob '*ß*' order by created limit 1",
    );
    const plain = name.normalize('NFD').replaceAll(/\p{M}/gu, '');
    expect(plain).not.toBe(name);
    await page.goto('/-/search');
    await search(page, plain);
    expect(await page.locator(`a[href$="/stripe/customers/${id}"]`).count()).toBe(1);
  });

  test('charges by the last four digits of a card', async ({ site, page }) => {
    const { last4 = '' } = await row(
      site,
      "select payment_method_details ->> '$.card.last4' as last4 from charges where last4 is not null limit 1",
    );
    await page.goto('/');
    await search(page, last4);
    await page.getByRole('heading', { name: /^charges/ }).waitFor();
  });

  test('nothing, and what to try instead', async ({ page }) => {
    await page.goto('/');
    await search(page, 'zzqqzzqq');
    await page.getByText('Nothing found for').waitFor();
  });
});

describe('dashboards', () => {
  test('each opens from the start page, and its figures lead to rows and SQL', async ({ page }) => {
    await page.goto('/');
    const boards = await page
      .locator('.cards a')
      .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    expect(boards.length).toBeGreaterThanOrEqual(7);
    const queries = new Set<string>();
    for (const board of boards) {
      const answer = await page.goto(board ?? '');
      expect(answer?.status(), board ?? '').toBe(200);
      expect(await page.locator('.panel .message-warning').allInnerTexts(), board ?? '').toEqual([]);
      const links = page.locator('.figures a, .panel footer a:first-child');
      for (const href of await links.evaluateAll((found) => found.map((link) => link.getAttribute('href')))) {
        if (href !== null) queries.add(href);
      }
    }
    for (const query of queries) {
      const answer = await page.request.get(query);
      expect(answer.status(), query).toBe(200);
      expect(await answer.text(), query).toMatch(/<pre id="sql-query"[^>]*>[^<]*select/i);
    }
  });

  test('a panel that takes long is put in when it is computed', async ({ page }) => {
    // What a big account's page is at first; the demo's panels are quick.
    let isFirst = true;
    await page.route('**/-/dashboards/mrr', async (route) => {
      if (!isFirst) return route.continue();
      isFirst = false;
      const response = await route.fetch();
      const late = '$1 data-pending aria-busy="true"><h2>Movements</h2><p>Being computed …</p></section>';
      const html = (await response.text()).replace(/(<section[^>]*id="panel-2")[^]*?<\/section>/, late);
      return route.fulfill({ response, body: html });
    });
    await page.goto('/-/dashboards/mrr');
    await page.locator('#panel-2 .chart svg').waitFor();
    expect(isFirst).toBe(false);
    expect(await page.locator('[data-pending]').count()).toBe(0);
    expect(await page.locator('.panel h2').allInnerTexts()).toEqual([
      'MRR',
      'Movements',
      'Net retention',
      'By product and price',
      'Largest customers',
    ]);
  });

  test('a definition that is switched changes the figure, and the link keeps it', async ({
    site,
    page,
    open,
  }) => {
    // The demo has trials in some currency.
    const { currency } = await row(
      site,
      `select p.currency from subscriptions s join subscription_items i on i.subscription = s.id join prices p on p.id = i.price
       where s.status = 'trialing' and p.unit_amount > 0 limit 1`,
    );
    await page.goto(`/-/dashboards/mrr?currency=${currency}`);
    await whole(page);
    const figure = page.locator('.figures a').first();
    const before = await figure.innerText();
    await page.getByLabel('Trials').selectOption({ label: 'count at full price' });
    await page.waitForURL('**trials=1**');
    await whole(page);
    const after = await figure.innerText();
    expect(after).not.toBe(before);
    // Another person with the same address sees the same definition.
    const other = await open();
    await other.goto(page.url());
    expect(await other.getByLabel('Trials').inputValue()).toBe('1');
    expect(await other.locator('.figures a').first().getAttribute('href')).toContain('trials=1');
  });

  test('a bar leads to its rows', async ({ page }) => {
    await page.goto('/-/dashboards/payments');
    const bar = page.locator('.panel').filter({ hasText: 'Succeeded and failed' }).locator('svg a').first();
    const said = (await bar.getAttribute('aria-label')) ?? '';
    await page.goto((await bar.getAttribute('href')) ?? '');
    const count = Number(/: ([\d,]+)/.exec(said)?.[1]?.replaceAll(',', ''));
    expect(await page.locator('h2').first().innerText()).toMatch(new RegExp(`^${count} rows?\\b`));
  });
});

describe('taking away', () => {
  test('Excel: numbers are numbers, times are times, text is no formula', async ({ site, page }) => {
    const { n } = await row(
      site,
      "select count(*) as n from charges where currency = 'usd' and status = 'failed'",
    );
    await page.goto('/stripe/charges?currency=usd&status=failed');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Excel' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/\.xlsx$/);
    const [head = [], ...cells] = await readSheet(await download.path());
    expect(cells).toHaveLength(Number(n));
    const at = (name: string): number => head.findIndex((cell) => cell.value === name);
    for (const line of cells) {
      expect(line[at('amount')]?.kind).toBe('number');
      expect(Number(line[at('amount (money)')]?.value)).toBeCloseTo(
        Number(line[at('amount')]?.value) / 100,
        6,
      );
      expect(line[at('created')]?.kind).toBe('date');
      expect(line.filter((cell) => cell.kind === 'formula')).toEqual([]);
    }
  });

  test('Excel of text that begins as a formula does', async ({ page }) => {
    await page.goto(
      `/stripe?sql=${encodeURIComponent("select '=1+1' as a, '=HYPERLINK(\"http://x.example\")' as b")}`,
    );
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Excel' }).click(),
    ]);
    const [, line = []] = await readSheet(await download.path());
    expect(line).toEqual([
      { kind: 'text', value: '=1+1' },
      { kind: 'text', value: '=HYPERLINK("http://x.example")' },
    ]);
  });

  test('Excel of a dashboard’s panel', async ({ page }) => {
    await page.goto('/-/dashboards/revenue');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page
        .locator('.panel')
        .filter({ hasText: 'Top customers' })
        .getByRole('link', { name: 'Excel' })
        .click(),
    ]);
    const [head = [], first = []] = await readSheet(await download.path());
    expect(head.map((cell) => cell.value)).toContain('paid');
    expect(first[head.findIndex((cell) => cell.value === 'paid')]?.kind).toBe('number');
  });

  test('CSV, JSON and text to copy', async ({ page }) => {
    await page.goto('/stripe/products');
    const shown = await column(page, 'name');
    for (const name of ['CSV of all rows', 'JSON', 'text to copy']) {
      const href = await page.getByRole('link', { name, exact: true }).getAttribute('href');
      const answer = await page.request.get(href ?? '');
      expect(answer.status(), name).toBe(200);
      const text = await answer.text();
      for (const product of shown) expect(text, name).toContain(product);
    }
    await page.getByRole('link', { name: 'text to copy' }).click();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy to clipboard' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toContain(shown[0]);
  });

  test('the feed of events', async ({ page }) => {
    const answer = await page.request.get('/-/events.atom?type=charge');
    expect(answer.headers()['content-type']).toContain('application/atom+xml');
    await page.goto('/');
    const titles = await page.evaluate(
      (xml) => {
        const feed = new DOMParser().parseFromString(xml, 'application/xml');
        return [...feed.querySelectorAll('entry > title')].map((title) => title.textContent);
      },
      await answer.text(),
    );
    expect(titles.length).toBeGreaterThan(0);
    for (const title of titles) expect(title).toMatch(/^charge\./);
  });
});

/** Makes a link for the page that is looked at. */
async function share(page: Page, path: string, note: string): Promise<string> {
  await page.getByRole('link', { name: 'Share', exact: true }).click();
  // The page that was looked at is filled in.
  expect(await page.getByLabel('Page').inputValue()).toBe(path);
  await page.getByLabel('Good for').selectOption('1 day');
  await page.getByLabel('Note').fill(note);
  await page.getByRole('button', { name: 'Make the link' }).click();
  return page.getByRole('status').locator('code').innerText();
}

describe('a share link', () => {
  test('of a dashboard keeps its definitions', async ({ page, stranger }) => {
    const path = '/-/dashboards/mrr?currency=usd&trials=1';
    await page.goto(path);
    const figure = await page.locator('.figures a').first().innerText();
    const link = await share(page, path, 'for the board');
    expect((await stranger.goto(link))?.status()).toBe(200);
    expect(await stranger.locator('.figures a').first().innerText()).toBe(figure);
    expect(await stranger.getByLabel('Trials').inputValue()).toBe('1');
    expect((await stranger.request.get('/-/dashboards/mrr?currency=eur&trials=1')).status()).toBe(401);
    expect((await stranger.request.get('/-/dashboards/revenue')).status()).toBe(401);
  });

  test('opens its page to whoever has it, and nothing else, until it is ended', async ({
    page,
    stranger,
  }) => {
    await page.goto('/stripe/charges?status=failed');
    const rows = await page.locator('h2').first().innerText();
    const link = await share(page, '/stripe/charges?status=failed', 'for the auditor');

    expect((await stranger.goto(link))?.status()).toBe(200);
    expect(await stranger.locator('h2').first().innerText()).toBe(rows);
    const colour = await stranger
      .locator('.site-head')
      .evaluate((head) => getComputedStyle(head).backgroundColor);
    expect(colour, 'with its stylesheet').not.toBe('rgba(0, 0, 0, 0)');
    for (const path of [
      '/',
      '/stripe/customers',
      '/stripe/charges',
      '/stripe.json?sql=select+1',
      '/tdog/stripe.sqlite',
      '/tdog/links',
    ]) {
      expect((await stranger.request.get(path)).status(), path).toBe(401);
    }

    await page.goto('/tdog/links');
    await page
      .getByRole('row')
      .filter({ hasText: 'for the auditor' })
      .getByRole('button', { name: /^End/ })
      .first()
      .click();
    await page.getByRole('status').waitFor();
    expect((await stranger.goto(link))?.status()).toBe(401);
  });
});
