import { mkdirSync } from 'node:fs';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SupervisorError } from './errors.ts';
import type { LogFileOptions } from './types.ts';

/** Lines may pile up to this while the disk is busy; then the child is slowed down. */
const maxQueuedBytes = 1024 * 1024;

/** Takes blocks of whole lines; a promise asks the caller to wait. */
export interface BlockSink {
  write(block: Buffer): void | Promise<void>;
}

/** One service's log. */
export interface LogFile extends BlockSink {
  /** Resolves when every line is in the file. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** All log files of a supervisor. */
export interface LogFiles {
  open(service: string): LogFile;
}

/**
 * Files `DIR/SERVICE.log`, rotated to `.1`, `.2` …
 * `onLost` hears of lines that could not be written (disk full): logging must never stop a service.
 * @throws {@link SupervisorError} OPTIONS
 */
export function createLogFiles(
  directory: string,
  options: Required<LogFileOptions>,
  serviceCount: () => number,
  onLost: (service: string, bytes: number, error: unknown) => void,
): LogFiles {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const fault = `logDir: ${directory} cannot be made: ${why}`;
    throw new SupervisorError('OPTIONS', fault, { cause: error, faults: [fault] });
  }
  // The files being written take at most half, so that the sum holds whenever rotated ones are pruned.
  const maxBytes = (): number =>
    Math.max(1024, Math.min(options.maxBytes, Math.floor(options.maxTotalBytes / (2 * serviceCount()))));

  /** Removes the oldest rotated files, so that the rest and full current ones fit. */
  const prune = async (): Promise<void> => {
    const allowed = options.maxTotalBytes - maxBytes() * serviceCount();
    const names = (await readdir(directory)).filter((name) => /^[\w-]+\.log\.\d+$/.test(name));
    const files = await Promise.all(
      names
        .sort((a, b) => turnOf(a) - turnOf(b))
        .map(async (name) => ({ name, ...(await sizeAndTime(join(directory, name))) })),
    );
    // Among the files of one service the number tells the age, whatever the clock said when they were written.
    const newer = new Map<string, number>();
    const aged = files.map((file) => {
      const service = file.name.slice(0, file.name.lastIndexOf('.'));
      const time = Math.min(file.time, newer.get(service) ?? file.time);
      newer.set(service, time);
      return { ...file, time };
    });
    let sum = 0;
    for (const file of aged.sort((a, b) => b.time - a.time)) {
      sum += file.size;
      if (sum > allowed) await rm(join(directory, file.name), { force: true });
    }
  };

  return {
    open: (service) =>
      openLogFile(join(directory, `${service}.log`), options, maxBytes, prune, (bytes, error) => {
        onLost(service, bytes, error);
      }),
  };
}

function openLogFile(
  path: string,
  options: Required<LogFileOptions>,
  maxBytes: () => number,
  prune: () => Promise<void>,
  onLost: (bytes: number, error: unknown) => void,
): LogFile {
  let file: FileHandle | undefined;
  let size = 0;
  let bornAt = 0;
  let queue: Buffer[] = [];
  let queuedBytes = 0;
  let writing: Promise<void> | undefined;

  const opened = async (): Promise<FileHandle> => {
    if (file !== undefined) return file;
    const handle = await open(path, 'a', 0o640);
    const { size: existing, birthtimeMs, mtimeMs } = await handle.stat();
    size = existing;
    bornAt = existing === 0 ? Date.now() : birthtimeMs > 0 ? birthtimeMs : mtimeMs;
    file = handle;
    return handle;
  };

  const shut = async (): Promise<void> => {
    const handle = file;
    file = undefined;
    await handle?.close();
  };

  const rotate = async (): Promise<void> => {
    await shut();
    if (options.maxFiles === 0) await rm(path, { force: true });
    else {
      await rm(`${path}.${options.maxFiles}`, { force: true });
      for (let index = options.maxFiles - 1; index >= 0; index -= 1) {
        await renameIfThere(index === 0 ? path : `${path}.${index}`, `${path}.${index + 1}`);
      }
    }
    await prune();
  };

  const put = async (block: Buffer): Promise<void> => {
    let rest = block;
    while (rest.length > 0) {
      let handle = await opened();
      const limit = maxBytes();
      const old = options.maxAgeMs > 0 && Date.now() - bornAt >= options.maxAgeMs;
      if (size > 0 && (old || size + firstLine(rest) > limit)) {
        await rotate();
        handle = await opened();
      }
      const part = rest.subarray(0, wholeLines(rest, limit - size));
      await writeAll(handle, part, (bytes) => (size += bytes));
      rest = rest.subarray(part.length);
    }
  };

  const drain = async (): Promise<void> => {
    while (queue.length > 0) {
      const [only] = queue;
      const block = queue.length === 1 && only !== undefined ? only : Buffer.concat(queue);
      queue = [];
      queuedBytes = 0;
      try {
        await put(block);
      } catch (error) {
        onLost(block.length, error);
        // The next write opens it anew: the directory may have come back, the disk may have room.
        await shut().catch(() => undefined);
      }
    }
    writing = undefined;
  };

  const flush = async (): Promise<void> => {
    while (writing !== undefined) await writing;
  };

  return {
    write(block): void | Promise<void> {
      queue.push(block);
      queuedBytes += block.length;
      writing ??= drain();
      return queuedBytes > maxQueuedBytes ? writing : undefined;
    },
    flush,
    async close(): Promise<void> {
      await flush();
      await shut();
    },
  };
}

async function writeAll(handle: FileHandle, data: Buffer, wrote: (bytes: number) => void): Promise<void> {
  for (let at = 0; at < data.length;) {
    const { bytesWritten } = await handle.write(data, at);
    wrote(bytesWritten);
    at += bytesWritten;
  }
}

function firstLine(data: Buffer): number {
  const end = data.indexOf(0x0a);
  return end < 0 ? data.length : end + 1;
}

/** Bytes of the whole lines that fit into `room`, at least one line. */
function wholeLines(data: Buffer, room: number): number {
  if (data.length <= room) return data.length;
  const end = room > 0 ? data.lastIndexOf(0x0a, room - 1) : -1;
  return end < 0 ? firstLine(data) : end + 1;
}

/** The number at the end of a rotated file's name. */
function turnOf(name: string): number {
  return Number(name.slice(name.lastIndexOf('.') + 1));
}

async function sizeAndTime(path: string): Promise<{ size: number; time: number }> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { size, time: mtimeMs };
  } catch {
    return { size: 0, time: 0 };
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
