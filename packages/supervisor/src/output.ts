import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createLineFramer } from './line-framer.ts';
import type { BlockSink } from './log-files.ts';
import type { Redactor } from './redact.ts';

/** Tells a pump that is busy from one that waits for a child that will not write any more. */
export interface PumpActivity {
  chunks: number;
  written: number;
  writing: boolean;
}

/**
 * Reads a stream to its end into all sinks, block by block. Reading one chunk at a time and waiting for the sinks
 * is the back-pressure: a child that writes faster than the disk takes is held up in its own write.
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
      const wait = sink.write(block);
      if (wait !== undefined) await wait;
    }
    activity.writing = false;
    activity.written += 1;
  };
  try {
    for await (const chunk of stream) {
      activity.chunks += 1;
      await spread(framer.push(chunk as Buffer));
    }
  } catch (error) {
    // Closed by us because something else still holds the child's end of the pipe: what came is kept.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  } finally {
    await spread(framer.end());
  }
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

/** Lines as `name | line` to a stream that may push back, such as process.stdout. */
export function taggedSink(output: Writable, service: string): BlockSink {
  const tag = `${service} | `;
  return {
    async write(block): Promise<void> {
      if (output.destroyed || output.writableEnded) return;
      const text = block.toString('utf8');
      const tagged = tag + text.slice(0, -1).replaceAll('\n', `\n${tag}`) + '\n';
      if (!output.write(tagged)) await drained(output);
    },
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

/** Resolves when all that was written has left the stream, or it is gone, or nothing moves any more. */
export async function flushed(output: Writable, limitMs: number): Promise<void> {
  const gone = output.destroyed || output.writableEnded;
  if (gone || output.writableLength === 0) return;
  const limit = new AbortController();
  const empty = new Promise<void>((resolve) => {
    output.write('', () => {
      resolve();
    });
  });
  await Promise.race([empty, delay(limitMs, undefined, { signal: limit.signal })]);
  limit.abort();
}

/** Until it takes more, or is gone: a reader that goes away must not stop the services. */
function drained(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    const names = ['drain', 'close', 'error', 'finish'] as const;
    const end = (): void => {
      for (const name of names) output.off(name, end);
      resolve();
    };
    for (const name of names) output.on(name, end);
  });
}

function linesOf(block: Buffer): string[] {
  return block.toString('utf8').slice(0, -1).split('\n');
}
