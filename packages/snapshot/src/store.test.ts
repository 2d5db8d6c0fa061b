import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDatabase, tempDir, until } from '../test/database.ts';
import { resolveOptions } from './resolve-options.ts';
import { createStore } from './store.ts';
import { startWorker, type WorkerClient } from './worker-client.ts';

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
