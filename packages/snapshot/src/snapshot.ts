import { randomBytes } from 'node:crypto';
import { close, openSync, unlinkSync, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { heldSource, type HeldSource } from './held-source.ts';
import { readPages } from './pages.ts';
import type { WorkerClient } from './worker-client.ts';
import type { Hashes } from './worker-protocol.ts';

const writeAsync = promisify(write);
/** Bytes that are copied at a time while spooling. */
const SPOOL_CHUNK = 1 << 20;

/** What a snapshot is made of. */
export interface SnapshotParts {
  readonly version: string;
  readonly bytes: number;
  readonly pageSize: number;
  readonly held: HeldSource;
}

/** One state of the database, readable until it is closed. */
export class Snapshot {
  readonly id: string = randomBytes(9).toString('base64url');
  readonly version: string;
  readonly bytes: number;
  readonly pageSize: number;
  readonly bornAt: number = performance.now();
  /** Aborted when the snapshot is given up, also while clients still read it. */
  readonly dropped: AbortController = new AbortController();
  clients = 0;
  #held: HeldSource;
  #hashes: Promise<Hashes> | undefined;

  constructor(parts: SnapshotParts) {
    this.version = parts.version;
    this.bytes = parts.bytes;
    this.pageSize = parts.pageSize;
    this.#held = parts.held;
  }

  /** `"<data version>.<snapshot>"`, a strong entity tag. */
  get etag(): string {
    return `"${this.version}.${this.id}"`;
  }

  /** Whether it keeps a read transaction open. */
  get live(): boolean {
    return this.#held.live;
  }

  get closed(): boolean {
    return this.dropped.signal.aborted;
  }

  /** The descriptor that it reads now. */
  get fd(): number {
    return this.#held.source.fd;
  }

  async read(buffer: Uint8Array, position: number): Promise<void> {
    this.dropped.signal.throwIfAborted();
    await this.#held.use((source) => readPages(source, this.pageSize, buffer, position));
  }

  /** Page hashes and digest, computed once, on a thread that `start` provides. */
  hashes(start: () => WorkerClient): Promise<Hashes> {
    this.#hashes ??= this.#held
      .use(async (source) => {
        const worker = start();
        const stop = (): void => void worker.kill();
        this.dropped.signal.addEventListener('abort', stop, { once: true });
        try {
          this.dropped.signal.throwIfAborted();
          const { bytes, pageSize } = this;
          return await worker.ask<Hashes>({ op: 'hash', source, bytes, pageSize });
        } finally {
          this.dropped.signal.removeEventListener('abort', stop);
          await worker.kill();
        }
      })
      .catch((error: unknown) => {
        this.#hashes = undefined;
        throw error;
      });
    return this.#hashes;
  }

  /**
   * Copies the snapshot to a file without a name and reads from there from now on; the read transaction ends.
   * Clients notice nothing.
   */
  async spool(dir: string): Promise<void> {
    const fd = openUnlinked(dir);
    try {
      const chunk = Buffer.allocUnsafe(SPOOL_CHUNK);
      for (let position = 0; position < this.bytes; position += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, this.bytes - position));
        await this.read(part, position);
        await writeAll(fd, part, position);
      }
      this.dropped.signal.throwIfAborted();
    } catch (error) {
      close(fd, () => undefined);
      throw error;
    }
    const old = this.#held;
    this.#held = heldSource({ fd }, [fd]);
    await old.retire();
  }

  async close(): Promise<void> {
    this.dropped.abort(new Error('the snapshot was given up'));
    await this.#held.retire();
  }
}

/** A file that nobody else sees, and that is gone with its descriptor, also after a crash. */
export function openUnlinked(dir: string): number {
  const path = temporaryPath(dir);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

/** A name for a temporary file. */
export function temporaryPath(dir: string): string {
  return join(dir, `.snapshot-${randomBytes(9).toString('hex')}`);
}

async function writeAll(fd: number, part: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < part.length) {
    const { bytesWritten } = await writeAsync(fd, part, done, part.length - done, position + done);
    done += bytesWritten;
  }
}
