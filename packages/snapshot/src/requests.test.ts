import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  checkCopy,
  createDatabase,
  get,
  serveSnapshots,
  startWriter,
  tempDir,
  until,
} from '../test/database.ts';
import { createSnapshotHandler, type SnapshotOptions } from './index.ts';

async function served(
  options: Partial<SnapshotOptions> = {},
  accounts = 2000,
): Promise<{
  dir: string;
  file: string;
  db: DatabaseSync;
  url: string;
  handler: Awaited<ReturnType<typeof serveSnapshots>>['handler'];
}> {
  const dir = tempDir();
  const file = join(dir, 'a.sqlite');
  const db = createDatabase(file, { accounts });
  return { dir, file, db, ...(await serveSnapshots({ file, ...options })) };
}

function changeCounter(db: DatabaseSync): void {
  db.exec(`BEGIN; INSERT INTO moves (amount) VALUES (0); UPDATE counter SET n = n + 1; COMMIT`);
}

/** A client that has taken its first bytes and then takes no more until told. */
async function slowClient(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ res: IncomingMessage; first: Buffer; rest(): Promise<Buffer>; destroy(): void }> {
  const req = request(url, { headers, agent: false });
  req.on('error', () => undefined);
  req.end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.on('error', () => undefined);
  const [first] = (await once(res, 'data')) as [Buffer];
  res.pause();
  const rest = async (): Promise<Buffer> => {
    const chunks: Buffer[] = [first];
    for await (const chunk of res) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  return { res, first, rest, destroy: () => req.destroy() };
}

describe('conditions', () => {
  test('304 for the same version, whatever the snapshot; a new version is sent', async () => {
    let version = 1;
    const { url, handler } = await served({ dataVersion: () => version });
    const { headers } = await get(url);
    const known = { 'if-none-match': String(headers.etag) };
    const before = handler.status().bytesSent;
    expect(await get(url, known)).toMatchObject({ status: 304, body: Buffer.alloc(0) });
    expect(await get(url, { 'if-none-match': '"1.another"' })).toMatchObject({ status: 304 });
    expect(await get(url, known, 'HEAD')).toMatchObject({ status: 304 });
    expect(handler.status().bytesSent).toBe(before);
    version = 2;
    expect(await get(url, known)).toMatchObject({ status: 200 });
  });

  test('without a version function, a write by anybody makes a new version', async () => {
    const { url, db } = await served();
    const { etag } = (await get(url)).headers;
    expect((await get(url, { 'if-none-match': String(etag) })).status).toBe(304);
    changeCounter(db);
    expect((await get(url, { 'if-none-match': String(etag) })).status).toBe(200);
  });

  test('a version that is not known is never a 304', async () => {
    const { url } = await served({ dataVersion: () => undefined });
    const { etag } = (await get(url)).headers;
    expect((await get(url, { 'if-none-match': String(etag) })).status).toBe(200);
  });

  test('any text can be a version', async () => {
    const { url } = await served({ dataVersion: () => 'v1.2 "é"' });
    const { etag } = (await get(url)).headers;
    expect(etag).toMatch(/^"[\x21-\x7e]+"$/);
    expect((await get(url, { 'if-none-match': String(etag) })).status).toBe(304);
  });
});

describe('HEAD', () => {
  test('takes no snapshot', async () => {
    const { url, handler, db } = await served({ dataVersion: () => 5 });
    const { bytes } = db
      .prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size')
      .get() as { bytes: number };
    const answer = await get(url, {}, 'HEAD');
    expect(answer.headers).toMatchObject({
      'content-length': String(bytes),
      etag: 'W/"5.0"',
      'accept-ranges': 'bytes',
    });
    expect(answer.body.length).toBe(0);
    expect(handler.status().snapshots).toEqual([]);
    const { headers } = await get(url);
    expect((await get(url, {}, 'HEAD')).headers.etag).toBe(headers.etag);
  });

  test('other methods are refused', async () => {
    const { url } = await served();
    expect(await get(url, {}, 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });
});

describe('ranges', () => {
  test('parts of one snapshot fit together while the database changes', async () => {
    const { dir, url, file } = await served();
    await startWriter(file, 200);
    const start = await get(url, { range: 'bytes=0-99999' });
    expect(start.status).toBe(206);
    const etag = String(start.headers.etag);
    const bytes = Number(/\/(\d+)$/.exec(String(start.headers['content-range']))?.[1]);
    const parts = [start.body];
    for (let at = 100_000; at < bytes; at += 100_000) {
      const part = await get(url, { range: `bytes=${String(at)}-${String(at + 99_999)}`, 'if-range': etag });
      expect(part).toMatchObject({ status: 206, headers: { etag } });
      parts.push(part.body);
    }
    writeFileSync(join(dir, 'copy.sqlite'), Buffer.concat(parts));
    checkCopy(join(dir, 'copy.sqlite'));
    expect(
      (await get(url, { range: `bytes=${String(bytes)}-`, 'if-range': etag })).headers['content-range'],
    ).toBe(`bytes */${String(bytes)}`);
  });

  test.each([
    ['header bytes 18 and 19', 'bytes=18-19', [1, 1]],
    ['byte 18', 'bytes=18-18', [1]],
    ['byte 19', 'bytes=19-19', [1]],
  ])('of the header are those of the copy: %s', async (_name, range, expected) => {
    const { url } = await served();
    expect([...(await get(url, { range })).body]).toEqual(expected);
  });

  test('a download of a snapshot that is gone starts again', async () => {
    const { url, db, handler } = await served({ keepMs: 0, shareMs: 0 });
    const start = await get(url, { range: 'bytes=0-99' });
    await until(() => handler.status().snapshots.length === 0, 'the snapshot is given up');
    changeCounter(db);
    const again = await get(url, { range: 'bytes=100-', 'if-range': String(start.headers.etag) });
    expect(again.status).toBe(200);
    expect(again.headers.etag).not.toBe(start.headers.etag);
  });

  test('are taken of the plain form only', async () => {
    const { url } = await served();
    const answer = await get(url, { range: 'bytes=0-9', 'accept-encoding': 'gzip' });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-encoding']).toBeUndefined();
    const packed = await get(url, { 'accept-encoding': 'gzip' });
    expect(packed.headers['accept-ranges']).toBe('none');
    expect((await get(url, { range: 'bytes=0-9', 'if-range': String(packed.headers.etag) })).status).toBe(
      200,
    );
  });
});

describe('several clients', () => {
  test('share a snapshot, and a slow one keeps its own while others get newer ones', async () => {
    const { dir, url, db, handler } = await served({ shareMs: 0, maxSnapshots: 2 }, 60_000);
    const slow = await slowClient(url);
    const same = await slowClient(url);
    expect(same.res.headers.etag).toBe(slow.res.headers.etag);
    expect(handler.status()).toMatchObject({ clients: 2, snapshots: [{ clients: 2, source: 'live' }] });
    changeCounter(db);
    const newer = await slowClient(url);
    expect(newer.res.headers.etag).not.toBe(slow.res.headers.etag);
    changeCounter(db);
    const shared = await slowClient(url);
    expect(shared.res.headers.etag).toBe(newer.res.headers.etag);
    const copies = await Promise.all([slow, same, newer, shared].map((client) => client.rest()));
    const moves = copies.map((copy, n) => {
      writeFileSync(join(dir, `${String(n)}.sqlite`), copy);
      return checkCopy(join(dir, `${String(n)}.sqlite`)).moves;
    });
    expect(moves).toEqual([0, 0, 1, 1]);
  });

  test('a burst takes one snapshot', async () => {
    const { url, handler } = await served();
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(url)));
    expect(new Set(answers.map((answer) => answer.headers.etag)).size).toBe(1);
    expect(handler.status().snapshots.length).toBe(1);
  });

  test('who goes away leaves nothing behind', async () => {
    const { url, handler, file, db } = await served({ keepMs: 0 }, 60_000);
    const clients = await Promise.all(Array.from({ length: 5 }, () => slowClient(url)));
    expect(handler.status().clients).toBe(5);
    for (const client of clients) client.destroy();
    await until(
      () => handler.status().clients === 0 && handler.status().snapshots.length === 0,
      'all is released',
    );
    changeCounter(db);
    // With no reader left, the write-ahead log can be emptied.
    await until(
      () => (db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }).busy === 0,
      'no reader is left',
    );
    expect(statSync(`${file}-wal`).size).toBe(0);
  });
});

