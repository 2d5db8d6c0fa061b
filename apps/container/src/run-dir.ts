import { chmodSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder of mode 0700 for one run: Datasette's socket and what must not outlive the process. Not in the data
 * folder: its path may be longer than a socket's may be, and some mounted file systems have no sockets.
 */
export interface RunDir {
  readonly root: string;
  /** A path inside the folder. */
  path(name: string): string;
  close(): void;
}

/** Makes the folder. `close` removes it with all that is in it. */
export function openRunDir(): RunDir {
  const root = mkdtempSync(join(tmpdir(), 'datasette-stripe-'));
  return {
    root,
    path: (name) => join(root, name),
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}

/**
 * Leaves a socket of mode 0600 behind that nobody listens on. uvicorn, which would make a socket that everybody may
 * write to, takes over the mode of one that it finds.
 */
export async function leaveSocket(path: string): Promise<void> {
  const making = `${path}.new`;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(making, resolve);
  });
  chmodSync(making, 0o600);
  // Renamed, so that closing the server does not remove it.
  renameSync(making, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
