import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { clock, database, health, runOnce, serve, tempDir, waitFor } from '../../test/kit.ts';
import { freeDisk, httpProbe, keyState, processStates, sqliteIntegrity, walSize } from '../index.ts';
import type { ProcessState } from '../index.ts';
import { forecast } from './free-disk.ts';

describe('process states', () => {
  const one = (name: string, state: string, more: Partial<ProcessState> = {}): ProcessState => ({
    name,
    state,
    ...more,
  });

  test.each<[string, ProcessState[], string, string | undefined]>([
    ['all well', [one('a', 'ready'), one('b', 'completed')], 'pass', undefined],
    ['one is starting', [one('a', 'ready'), one('b', 'starting')], 'warn', 'b is starting'],
    [
      'one is in backoff',
      [one('a', 'backoff', { restarts: 3 }), one('b', 'waiting')],
      'warn',
      'a is backoff after 3 restarts; b is waiting',
    ],
    ['one has failed', [one('a', 'backoff'), one('b', 'failed')], 'fail', 'a is backoff; b is failed'],
    ['one is in a state nobody knows', [one('a', 'odd')], 'fail', 'a is odd'],
  ])('%s', async (_, list, status, message) => {
    const result = await runOnce(processStates({ list: () => list }));
    expect([result.status, result.message]).toEqual([status, message]);
  });

  test('can look at one only, and misses one that is not there', async () => {
    const list = (): ProcessState[] => [one('a', 'failed'), one('b', 'ready')];
    expect(await runOnce(processStates({ list, only: ['b'] }))).toMatchObject({
      status: 'pass',
      observed: 'ready',
    });
    expect(await runOnce(processStates({ list, only: ['c'] }))).toMatchObject({
      status: 'fail',
      message: 'c is not there',
    });
  });

  test('words are a choice', async () => {
    const list = (): ProcessState[] => [one('a', 'online')];
    expect((await runOnce(processStates({ list, pass: ['online'] }))).status).toBe('pass');
    expect((await runOnce(processStates({ list, warn: ['online'] }))).status).toBe('warn');
  });

  test('gives cpu, memory and restarts as metrics', async () => {
    const time = clock();
    const list = (): ProcessState[] => [
      one('a', 'ready', { restarts: 2, cpuSeconds: 1.5, memoryBytes: 1_000, since: time.now() - 4_000 }),
    ];
    const { metrics } = await runOnce(processStates({ list }), { clock: time });
    expect(metrics?.map(({ name, value }) => [name, value])).toEqual([
      ['supervised_process_up', 1],
      ['supervised_process_state_age_seconds', 4],
      ['supervised_process_resident_memory_bytes', 1_000],
      ['supervised_process_cpu_seconds', 1.5],
      ['supervised_process_restarts_total', 2],
    ]);
  });
});

describe('HTTP probe', () => {
  test.each<[string, number, readonly number[] | undefined, string]>([
    ['200', 200, undefined, 'pass'],
    ['302', 302, undefined, 'pass'],
    ['404', 404, undefined, 'fail'],
    ['503', 503, undefined, 'fail'],
    ['a status of choice', 401, [401], 'pass'],
    ['not that of choice', 200, [401], 'fail'],
  ])('%s', async (_, code, status, expected) => {
    const url = await serve((_request, response) => response.writeHead(code).end('x'));
    const result = await runOnce(
      httpProbe({ url: `${url}/a?b`, ...(status === undefined ? {} : { status }) }),
    );
    expect(result).toMatchObject({ status: expected, unit: 'ms' });
  });

  test('over a Unix socket, with path and headers', async () => {
    const socketPath = join(tempDir(), 's');
    const seen: unknown[] = [];
    await serve((request, response) => {
      seen.push([request.url, request.headers.host, request.headers['x-own']]);
      response.end();
    }, socketPath);
    const check = httpProbe({
      url: 'http://datasette/-/versions.json?x=1',
      socketPath,
      headers: { 'x-own': 'y' },
    });
    expect((await runOnce(check)).status).toBe('pass');
    expect(seen).toEqual([['/-/versions.json?x=1', 'datasette', 'y']]);
  });

  test('nobody there, and nobody who answers, are failures', async () => {
    const made = health({
      gone: httpProbe({ url: 'http://x/', socketPath: join(tempDir(), 'none') }),
      silent: httpProbe({ url: await serve(() => undefined), timeoutMs: 50 }),
    });
    await made.settled();
    expect(made.status().items).toMatchObject({
      gone: { status: 'fail', message: expect.stringContaining('ENOENT') as unknown },
      silent: { status: 'fail', message: 'No answer within 50 ms' },
    });
  });

  test('an endless body does not matter', async () => {
    const url = await serve((_request, response) => {
      response.write('x');
    });
    expect((await runOnce(httpProbe({ url }))).status).toBe('pass');
  });

  test('a slow answer is a warning where a limit is given', async () => {
    const url = await serve((_request, response) => setTimeout(() => response.end(), 20));
    expect(await runOnce(httpProbe({ url, warnAfterMs: 5 }))).toMatchObject({ status: 'warn' });
  });
});

