import { HealthError } from './errors.ts';
import type { Check, HealthOptions } from './types.ts';

/** Refuses what cannot work, all faults at once. @throws {@link HealthError} OPTIONS */
export function checkOptions(options: HealthOptions): void {
  const names = Object.keys(options.checks);
  const faults = names.length === 0 ? ['checks: expected at least one'] : names.flatMap(checkFaults);
  if (faults.length > 0) throw new HealthError('OPTIONS', faults.join('\n'));

  function checkFaults(name: string): string[] {
    const check = options.checks[name];
    if (check === undefined) return [];
    return [
      ...(/^[\w.:-]+$/.test(name) ? [] : [`checks: the name ${JSON.stringify(name)} must match [\\w.:-]+`]),
      ...(typeof check.run === 'function' ? [] : [`checks.${name}.run: expected a function`]),
      ...(['intervalMs', 'timeoutMs', 'expiresMs', 'failAfter'] as const).flatMap((key) =>
        numberFault(name, check, key),
      ),
    ];
  }
}

function numberFault(
  name: string,
  check: Check,
  key: 'intervalMs' | 'timeoutMs' | 'expiresMs' | 'failAfter',
): string[] {
  const value = check[key];
  if (value === undefined || (Number.isFinite(value) && value > 0)) return [];
  return [`checks.${name}.${key}: expected a number above 0, got ${String(value)}`];
}
