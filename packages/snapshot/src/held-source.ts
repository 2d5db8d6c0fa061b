import { close } from 'node:fs';
import type { PageSource } from './worker-protocol.ts';

/** A source of pages with what must be released after the last read of it. */
export interface HeldSource {
  readonly source: PageSource;
  readonly live: boolean;
  /** Runs `work` and keeps the descriptors open until it is done. */
  use<T>(work: (source: PageSource) => Promise<T>): Promise<T>;
  /** Closes the descriptors and ends the read transaction, after reads that have begun. */
  retire(): Promise<void>;
}

/** `own`: descriptors to be closed; `release`: ends the read transaction. */
export function heldSource(
  source: PageSource,
  own: readonly number[],
  release?: () => Promise<void>,
): HeldSource {
  let reads = 0;
  let idle: (() => void) | undefined;
  let retired: Promise<void> | undefined;

  const use = async <T>(work: (source: PageSource) => Promise<T>): Promise<T> => {
    reads++;
    try {
      return await work(source);
    } finally {
      reads--;
      if (reads === 0) idle?.();
    }
  };
  const end = async (): Promise<void> => {
    if (reads > 0) await new Promise<void>((resolve) => (idle = resolve));
    for (const fd of own) close(fd, () => undefined);
    await release?.();
  };
  return { source, live: release !== undefined, use, retire: () => (retired ??= end()) };
}
