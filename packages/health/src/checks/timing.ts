import type { CheckTiming } from '../types.ts';

/** The caller's timing over the factory's defaults; only what is given, so that the runner's defaults apply. */
export function timing(given: CheckTiming, defaults: CheckTiming = {}): CheckTiming {
  const merged: Record<string, unknown> = { ...defaults };
  for (const key of ['intervalMs', 'timeoutMs', 'expiresMs', 'severity', 'readiness', 'failAfter'] as const) {
    if (given[key] !== undefined) merged[key] = given[key];
  }
  return merged;
}
