import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import {
  checkCopy,
  createDatabase,
  get,
  serve,
  serveSnapshots,
  startWriter,
  tempDir,
} from '../test/database.ts';
import { createSnapshotHandler, pullDatabase, type SnapshotOptions } from './index.ts';

async function served(
  options: Partial<SnapshotOptions> = {},
  accounts = 20_000,
): Promise<{ dir: string; file: string; copy: string; db: DatabaseSync; url: string }> {
  const dir = tempDir();
  const file = join(dir, 'a.sqlite');
  const db = createDatabase(file, { accounts });
  const { url } = await serveSnapshots({ file, shareMs: 0, ...options });
  return { dir, file, copy: join(dir, 'copy.sqlite'), db, url };
}

function change(db: DatabaseSync, id = 7): void {
  db.exec(
    `BEGIN; INSERT INTO moves (amount) VALUES (0); UPDATE counter SET n = n + 1; UPDATE accounts SET filler = 'changed' WHERE id = ${String(id)}; COMMIT`,
  );
}

describe('pull', () => {
  test('fetches the whole first, then nothing, then what has changed', async () => {
    const { copy, db, url, dir } = await served();
    const first = await pullDatabase(url, copy);
    expect(first).toMatchObject({ how: 'full', received: first.bytes });
    expect(checkCopy(copy)).toEqual({ moves: 0, journal: 'delete' });
    expect(await pullDatabase(url, copy)).toMatchObject({
      how: 'unchanged',
      received: 0,
      bytes: first.bytes,
    });
    change(db);
    const second = await pullDatabase(url, copy);
    expect(second.how).toBe('delta');
    expect(second.received).toBeLessThan(100_000);
    expect(checkCopy(copy).moves).toBe(1);
    expect(readdirSync(dir).filter((name) => name.includes('.pull-'))).toEqual([]);
  });

  test(
    'follows a database that grows, shrinks and is written to all the time',
    { timeout: 60_000 },
    async () => {
      const { copy, db, url, file } = await served();
      const { done } = await startWriter(file, 300);
      let last = 0;
      for (let n = 0; n < 8; n++) {
        if (n === 2) db.exec(`INSERT INTO accounts SELECT id + 100000, 0, filler FROM accounts`);
        if (n === 5) db.exec(`DELETE FROM accounts WHERE id > 100000 AND balance = 0`);
        const before = done();
        const { how } = await pullDatabase(url, copy);
        expect(how).toBe(n === 0 ? 'full' : 'delta');
        const { moves } = checkCopy(copy);
        expect(moves).toBeGreaterThanOrEqual(Math.max(before, last));
        last = moves;
      }
    },
  );

  test('shrinks with the database after VACUUM', async () => {
    const { copy, db, url } = await served();
    const { bytes } = await pullDatabase(url, copy);
    db.exec('DELETE FROM accounts WHERE id > 15000; VACUUM');
    const result = await pullDatabase(url, copy);
    expect(result.bytes).toBeLessThan(bytes);
    expect(readFileSync(copy).length).toBe(result.bytes);
    checkCopy(copy);
  });

  test('fetches the whole when the server has forgotten the copy', async () => {
    const { copy, db, url } = await served({ deltaHistory: 1 });
    await pullDatabase(url, copy);
    change(db);
    await pullDatabase(url, `${copy}.2`);
    change(db);
    expect((await pullDatabase(url, copy)).how).toBe('full');
    expect(checkCopy(copy).moves).toBe(2);
  });

  test('the server remembers through a restart with stateDir, and no more than it should', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file);
    const options = {
      file,
      shareMs: 0,
      stateDir: join(dir, 'state'),
      deltaHistory: 2,
      dataVersion: () => version,
    };
    let version = 1;
    let handler = createSnapshotHandler(options);
    const url = await serve((req, res) => void handler(req, res));
    await pullDatabase(url, join(dir, 'copy.sqlite'));
    await handler.close();
    handler = createSnapshotHandler(options);
    for (version = 2; version < 6; version++) {
      change(db, version);
      expect((await pullDatabase(url, join(dir, 'copy.sqlite'))).how).toBe('delta');
    }
    expect(readdirSync(join(dir, 'state')).length).toBe(2);
    await handler.close();
  });

  test('a copy that was changed here is fetched anew', async () => {
    const { copy, db, url } = await served();
    await pullDatabase(url, copy);
    const local = new DatabaseSync(copy);
    local.exec(`UPDATE accounts SET filler = 'mine' WHERE id = 9000`);
    local.close();
    change(db);
    expect((await pullDatabase(url, copy)).how).toBe('full');
    expect(checkCopy(copy).moves).toBe(1);
  });

  test('a copy that was changed here is fetched anew although the server has nothing new', async () => {
    const { copy, url } = await served();
    await pullDatabase(url, copy);
    const local = new DatabaseSync(copy);
    local.exec(`UPDATE accounts SET filler = 'mine' WHERE id = 9000`);
    local.close();
    expect((await pullDatabase(url, copy)).how).toBe('full');
    expect(await pullDatabase(url, copy)).toMatchObject({ how: 'unchanged' });
  });

  test('a copy that was moved here with what is known of it is known', async () => {
    const { copy, url, db, dir } = await served();
    await pullDatabase(url, copy);
    const moved = join(dir, 'moved.sqlite');
    copyFileSync(copy, moved);
    utimesSync(moved, 1, 1);
    copyFileSync(`${copy}.snapshot.json`, `${moved}.snapshot.json`);
    change(db);
    expect((await pullDatabase(url, moved)).how).toBe('delta');
    expect(checkCopy(moved).moves).toBe(1);
  });

  test('two at once onto the same file leave one whole copy, and know which', async () => {
    const { copy, db, url } = await served();
    await pullDatabase(url, copy);
    for (let n = 1; n <= 3; n++) {
      change(db, n);
      await Promise.all([pullDatabase(url, copy), pullDatabase(url, copy), pullDatabase(url, copy)]);
      expect(checkCopy(copy).moves).toBe(n);
    }
    change(db, 4);
    await pullDatabase(url, copy);
    expect(checkCopy(copy).moves).toBe(4);
  });

  test('an older state that comes last is not taken for the newer one', async () => {
    const { copy, db, url } = await served();
    await pullDatabase(url, copy);
    const older = readFileSync(copy);
    change(db);
    await pullDatabase(url, copy);
    // As a second pull leaves it that began earlier and renames between the other's two steps.
    writeFileSync(copy, older);
    await pullDatabase(url, copy);
    expect(checkCopy(copy).moves).toBe(1);
  });

  test('one that another process is fetching is left to it; what a killed one left is removed', async () => {
    const { copy, url, dir } = await served();
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const partial = `${copy}.pull-${String(other.pid)}-0a`;
    writeFileSync(partial, 'half');
    try {
      await expect(pullDatabase(url, copy)).rejects.toMatchObject({ code: 'SNAPSHOT_BUSY' });
      const anHourAgo = new Date(Date.now() - 3_600_000);
      utimesSync(partial, anHourAgo, anHourAgo);
      expect((await pullDatabase(url, copy)).how).toBe('full');
    } finally {
      other.kill('SIGKILL');
    }
    expect(readdirSync(dir).filter((name) => name.includes('.pull-'))).toEqual([]);
  });

  test.each(['full', 'delta'])(
    'one that is aborted (%s) leaves the copy as it was, and nothing else',
    async (how) => {
      const { copy, db, url, dir } = await served();
      await pullDatabase(url, copy);
      const before = readFileSync(copy);
      if (how === 'full') rmSync(`${copy}.snapshot.json`);
      db.exec(`UPDATE accounts SET filler = hex(randomblob(150)) WHERE id < 10000`);
      const stop = new AbortController();
      const onProgress = (): void => {
        stop.abort(new Error('enough'));
      };
      await expect(pullDatabase(url, copy, { signal: stop.signal, onProgress })).rejects.toThrow('enough');
      expect(readFileSync(copy).equals(before)).toBe(true);
      expect(readdirSync(dir).filter((name) => name.includes('.pull-'))).toEqual([]);
      expect((await pullDatabase(url, copy)).how).toBe(how);
    },
  );

  test('who has the copy open goes on reading the state it opened', async () => {
    const { copy, db, url } = await served();
    await pullDatabase(url, copy);
    const reader = new DatabaseSync(copy, { readOnly: true });
    const moves = (): unknown => reader.prepare('SELECT n FROM counter').get();
    expect(moves()).toEqual({ n: 0 });
    change(db);
    expect((await pullDatabase(url, copy)).how).toBe('delta');
    expect(moves()).toEqual({ n: 0 });
    expect(reader.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    reader.close();
    expect(checkCopy(copy).moves).toBe(1);
  });

  test('keeps the permissions of the copy', async () => {
    const { copy, db, url } = await served();
    await pullDatabase(url, copy);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    chmodSync(copy, 0o644);
    rmSync(`${copy}.snapshot.json`);
    for (const how of ['full', 'delta']) {
      expect((await pullDatabase(url, copy)).how).toBe(how);
      expect(statSync(copy).mode & 0o777).toBe(0o644);
      change(db);
    }
  });

  test('a page that is no database does not take the place of one', async () => {
    const { copy } = await served();
    writeFileSync(copy, 'old');
    const url = await serve(
      (_req, res) => void res.writeHead(200, { etag: '"1"' }).end('<html>Sign in</html>'),
    );
    await expect(pullDatabase(url, copy)).rejects.toMatchObject({ code: 'SNAPSHOT_SOURCE_INVALID' });
    expect(readFileSync(copy, 'utf8')).toBe('old');
  });

  test('a copy with a journal beside it is left alone', async () => {
    const { copy, url } = await served();
    writeFileSync(`${copy}-journal`, 'x');
    await expect(pullDatabase(url, copy)).rejects.toMatchObject({ code: 'SNAPSHOT_DESTINATION_EXISTS' });
    expect(existsSync(copy)).toBe(false);
  });

  test('another URL is another database', async () => {
    const { copy, url } = await served();
    await pullDatabase(url, copy);
    expect((await pullDatabase(`${url}?other=1`, copy)).how).toBe('full');
  });

  test('works with a server that knows no deltas', async () => {
    const { dir, copy } = await served();
    const body = readFileSync(join(dir, 'a.sqlite'));
    const url = await serve((req, res) => {
      if (req.headers['if-none-match'] === '"plain"') res.writeHead(304).end();
      else res.writeHead(200, { etag: '"plain"', 'content-length': body.length }).end(body);
    });
    expect((await pullDatabase(url, copy)).how).toBe('full');
    expect((await pullDatabase(url, copy)).how).toBe('unchanged');
  });

  test('goes on where a broken transfer stopped, and starts again when the snapshot is gone', async () => {
    const { copy, url, db } = await served({ keepMs: 60_000 });
    let breaks = 0;
    const through = await serve((req, res) => {
      relay(url, req, res, () => ++breaks <= 3);
    });
    const result = await pullDatabase(through, copy);
    expect(breaks).toBe(4);
    expect(result.received).toBe(result.bytes);
    checkCopy(copy);

    let first = true;
    const forgetful = await serve((req, res) => {
      if (req.headers['if-range'] !== undefined) {
        change(db);
        req.headers['if-range'] = '"gone.gone"';
      }
      relay(url, req, res, () => first && !(first = false));
    });
    const again = await pullDatabase(forgetful, `${copy}.2`);
    expect(again.received).toBeGreaterThan(again.bytes);
    expect(checkCopy(`${copy}.2`).moves).toBe(1);
  });

  test('waits for a server that is away for a moment, and goes on with the snapshot it began last', async () => {
    const { copy, url, db } = await served();
    // 1: breaks off. 2: another snapshot, breaks off. 3: no answer. 4: being started. 5: the rest.
    const asked: (string | undefined)[] = [];
    let etag: unknown;
    const through = await serve((req, res) => {
      asked.push(req.headers['if-range'] as string | undefined);
      const turn = asked.length;
      if (turn === 2) {
        change(db);
        req.headers['if-range'] = '"gone.gone"';
      }
      if (turn === 3) req.socket.destroy();
      else if (turn === 4) res.writeHead(503).end();
      else
        relay(
          url,
          req,
          res,
          () => turn < 3,
          (answer) => (etag = answer.headers.etag),
        );
    });
    expect((await pullDatabase(through, copy)).how).toBe('full');
    expect(asked.length).toBe(5);
    expect(asked.slice(2)).toEqual([etag, etag, etag]);
    expect(checkCopy(copy).moves).toBe(1);
  });

  test('a delta that breaks off is said in one line, and leaves the copy as it was', async () => {
    const { copy, url, db, dir } = await served();
    let breaks = false;
    const through = await serve((req, res) => {
      relay(url, req, res, () => breaks);
    });
    await pullDatabase(through, copy);
    db.exec(`UPDATE accounts SET filler = hex(randomblob(150)) WHERE id < 10000`);
    change(db);
    breaks = true;
    await expect(pullDatabase(through, copy)).rejects.toMatchObject({ code: 'SNAPSHOT_HTTP' });
    expect(checkCopy(copy).moves).toBe(0);
    expect(readdirSync(dir).filter((name) => name.includes('.pull-'))).toEqual([]);
    breaks = false;
    expect((await pullDatabase(through, copy)).how).toBe('delta');
    expect(checkCopy(copy).moves).toBe(1);
  });

  test('what does not fit its digest is not kept', async () => {
    const { copy } = await served();
    const body = Buffer.alloc(8192);
    const digest = createHash('sha256').update('another').digest('base64');
    const url = await serve((_req, res) => {
      res
        .writeHead(200, {
          etag: '"1.a"',
          'repr-digest': `sha-256=:${digest}:`,
          'content-length': body.length,
        })
        .end(body);
    });
    await expect(pullDatabase(url, copy)).rejects.toMatchObject({ code: 'SNAPSHOT_DIGEST' });
    expect(existsSync(copy)).toBe(false);
  });

  test.each([
    ['401', 401],
    ['500', 500],
  ])('status %s is an error that leaves the copy as it is', async (_name, status) => {
    const { copy } = await served();
    writeFileSync(copy, 'old');
    const url = await serve((_req, res) => void res.writeHead(status).end('no'));
    await expect(pullDatabase(url, copy)).rejects.toMatchObject({ code: 'SNAPSHOT_HTTP' });
    expect(readFileSync(copy, 'utf8')).toBe('old');
  });

  test('a server that is not there', async () => {
    const { dir } = await served();
    await expect(pullDatabase('http://127.0.0.1:1/x', join(dir, 'c'))).rejects.toMatchObject({
      code: 'SNAPSHOT_HTTP',
    });
  });
});

