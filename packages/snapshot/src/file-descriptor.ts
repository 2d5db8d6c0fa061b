import { closeSync, fstatSync, openSync } from 'node:fs';
import type { FileIdentity } from './worker-protocol.ts';

/**
 * A descriptor of the database file that is never closed while the file exists.
 *
 * POSIX locks belong to process and file: closing any descriptor of a file drops all locks that the process has on it, also
 * those of SQLite's connections (https://www.sqlite.org/howtocorrupt.html, section 2.2). So each handler has one
 * descriptor for as long as the process lives, and closes only those of files that have been deleted.
 */
export interface DatabaseDescriptors {
  /** The descriptor of the file that is at the path now, if it is the one meant. */
  open(file: string, identity: FileIdentity): number | undefined;
}

/** One set of descriptors. */
export function databaseDescriptors(inUse: (fd: number) => boolean): DatabaseDescriptors {
  const known: { readonly identity: FileIdentity; readonly fd: number }[] = [];
  return {
    open(file, identity) {
      for (const [index, { fd }] of [...known.entries()].reverse()) {
        if (fstatSync(fd).nlink > 0 || inUse(fd)) continue;
        known.splice(index, 1);
        closeSync(fd);
      }
      const is = (a: FileIdentity): boolean => a.dev === identity.dev && a.ino === identity.ino;
      const found = known.find((each) => is(each.identity));
      if (found !== undefined) return found.fd;
      const fd = openSync(file, 'r');
      const { dev, ino } = fstatSync(fd, { bigint: true });
      known.push({ identity: { dev, ino }, fd });
      return is({ dev, ino }) ? fd : undefined;
    },
  };
}