describe('free disk', () => {
  test.each<[string, number, number, string]>([
    ['enough', 0, 0, 'pass'],
    ['little', 2 ** 60, 0, 'warn'],
    ['too little', 2 ** 60, 2 ** 60, 'fail'],
  ])('%s', async (_, warnBelowBytes, failBelowBytes, status) => {
    const result = await runOnce(freeDisk({ path: tempDir(), warnBelowBytes, failBelowBytes }));
    expect(result.status).toBe(status);
    expect(result.observed).toBeGreaterThan(0);
  });

  test('a path that is not there is a failure', async () => {
    await expect(async () => runOnce(freeDisk({ path: '/no/such/path' }))).rejects.toThrow('ENOENT');
  });

  const hour = 3_600_000;
  test.each<[string, [number, number][], number | undefined]>([
    ['nothing known', [], undefined],
    [
      'too short a time',
      [
        [0, 100],
        [60_000, 90],
      ],
      undefined,
    ],
    [
      'steady',
      [
        [0, 100],
        [hour, 100],
      ],
      undefined,
    ],
    [
      'growing',
      [
        [0, 100],
        [hour, 200],
      ],
      undefined,
    ],
    [
      'shrinking',
      [
        [0, 300],
        [hour, 200],
        [2 * hour, 100],
      ],
      hour,
    ],
    [
      'shrinking after a jump',
      [
        [0, 200],
        [hour, 400],
        [2 * hour, 200],
        [3 * hour, 100],
      ],
      2 * hour,
    ],
  ])('forecast: %s', (_, samples, expected) => {
    const found = forecast(samples.map(([at, free]) => ({ at, free })));
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toBeCloseTo(expected, 0);
  });
});

describe('WAL size', () => {
  test('none, small, large', async () => {
    const file = join(tempDir(), 'a.sqlite');
    const check = walSize({ file, warnBytes: 100, failBytes: 1_000 });
    expect(await runOnce(check)).toMatchObject({ status: 'pass', observed: 0 });
    for (const [size, status] of [
      [100, 'pass'],
      [101, 'warn'],
      [1_001, 'fail'],
    ] as const) {
      writeFileSync(`${file}-wal`, '');
      truncateSync(`${file}-wal`, size);
      expect(await runOnce(check)).toMatchObject({ status, observed: size });
    }
  });
});

describe('key state', () => {
  test.each([
    ['live', 'pass'],
    ['unknown', 'warn'],
    ['refused', 'fail'],
  ] as const)('%s is %s', async (state, status) => {
    expect((await runOnce(keyState({ state: async () => state }))).status).toBe(status);
  });
});

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
    const script = `import { createHealth, sqliteIntegrity } from ${JSON.stringify(index)};
      createHealth({ checks: { a: sqliteIntegrity({ file: ${JSON.stringify(path)} }) } }).start();
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
