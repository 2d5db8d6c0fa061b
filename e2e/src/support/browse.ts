import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect, inject, test as base } from 'vitest';
import { startChromium } from './chromium.ts';
import type { Site } from './site.ts';

/** What browser specs get. */
interface Fixtures {
  readonly site: Site;
  readonly browser: Browser;
  /** The cookie of somebody who has signed in. */
  readonly cookie: string;
  /** Opens a browser of its own, signed in or not; what it complains of fails the test. */
  readonly open: (options?: OpenOptions) => Promise<Page>;
  /** A page of somebody who has signed in. */
  readonly page: Page;
  /** A page of somebody who has not. */
  readonly stranger: Page;
}

interface OpenOptions extends BrowserContextOptions {
  readonly signedIn?: boolean;
}

/** Specs with a browser on the demo. */
export const test = base.extend<Fixtures>({
  site: [async ({}, use) => use(inject('demo')), { scope: 'file' }],
  browser: [
    async ({}, use) => {
      const browser = await startChromium();
      await use(browser);
      await browser.close();
    },
    { scope: 'file' },
  ],
  cookie: [async ({ site }, use) => use(await sessionCookie(site)), { scope: 'file' }],
  open: async ({ site, browser, cookie }, use) => {
    const contexts: BrowserContext[] = [];
    const complaints: string[] = [];
    await use(async ({ signedIn = true, ...options } = {}) => {
      const context = await browser.newContext({ baseURL: site.url, ...options });
      contexts.push(context);
      if (signedIn) await context.addCookies([asCookie(site, cookie)]);
      await elsewhere(context, site, complaints);
      context.on('page', (page) => listen(page, complaints));
      return context.newPage();
    });
    for (const context of contexts) await context.close();
    expect(complaints).toEqual([]);
  },
  page: async ({ open }, use) => use(await open()),
  stranger: async ({ open }, use) => use(await open({ signedIn: false })),
});

/** Signs in as a browser does, with the form's request. */
async function sessionCookie({ url, key }: Site): Promise<string> {
  const response = await fetch(`${url}/tdog/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ secret: key, next: '/' }).toString(),
  });
  const cookie = response.headers.get('set-cookie')?.split(';')[0];
  if (cookie === undefined) throw new Error(`no session: ${response.status} ${await response.text()}`);
  return cookie;
}

function asCookie({ url }: Site, cookie: string): { name: string; value: string; url: string } {
  const [name = '', value = ''] = cookie.split('=');
  return { name, value, url };
}

/** Stripe's pages are a stand-in, so that links to them can be followed; nothing else of the outside may be asked for. */
async function elsewhere(context: BrowserContext, site: Site, complaints: string[]): Promise<void> {
  await context.route(
    (url) => !url.href.startsWith(site.url),
    async (route) => {
      const address = route.request().url();
      if (address.startsWith('https://dashboard.stripe.com/')) {
        await route.fulfill({ contentType: 'text/html', body: '<title>Stripe</title>' });
        return;
      }
      complaints.push(`asked for ${address}`);
      await route.abort();
    },
  );
}

/** What the browser itself finds fault with: errors of scripts, refused content. */
function listen(page: Page, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // Pages that say no are 4xx on purpose; Chromium reports each.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
      complaints.push(message.text());
  });
}
