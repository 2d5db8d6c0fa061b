import { mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createSync } from '../../src/index.ts';
import { compareWithDownload, type CompareResult } from './compare.ts';

/** The part of the emulator that is needed. */
export interface TimelineServer {
  listen(): Promise<{ readonly url: string; readonly key: string }>;
  advance(step: number): unknown;
  close(): Promise<void>;
}

/** Makes a server that replays `timeline` up to `untilStep`. */
export type ServeTimeline = (timeline: string, untilStep: number) => TimelineServer;

/** How the objects of events get into the file. */
export type Mode = 'as recorded' | 'read again';

/** One comparison. */
export interface StepResult extends CompareResult {
  readonly step: number;
  readonly mode: Mode;
  /** `events`: kept current from step 0; `download`: a new file at this step. */
  readonly way: 'events' | 'download';
}

/** The version of the recordings. */
const RECORDED = '2020-08-27';

interface Meta {
  readonly steps: readonly { readonly i: number; readonly download?: { readonly file: string } }[];
}

/**
 * Replays a timeline in both modes and both ways, and compares at each step: with the recorded download, or with
 * one made there and then where there is none. */
export async function verifyTimeline(
  folder: string,
  serve: ServeTimeline,
  modes: readonly Mode[] = ['as recorded', 'read again'],
): Promise<readonly StepResult[]> {
  const meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Meta;
  const temporary = mkdtempSync(join(tmpdir(), 'timeline-'));
  const results: StepResult[] = [];
  try {
    for (const mode of modes) {
      const server = serve(folder, meta.steps[0]?.i ?? 0);
      try {
        const { url, key } = await server.listen();
        const kept = join(temporary, `${mode}.sqlite`.replaceAll(' ', '-'));
        for (const step of meta.steps) {
          await server.advance(step.i);
          await sync(url, key, kept, mode);
          const fresh = join(temporary, `${mode}-${step.i}.sqlite`.replaceAll(' ', '-'));
          await sync(url, key, fresh, mode);
          const recorded = step.download === undefined ? undefined : join(folder, step.download.file);
          if (recorded !== undefined && existsSync(recorded)) {
            results.push({ step: step.i, mode, way: 'events', ...compareWithDownload(kept, recorded) });
            results.push({ step: step.i, mode, way: 'download', ...compareWithDownload(fresh, recorded) });
          } else results.push({ step: step.i, mode, way: 'events', ...compareWithDownload(kept, fresh) });
        }
      } finally {
        await server.close();
      }
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return results;
}

async function sync(apiBase: string, secretKey: string, file: string, mode: Mode): Promise<void> {
  await createSync({
    stripe: { secretKey, apiBase, ...(mode === 'as recorded' ? { apiVersion: RECORDED } : {}) },
    file,
  }).run();
}