describe('frames in the write-ahead log', () => {
  test.each([
    ['no writer', undefined],
    ['a writer', 0],
  ])('that an older reader holds there are part of the snapshot, with %s', async (_name, rate) => {
    const { dir, url, file, db, handler } = await served({ shareMs: 0, keepMs: 0 }, 20_000);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const old = new DatabaseSync(file);
    old.exec('BEGIN');
    old.prepare('SELECT * FROM counter').get();
    changeCounter(db);
    db.exec(
      `UPDATE accounts SET filler = 'changed' WHERE id > 15000; INSERT INTO accounts SELECT id + 20000, 0, filler FROM accounts`,
    );
    if (rate !== undefined) await startWriter(file, rate);
    for (let n = 0; n < 5; n++) {
      const answer = await get(url);
      expect(handler.status().snapshots.every(({ source }) => source === 'live')).toBe(true);
      writeFileSync(join(dir, 'copy.sqlite'), answer.body);
      expect(checkCopy(join(dir, 'copy.sqlite')).moves).toBeGreaterThanOrEqual(1);
    }
    old.close();
  });
});

describe('locks', () => {
  test('a connection of the same process keeps its locks through downloads', async () => {
    const { file, db, url, handler } = await served({ keepMs: 0 });
    db.exec('BEGIN IMMEDIATE');
    for (let n = 0; n < 3; n++) await get(url);
    await until(() => handler.status().snapshots.length === 0, 'all is released');
    // SQLite holds a shared lock on the database file itself; another process that finds none would take the file for its own.
    const others = execFileSync(process.execPath, [
      '-e',
      `const { DatabaseSync } = require('node:sqlite');
       const db = new DatabaseSync(process.argv[1], { timeout: 0 });
       try { db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE'); console.log('taken'); } catch (error) { console.log(error.message); }`,
      file,
    ]);
    expect(others.toString().trim()).toBe('database is locked');
    db.exec('ROLLBACK');
    await handler.close();
    const locks = readFileSync('/proc/locks', 'utf8');
    if (process.platform === 'linux') expect(locks).toContain(`:${String(statSync(file).ino)} `);
  });
});

