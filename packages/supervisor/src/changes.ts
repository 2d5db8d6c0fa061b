/** Lets many wait for a condition that depends on state; `notify` has them look again. */
export interface Changes {
  notify(): void;
  /** Rejects with the signal's reason. */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void>;
}

/** One per supervisor. */
export function createChanges(): Changes {
  const waiting = new Set<() => void>();
  return {
    notify(): void {
      for (const look of [...waiting]) look();
    },
    until(condition, signal): Promise<void> {
      return new Promise((resolve, reject) => {
        const end = (settle: () => void): void => {
          waiting.delete(look);
          signal?.removeEventListener('abort', onAbort);
          settle();
        };
        const look = (): void => {
          if (condition()) end(resolve);
        };
        const onAbort = (): void => {
          end(() => {
            reject(signal?.reason as Error);
          });
        };
        if (signal?.aborted === true) {
          onAbort();
          return;
        }
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.add(look);
        look();
      });
    },
  };
}

/** The work's result, or a rejection with the signal's reason as soon as it is aborted. */
export async function orAborted<T>(work: Promise<T> | T, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    aborted.reject(signal.reason as Error);
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
