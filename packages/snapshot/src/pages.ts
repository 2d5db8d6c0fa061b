import { read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import type { PageSource } from './worker-protocol.ts';

const readAsync = promisify(read);

/** A piece of the snapshot to be read over what the file has. */
interface Patch {
  readonly at: number;
  readonly length: number;
  readonly from: number;
}

function* patches(source: PageSource, pageSize: number, position: number, length: number): Generator<Patch> {
  if (source.overlay === undefined) return;
  const end = position + length;
  for (let page = Math.floor(position / pageSize); page * pageSize < end; page++) {
    const offset = source.overlay.get(page + 1);
    if (offset === undefined) continue;
    const first = Math.max(position, page * pageSize);
    const last = Math.min(end, (page + 1) * pageSize);
    yield { at: first - position, length: last - first, from: offset + (first - page * pageSize) };
  }
}

/**
 * Bytes 18 and 19 say how the file is written and read: 2 is WAL, 1 a rollback journal. A copy without its WAL is a plain
 * file, that also a reader of a read-only folder can open.
 */
function patchHeader(buffer: Uint8Array, position: number): void {
  for (const byte of [18, 19]) {
    const at = byte - position;
    if (at >= 0 && at < buffer.length && buffer[at] === 2) buffer[at] = 1;
  }
}

function short(position: number): Error {
  return new Error(`the database file ends before byte ${String(position)}: it was cut off or overwritten`);
}

/** Fills `buffer` with the snapshot's bytes from `position` on. */
export async function readPages(
  source: PageSource,
  pageSize: number,
  buffer: Uint8Array,
  position: number,
): Promise<void> {
  await fill(source.fd, buffer, position, source.overlay !== undefined);
  for (const { at, length, from } of patches(source, pageSize, position, buffer.length)) {
    if (source.walFd === undefined) throw new Error('no descriptor of the write-ahead log');
    await fill(source.walFd, buffer.subarray(at, at + length), from, false);
  }
  patchHeader(buffer, position);
}

/** With an overlay the file may end early: its last pages may stand in the WAL only. */
async function fill(fd: number, buffer: Uint8Array, position: number, mayEnd: boolean): Promise<void> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await readAsync(fd, buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) {
      if (mayEnd) return;
      throw short(position + done);
    }
    done += bytesRead;
  }
}

/** The same at once, for worker threads. */
export function readPagesSync(
  source: PageSource,
  pageSize: number,
  buffer: Uint8Array,
  position: number,
): void {
  const fillSync = (fd: number, target: Uint8Array, from: number, mayEnd: boolean): void => {
    let done = 0;
    while (done < target.length) {
      const bytesRead = readSync(fd, target, done, target.length - done, from + done);
      if (bytesRead === 0) {
        if (mayEnd) return;
        throw short(from + done);
      }
      done += bytesRead;
    }
  };
  fillSync(source.fd, buffer, position, source.overlay !== undefined);
  for (const { at, length, from } of patches(source, pageSize, position, buffer.length)) {
    if (source.walFd === undefined) throw new Error('no descriptor of the write-ahead log');
    fillSync(source.walFd, buffer.subarray(at, at + length), from, false);
  }
  patchHeader(buffer, position);
}