describe('faults', () => {
  test('no database yet, then there is one', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const { url } = await serveSnapshots({ file });
    expect(await get(url)).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect((await get(url, {}, 'HEAD')).status).toBe(503);
    createDatabase(file);
    expect((await get(url)).status).toBe(200);
  });

  test('an empty file is no database yet', async () => {
    const file = join(tempDir(), 'a.sqlite');
    writeFileSync(file, '');
    const { url } = await serveSnapshots({ file });
    expect(await get(url)).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    createDatabase(file);
    expect((await get(url)).status).toBe(200);
  });

  test('a writer who has the lock and keeps it holds up no download', async () => {
    // No time for the polite way: it can't keep this writer out either.
    const { dir, url, db } = await served({ acquireMs: 0 });
    // More pages than the cache holds, so that some stand in the log before the commit.
    db.exec('PRAGMA cache_size = 10; BEGIN IMMEDIATE; UPDATE accounts SET filler = 1');
    db.exec('INSERT INTO moves (amount) VALUES (1); UPDATE counter SET n = n + 1');
    const { status, body } = await get(url);
    expect(status).toBe(200);
    db.exec('COMMIT');
    writeFileSync(join(dir, 'copy.sqlite'), body);
    expect(checkCopy(join(dir, 'copy.sqlite')).moves).toBe(0);
  });

  test('a database that another has for itself: later', async () => {
    const file = join(tempDir(), 'a.sqlite');
    const db = createDatabase(file, { journal: 'DELETE' });
    const { url } = await serveSnapshots({ file, acquireMs: 100 });
    db.exec('BEGIN EXCLUSIVE');
    expect(await get(url)).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    db.exec('COMMIT');
    expect((await get(url)).status).toBe(200);
  });

  test('a version that can not be had is no fault of the download', async () => {
    const dataVersion = (): number => {
      throw new Error('not now');
    };
    const { url } = await served({ dataVersion });
    const { status, headers } = await get(url);
    expect(status).toBe(200);
    expect((await get(url, { 'if-none-match': String(headers.etag) })).status).toBe(200);
  });

  test('a file that is no database', async () => {
    const dir = tempDir();
    writeFileSync(
      join(dir, 'a.sqlite'),
      'this is not a database, but long enough to be taken for one'.repeat(100),
    );
    const { url } = await serveSnapshots({ file: join(dir, 'a.sqlite') });
    expect((await get(url)).status).toBe(500);
  });

  test('a database with a rollback journal is copied first, and writers go on', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file, { journal: 'DELETE', accounts: 50_000 });
    const { url, handler } = await serveSnapshots({ file });
    const client = await slowClient(url);
    expect(handler.status().snapshots[0]?.source).toBe('spooled');
    const { child } = await startWriter(file, 100);
    await once(child, 'message');
    writeFileSync(join(dir, 'copy.sqlite'), await client.rest());
    expect(checkCopy(join(dir, 'copy.sqlite')).moves).toBe(0);
  });

  test('the database is replaced under a reader: it gets the old one whole, the next client the new one', async () => {
    const { dir, url, file, db } = await served({ dataVersion: () => 1 }, 60_000);
    const client = await slowClient(url);
    db.close();
    const other = createDatabase(join(dir, 'new.sqlite'), { accounts: 10 });
    changeCounter(other);
    other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    other.close();
    for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
    renameSync(join(dir, 'new.sqlite'), file);
    const answer = await get(url);
    writeFileSync(join(dir, 'copy.sqlite'), answer.body);
    expect(checkCopy(join(dir, 'copy.sqlite')).moves).toBe(1);
    writeFileSync(join(dir, 'old.sqlite'), await client.rest());
    expect(checkCopy(join(dir, 'old.sqlite')).moves).toBe(0);
  });

  test('a file that is cut off under the reader breaks the transfer, not the copy', async () => {
    const { url, file } = await served({}, 80_000);
    const client = await slowClient(url);
    truncateSync(file, 8192);
    await expect(client.rest()).rejects.toThrow('aborted');
  });

  test('wrong options are named together', async () => {
    const make = (): unknown => createSnapshotHandler({ file: '', keepMs: -1, onWalLimit: 'no' as 'drop' });
    expect(make).toThrow(/`file`.*`keepMs`.*-1.*`onWalLimit`/);
  });

  test('close ends downloads and refuses new ones', async () => {
    const { url, handler } = await served({}, 60_000);
    const client = await slowClient(url);
    await handler.close();
    await expect(client.rest()).rejects.toThrow();
    expect((await get(url)).status).toBe(503);
    await handler.close();
  });

  test('a signal closes too', async () => {
    const controller = new AbortController();
    const { url } = await served({ signal: controller.signal });
    expect((await get(url)).status).toBe(200);
    controller.abort();
    expect((await get(url)).status).toBe(503);
  });
});

