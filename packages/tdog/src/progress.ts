import type { Engine } from './engine.ts';
import type { SyncProgress } from './options.ts';
import { publicProgress } from './sqlite/state.ts';

/** How often `onProgress` is called at most. */
const EVERY_MS = 200;

/** Calls the caller's `onProgress` while a download runs, and once at its end. */
export function reportProgress(engine: Engine): { stop(): void } {
  const { onProgress, now } = engine.options;
  if (onProgress === undefined) return { stop: () => undefined };
  const started = now();
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
  const seconds = Math.max(0.001, (engine.options.now() - started) / 1_000);
  // A table with windows knows its share; the slowest of those decides when the download ends.
  const shares = rows
    .filter((row) => row.state === 'running' && row.share !== null && row.share > 0.01)
    .map((row) => row.share ?? 1);
  const slowest = Math.min(1, ...shares);
  return {
    done,
    tables: rows.map(publicProgress),
    objects: engine.counters.objects,
    requests: engine.api.requests,
    objectsPerSecond: engine.counters.objects / seconds,
    secondsLeft: done ? 0 : shares.length === 0 ? undefined : (seconds * (1 - slowest)) / slowest,
  };
}
