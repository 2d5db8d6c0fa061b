import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clock, database, runOnce, stamp, tempDir } from '../../test/kit.ts';
import { tdogHeartbeat, tdogProgress } from '../index.ts';

const metadata = `CREATE TABLE td_metadata (
  id INTEGER PRIMARY KEY, cli_version TEXT NOT NULL, stripe_version TEXT NOT NULL, stripe_account_id TEXT NOT NULL,
  stripe_account TEXT NOT NULL, stripe_is_test INTEGER NOT NULL, heartbeat_ts TEXT, data_version INTEGER NOT NULL DEFAULT 0);`;
/** As tdog 0.7 has it: no data_version, no td_progress, no td_proof. */
const metadata07 = metadata.replace(', data_version INTEGER NOT NULL DEFAULT 0', '');
const runs =
  'CREATE TABLE td_runs (run_id INTEGER PRIMARY KEY, type TEXT NOT NULL, start_ts TEXT, end_ts TEXT);';
const progress = `CREATE TABLE td_progress (
  "table" TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, pages INTEGER NOT NULL DEFAULT 0,
  share REAL, requests INTEGER NOT NULL DEFAULT 0, cursor TEXT, error TEXT, started_ts TEXT, updated_ts TEXT, finished_ts TEXT);
CREATE TABLE td_proof ("table" TEXT NOT NULL, "window" TEXT NOT NULL, checked_ts TEXT NOT NULL, rows INTEGER NOT NULL,
  drift INTEGER NOT NULL, repaired INTEGER NOT NULL, PRIMARY KEY ("table", "window"));
CREATE TABLE events (id TEXT PRIMARY KEY NOT NULL, type TEXT, created TEXT NOT NULL, insert_ts TEXT);`;
const row = (heartbeat: string | null): string =>
  `DELETE FROM td_metadata; INSERT INTO td_metadata (id, cli_version, stripe_version, stripe_account_id, stripe_account, stripe_is_test, heartbeat_ts)
   VALUES (1, '1', '2', 'acct_1', '{}', 1, ${heartbeat === null ? 'NULL' : `'${heartbeat}'`});`;

describe.each([
  ['this engine', metadata],
  ['tdog 0.7', metadata07],
])('heartbeat of %s', (_, schema) => {
  test.each<[string, number, string]>([
    ['a fresh one', 3_000, 'pass'],
    ['one of a minute', 60_000, 'pass'],
    ['one that is late', 61_000, 'warn'],
    ['one of five minutes', 300_000, 'warn'],
    ['an old one', 301_000, 'fail'],
    ['one of the future, as of a clock that was wrong', -86_400_000, 'pass'],
  ])('%s', async (_name, age, status) => {
    const time = clock();
    const { path } = database(undefined, schema + row(stamp(time.now() - age)));
    const result = await runOnce(tdogHeartbeat({ file: path }), { clock: time });
    expect(result).toMatchObject({ status, observed: Math.max(0, age / 1000), unit: 's' });
  });

  test('a heartbeat without milliseconds is understood too', async () => {
    const time = clock();
    const { path } = database(undefined, schema + row('2025-12-31 23:59:55'));
    expect(await runOnce(tdogHeartbeat({ file: path }), { clock: time })).toMatchObject({
      status: 'pass',
      observed: 5,
    });
  });

  test('none yet is a warning', async () => {
    const { path, db } = database(undefined, schema);
    const check = tdogHeartbeat({ file: path });
    expect(await runOnce(check)).toEqual({ status: 'warn', message: 'No heartbeat yet' });
    db.exec(row(null));
    expect(await runOnce(check)).toEqual({ status: 'warn', message: 'No heartbeat yet' });
  });
});

