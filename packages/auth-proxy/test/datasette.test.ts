import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { shareLink, staticCredentials, stripeKey } from '../src/index.ts';
import { basic, KEY, openDoor, send, tempDir, TOKEN } from './kit.ts';
import { CHROMIUM, DATASETTE, DATASETTE_1A, sampleDatabase, startDatasette } from './real.ts';

const datasettes: [string, string | undefined][] = [
  ['0.65', DATASETTE],
  ['1.0a', DATASETTE_1A],
];
let browser: Browser | undefined;
beforeAll(async () => {
  if (CHROMIUM !== undefined)
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
}, 180_000);
afterAll(() => browser?.close());

async function newPage(
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<{ page: Page; context: BrowserContext; faults: string[] }> {
  if (browser === undefined) throw new Error('no browser');
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    // The 401 of the sign-in page is meant.
    if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(error.message));
  return { page, context, faults };
}

describe.each(datasettes)('in front of Datasette %s', (_version, bin) => {
  test.skipIf(bin === undefined)(
    'pages, JSON, CSV and SQL pass; nothing without credentials',
    async () => {
      const upstream = await startDatasette(bin ?? '', sampleDatabase());
      const { url } = await openDoor({ upstream, cache: { dataVersion: () => 1 } });
      const right = basic(TOKEN);
      for (const path of [
        '/',
        '/stripe',
        '/stripe/customers',
        '/stripe/customers/cus_1',
        '/-/static/app.css',
        '/stripe.db',
      ]) {
        expect([path, (await send(url, { path })).status]).toEqual([path, 401]);
      }
      for (let i = 0; i < 2; i++) {
        const rows = await send(url, { path: '/stripe/customers.json?_shape=array&_size=3', headers: right });
        expect(JSON.parse(rows.body)).toHaveLength(3);
        const csv = await send(url, { path: '/stripe/customers.csv?_stream=on', headers: right });
        expect(csv.body.trim().split('\n')).toHaveLength(302);
      }
      const missing = await send(url, { path: '/stripe/nothing', headers: right });
      expect(missing.status).toBe(404);
      // The upstream's trailing-slash redirects stay on the site (CVE-2025-64481).
      for (const path of ['/stripe/', '/stripe/customers/', '/evil.example/']) {
        const { status, headers } = await send(url, { path, headers: right });
        expect([path, [200, 302, 404].includes(status), (headers.location ?? '/').startsWith('/')]).toEqual([
          path,
          true,
          true,
        ]);
        expect(headers.location ?? '/').not.toMatch(/^\/\//);
      }
    },
    180_000,
  );

  test.skipIf(bin === undefined || CHROMIUM === undefined)(
    'Chromium: sign in, go on to the page, read it without faults, sign out',
    async () => {
      const upstream = await startDatasette(bin ?? '', sampleDatabase());
      const key = stripeKey({ key: KEY, idleCheckMs: 0 });
      key.feed('live');
      const { url } = await openDoor({ upstream, authenticators: [key], siteName: 'Stripe mirror' });
      const { page, context, faults } = await newPage();
      const first = await page.goto(`${url}/stripe/customers?country=DE&_sort=id`);
      expect(first?.status()).toBe(401);
      expect(await page.title()).toBe('Sign in · Stripe mirror');
      // Accessible names, and the field a password manager fills.
      await page.getByLabel('Stripe secret key').fill('sk_test_wrong');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').waitFor();
      expect(new URL(page.url()).pathname).toBe('/tdog/sign-in');
      await page.getByLabel('Stripe secret key').fill(KEY);
      await page.keyboard.press('Enter');
      await page.waitForURL(`${url}/stripe/customers?country=DE&_sort=id`);
      await page.getByRole('link', { name: 'cus_0', exact: true }).waitFor();
      // A customer's name is written by a stranger: it stays text.
      await page.goto(`${url}/stripe/customers?id=cus_evil`);
      expect(await page.title()).toContain('customers');
      // Scripts of Datasette's own pages run under our policy: the cog menu, the SQL editor.
      for (const path of [
        '/',
        '/stripe',
        '/stripe/customers',
        '/stripe/customers/cus_1',
        '/-/plugins',
        '/-/versions',
      ]) {
        expect((await page.goto(url + path))?.status()).toBe(200);
      }
      await page.goto(`${url}/stripe?sql=select+country%2C+count(*)+from+customers+group+by+country`);
      await page.locator('.cm-editor, .CodeMirror').first().waitFor();
      expect(faults).toEqual([]);
      expect(await context.cookies()).toMatchObject([
        { name: 'datasette-session', httpOnly: true, sameSite: 'Lax' },
      ]);
      await page.goto(`${url}/tdog/sign-out`);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
      expect((await page.goto(`${url}/stripe`))?.status()).toBe(401);
      expect(await context.cookies()).toEqual([]);
    },
    180_000,
  );
});

describe.skipIf(DATASETTE === undefined || CHROMIUM === undefined)('in Chromium', () => {
  test('signing in works without JavaScript, in the dark and on a phone', async () => {
    const upstream = await startDatasette(DATASETTE ?? '', sampleDatabase());
    const { url } = await openDoor({ upstream });
    const { page } = await newPage({
      javaScriptEnabled: false,
      colorScheme: 'dark',
      viewport: { width: 320, height: 568 },
    });
    await page.goto(`${url}/stripe`);
    const box = await page.locator('main').boundingBox();
    expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 999) <= 320).toBe(true);
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${url}/stripe`);
    await page.getByRole('link', { name: 'customers', exact: true }).waitFor();
  }, 180_000);

  test('a session that was idle too long ends with the sign-in page, and goes on where it was', async () => {
    const upstream = await startDatasette(DATASETTE ?? '', sampleDatabase());
    let clock = Date.now();
    const { url } = await openDoor({ upstream, now: () => clock });
    const { page } = await newPage();
    const signIn = async (): Promise<void> => {
      await page.getByLabel('Token').fill(TOKEN);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    await page.goto(`${url}/stripe/customers`);
    await signIn();
    await page.waitForURL(`${url}/stripe/customers`);
    clock += 15 * 86_400_000;
    const again = await page.goto(`${url}/stripe/customers/cus_7`);
    expect(again?.status()).toBe(401);
    await signIn();
    await page.waitForURL(`${url}/stripe/customers/cus_7`);
    expect(await page.content()).toContain('Customer 7');
  }, 180_000);

  test('the owner makes a share link on the page of links; a stranger opens it with its styles, and nothing more', async () => {
    const upstream = await startDatasette(DATASETTE ?? '', sampleDatabase());
    const { url } = await openDoor({
      upstream,
      authenticators: [staticCredentials([{ password: TOKEN }]), shareLink({ stateDir: tempDir() })],
    });
    const owner = await newPage();
    await owner.page.goto(`${url}/tdog/links`);
    await owner.page.getByLabel('Token').fill(TOKEN);
    await owner.page.getByRole('button', { name: 'Sign in' }).click();
    await owner.page.getByLabel('Page').fill(`${url}/stripe/customers?country=FR`);
    await owner.page.getByLabel('Note').fill('for the auditor');
    await owner.page.getByRole('button', { name: 'Make the link' }).click();
    const link = (await owner.page.getByRole('status').locator('code').textContent()) ?? '';
    expect(link).toContain('/stripe/customers?country=FR&_share=');

    const stranger = await newPage();
    expect((await stranger.page.goto(link))?.status()).toBe(200);
    const styles = await stranger.page.evaluate(
      'document.styleSheets.length > 0 && document.styleSheets[0].cssRules.length > 0',
    );
    expect(styles).toBe(true);
    await stranger.page.getByRole('link', { name: 'Next page' }).click();
    await stranger.page.getByText('Customer 299').waitFor();
    expect((await stranger.page.goto(`${url}/stripe/customers`))?.status()).toBe(401);
    expect((await stranger.page.goto(`${url}/tdog/links`))?.status()).toBe(401);

    await owner.page.getByRole('button', { name: /^End the link/ }).click();
    await owner.page.getByText('The link has ended.').waitFor();
    expect((await stranger.page.goto(link))?.status()).toBe(401);
    expect(owner.faults.concat(stranger.faults)).toEqual([]);
  }, 180_000);

  test('a link that has expired shows nothing but that it has, and where to sign in', async () => {
    let clock = Date.now();
    const upstream = await startDatasette(DATASETTE ?? '', sampleDatabase());
    const links = shareLink({ stateDir: tempDir(), now: () => clock });
    const { url } = await openDoor({
      upstream,
      authenticators: [staticCredentials([{ password: TOKEN }]), links],
    });
    const { path, url: link } = await links.create({
      path: '/stripe/customers?country=FR',
      expiresAt: clock + 86_400_000,
    });
    const { page, faults } = await newPage();
    expect((await page.goto(url + link))?.status()).toBe(200);
    await page.getByText('Customer 1', { exact: true }).waitFor();
    clock += 86_400_001;
    expect((await page.reload())?.status()).toBe(401);
    await page.getByText('This link has ended').waitFor();
    expect(await page.content()).not.toContain('Customer 2');
    // Who may see the page anyway signs in and is there.
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL((at) => at.href.startsWith(url + path));
    await page.getByText('Customer 1', { exact: true }).waitFor();
    expect(faults).toEqual([]);
  }, 180_000);

  test('the policy of content fits the plug-ins: a Vega chart, GraphiQL, search', async () => {
    const metadata = join(tempDir(), 'metadata.json');
    const chart = {
      title: 'Spent',
      db: 'stripe',
      query: 'select id, spent from customers limit 9',
      library: 'vega-lite',
      display: {
        mark: 'bar',
        encoding: { x: { field: 'spent', type: 'quantitative' }, y: { field: 'id', type: 'nominal' } },
      },
    };
    const plugins = { 'datasette-dashboards': { first: { title: 'First', charts: { chart } } } };
    writeFileSync(metadata, JSON.stringify({ plugins }));
    const upstream = await startDatasette(DATASETTE ?? '', sampleDatabase(), ['-m', metadata]);
    const { url } = await openDoor({ upstream });
    const { page, faults } = await newPage({ extraHTTPHeaders: basic(TOKEN) });
    await page.goto(`${url}/-/dashboards/first`);
    await page.locator('svg.marks, canvas.marks').first().waitFor();
    await page.goto(`${url}/graphql/stripe`);
    await page.locator('.graphiql-container').first().waitFor();
    expect(faults).toEqual([]);
  }, 180_000);

  test('a page that waits for its upstream comes by itself once it is there', async () => {
    const upstream = `unix:${tempDir()}/late.sock`;
    const { url } = await openDoor({ upstream });
    const { page } = await newPage({ extraHTTPHeaders: basic(TOKEN) });
    const waiting = await page.goto(url);
    expect(waiting?.status()).toBe(502);
    await page.getByRole('status').waitFor();
    const { upstreamServer } = await import('./kit.ts');
    await upstreamServer((_req, res) => {
      res.setHeader('content-type', 'text/html');
      res.end('<h1>Here I am</h1>');
    }, upstream.slice('unix:'.length));
    await page.getByText('Here I am').waitFor();
  }, 180_000);
});
