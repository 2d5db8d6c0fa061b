import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempDir, waitFor } from '../test/kit.ts';
import { createLogFiles } from './log-files.ts';

const limits = { maxBytes: 10_000, maxAgeMs: 0, maxFiles: 3, maxTotalBytes: 1_000_000 };
const never = (): never => {
  throw new Error('no line may be lost here');
};
const line = (index: number): Buffer => Buffer.from(`${String(index).padStart(99, '0')}\n`);

/** The lines of one service over its files, oldest first. */
function numbersOf(directory: string, service: string): number[] {
  const age = (name: string): number => Number(/\d+$/.exec(name)?.[0] ?? 0);
  const names = readdirSync(directory).filter((name) => name.startsWith(`${service}.log`));
  const text = names
    .sort((a, b) => age(b) - age(a))
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('');
  return text.split('\n').slice(0, -1).map(Number);
}

describe('log files', () => {
  test('keep every line in order over all rotations', async () => {
    const directory = tempDir();
    const log = createLogFiles(directory, { ...limits, maxFiles: 100 }, () => 1, never).open('web');
    for (let index = 0; index < 2_000; index += 1) await log.write(line(index));
    await log.close();
    const names = readdirSync(directory);
    expect(numbersOf(directory, 'web')).toEqual([...Array(2_000).keys()]);
    expect(names.length).toBe(20);
    for (const name of names) expect(statSync(join(directory, name)).size).toBeLessThanOrEqual(10_000);
  });

  test('keep no more files than allowed', async () => {
    const directory = tempDir();
    const log = createLogFiles(directory, limits, () => 1, never).open('web');
    for (let index = 0; index < 2_000; index += 1) await log.write(line(index));
    await log.close();
    expect(readdirSync(directory).sort()).toEqual(['web.log', 'web.log.1', 'web.log.2', 'web.log.3']);
    expect(readFileSync(join(directory, 'web.log'), 'utf8')).toContain('1999\n');
  });

  test('keep to the maximum of all services together', async () => {
    const directory = tempDir();
    const files = createLogFiles(
      directory,
      { maxBytes: 10_000, maxAgeMs: 0, maxFiles: 50, maxTotalBytes: 60_000 },
      () => 2,
      never,
    );
    const logs = [files.open('a'), files.open('b')];
    for (let index = 0; index < 1_000; index += 1) {
      for (const log of logs) await log.write(line(index));
    }
    await Promise.all(logs.map((log) => log.close()));
    const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(60_000);
    expect(sizes.length).toBeGreaterThan(3);
    // What is left are the newest lines, without a gap.
    for (const service of ['a', 'b']) {
      const left = numbersOf(directory, service);
      expect(left).toEqual([...Array(1_000).keys()].slice(-left.length));
    }
  });

  test('after a jump of the clock into the past the oldest still go first', async () => {
    const directory = tempDir();
    const options = { maxBytes: 10_000, maxAgeMs: 0, maxFiles: 50, maxTotalBytes: 60_000 };
    const tomorrow = Date.now() / 1_000 + 86_400;
    for (const turn of [1, 2, 3, 4]) {
      const path = join(directory, `a.log.${turn}`);
      writeFileSync(path, '0\n'.repeat(4_000));
      // Written while the clock went wrong, the oldest most of all.
      utimesSync(path, tomorrow + turn, tomorrow + turn);
    }
    const log = createLogFiles(directory, options, () => 1, never).open('a');
    for (let index = 0; index < 500; index += 1) await log.write(line(index));
    await log.close();
    const left = numbersOf(directory, 'a').filter((number) => number > 0);
    expect(left).toEqual([...Array(500).keys()].slice(1));
    expect(readdirSync(directory).length).toBeLessThan(9);
  });

  test('rotate by age, and go on in the file of an earlier run', async () => {
    const directory = tempDir();
    const path = join(directory, 'web.log');
    writeFileSync(path, 'of yesterday\n');
    const young = createLogFiles(directory, { ...limits, maxAgeMs: 3_600_000 }, () => 1, never).open('web');
    await young.write(Buffer.from('today\n'));
    await young.close();
    expect(readFileSync(path, 'utf8')).toBe('of yesterday\ntoday\n');

    const born = statSync(path).birthtimeMs;
    await waitFor('the file to be 50 ms old', () => Date.now() - born > 50);
    const old = createLogFiles(directory, { ...limits, maxAgeMs: 50 }, () => 1, never).open('web');
    await old.write(Buffer.from('new\n'));
    await old.close();
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('of yesterday\ntoday\n');
    expect(readFileSync(path, 'utf8')).toBe('new\n');
  });

  test('say what is lost when they cannot be written, and go on when they can again', async () => {
    const directory = join(tempDir(), 'logs');
    const lost: number[] = [];
    const log = createLogFiles(
      directory,
      limits,
      () => 1,
      (_, bytes) => lost.push(bytes),
    ).open('web');
    await log.write(line(1));
    await log.flush();
    await log.close();
    rmSync(directory, { recursive: true });
    await log.write(line(2));
    await log.flush();
    expect(lost).toEqual([100]);
    mkdirSync(directory);
    await log.write(line(3));
    await log.close();
    expect(readFileSync(join(directory, 'web.log'), 'utf8')).toBe(line(3).toString());
  });

  test('go on when the disk was full', async () => {
    // /dev/full answers every write with ENOSPC.
    const directory = tempDir();
    const lost: unknown[] = [];
    const { symlinkSync } = await import('node:fs');
    symlinkSync('/dev/full', join(directory, 'web.log'));
    const log = createLogFiles(
      directory,
      limits,
      () => 1,
      (_, __, error) => lost.push(error),
    ).open('web');
    await log.write(line(1));
    await log.flush();
    expect(lost).toEqual([expect.objectContaining({ code: 'ENOSPC' })]);
    rmSync(join(directory, 'web.log'));
    await log.write(line(2));
    await log.close();
    expect(readFileSync(join(directory, 'web.log'), 'utf8')).toBe(line(2).toString());
  });

  test('are not readable for others', async () => {
    const directory = tempDir();
    chmodSync(directory, 0o755);
    const log = createLogFiles(directory, limits, () => 1, never).open('web');
    await log.write(line(1));
    await log.close();
    expect(statSync(join(directory, 'web.log')).mode & 0o007).toBe(0);
  });

  test('a jump of the clock into the past rotates nothing', async () => {
    const directory = tempDir();
    const path = join(directory, 'web.log');
    writeFileSync(path, 'x\n');
    const future = new Date(Date.now() + 86_400_000);
    utimesSync(path, future, future);
    const log = createLogFiles(directory, { ...limits, maxAgeMs: 3_600_000 }, () => 1, never).open('web');
    await log.write(Buffer.from('y\n'));
    await log.close();
    expect(readdirSync(directory)).toEqual(['web.log']);
  });
});
