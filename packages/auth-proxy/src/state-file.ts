import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { AuthProxyError } from './errors.ts';

/** One JSON file of mode 0600 that is written some time after a change, never half. */
export interface StateFile {
  /** What the file held at the start; undefined when there was none or it was damaged. */
  readonly initial: unknown;
  /** Something changed: write within `delayMs`. */
  changed(): void;
  /** Write now, if anything changed. False when that failed (a full disk): the next change tries again. */
  flush(): boolean;
  /** Flush and stop. */
  close(): void;
}

/**
 * Opens a state file. Without a folder nothing is kept. Guesses come by the thousand, so writes are put
 * together: at most one per `delayMs`.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_STATE_UNREADABLE`
 */
export function openStateFile(
  dir: string | undefined,
  name: string,
  snapshot: () => unknown,
  delayMs = 5_000,
): StateFile {
  if (dir === undefined) {
    return { initial: undefined, changed: () => {}, flush: () => true, close: () => {} };
  }
  const file = join(dir, name);
  const initial = readState(dir, file);
  let dirty = false;
  let timer: NodeJS.Timeout | undefined;

  const flush = (): boolean => {
    clearTimeout(timer);
    timer = undefined;
    if (!dirty) return true;
    try {
      writeAtomically(file, JSON.stringify(snapshot()));
      dirty = false;
      return true;
    } catch {
      // Nobody is locked out because a disk is full.
      return false;
    }
  };
  return {
    initial,
    changed: () => {
      dirty = true;
      timer ??= setTimeout(flush, delayMs).unref();
    },
    flush,
    close: () => void flush(),
  };
}

function readState(dir: string, file: string): unknown {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.W_OK);
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch (error) {
    // No file yet, or one that a disk fault damaged: start anew. Anything else its owner must see.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new AuthProxyError(
      'AUTH_PROXY_STATE_UNREADABLE',
      `Cannot use ${file}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** Writes beside the file, syncs and renames, so that a crash leaves the old or the new state, never half. */
export function writeAtomically(file: string, text: string): void {
  const beside = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const fd = openSync(beside, 'wx', 0o600);
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, file);
  } catch (error) {
    throw new AuthProxyError(
      'AUTH_PROXY_STATE_UNREADABLE',
      `Cannot write ${file}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}
