import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { checkCopy, createDatabase, get, serveSnapshots, startWriter, tempDir } from '../test/database.ts';

describe('a download', () => {
  test('is a plain file that is whole, of one moment, and says what it is', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file);
    const { url } = await serveSnapshots({
      file,
      name: 'acct_1',
      dataVersion: () => 7,
      now: () => Date.UTC(2026, 0, 2, 3, 4, 5),
    });
    const answer = await get(url);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/vnd.sqlite3',
      'content-length': String(answer.body.length),
      'content-disposition': 'attachment; filename="acct_1-2026-01-02T030405Z.sqlite"',
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache',
    });
    expect(answer.headers.etag).toMatch(/^"7\.[\w-]+"$/);
    writeFileSync(join(dir, 'copy.sqlite'), answer.body);
    expect(checkCopy(join(dir, 'copy.sqlite'))).toEqual({ moves: 0, journal: 'delete' });
    db.close();
  });

  test.each([
    ['100 transactions per second', 100, 3000],
    ['as many transactions as a process can', 0, 3000],
    ['as many transactions as a process can, by locking writers out for a moment', 0, 0],
  ])('is of one moment under %s', async (_name, rate, acquireMs) => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file, { accounts: 20_000 });
    const { done } = await startWriter(file, rate);
    const { url, handler } = await serveSnapshots({ file, shareMs: 0, keepMs: 0, acquireMs });
    let last = -1;
    for (let n = 0; n < 8; n++) {
      const before = done();
      const answer = await get(url);
      expect(answer.status).toBe(200);
      writeFileSync(join(dir, 'copy.sqlite'), answer.body);
      const { moves } = checkCopy(join(dir, 'copy.sqlite'));
      expect(moves).toBeGreaterThanOrEqual(Math.max(before, last));
      last = moves;
    }
    expect(handler.status().bytesSent).toBeGreaterThan(0);
  });

  test.each([
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ])('is compressed with %s for who accepts it', async (encoding, decompress) => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file);
    const { url } = await serveSnapshots({ file, dataVersion: () => 1 });
    const plain = await get(url);
    const answer = await get(url, { 'accept-encoding': encoding });
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers.vary).toBe('accept-encoding');
    expect(answer.headers.etag).not.toBe(plain.headers.etag);
    expect(answer.body.length).toBeLessThan(plain.body.length / 2);
    expect(decompress(answer.body).equals(plain.body)).toBe(true);
  });

  test('carries its digest when asked', async () => {
    const file = join(tempDir(), 'a.sqlite');
    createDatabase(file);
    const { url } = await serveSnapshots({ file });
    const answer = await get(url, { 'want-repr-digest': 'sha-256=1', 'accept-encoding': 'gzip' });
    const digest = createHash('sha256').update(answer.body).digest('base64');
    expect(answer.headers['repr-digest']).toBe(`sha-256=:${digest}:`);
  });
});
