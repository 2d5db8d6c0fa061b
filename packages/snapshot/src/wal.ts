import { closeSync, openSync, readSync } from 'node:fs';

// https://www.sqlite.org/fileformat2.html#the_write_ahead_log
const WAL_HEADER = 32;
const FRAME_HEADER = 24;

/** Which pages of a snapshot stand in the WAL: page number → offset of its content. */
export type Overlay = ReadonlyMap<number, number>;

/** The salts of a WAL, new each time it starts over; undefined for an empty or missing one. */
export function walSalts(wal: string): string | undefined {
  const header = Buffer.alloc(WAL_HEADER);
  let fd: number;
  try {
    fd = openSync(wal, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  // Unlike that of the database, a descriptor of the WAL may be closed: SQLite's locks are not on this file.
  const read = readSync(fd, header, 0, WAL_HEADER, 0);
  closeSync(fd);
  return read < WAL_HEADER ? undefined : header.toString('hex', 16, 24);
}

/** Reads where the newest content of each page is among the first `frames` frames. */
export function readOverlay(wal: string, frames: number, pageSize: number, pages: number): Overlay {
  const overlay = new Map<number, number>();
  const fd = openSync(wal, 'r');
  try {
    const header = Buffer.alloc(WAL_HEADER);
    const frame = Buffer.alloc(FRAME_HEADER);
    readSync(fd, header, 0, WAL_HEADER, 0);
    let size = 0;
    for (let n = 0; n < frames; n++) {
      const offset = WAL_HEADER + n * (FRAME_HEADER + pageSize);
      const read = readSync(fd, frame, 0, FRAME_HEADER, offset);
      if (read < FRAME_HEADER || frame.compare(header, 16, 24, 8, 16) !== 0) {
        throw new Error(`frame ${String(n + 1)} of the write-ahead log is not of this log`);
      }
      overlay.set(frame.readUInt32BE(0), offset + FRAME_HEADER);
      size = frame.readUInt32BE(4);
    }
    if (size !== pages) throw new Error('the last frame of the write-ahead log is not the snapshot’s');
    for (const page of overlay.keys()) if (page > pages) overlay.delete(page);
    return overlay;
  } finally {
    closeSync(fd);
  }
}
