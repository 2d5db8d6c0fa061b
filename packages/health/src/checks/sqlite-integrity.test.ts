import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { database, runOnce, tempDir, waitFor } from '../../test/kit.ts';
import { sqliteIntegrity } from '../index.ts';

describe('SQLite integrity', () => {
  const fill = (rows: number): string => `
    CREATE TABLE "my ""table""" (id INTEGER PRIMARY KEY, name TEXT UNIQUE, body BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      INSERT INTO "my ""table""" SELECT i, 'name-' || i, randomblob(1000) FROM n;
    CREATE TABLE other (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE VIRTUAL TABLE search USING fts5(name, content="my ""table""");
    PRAGMA wal_checkpoint(TRUNCATE);`;

  /** Pids of integrity children that look at this file. */
  const childrenOf = (file: string): string[] =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(file);
      } catch {
        return false;
      }
    });

  /** It has the file open and sleeps: what comes before the first rest is done without a pause. */
  const rests = (pid: string, file: string): boolean => {
    try {
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      return open.includes(file) && stat.slice(stat.lastIndexOf(')') + 2).startsWith('S');
    } catch {
      return false;
    }
  };

  test('a sound database, while it is open and written', async () => {
    const { path, db } = database(undefined, fill(200));
    db.exec('BEGIN IMMEDIATE; DELETE FROM other;');
    const result = await runOnce(sqliteIntegrity({ file: path }));
    expect(result).toMatchObject({ status: 'pass', observed: 'ok' });
    expect(result.message).toMatch(/^\d+ tables in /);
    db.exec('COMMIT');
  });

  test.each([
    ['a page in the middle', 0.5],
    ['a page near the end', 0.9],
  ])('a broken database: %s', async (_, where) => {
    const { path, db } = database(undefined, fill(2_000));
    db.close();
    const at = Math.floor((statSync(path).size * where) / 4096) * 4096;
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, at);
    closeSync(file);
    const result = await runOnce(sqliteIntegrity({ file: path }));
    expect(result.status).toBe('fail');
    expect(result.message).not.toBe('');
  });

  test('sound pages with wrong content', async () => {
    const path = join(tempDir(), 'null.sqlite');
    const db = new DatabaseSync(path, { defensive: false });
    const define = (sql: string): void => {
      db.exec(
        `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '${sql}'; PRAGMA writable_schema = RESET;`,
      );
    };
    db.exec('CREATE TABLE t (a)');
    db.exec('INSERT INTO t VALUES (NULL)');
    define('CREATE TABLE t (a NOT NULL)');
    db.close();
    const result = await runOnce(sqliteIntegrity({ file: path }));
    expect(result).toMatchObject({ status: 'fail', observed: 't: NULL value in t.a' });
  });

  test('a file that is no database', async () => {
    const path = join(tempDir(), 'text');
    writeFileSync(path, 'no database here, but some text. '.repeat(100));
    await expect(async () => runOnce(sqliteIntegrity({ file: path }))).rejects.toThrow('not a database');
  });

  test('a database locked by its writer is not checked, and no fault', async () => {
    const { path, db } = database();
    db.exec('PRAGMA journal_mode = DELETE; CREATE TABLE t (a); BEGIN EXCLUSIVE;');
    expect(await runOnce(sqliteIntegrity({ file: path }))).toMatchObject({
      status: 'warn',
      againInMs: 60_000,
    });
  });

  test('between two tables the write-ahead log can be emptied, and the child rests', async () => {
    const { path, db } = database(undefined, fill(5_000));
    const abort = new AbortController();
    // It rests for hours after the first table.
    const run = runOnce(sqliteIntegrity({ file: path, restFactor: 1e7 }), { signal: abort.signal });
    const verdict = run.then(
      () => 'ended',
      () => 'aborted',
    );
    let pid = '';
    await waitFor('the first table to be read', () => {
      [pid = ''] = childrenOf(path);
      return pid !== '' && rests(pid, path);
    });
    await waitFor('the log to be emptied while the check is under way', () => {
      db.exec("INSERT OR REPLACE INTO other VALUES ('a')");
      return db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] === 0;
    });
    expect(statSync(`${path}-wal`).size).toBe(0);
    expect(childrenOf(path)).toEqual([pid]);
    abort.abort();
    expect(await verdict).toBe('aborted');
  });

  test('the child gets nothing of the environment', async () => {
    process.env['HEALTH_TEST_SECRET'] = 'sk_test_secret';
    onTestFinished(() => {
      delete process.env['HEALTH_TEST_SECRET'];
    });
    const { path } = database(undefined, fill(10));
    const abort = new AbortController();
    const run = runOnce(sqliteIntegrity({ file: path, restFactor: 1e7 }), { signal: abort.signal });
    const verdict = run.catch(() => undefined);
    let pid = '';
    await waitFor('the child', () => {
      [pid = ''] = childrenOf(path);
      return pid !== '' && rests(pid, path);
    });
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    abort.abort();
    await verdict;
    expect(environment).toContain('NODE_CHANNEL_FD=');
    expect(environment).not.toContain('secret');
    expect(environment).not.toContain('PATH=');
  });

  test('a table that is dropped while the check is under way is no fault', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `t_${String(index).padStart(2, '0')}`);
    const { path, db } = database(undefined, names.map((name) => `CREATE TABLE ${name} (a);`).join(''));
    let ended = false;
    const run = runOnce(sqliteIntegrity({ file: path, restFactor: 100 })).finally(() => {
      ended = true;
    });
    await waitFor('the child to have its list of tables', () =>
      childrenOf(path).some((pid) => rests(pid, path)),
    );
    while (!ended && names.length > 0) {
      db.exec(`DROP TABLE ${names.pop() ?? ''}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await run).toMatchObject({ status: 'pass' });
  });

  test('is due once a day, and the first time after the delay of choice', async () => {
    const { path } = database(undefined, fill(10));
    const check = sqliteIntegrity({ file: path, initialDelayMs: 3_600_000 });
    expect(check).toMatchObject({ intervalMs: 86_400_000, timeoutMs: 7_200_000 });
    const abort = new AbortController();
    const delayed = runOnce(check, { signal: abort.signal }).then(
      () => 'ran',
      () => 'waited',
    );
    // Time enough for a whole check, twice.
    for (let turn = 0; turn < 2; turn += 1) await runOnce(sqliteIntegrity({ file: path }));
    abort.abort();
    expect(await delayed).toBe('waited');
  });

  test('no database yet: looks again soon', async () => {
    const result = await runOnce(sqliteIntegrity({ file: join(tempDir(), 'none') }));
    expect(result).toMatchObject({ status: 'warn', againInMs: 10_000 });
  });

  test('runs in a child of low priority, that ends with its order', async () => {
    const { path, db } = database(undefined, fill(30_000));
    db.close();
    const abort = new AbortController();
    const run = runOnce(sqliteIntegrity({ file: path }), { signal: abort.signal });
    const verdict = run.catch((error: unknown) => error);
    let nice: number | undefined;
    await waitFor('the child to have lowered its priority', () => {
      const [pid] = childrenOf(path);
      if (pid === undefined) return false;
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      nice = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
      return nice === 19;
    });
    abort.abort();
    await verdict;
    await waitFor('the child to be gone', () => childrenOf(path).length === 0);
  });

  test('the child ends when its parent is killed', async () => {
    const { path, db } = database(undefined, fill(30_000));
    db.close();
    const index = fileURLToPath(new URL('../index.ts', import.meta.url));
    // It rests for years, so that it ends for no other reason.
    const script = `import { createHealth, sqliteIntegrity } from ${JSON.stringify(index)};
      createHealth({ checks: { a: sqliteIntegrity({ file: ${JSON.stringify(path)}, restFactor: 1e7 }) } }).start();
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: 'inherit',
    });
    onTestFinished(() => {
      parent.kill('SIGKILL');
    });
    // The parent has the path on its command line too.
    await waitFor('the child', () => childrenOf(path).length === 2);
    parent.kill('SIGKILL');
    await waitFor('both to be gone', () => childrenOf(path).length === 0);
  });
});
