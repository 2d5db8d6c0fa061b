import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SnapshotError } from './errors.ts';
import type { Fetched } from './transfer.ts';

/** A temporary file that nothing was written to for so long was left behind by a pull that was killed. */
const LEFT_BEHIND_MS = 15 * 60_000;

/** What is known of the local copy, in `<file>.snapshot.json` beside it. */
export interface Sidecar {
  readonly url: string;
  readonly etag: string;
  /** Size, time and SHA-256 (base64) of the copy as it was fetched: anything else is not what the tag says. */
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly sha256: string;
}

const sidecarPath = (target: string): string => `${target}.snapshot.json`;

/** What the copy is, if it is as it was fetched from this address. */
export async function readSidecar(target: string, url: string): Promise<Sidecar | undefined> {
  const there = await stat(target).catch(() => undefined);
  const text = await readFile(sidecarPath(target), 'utf8').catch(() => undefined);
  if (there === undefined || text === undefined) return undefined;
  const sidecar = parse(text);
  if (sidecar?.url !== url || sidecar.etag === '' || there.size !== sidecar.bytes) return undefined;
  if (there.mtimeMs === sidecar.mtimeMs) return sidecar;
  // Another time alone: it may have been copied from elsewhere, with what is known of it.
  return (await sha256Of(createReadStream(target))) === sidecar.sha256 ? sidecar : undefined;
}

function parse(text: string): Sidecar | undefined {
  try {
    return JSON.parse(text) as Sidecar;
  } catch {
    return undefined;
  }
}

/** Puts what was fetched in its place, and what is known of it beside it. */
export async function replaceCopy(
  target: string,
  temporary: string,
  url: string,
  { etag, bytes, sha256 }: Fetched,
): Promise<void> {
  const { mtimeMs } = await stat(temporary);
  await rename(temporary, target);
  const sidecar: Sidecar = { url, etag, bytes, mtimeMs, sha256 };
  await writeFile(`${temporary}.json`, `${JSON.stringify(sidecar)}\n`);
  await rename(`${temporary}.json`, sidecarPath(target));
}

/**
 * A name beside the copy for what is being fetched, that tells whose it is. What killed pulls have left is removed.
 *
 * @throws SnapshotError SNAPSHOT_BUSY: another process is at it
 */
export async function temporaryBeside(target: string): Promise<string> {
  const dir = dirname(target);
  const prefix = `${basename(target)}.pull-`;
  for (const name of await readdir(dir).catch(() => [])) {
    if (!name.startsWith(prefix)) continue;
    const written = (await stat(join(dir, name)).catch(() => undefined))?.mtimeMs ?? 0;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (Date.now() - written > LEFT_BEHIND_MS) await rm(join(dir, name), { force: true });
    else if (pid !== process.pid && isRunning(pid)) {
      throw new SnapshotError('SNAPSHOT_BUSY', `Process ${String(pid)} is fetching ${target} already`);
    }
  }
  return join(dir, `${prefix}${String(process.pid)}-${randomBytes(6).toString('hex')}`);
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A journal beside the file would be applied to the new one by the next who opens it. */
export async function refuseWritten(target: string): Promise<void> {
  for (const suffix of ['-wal', '-journal']) {
    const size = (await stat(target + suffix).catch(() => undefined))?.size ?? 0;
    if (size > 0) {
      const what = `${target}${suffix} holds changes made here: the copy is for reading; remove both files to start again`;
      throw new SnapshotError('SNAPSHOT_DESTINATION_EXISTS', what);
    }
  }
}

/** The SHA-256 of a stream, base64. */
export async function sha256Of(stream: AsyncIterable<unknown>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('base64');
}

/** A page of HTML, such as a sign-in page, must not take the place of a database. */
export async function requireDatabase(file: FileHandle, url: string): Promise<void> {
  const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
  if (buffer.toString('latin1') !== 'SQLite format 3\0') {
    throw new SnapshotError(
      'SNAPSHOT_SOURCE_INVALID',
      `What ${new URL(url).origin} answers is not a SQLite database: is the address right?`,
    );
  }
}
