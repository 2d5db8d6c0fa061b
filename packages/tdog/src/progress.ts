import type { Engine } from './engine.ts';
import type { SyncProgress } from './options.ts';
import { publicProgress } from './sqlite/state.ts';

/** How often `onProgress` is called at most. */
const EVERY_MS = 200;

/** Calls the caller's `onProgress` while a download runs, and once at its end. */
export function reportProgress(engine: Engine): { stop(): void } {
  const { onProgress, steady } = engine.options;
  if (onProgress === undefined) return { stop: () => undefined };
  const started = steady();
  const timer = setInterval(() => onProgress(readProgress(engine, started, false)), EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      onProgress(readProgress(engine, started, true));
    },
  };
}

function readProgress(engine: Engine, started: number, done: boolean): SyncProgress {
  const rows = engine.state.allProgress();
  const seconds = Math.max(0.001, (engine.options.steady() - started) / 1_000);
  // What the pages to come would take at the pace so far.
  const running = rows.filter((row) => row.state === 'running' && row.share !== null && row.share > 0);
  const pagesLeft = running.reduce(
    (sum, row) => sum + (row.pages * (1 - (row.share ?? 1))) / (row.share ?? 1),
    0,
  );
  const pace = rows.reduce((sum, row) => sum + row.pages, 0) / seconds;
  return {
    done,
    tables: rows.map(publicProgress),
    objects: engine.counters.objects,
    requests: engine.api.requests,
    objectsPerSecond: engine.counters.objects / seconds,
    secondsLeft: done ? 0 : running.length === 0 || pace === 0 ? undefined : pagesLeft / pace,
  };
}
