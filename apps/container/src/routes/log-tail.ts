import { open, stat, type FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { queryOf, reply, type Handler } from './reply.ts';

const tailBytes = 256 * 1024;
const chunkBytes = 64 * 1024;

/** What {@link logTailHandler} needs. */
export interface LogTailOptions {
  /** The newest of a set of rotating files; may not be there yet. */
  readonly file: string;
  /** How often a followed file is looked at, ms. */
  readonly pollMs: number;
  /** Ends followers, which would hold up the stop otherwise. */
  readonly signal: AbortSignal;
}

/** The newest part of a log, from the beginning of a line; with `?follow=1` also what comes, as it comes. */
export function logTailHandler({ file, pollMs, signal }: LogTailOptions): Handler {
  return (request, response) => {
    const follow = queryOf(request).get('follow') === '1' && request.method !== 'HEAD';
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const stop = AbortSignal.any([signal, gone.signal]);
    void send(response, file, follow ? { pollMs, stop } : undefined).catch(() => response.destroy());
  };
}

async function send(
  response: ServerResponse,
  file: string,
  follow: { readonly pollMs: number; readonly stop: AbortSignal } | undefined,
): Promise<void> {
  let source = await openIfThere(file);
  try {
    let position = source === undefined ? 0 : Math.max(0, (await source.stat()).size - tailBytes);
    if (follow === undefined) {
      const text = source === undefined ? '' : await readRest(source, position);
      reply(response, 200, 'text/plain; charset=utf-8', fromLineStart(text, position));
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx and its like hold an answer back until it is complete otherwise.
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    let skipToLine = position > 0;
    while (!follow.stop.aborted) {
      const chunk = source === undefined ? Buffer.alloc(0) : await readChunk(source, position);
      position += chunk.length;
      if (chunk.length > 0) {
        const part = skipToLine ? chunk.subarray(chunk.indexOf(0x0a) + 1) : chunk;
        skipToLine = false;
        if (!response.write(part)) await drained(response, follow.stop);
        continue;
      }
      // Rotated away: the new file is read from its beginning, after what came to the old one until then.
      if (await isOther(source, file)) {
        if (source !== undefined && (await source.stat()).size > position) continue;
        await source?.close();
        source = await openIfThere(file);
        position = 0;
        if (source !== undefined) continue;
      }
      await delay(follow.pollMs, undefined, { signal: follow.stop }).catch(() => undefined);
    }
    response.end();
  } finally {
    await source?.close();
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch {
    return undefined;
  }
}

async function isOther(source: FileHandle | undefined, file: string): Promise<boolean> {
  const current = await stat(file).catch(() => undefined);
  if (current === undefined) return false;
  return source === undefined || (await source.stat()).ino !== current.ino;
}

async function readChunk(source: FileHandle, position: number): Promise<Buffer> {
  const { bytesRead, buffer } = await source.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
  return buffer.subarray(0, bytesRead);
}

async function readRest(source: FileHandle, from: number): Promise<string> {
  const parts: Buffer[] = [];
  for (let position = from; ;) {
    const chunk = await readChunk(source, position);
    if (chunk.length === 0) return Buffer.concat(parts).toString();
    parts.push(chunk);
    position += chunk.length;
  }
}

/** Without the rest of a line that began before `position`. */
function fromLineStart(text: string, position: number): string {
  return position === 0 ? text : text.slice(text.indexOf('\n') + 1);
}

function drained(response: ServerResponse, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const end = (): void => {
      response.off('drain', end);
      stop.removeEventListener('abort', end);
      resolve();
    };
    response.once('drain', end);
    stop.addEventListener('abort', end, { once: true });
  });
}
