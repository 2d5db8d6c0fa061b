import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEmulator } from '@datasette-stripe/stripe-emulator';
import { describe, expect, test } from 'vitest';

import { verifyTimeline } from './timeline/run.ts';

const own = fileURLToPath(new URL('./timelines', import.meta.url));
const recorded = process.env['TIMELINES_DIR'];

function timelines(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'events.json')))
    .sort();
}

const serve = (timeline: string, untilStep: number): ReturnType<typeof createEmulator> =>
  createEmulator({ source: { timeline, untilStep } });

describe('timelines of our own: kept by events equals downloaded, at each step', () => {
  test.each(timelines(own))('%s', async (name) => {
    const results = await verifyTimeline(join(own, name), serve);
    expect(results.length).toBeGreaterThan(0);
    expect(results.flatMap((result) => result.differences)).toEqual([]);
  });
});

describe('recorded timelines', () => {
  if (recorded === undefined)
    // Visible, and a failure where nothing may be left out.
    test('TIMELINES_DIR names no folder: nothing was compared with recorded data', () => {
      if (process.env['CI'] === 'true') throw new Error('TIMELINES_DIR is not set');
    });
  else
    test.each(timelines(recorded))('%s equals the recorded downloads', async (name) => {
      const results = await verifyTimeline(join(recorded, name), serve);
      expect(results.length).toBeGreaterThan(0);
      expect(results.flatMap((result) => result.differences)).toEqual([]);
    });
});
