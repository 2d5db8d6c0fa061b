import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './probe.ts';
import type { WatchdogOptions } from './types.ts';

/** Asks again and again; true when the process has failed to answer too often in a row, false when it is over before. */
export async function watchdogBites(
  watchdog: Required<WatchdogOptions>,
  process: { readonly service: string; readonly pid: number; readonly signal: AbortSignal },
  onFailure: (failures: number) => void,
): Promise<boolean> {
  let failures = 0;
  while (failures < watchdog.failures) {
    await delay(watchdog.intervalMs, undefined, { signal: process.signal }).catch(() => undefined);
    if (process.signal.aborted) return false;
    const signal = AbortSignal.any([process.signal, AbortSignal.timeout(watchdog.timeoutMs)]);
    const answered = await ask(watchdog.probe, { ...process, signal });
    if (process.signal.aborted) return false;
    failures = answered ? 0 : failures + 1;
    if (!answered) onFailure(failures);
  }
  return true;
}
