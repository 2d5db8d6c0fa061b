import { renameSync, writeFileSync } from 'node:fs';
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
    ['one of the future, as of a clock that was wrong', -86_400_000, 'pass'],
  ])('%s', async (_name, age, status) => {
    const time = clock();
    const { path } = database(undefined, schema + row(stamp(time.now() - age)));
    const result = await runOnce(tdogHeartbeat({ file: path }), { clock: time });
    expect(result).toMatchObject({ status, observed: Math.max(0, age / 1000), unit: 's' });
  });

  test('one that stands still is a warning, then a failure, until it beats again', async () => {
    const time = clock();
    const { path, db } = database(undefined, schema + row(stamp(time.now())));
    const check = tdogHeartbeat({ file: path });
    const status = async (): Promise<string> => (await runOnce(check, { clock: time })).status;
    const seen = [await status()];
    for (const ms of [60_000, 1, 239_999, 1]) {
      time.move(ms);
      seen.push(await status());
    }
    db.exec(row(stamp(time.now())));
    seen.push(await status());
    expect(seen).toEqual(['pass', 'pass', 'warn', 'warn', 'fail', 'pass']);
  });

  test('an old one of the run before is a warning: the engine that runs now had no time yet', async () => {
    const time = clock();
    const { path } = database(undefined, schema + row(stamp(time.now() - 86_400_000)));
    const check = tdogHeartbeat({ file: path });
    expect(await runOnce(check, { clock: time })).toMatchObject({ status: 'warn', observed: 86_400 });
    time.move(300_001);
    expect((await runOnce(check, { clock: time })).status).toBe('fail');
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
    // Forward by another day just after a beat: it came since the last look, so it is no older than that.
    db.exec(row(stamp(wall.now())));
    wall.move(86_400_000);
    monotonic.move(5_000);
    expect(await run()).toBe('pass');
    wall.move(-2 * 86_400_000);
    monotonic.move(301_000);
    // Back by a day, and the engine is dead: the heartbeat in the future does not hide it.
    expect(await run()).toBe('fail');
  });

  test.each<[string, string, number | (() => number) | undefined, number]>([
    ['of the option', '', 100_000, 240_000],
    ['of a function', '', (): number => 20_000, 80_000],
    [
      'that the engine tells',
      "INSERT INTO td_state VALUES ('poll_interval_ms', '60000')",
      undefined,
      160_000,
    ],
    [
      'that the engine tells, below its heartbeat',
      "INSERT INTO td_state VALUES ('poll_interval_ms', '1000')",
      undefined,
      60_000,
    ],
    ['that nobody tells', '', undefined, 640_000],
  ])('its limits follow the mode of polling %s', async (_, sql, heartbeatMs, limit) => {
    const time = clock();
    const state = 'CREATE TABLE td_state (key TEXT PRIMARY KEY NOT NULL, value TEXT) WITHOUT ROWID;';
    const { path } = database(undefined, metadata + state + row(stamp(time.now())) + sql);
    const check = tdogHeartbeat({ file: path, ...(heartbeatMs === undefined ? {} : { heartbeatMs }) });
    time.move(limit);
    expect((await runOnce(check, { clock: time })).status).toBe('pass');
    time.move(1);
    expect((await runOnce(check, { clock: time })).status).toBe('warn');
  });

  test('an engine that works for long between two heartbeats is alive', async () => {
    const time = clock();
    const requests =
      'CREATE TABLE td_requests (day TEXT, purpose TEXT, reads INTEGER NOT NULL); INSERT INTO td_requests VALUES (1, 1, 1);';
    const { path, db } = database(undefined, metadata + requests + row(stamp(time.now())));
    const check = tdogHeartbeat({ file: path });
    const status = async (): Promise<string> => (await runOnce(check, { clock: time })).status;
    await status();
    time.move(290_000);
    db.exec('UPDATE td_metadata SET data_version = data_version + 1');
    expect(await status()).toBe('warn');
    time.move(290_000);
    db.exec('UPDATE td_requests SET reads = reads + 1');
    expect(await status()).toBe('warn');
    time.move(300_001);
    expect(await status()).toBe('fail');
  });

  test('while Stripe cannot be reached an old one is a warning', async () => {
    const time = clock();
    const { path } = database(undefined, metadata + row(stamp(time.now())));
    const check = tdogHeartbeat({ file: path, unreachable: () => true });
    await runOnce(check, { clock: time });
    time.move(3_600_000);
    expect(await runOnce(check, { clock: time })).toMatchObject({
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
    expect((await runOnce(check, { clock: time })).status).toBe('warn');
    first.db.close();
    const second = database(join(dir, 'b.sqlite'), metadata + row(stamp(time.now())));
    second.db.close();
    renameSync(second.path, path);
    expect((await runOnce(check, { clock: time })).status).toBe('pass');
  });

  test('what is no database is a failure', async () => {
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

  test('counts the reads by purpose', async () => {
    const { path } = database(
      undefined,
      metadata +
        progress +
        `CREATE TABLE td_requests (day TEXT NOT NULL, purpose TEXT NOT NULL, reads INTEGER NOT NULL, PRIMARY KEY (day, purpose));
         INSERT INTO td_requests VALUES ('2026-01-01', 'poll', 5), ('2026-01-02', 'poll', 7), ('2026-01-02', 'proof', 1);`,
    );
    const { metrics } = await runOnce(tdogProgress({ file: path }));
    const reads = metrics?.filter(({ name }) => name === 'stripe_reads_total');
    expect(reads?.map(({ labels, value }) => [labels?.['purpose'], value])).toEqual([
      ['poll', 12],
      ['proof', 1],
    ]);
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
         INSERT INTO notification_events VALUES (1, '2026-01-01 00:00:00.000', '2026-01-01 00:00:09.000'),
           (2, '2026-01-01 00:00:10.000', '2026-01-01 00:00:10.400');`,
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
