import type { FileHandle } from 'node:fs/promises';
import { SnapshotError } from './errors.ts';
import type { PullResult } from './options.ts';

/** What a pull has brought, with the SHA-256 (base64) of the whole file. */
export type Fetched = PullResult & { readonly sha256: string };

/** Whether the network failed, and not the disk. */
export function isTransfer(error: unknown): boolean {
  if (error instanceof SnapshotError) return false;
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall === undefined || syscall === 'read' || syscall === 'connect';
}

/** One line for what broke a transfer. */
export function transferError(url: string, cause: unknown): SnapshotError {
  return new SnapshotError('SNAPSHOT_HTTP', `The transfer from ${new URL(url).origin} broke off`, { cause });
}

/** Just before a disk is full, `write` takes a part and says so: the rest must be written or fail. */
export async function writeAll(out: FileHandle, part: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < part.length;) {
    const { bytesWritten } = await out.write(part, done, part.length - done, position + done);
    done += bytesWritten;
  }
}
