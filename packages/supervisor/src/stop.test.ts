import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { alive, child, pidIn, sh, states, supervise, tempDir, waitFor } from '../test/kit.ts';

describe('stop', () => {
  test('in reverse order, one after the other', async () => {
    const path = join(tempDir(), 'order');
    const service = (name: string, ...dependsOn: string[]): object => ({
      ...child(`log-term=${path}`, 'print=up', 'stay'),
      env: { NAME: name },
      ready: { type: 'log', pattern: 'up' },
      dependsOn,
    });
    const { supervisor } = supervise({
      services: { a: service('a'), b: service('b', 'a'), c: service('c', 'b') } as never,
    });
    await supervisor.start();
    await supervisor.stop();
    expect(readFileSync(path, 'utf8')).toBe('c\nb\na\n');
    expect(await supervisor.done).toEqual({ exitCode: 0, reason: 'stopped' });
    expect(supervisor.status().services.map(({ state, pid }) => [state, pid])).toEqual([
      ['stopped', null],
      ['stopped', null],
      ['stopped', null],
    ]);
  });

  test('by the signal of choice', async () => {
    const { supervisor } = supervise({
      services: { a: { ...sh('exec sleep 600'), stop: { signal: 'SIGINT' } } },
    });
    await supervisor.start();
    await supervisor.stop();
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({
      signal: 'SIGINT',
      exitCode: 130,
      killed: false,
      reason: 'stop',
    });
  });

  test('with SIGKILL after the time limit, when the child ignores the signal', async () => {
    const { supervisor } = supervise({
      services: {
        a: {
          ...child('ignore=SIGTERM', 'print=up', 'stay'),
          ready: { type: 'log', pattern: 'up' },
          stop: { timeoutMs: 200 },
        },
      },
    });
    await supervisor.start();
    await supervisor.stop();
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({
      signal: 'SIGKILL',
      killed: true,
      exitCode: 137,
    });
  });

  test('also a child that has been stopped by SIGSTOP', async () => {
    const { supervisor } = supervise({ services: { a: sh('exec sleep 600') } });
    await supervisor.start();
    supervisor.signal('a', 'SIGSTOP');
    await supervisor.stop();
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({ signal: 'SIGTERM', killed: false });
  });

  test('of the whole process group', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: {
        a: { ...child(`grandchild=${path}`, 'print=up', 'stay'), ready: { type: 'log', pattern: 'up' } },
      },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    expect(alive(pid)).toBe(true);
    await supervisor.stop();
    await waitFor('the grandchild to be gone', () => !alive(pid));
  });

  test('what a crashed child leaves in its group goes before the next start', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: {
        a: { ...child(`grandchild=${path}`, 'exit=3'), restart: 'never', onGiveUp: 'leave' },
        b: sh('sleep 600'),
      },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await waitFor('a to be given up', () => supervisor.status().services[0]?.state === 'failed');
    expect(alive(pid)).toBe(false);
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({ code: 3, reason: 'exit' });
  });

  /** A member of the group without our mark in its environment: nothing but the group tells that it is ours. */
  const unmarked = (path: string, script = 'exec sleep 600'): string =>
    `env -i sh -c 'echo $$ > ${path}; ${script}' &`;

  test('of the whole process group, also what dropped its environment', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({ services: { a: sh(`${unmarked(path)} exec sleep 600`) } });
    await supervisor.start();
    const pid = await pidIn(path);
    await supervisor.stop();
    expect(alive(pid)).toBe(false);
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({ signal: 'SIGTERM', killed: false });
  });

  test('of a member of the group that ignores the signal when its leader has long gone', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh(`${unmarked(path, 'trap "" TERM; sleep 600')} exec sleep 600`),
          stop: { timeoutMs: 200 },
        },
      },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await supervisor.stop();
    expect(alive(pid)).toBe(false);
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({ signal: 'SIGTERM', killed: true });
  });

  test('what a crashed child leaves in its group goes, also what dropped its environment', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh(`${unmarked(path)} while [ ! -s ${path} ]; do sleep 0.01; done; exit 3`),
          restart: 'never',
          onGiveUp: 'leave',
        },
        b: sh('sleep 600'),
      },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await waitFor('a to be given up', () => supervisor.status().services[0]?.state === 'failed');
    expect(alive(pid)).toBe(false);
  });

  test('of what has left the process group', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: { a: child(`daemon=${path}`, 'stay'), b: sh('exec sleep 600') },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await supervisor.stop();
    expect(alive(pid)).toBe(false);
    expect(supervisor.status().services[0]?.lastExit).toMatchObject({ signal: 'SIGTERM', killed: false });
  });

  test.each([
    ['its time limit', 100, {}],
    ['a stop at once', 600_000, { now: true }],
  ])('of what has left it and ignores the signal, by %s', async (_name, timeoutMs, how) => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: { a: { ...child(`stubborn-daemon=${path}`, 'stay'), stop: { timeoutMs } } },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await supervisor.stop(how);
    await waitFor('the daemon to be gone', () => !alive(pid));
  });

  test('what a crashed child has started out of its group goes before the next start', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: {
        a: { ...child(`daemon=${path}`, 'exit=3'), restart: 'never', onGiveUp: 'leave' },
        b: sh('sleep 600'),
      },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await waitFor('a to be given up', () => supervisor.status().services[0]?.state === 'failed');
    expect(alive(pid)).toBe(false);
  });

  test('a daemon that dropped its environment and holds the output open hangs nothing', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor } = supervise({
      services: { a: child(`unknown-daemon=${path}`, 'stay'), b: sh('exec sleep 600') },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    await supervisor.stop();
    expect(supervisor.status().state).toBe('stopped');
    expect(alive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });

  test('a second stop is a SIGKILL for all', async () => {
    const stubborn = {
      ...child('ignore=SIGTERM', 'print=up', 'stay'),
      ready: { type: 'log', pattern: 'up' },
      stop: { timeoutMs: 600_000 },
    } as const;
    const { supervisor, events } = supervise({
      services: { a: stubborn, b: { ...stubborn, dependsOn: ['a'] } },
    });
    await supervisor.start();
    const first = supervisor.stop();
    await waitFor('b is asked to stop', () => supervisor.status().services[1]?.state === 'stopping');
    await supervisor.stop();
    await first;
    expect(events.filter((event) => event.type === 'exit' && event.exit.killed)).toHaveLength(2);
  });

  test('keeps to the limit for all', async () => {
    const stubborn = {
      ...child('ignore=SIGTERM', 'print=up', 'stay'),
      ready: { type: 'log', pattern: 'up' },
      stop: { timeoutMs: 600_000 },
    } as const;
    const { supervisor } = supervise({
      services: { a: stubborn, b: { ...stubborn, dependsOn: ['a'] } },
      stopTimeoutMs: 200,
    });
    await supervisor.start();
    await supervisor.stop();
    expect(supervisor.status().services.map(({ lastExit }) => lastExit?.signal)).toEqual([
      'SIGKILL',
      'SIGKILL',
    ]);
  });

  test.each([
    ['while it waits for readiness', { ...sh('exec sleep 600'), ready: { type: 'log', pattern: 'never' } }],
    ['in a backoff', { ...sh('exit 1'), backoff: { initialMs: 600_000, maxMs: 600_000 } }],
    ['in a hook', { ...sh('exit 1'), beforeStart: () => new Promise<void>(() => undefined) }],
  ] as const)('%s', async (_, service) => {
    const { supervisor } = supervise({
      services: { a: service, b: { ...sh('exec sleep 600'), dependsOn: ['a'] } },
    });
    const started = supervisor.start();
    started.catch(() => undefined);
    await waitFor('a to be busy', () =>
      ['starting', 'backoff'].includes(supervisor.status().services[0]?.state ?? ''),
    );
    await supervisor.stop();
    await expect(supervisor.done).resolves.toEqual({ exitCode: 0, reason: 'stopped' });
    // In a backoff `started` was reached: the process had run.
    await started.catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'STOPPED' });
    });
  });

  test('by the signal given to it', async () => {
    const controller = new AbortController();
    const { supervisor } = supervise({ services: { a: sh('exec sleep 600') }, signal: controller.signal });
    await supervisor.start();
    controller.abort();
    expect(await supervisor.done).toEqual({ exitCode: 0, reason: 'stopped' });
  });

  test('by a signal that had been given before the start: nothing is started', async () => {
    const { supervisor, events } = supervise({
      services: { a: sh('exec sleep 600') },
      signal: AbortSignal.abort(),
    });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'STOPPED' });
    expect(await supervisor.done).toEqual({ exitCode: 0, reason: 'stopped' });
    expect(states(events, 'a')).toEqual([]);
  });

  test('before the start, and twice, is no error', async () => {
    const { supervisor } = supervise({ services: { a: sh('exec sleep 600') } });
    await supervisor.stop();
    await supervisor.stop();
    expect(await supervisor.done).toEqual({ exitCode: 0, reason: 'stopped' });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'STOPPED' });
  });

  test('one that is given up takes the others along, in reverse, and hands on its exit code', async () => {
    const path = join(tempDir(), 'order');
    const { supervisor } = supervise({
      services: {
        a: {
          ...child(`log-term=${path}`, 'print=up', 'stay'),
          env: { NAME: 'a' },
          ready: { type: 'log', pattern: 'up' },
        },
        b: { ...sh('exit 42'), restart: 'never', dependsOn: ['a'] },
      },
    });
    supervisor.start().catch(() => undefined);
    expect(await supervisor.done).toMatchObject({ exitCode: 42, reason: 'gave-up', service: 'b' });
    expect(existsSync(path)).toBe(true);
  });
});
