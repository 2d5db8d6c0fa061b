import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResolvedOptions } from './resolve-options.ts';
import { temporaryPath } from './snapshot.ts';

/** The page hashes of a snapshot that a client may still have. */
export interface Manifest {
  readonly etag: string;
  readonly pageSize: number;
  readonly pages: Uint8Array;
}

/** Remembers manifests, in memory or in a folder. */
export interface Manifests {
  remember(manifest: Manifest): Promise<void>;
  find(etag: string): Promise<Manifest | undefined>;
}

/** Keeps the newest `deltaHistory` manifests. */
export function createManifests({ stateDir, deltaHistory, logger }: ResolvedOptions): Manifests {
  return stateDir === undefined ? inMemory(deltaHistory) : inFolder(stateDir, deltaHistory, logger);
}

function inMemory(limit: number): Manifests {
  const known = new Map<string, Manifest>();
  return {
    remember: (manifest) => {
      known.delete(manifest.etag);
      known.set(manifest.etag, manifest);
      for (const etag of known.keys()) if (known.size > limit) known.delete(etag);
      return Promise.resolve();
    },
    find: (etag) => Promise.resolve(known.get(etag)),
  };
}

const SUFFIX = '.pages';

function inFolder(dir: string, limit: number, logger: ResolvedOptions['logger']): Manifests {
  // The snapshot's part of the tag is random and safe in a file name; the tag inside is compared as a whole.
  const path = (etag: string): string | undefined => {
    const id = /\.([\w-]+)"$/.exec(etag)?.[1];
    return id === undefined ? undefined : join(dir, `snapshot-${id}${SUFFIX}`);
  };

  const forget = async (): Promise<void> => {
    const names = (await readdir(dir)).filter(
      (name) => name.startsWith('snapshot-') && name.endsWith(SUFFIX),
    );
    const aged = await Promise.all(
      names.map(async (name) => ({ name, at: (await stat(join(dir, name))).mtimeMs })),
    );
    aged.sort((a, b) => b.at - a.at);
    await Promise.all(aged.slice(limit).map(({ name }) => rm(join(dir, name), { force: true })));
  };

  return {
    remember: async ({ etag, pageSize, pages }) => {
      const file = path(etag);
      if (file === undefined) return;
      try {
        await mkdir(dir, { recursive: true });
        const temporary = temporaryPath(dir);
        await writeFile(
          temporary,
          Buffer.concat([Buffer.from(`${JSON.stringify({ etag, pageSize })}\n`), pages]),
          {
            mode: 0o600,
          },
        );
        await rename(temporary, file);
        await forget();
      } catch (error) {
        // The client gets its answer; its next question will be answered with the whole file.
        logger.warn({ err: error, dir }, 'snapshot: could not remember page hashes');
      }
    },
    find: async (etag) => {
      const file = path(etag);
      const content = file === undefined ? undefined : await readFile(file).catch(() => undefined);
      const end = content?.indexOf('\n') ?? -1;
      if (content === undefined || end < 0) return undefined;
      const head = JSON.parse(content.toString('utf8', 0, end)) as { etag: string; pageSize: number };
      return head.etag === etag ? { ...head, pages: content.subarray(end + 1) } : undefined;
    },
  };
}
