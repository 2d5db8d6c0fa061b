import { statfs } from 'node:fs/promises';
import type { Check, CheckResult, FreeDiskOptions } from '../types.ts';
import { timing } from './timing.ts';

/** The forecast looks back this far … */
const historyMs = 6 * 3_600_000;
/** … and says nothing before it has seen this much. */
const leastHistoryMs = 10 * 60_000;
const maxSamples = 400;

/** Free space for an ordinary user, with a forecast from the pace of the last hours. */
export function freeDisk(options: FreeDiskOptions): Check {
  const warnBelow = options.warnBelowBytes ?? 1024 ** 3;
  const failBelow = options.failBelowBytes ?? 256 * 1024 ** 2;
  const forecastMs = options.forecastMs ?? 24 * 3_600_000;
  let samples: { readonly at: number; readonly free: number }[] = [];

  return {
    ...timing(options, { intervalMs: 60_000, timeoutMs: 5_000 }),
    componentType: 'system',
    async run({ monotonic }): Promise<CheckResult> {
      const { bavail, blocks, bsize } = await statfs(options.path);
      const free = bavail * bsize;
      const at = monotonic();
      samples = [...samples.filter((one) => at - one.at <= historyMs), { at, free }].slice(-maxSamples);
      const fullInMs = forecast(samples);
      const seen = {
        observed: free,
        unit: 'bytes',
        metrics: [
          { name: 'disk_free_bytes', help: 'Free for an ordinary user', type: 'gauge', value: free },
          { name: 'disk_size_bytes', help: 'Size of the file system', type: 'gauge', value: blocks * bsize },
          ...(fullInMs === undefined
            ? []
            : [
                {
                  name: 'disk_full_in_seconds',
                  help: 'When the disk is full at the pace of the last hours',
                  type: 'gauge',
                  value: fullInMs / 1000,
                } as const,
              ]),
        ] as const,
      };
      if (free < failBelow) return { ...seen, status: 'fail', message: `Only ${megabytes(free)} free` };
      if (free < warnBelow) return { ...seen, status: 'warn', message: `${megabytes(free)} free` };
      if (fullInMs !== undefined && fullInMs < forecastMs) {
        const hours = (fullInMs / 3_600_000).toFixed(1);
        return {
          ...seen,
          status: 'warn',
          message: `${megabytes(free)} free; full in ${hours} h at the pace of the last hours`,
        };
      }
      return { ...seen, status: 'pass', message: `${megabytes(free)} free` };
    },
  };
}

/** ms until nothing is left, by least squares; undefined when it does not shrink or too little is known. */
export function forecast(
  samples: readonly { readonly at: number; readonly free: number }[],
): number | undefined {
  const last = samples.at(-1);
  const first = samples[0];
  if (first === undefined || last === undefined || last.at - first.at < leastHistoryMs) return undefined;
  const meanAt = samples.reduce((sum, one) => sum + one.at, 0) / samples.length;
  const meanFree = samples.reduce((sum, one) => sum + one.free, 0) / samples.length;
  let covariance = 0;
  let variance = 0;
  for (const { at, free } of samples) {
    covariance += (at - meanAt) * (free - meanFree);
    variance += (at - meanAt) ** 2;
  }
  const slope = covariance / variance;
  return slope < 0 ? last.free / -slope : undefined;
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