describe('heartbeat', () => {
  test('a jump of the wall clock makes no dead engine alive and no live one dead', async () => {
    const wall = clock();
    const monotonic = clock(0);
    const { path, db } = database(undefined, metadata + row(stamp(wall.now())));
    const check = tdogHeartbeat({ file: path });
    const run = async (): Promise<unknown> =>
      (await runOnce(check, { now: wall.now, monotonic: monotonic.now })).status;
    expect(await run()).toBe('pass');
    wall.move(86_400_000);
    monotonic.move(5_000);
    // Forward by a day: the heartbeat was seen 5 s ago.
    expect(await run()).toBe('pass');
    db.exec(row(stamp(wall.now())));
    expect(await run()).toBe('pass');
    wall.move(-86_400_000);
    monotonic.move(301_000);
    // Back by a day, and the engine is dead: the heartbeat in the future does not hide it.
    expect(await run()).toBe('fail');
  });

  test('its limits follow the mode of polling', async () => {
    const time = clock();
    let mode = 10_000;
    const { path } = database(undefined, metadata + row(stamp(time.now() - 400_000)));
    const check = tdogHeartbeat({ file: path, heartbeatMs: () => mode });
    expect((await runOnce(check, { clock: time })).status).toBe('fail');
    mode = 300_000;
    expect((await runOnce(check, { clock: time })).status).toBe('pass');
  });

  test('while Stripe cannot be reached an old one is a warning', async () => {
    const time = clock();
    const { path } = database(undefined, metadata + row(stamp(time.now() - 3_600_000)));
    const result = await runOnce(tdogHeartbeat({ file: path, unreachable: () => true }), { clock: time });
    expect(result).toMatchObject({
      status: 'warn',
      message: 'The last heartbeat is 3600 s old: Stripe cannot be reached',
    });
  });

  test('no database is a warning at first, then a failure; one that comes is seen', async () => {
    const time = clock();
    const path = join(tempDir(), 'none.sqlite');
    const check = tdogHeartbeat({ file: path });
    expect((await runOnce(check, { clock: time })).status).toBe('warn');
    time.move(301_000);
    expect((await runOnce(check, { clock: time })).status).toBe('fail');
    database(path, metadata + row(stamp(time.now())));
    expect((await runOnce(check, { clock: time })).status).toBe('pass');
  });

  test('a database locked by its writer is a warning, and waits for nothing', async () => {
    const { path, db } = database();
    db.exec(`PRAGMA journal_mode = DELETE; ${metadata07} BEGIN EXCLUSIVE;`);
    expect(await runOnce(tdogHeartbeat({ file: path }))).toEqual({
      status: 'warn',
      message: 'The database is locked by its writer',
    });
  });

  test('a database replaced under the reader is read anew', async () => {
    const time = clock();
    const dir = tempDir();
    const path = join(dir, 'a.sqlite');
    const first = database(path, metadata + row(stamp(time.now() - 3_600_000)));
    const check = tdogHeartbeat({ file: path });
    expect((await runOnce(check, { clock: time })).status).toBe('fail');
    first.db.close();
    const second = database(join(dir, 'b.sqlite'), metadata + row(stamp(time.now())));
    second.db.close();
    renameSync(second.path, path);
    expect((await runOnce(check, { clock: time })).status).toBe('pass');
  });

  test('what is no database is a failure', async () => {
    const { writeFileSync } = await import('node:fs');
    const path = join(tempDir(), 'text');
    writeFileSync(path, 'this is no database, but a text that is long enough to look like one'.repeat(20));
    await expect(async () => runOnce(tdogHeartbeat({ file: path }))).rejects.toThrow('not a database');
  });
});

