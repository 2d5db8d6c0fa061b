import { stat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { acquireSnapshot } from './acquire.ts';
import { databaseDescriptors } from './file-descriptor.ts';
import type { ResolvedOptions } from './resolve-options.ts';
import type { Snapshot } from './snapshot.ts';
import { startWorker } from './worker-client.ts';

/** How often the size of the write-ahead log is looked at while snapshots hold it. */
const WAL_CHECK_MS = 250;

/** A snapshot in use; `release` once, when done. */
export interface Lease {
  readonly snapshot: Snapshot;
  release(): void;
}

/** The snapshots that are kept, and new ones. */
export interface SnapshotStore {
  /** The version of the data now; undefined when it is not known. */
  version(): Promise<string | undefined>;
  /** A snapshot that is as new as the options ask for. */
  lease(version: string | undefined): Promise<Lease>;
  /** The snapshot with this entity tag, while it is kept. */
  leaseByTag(etag: string): Lease | undefined;
  /** A kept snapshot of this version, without a lease. */
  peek(version: string | undefined): Snapshot | undefined;
  /** Bytes that a snapshot would have now. */
  size(): Promise<number>;
  all(): readonly Snapshot[];
  close(): Promise<void>;
}

/** Keeps the snapshots of one file. */
export function createStore(
  options: ResolvedOptions,
  start: typeof startWorker = startWorker,
): SnapshotStore {
  const { file, tempDir, acquireMs, logger } = options;
  /** Without the thread nothing protects the pages of live snapshots: they are given up, and a new thread begins. */
  const onFailure = (error: Error): void => {
    logger.error({ err: error }, 'snapshot: the worker failed, a new one is started');
    for (const snapshot of snapshots.filter((each) => each.live)) void drop(snapshot);
    if (!closed) worker = start(onFailure);
  };
  let worker = start(onFailure);
  const boot = randomBytes(6).toString('hex');
  let snapshots: Snapshot[] = [];
  let acquiring: { readonly version: string | undefined; readonly promise: Promise<Snapshot> } | undefined;
  let walBase = 0;
  let watch: NodeJS.Timeout | undefined;
  let closed = false;
  const timers = new Map<Snapshot, NodeJS.Timeout>();
  const spooling = new Set<Snapshot>();
  const inodes = new WeakMap<Snapshot, bigint>();
  const descriptors = databaseDescriptors((fd) => snapshots.some((each) => each.fd === fd));

  const version = async (): Promise<string | undefined> => {
    if (options.dataVersion !== undefined) {
      const value = await askVersion(options.dataVersion);
      // Only what may stand in an entity tag, and no dot: the last dot ends the version.
      return value === undefined ? undefined : encodeURIComponent(String(value)).replaceAll('.', '%2E');
    }
    const answer = await worker.ask<{ version: string | undefined }>({ op: 'version', file });
    return answer.version === undefined ? undefined : `${boot}-${answer.version}`;
  };

  /** A version that can't be had is not known: the download works, there is only no 304. */
  const askVersion = async (
    ask: NonNullable<ResolvedOptions['dataVersion']>,
  ): Promise<string | number | undefined> => {
    try {
      return await ask();
    } catch (error) {
      logger.warn({ err: error }, 'snapshot: the data version is not known');
      return undefined;
    }
  };

  const give = (snapshot: Snapshot): Lease => {
    clearTimeout(timers.get(snapshot));
    timers.delete(snapshot);
    snapshot.clients++;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      snapshot.clients--;
      if (snapshot.clients === 0 && !snapshot.closed) {
        timers.set(snapshot, setTimeout(() => void drop(snapshot), options.keepMs).unref());
      }
    };
    return { snapshot, release };
  };

  const drop = async (snapshot: Snapshot): Promise<void> => {
    clearTimeout(timers.get(snapshot));
    timers.delete(snapshot);
    snapshots = snapshots.filter((each) => each !== snapshot);
    if (snapshots.every((each) => !each.live)) {
      clearInterval(watch);
      watch = undefined;
    }
    await snapshot.close().catch((error: unknown) => {
      logger.warn({ err: error }, 'snapshot: could not release a snapshot');
    });
  };

  const walBytes = async (): Promise<number> => (await stat(`${file}-wal`).catch(() => undefined))?.size ?? 0;

  /** Ends what holds the write-ahead log when it has grown too far. */
  const checkWal = async (): Promise<void> => {
    const grown = (await walBytes()) - walBase;
    if (grown <= options.maxWalBytes) return;
    for (const snapshot of snapshots.filter((each) => each.live && !spooling.has(each))) {
      if (snapshot.clients === 0 || options.onWalLimit === 'drop') {
        logger.warn(
          { etag: snapshot.etag, clients: snapshot.clients, grown },
          'snapshot: WAL limit reached, given up',
        );
        await drop(snapshot);
        continue;
      }
      spooling.add(snapshot);
      logger.info(
        { etag: snapshot.etag, clients: snapshot.clients, grown },
        'snapshot: WAL limit reached, spooling',
      );
      void snapshot
        .spool(tempDir)
        .catch(async (error: unknown) => {
          if (!snapshot.closed)
            logger.error({ err: error, tempDir }, 'snapshot: could not spool, its downloads are dropped');
          await drop(snapshot);
        })
        .finally(() => spooling.delete(snapshot));
    }
  };

  const acquire = async (forVersion: string | undefined): Promise<Snapshot> => {
    if (watch === undefined) walBase = await walBytes();
    // Before: should the file be replaced meanwhile, the next client sees that it has been.
    const inode = (await stat(file, { bigint: true }).catch(() => undefined))?.ino ?? 0n;
    const snapshot = await acquireSnapshot(
      { file, tempDir, acquireMs, worker, descriptors },
      forVersion ?? `unknown-${randomBytes(6).toString('hex')}`,
    );
    if (closed) {
      await snapshot.close();
      throw new Error('the snapshot handler is closed');
    }
    inodes.set(snapshot, inode);
    snapshots.push(snapshot);
    watch ??= setInterval(() => void checkWal(), WAL_CHECK_MS).unref();
    for (const idle of snapshots.slice(0, -1)) {
      if (snapshots.length > options.maxSnapshots && idle.clients === 0) await drop(idle);
    }
    logger.debug({ etag: snapshot.etag, bytes: snapshot.bytes, live: snapshot.live }, 'snapshot: taken');
    return snapshot;
  };

  /** The newest snapshot, if it will do for a new client. */
  const usable = async (forVersion: string | undefined): Promise<Snapshot | undefined> => {
    const newest = snapshots.at(-1);
    if (newest === undefined || newest.closed) return undefined;
    const now = await stat(file, { bigint: true });
    if (now.ino !== inodes.get(newest)) return undefined;
    if (newest.version === forVersion) return newest;
    const busy = snapshots.filter((each) => each.clients > 0).length;
    const young = performance.now() - newest.bornAt < options.shareMs;
    return young || busy >= options.maxSnapshots ? newest : undefined;
  };

  const lease = async (forVersion: string | undefined): Promise<Lease> => {
    for (;;) {
      const newest = await usable(forVersion);
      if (newest !== undefined && !newest.closed) return give(newest);
      acquiring ??= {
        version: forVersion,
        promise: acquire(forVersion).finally(() => {
          acquiring = undefined;
        }),
      };
      const snapshot = await acquiring.promise;
      if (!snapshot.closed) return give(snapshot);
    }
  };

  return {
    version,
    lease,
    leaseByTag: (etag) => {
      const found = snapshots.find((each) => each.etag === etag && !each.closed);
      return found === undefined ? undefined : give(found);
    },
    peek: (forVersion) => snapshots.findLast((each) => each.version === forVersion && !each.closed),
    size: async () => (await worker.ask<{ bytes: number }>({ op: 'size', file })).bytes,
    all: () => snapshots,
    close: async () => {
      closed = true;
      clearInterval(watch);
      await acquiring?.promise.catch(() => undefined);
      await Promise.all([...snapshots].map(drop));
      await worker.close();
    },
  };
}