describe('?since=', () => {
  test('is 304 for the same version, with or without quotes', async () => {
    const { url } = await served({ dataVersion: () => 3 });
    const etag = String((await get(url)).headers.etag);
    expect((await get(`${url}?since=${encodeURIComponent(etag)}`)).status).toBe(304);
    expect((await get(`${url}?since=${etag.replaceAll('"', '')}`)).status).toBe(304);
  });

  test('answers nonsense with the whole and its digest', async () => {
    const { url } = await served();
    for (const since of ['', 'x', '"../../etc/passwd"', 'a.b.c', '%00']) {
      const answer = await get(`${url}?since=${since}`);
      expect(answer.status).toBe(200);
      const digest = createHash('sha256').update(answer.body).digest('base64');
      expect(answer.headers['repr-digest']).toBe(`sha-256=:${digest}:`);
    }
  });
});

/** Passes a request on; the answer's body breaks off in the middle when `breaks` says so. */
function relay(
  url: string,
  req: IncomingMessage,
  res: ServerResponse,
  breaks: () => boolean,
  onAnswer?: (answer: IncomingMessage) => void,
): void {
  const target = new URL(url);
  target.search = new URL(req.url ?? '/', url).search;
  const onward = request(
    target,
    { headers: { ...req.headers, host: target.host }, agent: false },
    (answer) => {
      onAnswer?.(answer);
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      if (!breaks()) {
        answer.pipe(res);
        return;
      }
      let passed = 0;
      answer.on('error', () => undefined);
      answer.on('data', (chunk: Buffer) => {
        res.write(chunk);
        passed += chunk.length;
        if (passed > 300_000) {
          answer.destroy();
          res.destroy();
        }
      });
    },
  );
  onward.on('error', () => res.destroy());
  onward.end();
}
