import { execFile, type ExecFileException } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkCopy, createDatabase, serveSnapshots, startWriter, tempDir, until } from '../test/database.ts';
import { copyDatabase } from './index.ts';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function bin(args: string[], { env = {}, shell = '' } = {}): Promise<Ran> {
  const command = [
    process.execPath,
    '--conditions=@datasette-stripe/source',
    join(import.meta.dirname, 'bin.ts'),
    ...args,
  ];
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, out: string, err: string): void => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err });
    };
    const options = { env: { PATH: process.env['PATH'], ...env } };
    if (shell === '') execFile(command[0] ?? '', command.slice(1), options, done);
    else execFile('sh', ['-c', `${shell}; exec "$@"`, 'sh', ...command], options, done);
  });
}

describe('copy', () => {
  test('is of one moment while others write, with the digest of what was written', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file, { accounts: 20_000 });
    await startWriter(file, 0);
    const copy = join(dir, 'copy.sqlite');
    for (let n = 0; n < 3; n++) {
      const { bytes, sha256 } = await copyDatabase(file, copy, { overwrite: true, check: true });
      const content = readFileSync(copy);
      expect(bytes).toBe(content.length);
      expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
      checkCopy(copy);
    }
  });

  test.each([
    ['a source that is not there', 'nothing.sqlite', 'new.sqlite', 'SNAPSHOT_SOURCE_MISSING'],
    ['a source that is no database', 'text.sqlite', 'new.sqlite', 'SNAPSHOT_SOURCE_INVALID'],
    ['a destination that is there', 'a.sqlite', 'text.sqlite', 'SNAPSHOT_DESTINATION_EXISTS'],
    ['onto itself', 'a.sqlite', 'a.sqlite', 'SNAPSHOT_OPTIONS'],
  ])('%s is refused', async (_name, from, to, code) => {
    const dir = tempDir();
    createDatabase(join(dir, 'a.sqlite'));
    writeFileSync(join(dir, 'text.sqlite'), 'no database at all, just a text '.repeat(50));
    const before = readdirSync(dir).sort();
    await expect(copyDatabase(join(dir, from), join(dir, to))).rejects.toMatchObject({ code });
    expect(readdirSync(dir).sort()).toEqual(before);
  });

  test('stops at the signal and leaves nothing', async () => {
    const dir = tempDir();
    createDatabase(join(dir, 'a.sqlite'), { accounts: 20_000 });
    const controller = new AbortController();
    const copying = copyDatabase(join(dir, 'a.sqlite'), join(dir, 'b.sqlite'), {
      signal: controller.signal,
      onProgress: () => {
        controller.abort(new Error('enough'));
      },
    });
    await expect(copying).rejects.toThrow('enough');
    expect(readdirSync(dir).filter((name) => !name.startsWith('a.sqlite'))).toEqual([]);
  });
});

describe('the command', { timeout: 60_000 }, () => {
  test('copies, and pulls with a key', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file);
    expect(await bin(['copy', file, join(dir, 'b.sqlite'), '--check'])).toMatchObject({ code: 0, err: '' });
    checkCopy(join(dir, 'b.sqlite'));
    expect(await bin(['copy', file, join(dir, 'b.sqlite')])).toMatchObject({ code: 1 });
    const { url } = await serveSnapshots({ file });
    writeFileSync(join(dir, 'key'), 'sk_test_emulator\n');
    const pulled = await bin(['pull', url, join(dir, 'c.sqlite'), '--key-file', join(dir, 'key')]);
    expect(pulled).toMatchObject({ code: 0, err: '' });
    expect(pulled.out).toContain('full');
    const again = await bin(['pull', url, join(dir, 'c.sqlite')], {
      env: { SQLITE_SNAPSHOT_KEY: 'sk_test_emulator' },
    });
    expect(again.out).toContain('unchanged');
    checkCopy(join(dir, 'c.sqlite'));
  });

  test('keeps a copy current until it is stopped', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file);
    const { url } = await serveSnapshots({ file, shareMs: 0 });
    const copy = join(dir, 'c.sqlite');
    const running = execFile(process.execPath, [
      '--conditions=@datasette-stripe/source',
      join(import.meta.dirname, 'bin.ts'),
      'pull',
      url,
      copy,
      '--every',
      '0.05',
    ]);
    const exited = new Promise((resolve) => running.on('exit', resolve));
    try {
      const seen = (): number => {
        try {
          return checkCopy(copy).moves;
        } catch {
          return -1;
        }
      };
      await until(() => seen() === 0, 'the first copy');
      db.exec('BEGIN; INSERT INTO moves (amount) VALUES (0); UPDATE counter SET n = n + 1; COMMIT');
      await until(() => seen() === 1, 'the change arrives');
    } finally {
      running.kill('SIGTERM');
    }
    expect(await exited).toBe(0);
  });

  test.each([
    [['copy', 'a'], 2],
    [['steal', 'a', 'b'], 2],
    [['pull', 'not a url', 'b'], 2],
    [['pull', 'http://127.0.0.1:1/', 'b', '--every', 'x'], 2],
    [['pull', 'http://127.0.0.1:1/', '/nonexistent/b'], 1],
    [['--nonsense'], 2],
    [['--help'], 0],
  ])('%j ends with %i', async (args, code) => {
    const ran = await bin(args);
    expect(ran.code).toBe(code);
    if (code !== 0) expect(ran.err).toMatch(/^sqlite-snapshot: /);
  });

  test('a full disk is said in one line and leaves nothing', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file, { accounts: 20_000 });
    db.close();
    const before = readdirSync(dir).sort();
    // Files of 512 KB at most: the nearest to a full disk that any user can make.
    const ran = await bin(['copy', file, join(dir, 'b.sqlite')], { shell: "trap '' XFSZ; ulimit -f 1000" });
    expect(ran.err).toContain('SNAPSHOT_DISK_FULL');
    expect(ran.code).toBe(1);
    expect(readdirSync(dir).sort()).toEqual(before);
  });

  test('a disk that is full at the client is said in one line, and the copy stays', async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file, { accounts: 20_000 });
    const { url } = await serveSnapshots({ file, shareMs: 0 });
    const copy = join(dir, 'c.sqlite');
    const full = { shell: "trap '' XFSZ; ulimit -f 1000" };
    for (const how of ['full', 'delta']) {
      const before = readdirSync(dir).sort();
      const ran = await bin(['pull', url, copy], full);
      expect(ran).toMatchObject({ code: 1, out: '' });
      expect(ran.err).toBe(`sqlite-snapshot: There is no space for ${copy} (SNAPSHOT_DISK_FULL)\n`);
      expect(readdirSync(dir).sort()).toEqual(before);
      if (how === 'full') expect(await bin(['pull', url, copy])).toMatchObject({ code: 0 });
      db.exec('BEGIN; INSERT INTO moves (amount) VALUES (0); UPDATE counter SET n = n + 1; COMMIT');
    }
    expect(checkCopy(copy).moves).toBe(0);
  });
});