describe('the write-ahead log limit', () => {
  test('spool: slow clients are served from a copy without a name, and the log can be emptied', async () => {
    const { dir, url, file, db, handler } = await served({ maxWalBytes: 200_000 }, 60_000);
    const client = await slowClient(url);
    const { done } = await startWriter(file, 0);
    await until(() => handler.status().snapshots[0]?.source === 'spooled', 'the snapshot is spooled');
    const before = done();
    await until(() => done() > before + 100, 'the writer goes on');
    await until(
      () => (db.prepare('PRAGMA wal_checkpoint(RESTART)').get() as { busy: number }).busy === 0,
      'no reader holds the log',
    );
    writeFileSync(join(dir, 'copy.sqlite'), await client.rest());
    expect(checkCopy(join(dir, 'copy.sqlite')).moves).toBe(0);
    expect(readdirSync(dir).filter((name) => name.startsWith('.snapshot'))).toEqual([]);
  });

  test('drop: slow clients are dropped', async () => {
    const { url, file, handler } = await served({ maxWalBytes: 200_000, onWalLimit: 'drop' }, 60_000);
    const client = await slowClient(url);
    await startWriter(file, 0);
    await until(() => handler.status().snapshots.length === 0, 'the snapshot is given up');
    await expect(client.rest()).rejects.toThrow('aborted');
  });

  test('a snapshot that is only kept is given up', async () => {
    const { url, file, handler } = await served({ maxWalBytes: 200_000 });
    await get(url, { range: 'bytes=0-9' });
    expect(handler.status().snapshots.length).toBe(1);
    await startWriter(file, 0);
    await until(() => handler.status().snapshots.length === 0, 'the snapshot is given up');
  });
});

