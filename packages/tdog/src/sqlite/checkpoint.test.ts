import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';

import { checkpointBeside } from './checkpoint.ts';

const folder = mkdtempSync(join(tmpdir(), 'tdog-checkpoint-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the log moves into the database while its writer goes on writing, and nothing is lost', async () => {
  const file = join(folder, 'log.sqlite');
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)');
  const stop = checkpointBeside(db, file);
  const insert = db.prepare('INSERT INTO rows (text) VALUES (?)');
  const text = 'x'.repeat(10_000);
  let rows = 0;
  const write = (): void => {
    db.exec('BEGIN');
    for (let i = 0; i < 100; i += 1) insert.run(text);
    db.exec('COMMIT');
    rows += 100;
  };
  const deadline = Date.now() + 60_000;
  // Only the thread moves anything: the writer's own checkpoints are off.
  while (statSync(file).size < 16_000_000) {
    if (Date.now() > deadline) throw new Error('the log stays where it is');
    write();
    await sleep(5);
  }
  await stop();
  expect(db.prepare('PRAGMA wal_autocheckpoint').get()).toEqual({ wal_autocheckpoint: 1_000 });
  db.close();
  const read = new DatabaseSync(file, { readOnly: true });
  expect(read.prepare('SELECT count(*) AS n FROM rows').get()).toEqual({ n: rows });
  expect(read.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  read.close();
});
