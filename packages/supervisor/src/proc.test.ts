import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tempDir, waitFor } from '../test/kit.ts';
import { groupRuns, processUsage } from './proc.ts';
import { resolveUser } from './users.ts';

describe('/proc', () => {
  test('a process is read right whatever it is called', async () => {
    const path = join(tempDir(), 'a) Z 1 (');
    copyFileSync('/bin/sleep', path);
    chmodSync(path, 0o755);
    const child = spawn(path, ['600'], { detached: true, stdio: 'ignore' });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const pid = child.pid ?? 0;
    await waitFor('its memory', () => (processUsage(pid).memoryBytes ?? 0) > 0);
    expect(processUsage(pid).cpuSeconds).toBeGreaterThanOrEqual(0);
    expect(groupRuns(pid)).toBe(true);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(groupRuns(pid)).toBe(false);
    expect(processUsage(pid)).toEqual({ cpuSeconds: null, memoryBytes: null });
  });
});

describe('user', () => {
  test.each([
    ['root', { uid: 0, gid: 0 }],
    [0, { uid: 0, gid: 0 }],
    ['0:daemon', { uid: 0, gid: 1 }],
    ['root:1', { uid: 0, gid: 1 }],
    // Not in /etc/passwd: numbers are taken as they are, as in a container.
    [54_321, { uid: 54_321, gid: 54_321 }],
    ['54321:54322', { uid: 54_321, gid: 54_322 }],
  ])('%s', (user, expected) => {
    expect(resolveUser(user)).toEqual(expected);
  });

  test('what is not known is refused by name', () => {
    expect(() => resolveUser('nobody-of-this-name')).toThrow('There is no user nobody-of-this-name');
    expect(() => resolveUser('root:none-of-this-name')).toThrow('There is no group none-of-this-name');
  });
});
