import { expect } from 'vitest';
import { test as base } from '../support/browse.ts';
import { startNativeEmulator, startNativeOn, type NativeEmulator } from '../support/native.ts';

/** A Stripe that answers slowly until it is told otherwise, so that there is a download to look at. */
const test = base
  .extend<{ stripe: NativeEmulator }>({
    stripe: [
      async ({}, use) => {
        await using stripe = await startNativeEmulator({ latencyMs: 1500 });
        await use(stripe);
      },
      { scope: 'file' },
    ],
  })
  .extend<object>({
    site: [
      async (
        { stripe }: { stripe: NativeEmulator },
        use: (site: { url: string; key: string }) => Promise<void>,
      ) => {
        await using site = await startNativeOn(stripe);
        await use(site);
      },
      { scope: 'file' },
    ],
  });

test('the download is watched on the start page and on its own, and ends by itself', async ({
  stripe,
  page,
  open,
}) => {
  await page.goto('/');
  const section = page.getByRole('region', { name: /^Downloading from Stripe/ });
  await section.waitFor();
  await section.getByRole('progressbar', { name: 'charges' }).waitFor();

  const progress = await open();
  await progress.goto('/tdog/progress');
  await progress.getByRole('heading', { name: 'Downloading your Stripe account' }).waitFor();
  await progress.locator('#summary', { hasText: /\d rows/ }).waitFor();
  await progress.getByRole('progressbar').first().waitFor();

  // What has arrived can be used meanwhile.
  const other = await open();
  expect((await other.goto('/stripe'))?.status()).toBe(200);
  expect((await other.goto('/-/dashboards/revenue'))?.status()).toBe(200);

  await stripe.faults({});
  await progress.getByRole('heading', { name: 'The mirror is complete' }).waitFor({ timeout: 90_000 });
  expect(await progress.getByRole('progressbar').count()).toBe(0);
  // The start page loads itself anew, as its counts were those of the beginning.
  await section.waitFor({ state: 'hidden' });
  await page
    .locator('.group li', { hasText: 'customers' })
    .locator('.count', { hasText: '40' })
    .first()
    .waitFor();
  await page.locator('[data-fresh]', { hasText: /\(\d+ s ago\)/ }).waitFor();
});
