import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { orAborted } from './changes.ts';
import type { ResolvedService } from './options.ts';
import { matchSink } from './output.ts';
import { ask } from './probe.ts';
import type { ProcessSinks, RunningProcess } from './run-process.ts';

/** Made before the process is started, so that not even its first line is missed. */
export interface ReadinessWatch {
  /** Added to the process's other sinks. */
  readonly sinks: ProcessSinks;
  /** Resolves when ready; stays pending when it never is. The signal ends the asking. */
  wait(running: RunningProcess, signal: AbortSignal): Promise<void>;
}

/** How long one question may take. */
const questionMs = 5_000;

/** By the service's `ready`. */
export function watchReadiness(service: ResolvedService): ReadinessWatch {
  const { ready } = service;
  const none: ProcessSinks = { stdout: [], stderr: [] };
  switch (ready.type) {
    case 'started':
      return { sinks: none, wait: () => Promise.resolve() };
    case 'exit':
      return { sinks: none, wait: () => new Promise(() => undefined) };
    case 'log': {
      const found = Promise.withResolvers<void>();
      const pattern =
        typeof ready.pattern === 'string'
          ? new RegExp(ready.pattern)
          : new RegExp(ready.pattern.source, ready.pattern.flags.replace(/[gy]/g, ''));
      const sink = matchSink(pattern, found.resolve);
      return {
        sinks: {
          stdout: ready.stream === 'stderr' ? [] : [sink],
          stderr: ready.stream === 'stdout' ? [] : [sink],
        },
        wait: () => found.promise,
      };
    }
    case 'fd':
      return { sinks: none, wait: (running) => lineOn(running.child.stdio[ready.fd] as Readable) };
    case 'ipc':
      return {
        sinks: none,
        wait: (running) =>
          new Promise((resolve) => {
            running.child.on('message', (message) => {
              if (isDeepStrictEqual(message, ready.message ?? 'ready')) resolve();
            });
          }),
      };
    default:
      return {
        sinks: none,
        async wait(running, signal): Promise<void> {
          for (;;) {
            const question = AbortSignal.any([signal, AbortSignal.timeout(questionMs)]);
            if (await ask(ready, { service: service.name, pid: running.pid, signal: question })) return;
            await delay(service.readyIntervalMs, undefined, { signal });
          }
        },
      };
  }
}

/** `over` is aborted when the process has ended. 0 ms = no limit. */
export async function readyOutcome(
  ready: Promise<void>,
  limitMs: number,
  over: AbortSignal,
): Promise<'ready' | 'late' | 'over'> {
  const decided = new AbortController();
  const signal = AbortSignal.any([over, decided.signal]);
  const limit = (): Promise<'late' | 'over'> =>
    delay(limitMs, 'late' as const, { signal }).catch(() => 'over' as const);
  const isReady = ready.then(() => 'ready' as const);
  try {
    return await orAborted(Promise.race([isReady, ...(limitMs === 0 ? [] : [limit()])]), over);
  } catch {
    return 'over';
  } finally {
    decided.abort();
  }
}

function lineOn(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    // Stays on, so that a child that goes on writing is never held up.
    stream.on('data', (chunk: Buffer) => {
      if (chunk.includes(0x0a)) resolve();
    });
    stream.on('error', () => undefined);
  });
}
