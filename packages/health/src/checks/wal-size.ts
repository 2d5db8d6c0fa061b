import { stat } from 'node:fs/promises';
import type { Check, CheckResult, WalSizeOptions } from '../types.ts';
import { timing } from './timing.ts';

/** Size of the write-ahead log: it grows without end when a reader never lets go. */
export function walSize(options: WalSizeOptions): Check {
  const warnBytes = options.warnBytes ?? 256 * 1024 ** 2;
  return {
    ...timing(options, { intervalMs: 10_000, timeoutMs: 5_000 }),
    componentType: 'datastore',
    async run(): Promise<CheckResult> {
      const size = await sizeOf(`${options.file}-wal`);
      const over = (limit: number | undefined): boolean => limit !== undefined && size > limit;
      const status = over(options.failBytes) ? 'fail' : over(warnBytes) ? 'warn' : 'pass';
      return {
        status,
        observed: size,
        unit: 'bytes',
        metrics: [{ name: 'wal_bytes', help: 'Size of the write-ahead log', type: 'gauge', value: size }],
        ...(status === 'pass'
          ? {}
          : {
              message: `The write-ahead log has ${Math.round(size / 1024 ** 2)} MiB: a reader holds it back`,
            }),
      };
    },
  };
}

/** No such file is an empty log. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