describe('pace', () => {
  test('a cap on the bytes per second is kept, for all clients together', async () => {
    const { url, file } = await served({ maxBytesPerSecond: 1_000_000 }, 1000);
    const bytes = statSync(file).size;
    const started = performance.now();
    await Promise.all([get(url), get(url)]);
    // The first piece is free, the others wait for their time.
    expect(performance.now() - started).toBeGreaterThan(((2 * bytes - 200_000) / 1_000_000) * 1000 * 0.9);
  });

  test('who goes away while it waits for its share of the pace is gone at once', async () => {
    // The second piece would have to wait for minutes.
    const { url, handler } = await served({ maxBytesPerSecond: 100 });
    const client = await slowClient(url);
    expect(handler.status().clients).toBe(1);
    client.destroy();
    await until(() => handler.status().clients === 0, 'the client is let go');
  });

  test('a wall clock that jumps changes names and nothing else', async () => {
    let now = Date.UTC(2026, 0, 1);
    const { url, handler } = await served({ now: () => now, dataVersion: () => 1 });
    const first = await get(url);
    now = Date.UTC(1999, 0, 1);
    const second = await get(url);
    now = Date.UTC(2040, 0, 1);
    const third = await get(url);
    expect(new Set([first, second, third].map((answer) => answer.headers.etag)).size).toBe(1);
    expect(third.headers['content-disposition']).toContain('2040');
    expect(handler.status().snapshots.length).toBe(1);
  });

  test('a client that takes slowly is not one that takes nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { url, handler } = await served({ stallMs: 1000 }, 80_000);
    const client = await slowClient(url);
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const sent = (): number => handler.status().bytesSent;
    for (let round = 0; round < 10; round++) {
      const before = sent();
      while (handler.status().clients === 1 && sent() === before) {
        client.res.read();
        await turn();
      }
      // Until all buffers are full again: the server waits for the client.
      for (let [turns, last] = [0, sent()]; turns < 300; turns = sent() === last ? turns + 1 : 0) {
        last = sent();
        await turn();
      }
      vi.advanceTimersByTime(999);
    }
    expect(handler.status().clients).toBe(1);
    expect(handler.status().bytesSent).toBeGreaterThan(4_000_000);
    client.destroy();
  });

  test.each(['identity', 'gzip', 'zstd'])('a client that takes nothing is dropped: %s', async (encoding) => {
    const { url, handler, db } = await served({ stallMs: 200 }, 40_000);
    // What does not get smaller.
    db.exec('UPDATE accounts SET filler = randomblob(600)');
    const client = await slowClient(url, { 'accept-encoding': encoding });
    await until(() => handler.status().clients === 0, 'the client is dropped');
    await expect(client.rest()).rejects.toThrow('aborted');
  });
});
