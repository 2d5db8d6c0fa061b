import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { checkCopy, createDatabase, tempDir, until } from '../test/database.ts';
import { resolveOptions } from './resolve-options.ts';
import { createStore } from './store.ts';
import { startWorker, type WorkerClient } from './worker-client.ts';
import type { WorkerQuestion } from './worker-protocol.ts';

test('when the worker thread dies, what it protected is given up and a new one takes over', async () => {
  const file = join(tempDir(), 'a.sqlite');
  createDatabase(file);
  const started: { readonly client: WorkerClient; readonly fail: (error: Error) => void }[] = [];
  const start = (onFailure?: (error: Error) => void): WorkerClient => {
    const client = startWorker(onFailure);
    started.push({ client, fail: (error) => onFailure?.(error) });
    return client;
  };
  const store = createStore(resolveOptions({ file, dataVersion: () => 1 }), start);
  const lease = await store.lease('1');
  const { snapshot } = lease;
  expect(snapshot.live).toBe(true);
  await started[0]?.client.kill();
  started[0]?.fail(new Error('killed'));
  await until(() => snapshot.closed, 'the snapshot is given up');
  await expect(snapshot.read(Buffer.alloc(16), 0)).rejects.toThrow('given up');
  lease.release();
  const next = await store.lease('1');
  expect(started.length).toBe(2);
  expect(next.snapshot.etag).not.toBe(snapshot.etag);
  const header = Buffer.alloc(16);
  await next.snapshot.read(header, 0);
  expect(header.toString('latin1')).toBe('SQLite format 3\0');
  next.release();
  await store.close();
});

test.each(['with', 'without'])(
  'a database that is replaced between the read transaction and the reading is not mixed with the new one, %s a log of its own',
  async (log) => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file);
    let replace: (() => void) | undefined;
    const start = (onFailure?: (error: Error) => void): WorkerClient => {
      const client = startWorker(onFailure);
      const ask = async <T>(question: WorkerQuestion): Promise<T> => {
        const answer = await client.ask<T>(question);
        if (question.op === 'acquire') {
          replace?.();
          replace = undefined;
        }
        return answer;
      };
      return { ...client, ask };
    };
    const store = createStore(resolveOptions({ file, shareMs: 0, dataVersion: () => undefined }), start);
    // The descriptor of the file is known from now on: what is found at the path need not be looked at any more.
    (await store.lease('1')).release();
    // Holds the frames back, so that a part of the snapshot is in the log.
    const old = new DatabaseSync(file);
    old.exec('BEGIN');
    old.prepare('SELECT * FROM counter').get();
    const move = 'INSERT INTO moves (amount) VALUES (0); UPDATE counter SET n = n + 1;';
    db.exec(`BEGIN; ${move} COMMIT`);
    const other = createDatabase(join(dir, 'b.sqlite'), { accounts: 500 });
    for (let n = 0; n < 2; n++) other.exec(`BEGIN; ${move} COMMIT`);
    if (log === 'without') other.close();
    replace = () => {
      rmSync(`${file}-wal`);
      rmSync(`${file}-shm`);
      if (log === 'with') renameSync(join(dir, 'b.sqlite-wal'), `${file}-wal`);
      renameSync(join(dir, 'b.sqlite'), file);
    };
    const lease = await store.lease('2');
    const copy = Buffer.alloc(lease.snapshot.bytes);
    await lease.snapshot.read(copy, 0);
    writeFileSync(join(dir, 'copy.sqlite'), copy);
    expect(checkCopy(join(dir, 'copy.sqlite')).moves).toBe(2);
    lease.release();
    old.close();
    await store.close();
  },
);

test('closing does not wait for hashes that are being computed', async () => {
  const file = join(tempDir(), 'a.sqlite');
  createDatabase(file, { accounts: 100_000 });
  const store = createStore(resolveOptions({ file, dataVersion: () => 1 }));
  const { snapshot } = await store.lease('1');
  const hashing = snapshot.hashes(startWorker);
  const failed = expect(hashing).rejects.toThrow();
  await store.close();
  await failed;
});
