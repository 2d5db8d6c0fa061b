/**
 * Takes the screenshots of docs/screenshots from a demo of its own: `node e2e/src/screenshots.ts [NAME…]`.
 * With pngquant on the machine the files are a third of the size.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { basic } from './support/app.ts';
import type { Site } from './support/site.ts';
import { command } from './support/command.ts';
import { startChromium } from './support/chromium.ts';
import { startNativeDemo } from './support/native.ts';
import { addressOf, type PageName } from './support/pages.ts';

interface Shot {
  readonly page: PageName;
  readonly dark?: true;
  readonly phone?: true;
  readonly height?: number;
}

const shots: Readonly<Record<string, Shot>> = {
  start: { page: 'start', height: 1000 },
  'tables-and-sql': { page: 'tables and SQL' },
  table: { page: 'table of charges' },
  groups: { page: 'table with groups' },
  row: { page: 'invoice', height: 1000 },
  'row-dark': { page: 'customer', dark: true },
  search: { page: 'search with hits' },
  sql: { page: 'SQL of one’s own' },
  'sql-error': { page: 'SQL with an error', height: 500 },
  query: { page: 'saved query with many parameters' },
  sigma: { page: 'Sigma SQL' },
  'not-found': { page: 'no such row', height: 420 },
  progress: { page: 'progress', height: 640 },
  'share-links': { page: 'share links' },
  'dashboard-mrr': { page: 'MRR and movements', height: 1320 },
  'dashboard-subscribers-dark': { page: 'subscribers and cohorts', dark: true, height: 1300 },
  'dashboard-revenue': { page: 'revenue', height: 1300 },
  'dashboard-payments': { page: 'payments', height: 1000 },
  'dashboard-receivables': { page: 'receivables', height: 760 },
  'dashboard-balance': { page: 'balance', height: 1000 },
  'dashboard-tax': { page: 'tax', height: 760 },
  'phone-start': { page: 'start', phone: true },
  'phone-dashboard-dark': { page: 'MRR and movements', phone: true, dark: true, height: 1200 },
  'phone-table': { page: 'table of charges', phone: true },
};

const folder = path.join(import.meta.dirname, '../../docs/screenshots');

async function take(browser: Browser, site: Site, name: string, shot: Shot): Promise<void> {
  const page = await browser.newPage({
    baseURL: site.url,
    viewport:
      shot.phone === true
        ? { width: 390, height: shot.height ?? 844 }
        : { width: 1280, height: shot.height ?? 860 },
    colorScheme: shot.dark === true ? 'dark' : 'light',
    extraHTTPHeaders: { authorization: basic(site.key) },
  });
  await page.goto(await addressOf(site, shot.page), { waitUntil: 'networkidle' });
  const file = path.join(folder, `${name}.png`);
  await page.screenshot({ path: file });
  await page.close();
  await command('pngquant', ['--force', '--ext', '.png', '64', file]).catch(() => undefined);
}

await using demo = await startNativeDemo();
const browser = await startChromium();
try {
  mkdirSync(folder, { recursive: true });
  const wanted = process.argv.slice(2);
  for (const [name, shot] of Object.entries(shots)) {
    if (wanted.length === 0 || wanted.includes(name)) await take(browser, demo, name, shot);
  }
} finally {
  await browser.close();
}
