import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ContainerError, messageOf } from './errors.ts';

/** The folder that holds everything that survives a restart. */
export interface DataDir {
  readonly root: string;
  /** Of the supervisor and the children. */
  readonly logDir: string;
  /** Of the proxy and the snapshots. */
  readonly stateDir: string;
  /** Lets the next process have the folder. */
  close(): void;
}

/**
 * Makes the folder, sees that it can be written, and keeps a second system off it: two engines on one file, or
 * a file moved aside under the other's feet, would do harm.
 *
 * @throws {@link ContainerError} CONFIGURATION
 */
export function openDataDir(root: string): DataDir {
  const stateDir = join(root, 'state');
  const logDir = join(root, 'logs');
  try {
    makeFolder(root, 0o700);
    makeFolder(stateDir, 0o700);
    makeFolder(logDir, 0o700);
    const probe = join(stateDir, '.probe');
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    const user = process.getuid?.();
    throw new ContainerError(
      'CONFIGURATION',
      `DATA_DIR: ${root} cannot be written${user === undefined ? '' : ` by user ${user}`} (${messageOf(error)}); ` +
        `give the folder to that user (chown -R ${user ?? 'USER'} ${root}), or set another one`,
      { cause: error },
    );
  }
  const lock = lockDir(root, join(stateDir, 'lock.sqlite'));
  return { root, logDir, stateDir, close: () => lock.close() };
}

/** Not mkdirSync with `recursive`: under a folder that takes none, as /proc, Node 26 tries that one for ever. */
function makeFolder(path: string, mode?: number): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path, mode);
}

/**
 * Node has no flock(2), SQLite has locks that end with the process, however it ends. The transaction stays
 * open and writes nothing.
 */
function lockDir(root: string, file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    throw new ContainerError(
      'CONFIGURATION',
      `DATA_DIR: ${root} is in use by another datasette-stripe; stop that one, or set another folder`,
      { cause: error },
    );
  }
}
