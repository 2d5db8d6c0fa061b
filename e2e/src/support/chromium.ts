import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

/** Debian's own Chromium, or what CHROMIUM names. */
export async function startChromium(): Promise<Browser> {
  const places = [
    process.env.CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  const executablePath = places.find((file) => file !== undefined && existsSync(file));
  if (executablePath === undefined) throw new Error('no Chromium here; CHROMIUM=/path names one');
  const quiet = [
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ];
  // Chromium's own sandbox does not work as root, as which containers and CI run it.
  const args = process.getuid?.() === 0 ? [...quiet, '--no-sandbox'] : quiet;
  return chromium.launch({ executablePath, args });
}