describe('progress', () => {
  const table = (name: string, state: string, share: number | null, rows = 10, requests = 1): string =>
    `INSERT OR REPLACE INTO td_progress ("table", state, rows, requests, share, started_ts) VALUES ('${name}', '${state}', ${rows}, ${requests}, ${share ?? 'NULL'}, '2026-01-01 00:00:00.000');`;

  test('a download that makes progress is a warning, with share and time left', async () => {
    const time = clock();
    const { path } = database(
      undefined,
      metadata +
        progress +
        table('charges', 'done', 1) +
        table('events', 'running', 0.5) +
        table('plans', 'waiting', null) +
        table('prices', 'skipped', null),
    );
    time.move(60_000);
    const result = await runOnce(tdogProgress({ file: path }), { clock: time });
    expect(result).toMatchObject({
      status: 'warn',
      observed: 0.625,
      unit: 'share',
      message: 'Downloading: 62 %, about 36 s left',
    });
    expect(result.metrics).toContainEqual(
      expect.objectContaining({ name: 'tdog_download_seconds_left', value: 36 }),
    );
    expect(result.metrics).toContainEqual(
      expect.objectContaining({ name: 'tdog_tables', value: 1, labels: { state: 'skipped' } }),
    );
  });

  test('one that stands still is a failure, until it moves again; not while Stripe cannot be reached', async () => {
    const time = clock();
    let unreachable = false;
    const { path, db } = database(undefined, metadata + progress + table('charges', 'running', 0.5));
    const check = tdogProgress({ file: path, stalledAfterMs: 60_000, unreachable: () => unreachable });
    const status = async (): Promise<string> => (await runOnce(check, { clock: time })).status;
    expect(await status()).toBe('warn');
    time.move(60_001);
    expect(await status()).toBe('fail');
    unreachable = true;
    expect(await status()).toBe('warn');
    unreachable = false;
    db.exec(table('charges', 'running', 0.5, 11));
    expect(await status()).toBe('warn');
  });

  test('a finished one passes, and names what the key may not read', async () => {
    const { path } = database(
      undefined,
      metadata + progress + table('charges', 'done', 1) + table('prices', 'skipped', null),
    );
    expect(await runOnce(tdogProgress({ file: path }))).toMatchObject({
      status: 'pass',
      observed: 1,
      message: 'skipped, as the key may not read them: prices',
    });
  });

  test('a table that failed is a warning', async () => {
    const { path } = database(
      undefined,
      metadata + progress + table('charges', 'done', 1) + table('prices', 'failed', 0.2),
    );
    expect(await runOnce(tdogProgress({ file: path }))).toMatchObject({
      status: 'warn',
      message: 'failed: prices',
    });
  });

  test('drift that is not repaired is a warning, the lag is told', async () => {
    const { path, db } = database(
      undefined,
      metadata +
        progress +
        table('charges', 'done', 1) +
        `INSERT INTO td_proof VALUES ('charges', 'a', '', 100, 2, 2), ('charges', 'b', '', 100, 3, 1);
         INSERT INTO events VALUES ('evt_1', 't', '2026-01-01 00:00:00', '2026-01-02 00:00:00.000'),
           ('evt_2', 't', '2026-01-03 00:00:00', '2026-01-03 00:00:01.500');`,
    );
    const result = await runOnce(tdogProgress({ file: path }));
    expect(result).toMatchObject({
      status: 'warn',
      message: '2 rows differ from Stripe and are not repaired; the last event came 1.5 s after it was made',
    });
    expect(result.metrics).toContainEqual(
      expect.objectContaining({ name: 'mirror_lag_seconds', value: 1.5 }),
    );
    expect(result.metrics).toContainEqual(expect.objectContaining({ name: 'drift_rows', value: 5 }));
    db.exec('UPDATE td_proof SET repaired = drift');
    expect((await runOnce(tdogProgress({ file: path }))).status).toBe('pass');
  });

  test.each<[string, string, string]>([
    ['not begun', '', 'The download has not begun'],
    [
      'running',
      "INSERT INTO td_runs VALUES (1, 'download', '2026-01-01 00:00:00.000', NULL);",
      'Downloading: 0 %',
    ],
  ])('of tdog 0.7, %s', async (_, sql, message) => {
    const { path } = database(undefined, metadata07 + runs + sql);
    const time = clock();
    time.move(86_400_000);
    expect(await runOnce(tdogProgress({ file: path }), { clock: time })).toMatchObject({
      status: 'warn',
      message,
    });
  });

  test('of tdog 0.7, done', async () => {
    const { path } = database(
      undefined,
      metadata07 +
        runs +
        `INSERT INTO td_runs VALUES (1, 'download', '2026-01-01 00:00:00.000', '2026-01-01 00:01:00.000'), (2, 'apply_events', '2026-01-01 00:02:00.000', NULL);
         CREATE TABLE notification_events (event_id INTEGER PRIMARY KEY, created TEXT NOT NULL, insert_ts TEXT);
         INSERT INTO notification_events VALUES (1, '2026-01-01 00:00:00.000', '2026-01-01 00:00:00.400');`,
    );
    expect(await runOnce(tdogProgress({ file: path }))).toMatchObject({
      status: 'pass',
      observed: 1,
      message: 'the last event came 0.4 s after it was made',
    });
  });

  test('no database, a locked one', async () => {
    expect(await runOnce(tdogProgress({ file: join(tempDir(), 'x') }))).toMatchObject({ status: 'warn' });
    const { path, db } = database();
    db.exec(`PRAGMA journal_mode = DELETE; ${metadata07} BEGIN EXCLUSIVE;`);
    expect(await runOnce(tdogProgress({ file: path }))).toMatchObject({ status: 'warn' });
  });
});
