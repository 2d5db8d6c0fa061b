import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createLineFramer } from './line-framer.ts';
import type { BlockSink } from './log-files.ts';
import type { ResolvedService } from './options.ts';
import type { Redactor } from './redact.ts';
import type { ProcessSinks } from './run-process.ts';

/** Tells a pump that is busy from one that waits for a child that will not write any more. */
export interface PumpActivity {
  chunks: number;
  written: number;
  writing: boolean;
}

/**
 * Reads a stream to its end into all sinks, block by block. Reading one chunk at a time and waiting for the sinks
 * is the back-pressure: a child that writes faster than the disk takes is held up in its own write. Never rejects:
 * a sink that throws loses that block and is given the next, as its failure must not stop the service.
 */
export async function pumpLines(
  stream: Readable,
  redactor: Redactor | undefined,
  sinks: readonly BlockSink[],
  activity: PumpActivity = { chunks: 0, written: 0, writing: false },
): Promise<void> {
  const framer = createLineFramer(redactor);
  const spread = async (block: Buffer | undefined): Promise<void> => {
    if (block === undefined) return;
    activity.writing = true;
    for (const sink of sinks) {
      try {
        const wait = sink.write(block);
        if (wait !== undefined) await wait;
      } catch {
        // It may take the next one: a full disk gets room again.
      }
    }
    activity.writing = false;
    activity.written += 1;
  };
  try {
    for await (const chunk of stream) {
      activity.chunks += 1;
      await spread(framer.push(chunk as Buffer));
    }
  } catch {
    // Closed by us because something else still holds the child's end of the pipe, or broken: what came is kept.
  }
  await spread(framer.end());
}

/** Lines to pino, as `{service, stream}` and the line as message. */
export function loggerSink(logger: Logger, service: string, stream: 'stdout' | 'stderr'): BlockSink {
  const child = logger.child({ service, stream });
  return {
    write(block): void {
      if (!child.isLevelEnabled('info')) return;
      for (const line of linesOf(block)) child.info(line);
    },
  };
}

/** A stream that all services share, each line tagged by its service. */
export interface TaggedOutput {
  sink(service: string): BlockSink;
  /** For the end: resolves when all that was written has left the stream, or it is gone, or the time is over. */
  flush(limitMs: number): Promise<void>;
}

/** Lines as `name | line` to a stream that may push back, such as process.stdout. */
export function createTaggedOutput(output: Writable, logger: Logger): TaggedOutput {
  let failed = false;
  // Without a listener a reader that goes away (EPIPE) would end the program, and all services with it.
  const onError = (error: unknown): void => {
    if (!failed)
      logger.warn({ err: error }, "The output cannot be written: the services' lines are lost there");
    failed = true;
  };
  output.on('error', onError);
  /** One for all who wait, so that many services do not add many listeners. */
  let draining: Promise<void> | undefined;
  const gone = (): boolean => output.destroyed || output.writableEnded;
  const drained = (): Promise<void> => {
    draining ??= new Promise<void>((resolve) => {
      // A reader that goes away must not stop the services.
      const names = ['drain', 'close', 'error', 'finish'] as const;
      const end = (): void => {
        for (const name of names) output.off(name, end);
        draining = undefined;
        resolve();
      };
      for (const name of names) output.on(name, end);
    });
    return draining;
  };

  return {
    sink(service): BlockSink {
      const tag = `${service} | `;
      return {
        async write(block): Promise<void> {
          while (output.writableNeedDrain && !gone()) await drained();
          if (gone()) return;
          const text = block.toString('utf8');
          output.write(tag + text.slice(0, -1).replaceAll('\n', `\n${tag}`) + '\n');
        },
      };
    },
    async flush(limitMs): Promise<void> {
      if (!gone() && output.writableLength > 0) {
        const limit = new AbortController();
        const empty = new Promise<void>((resolve) => {
          output.write('', () => {
            resolve();
          });
        });
        await Promise.race([empty, delay(limitMs, undefined, { signal: limit.signal })]);
        limit.abort();
      }
      output.off('error', onError);
    },
  };
}

/** Where a service's output goes, by its choice. */
export function serviceSinks(
  service: ResolvedService,
  to: { readonly logger: Logger; readonly output: TaggedOutput | undefined },
  logFile: BlockSink | undefined,
  extra: ProcessSinks,
): ProcessSinks {
  const { name, output } = service;
  const shared = logFile === undefined ? [] : [logFile];
  const logged = (from: 'stdout' | 'stderr'): BlockSink[] => {
    if (output !== 'both' && output !== 'log') return [];
    return [to.output?.sink(name) ?? loggerSink(to.logger, name, from)];
  };
  return {
    stdout: [...shared, ...logged('stdout'), ...extra.stdout],
    stderr: [...shared, ...logged('stderr'), ...extra.stderr],
  };
}

/** Calls back once, at the first line that matches: readiness by a log line. */
export function matchSink(pattern: RegExp, onMatch: () => void): BlockSink {
  let waiting = true;
  return {
    write(block): void {
      if (!waiting || !linesOf(block).some((line) => pattern.test(line))) return;
      waiting = false;
      onMatch();
    },
  };
}

function linesOf(block: Buffer): string[] {
  return block.toString('utf8').slice(0, -1).split('\n');
}
