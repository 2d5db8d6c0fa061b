import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { child, pidIn, quick, sh, states, supervise, tempDir, waitFor } from '../test/kit.ts';
import type { ServiceOptions, ServiceStatus } from './index.ts';

const lines = (path: string): number => readFileSync(path, 'utf8').trim().split('\n').length;

describe('restart', () => {
  test.each<[string, ServiceOptions, { state: string; starts: number; exitCode: number }]>([
    ['never, success', { ...sh('exit 0'), restart: 'never' }, { state: 'exited', starts: 1, exitCode: 0 }],
    ['never, failure', { ...sh('exit 5'), restart: 'never' }, { state: 'failed', starts: 1, exitCode: 5 }],
    [
      'on-failure, success',
      { ...sh('exit 0'), restart: 'on-failure' },
      { state: 'exited', starts: 1, exitCode: 0 },
    ],
    [
      'on-failure, failure',
      { ...sh('exit 5'), restart: 'on-failure' },
      { state: 'failed', starts: 3, exitCode: 5 },
    ],
    ['by default, success', sh('exit 0'), { state: 'failed', starts: 3, exitCode: 1 }],
    ['always, success', { ...sh('exit 0'), restart: 'always' }, { state: 'failed', starts: 3, exitCode: 1 }],
    ['always, failure', { ...sh('exit 5'), restart: 'always' }, { state: 'failed', starts: 3, exitCode: 5 }],
    [
      'a success by another code',
      { ...sh('exit 5'), restart: 'on-failure', successExitCodes: [5] },
      { state: 'exited', starts: 1, exitCode: 0 },
    ],
    [
      'a final code',
      { ...sh('exit 3'), finalExitCodes: [2, 3] },
      { state: 'failed', starts: 1, exitCode: 3 },
    ],
    [
      'a one-shot that fails',
      { ...sh('exit 5'), ready: { type: 'exit' } },
      { state: 'failed', starts: 3, exitCode: 5 },
    ],
    [
      'a program that is not there',
      { command: '/no/such/program' },
      { state: 'failed', starts: 3, exitCode: 127 },
    ],
    ['a program that is none', { command: '/etc/passwd' }, { state: 'failed', starts: 3, exitCode: 126 }],
    [
      'a hook that throws',
      {
        ...sh('exit 0'),
        beforeStart: () => {
          throw new Error('no room');
        },
      },
      { state: 'failed', starts: 3, exitCode: 1 },
    ],
  ])('%s', async (_, service, expected) => {
    const { supervisor } = supervise({
      services: { a: { ...quick, burst: { starts: 3 }, ...service } },
    });
    supervisor.start().catch(() => undefined);
    const result = await supervisor.done;
    const [status] = supervisor.status().services;
    expect({ state: status?.state, starts: (status?.restarts ?? 0) + 1, exitCode: result.exitCode }).toEqual(
      expected,
    );
    expect(result.reason).toBe(expected.state === 'failed' ? 'gave-up' : 'completed');
  });

  test('a crash is followed by a new process, the others stay', async () => {
    const path = join(tempDir(), 'pid');
    const { supervisor, events } = supervise({
      services: { a: { ...sh(`echo $$ > ${path}; exec sleep 600`), ...quick }, b: sh('sleep 600') },
    });
    await supervisor.start();
    const first = await pidIn(path);
    const other = supervisor.status().services[1]?.pid;
    expect(supervisor.signal('a', 'SIGKILL')).toBe(true);
    await waitFor('a new process', () => supervisor.status().services[0]?.restarts === 1);
    await waitFor('it is ready', () => supervisor.status().services[0]?.state === 'ready');
    const [a, b] = supervisor.status().services;
    expect(a?.pid).not.toBe(first);
    expect(a?.lastExit).toMatchObject({ signal: 'SIGKILL', code: null, exitCode: 137, reason: 'exit' });
    expect(b?.pid).toBe(other);
    expect(states(events, 'b')).toEqual(['starting', 'ready']);
    expect(events).toContainEqual(expect.objectContaining({ type: 'restart', service: 'a', attempt: 1 }));
  });

  test.each<[string, ServiceOptions['ready'], number[]]>([
    ['starts over after it was ready for long enough', { type: 'started' }, [1, 1, 1]],
    ['goes on growing when it never was', { type: 'log', pattern: 'never' }, [1, 2, 3]],
  ])('the delay %s', async (_, ready, expected) => {
    const { supervisor, events } = supervise({
      services: {
        a: {
          ...sh('exit 1'),
          ...(ready === undefined ? {} : { ready }),
          backoff: { initialMs: 1, maxMs: 1, resetAfterMs: 0 },
          burst: { starts: 4 },
        },
      },
    });
    supervisor.start().catch(() => undefined);
    await supervisor.done;
    await waitFor('the last event', () => events.at(-1)?.type === 'done');
    expect(events.flatMap((event) => (event.type === 'restart' ? [event.attempt] : []))).toEqual(expected);
  });

  test('restarts that were asked for are no part of a burst', async () => {
    const { supervisor, events } = supervise({
      services: {
        a: { ...sh('exec sleep 600'), ...quick, burst: { starts: 3 } },
        b: { ...sh('exec sleep 600'), dependsOn: [{ service: 'a', restart: true }], burst: { starts: 3 } },
      },
    });
    await supervisor.start();
    const b = (): ServiceStatus | undefined => supervisor.status().services[1];
    for (let turn = 1; turn <= 4; turn += 1) {
      await supervisor.restart('a');
      await waitFor('b to follow', () => b()?.restarts === turn && b()?.state === 'ready');
    }
    supervisor.signal('a', 'SIGKILL');
    await waitFor('a to be started again', () => supervisor.status().services[0]?.restarts === 5);
    await waitFor('b to follow', () => b()?.restarts === 5 && b()?.state === 'ready');
    supervisor.signal('b', 'SIGKILL');
    await waitFor('b to be started again', () => b()?.restarts === 6);
    expect(events.filter(({ type }) => type === 'gave-up')).toEqual([]);
  });

  test('a clock that jumps by a day at each look changes no limit', async () => {
    let jump = 0;
    const now = Date.now.bind(Date);
    const spy = vi.spyOn(Date, 'now').mockImplementation(() => now() + (jump += 86_400_000));
    onTestFinished(() => {
      spy.mockRestore();
    });
    const { supervisor } = supervise({
      services: {
        a: { ...sh('exit 9'), ...quick, burst: { starts: 3 } },
        b: {
          ...child('ignore=SIGTERM', 'print=up', 'stay'),
          ready: { type: 'log', pattern: 'up' },
          stop: { timeoutMs: 300 },
        },
      },
    });
    supervisor.start().catch(() => undefined);
    expect(await supervisor.done).toMatchObject({ reason: 'gave-up', service: 'a', exitCode: 9 });
    expect(supervisor.status().services[0]?.restarts).toBe(2);
  });

  test('after giving one up the rest runs on, if so chosen', async () => {
    const { supervisor } = supervise({
      services: {
        a: { ...sh('exit 9'), ...quick, burst: { starts: 2 }, onGiveUp: 'leave' },
        b: sh('sleep 600'),
        c: { ...sh('sleep 600'), dependsOn: ['a'] },
      },
    });
    await supervisor.start();
    await waitFor('a to be given up', () => supervisor.status().services[0]?.state === 'failed');
    expect(supervisor.status()).toMatchObject({ state: 'running' });
    expect(supervisor.status().services[1]?.state).toBe('ready');
    await supervisor.stop();
    expect(await supervisor.done).toEqual({ exitCode: 0, reason: 'stopped' });
  });

  test('one that waits for one that was given up does not hold up the start', async () => {
    const { supervisor } = supervise({
      services: {
        a: { ...sh('exit 9'), ready: { type: 'exit' }, restart: 'never', onGiveUp: 'leave' },
        b: { ...sh('sleep 600'), dependsOn: ['a'] },
        c: sh('sleep 600'),
      },
    });
    await supervisor.start();
    expect(supervisor.status().services.map(({ state }) => state)).toEqual(['failed', 'waiting', 'ready']);
  });

  test('when everything has ended by itself, so has the supervisor', async () => {
    const { supervisor } = supervise({
      services: {
        a: { ...sh('exit 0'), ready: { type: 'exit' } },
        b: { ...sh('exit 6'), ready: { type: 'exit' }, restart: 'never', onGiveUp: 'leave' },
      },
    });
    await supervisor.start();
    expect(await supervisor.done).toMatchObject({ exitCode: 6, reason: 'gave-up', service: 'b' });
  });

  test('dependants are restarted with it, if they want it', async () => {
    const { supervisor, events } = supervise({
      services: {
        a: { ...sh('exec sleep 600'), ...quick },
        b: { ...sh('exec sleep 600'), dependsOn: [{ service: 'a', restart: true }] },
        c: { ...sh('exec sleep 600'), dependsOn: ['a'] },
      },
    });
    await supervisor.start();
    supervisor.signal('a', 'SIGKILL');
    await waitFor('b to be restarted', () => supervisor.status().services[1]?.restarts === 1);
    await waitFor('b to be ready', () => supervisor.status().services[1]?.state === 'ready');
    expect(supervisor.status().services[1]?.lastExit?.reason).toBe('restart');
    expect(states(events, 'c')).toEqual(['waiting', 'starting', 'ready']);
    const order = events.flatMap((e) => (e.type === 'state' && e.to === 'ready' ? [e.service] : []));
    expect(order.slice(-2)).toEqual(['a', 'b']);
  });

  test('a dependant that is over stays over, whatever it wanted', async () => {
    const { supervisor, events } = supervise({
      services: {
        a: { ...sh('exec sleep 600'), ...quick },
        b: { ...sh('exit 0'), ready: { type: 'exit' }, dependsOn: [{ service: 'a', restart: true }] },
        c: { ...sh('exec sleep 600'), dependsOn: [{ service: 'a', restart: true }] },
      },
    });
    await supervisor.start();
    supervisor.signal('a', 'SIGKILL');
    const c = (): ServiceStatus | undefined => supervisor.status().services[2];
    await waitFor('c to be back', () => c()?.restarts === 1 && c()?.state === 'ready');
    expect(states(events, 'b')).toEqual(['waiting', 'starting', 'completed']);
  });

  test('restart() starts anew at once, out of a backoff and after a give-up too', async () => {
    const path = join(tempDir(), 'starts');
    const { supervisor } = supervise({
      services: {
        a: sh('exec sleep 600'),
        b: {
          ...sh(`echo x >> ${path}; exit 1`),
          backoff: { initialMs: 600_000, maxMs: 600_000 },
          burst: { starts: 0 },
        },
        c: { ...sh('exit 1'), ready: { type: 'log', pattern: 'never' }, restart: 'never', onGiveUp: 'leave' },
      },
    });
    supervisor.start().catch(() => undefined);
    await waitFor('b in backoff', () => supervisor.status().services[1]?.state === 'backoff');
    await waitFor('c given up', () => supervisor.status().services[2]?.state === 'failed');
    expect(supervisor.status().services[1]?.nextStartAt).toBeGreaterThan(Date.now());
    const pid = supervisor.status().services[0]?.pid;
    await supervisor.restart('a');
    expect(supervisor.status().services[0]?.pid).not.toBe(pid);
    supervisor.restart('b').catch(() => undefined);
    await waitFor('a second start of b', () => lines(path) === 2);
    await expect(supervisor.restart('c')).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    expect(supervisor.status().services[2]?.restarts).toBe(1);
  });

  test('restart() is no failure: nothing is waited for, nothing given up', async () => {
    const { supervisor, events } = supervise({
      services: {
        a: { ...sh('exec sleep 600'), restart: 'never' },
        b: { ...sh('exec sleep 600'), backoff: { initialMs: 3_600_000, maxMs: 3_600_000 } },
      },
    });
    await supervisor.start();
    for (const name of ['a', 'b']) await supervisor.restart(name);
    expect(supervisor.status().services).toMatchObject([
      { state: 'ready', restarts: 1, lastExit: { reason: 'restart' } },
      { state: 'ready', restarts: 1, lastExit: { reason: 'restart' } },
    ]);
    expect(events.filter(({ type }) => type === 'restart' || type === 'gave-up')).toEqual([]);
  });

  test('the watchdog restarts one that runs but does not answer', async () => {
    let answers = true;
    const { supervisor, events } = supervise({
      services: {
        a: {
          ...child('stay'),
          ...quick,
          watchdog: {
            probe: { type: 'function', probe: () => answers },
            intervalMs: 20,
            timeoutMs: 1_000,
            failures: 3,
          },
        },
      },
    });
    await supervisor.start();
    const pid = supervisor.status().services[0]?.pid;
    answers = false;
    await waitFor('the watchdog', () => events.some((event) => event.type === 'exit'));
    answers = true;
    await waitFor('a new process', () => supervisor.status().services[0]?.state === 'ready');
    expect(supervisor.status().services[0]).toMatchObject({ restarts: 1, lastExit: { reason: 'watchdog' } });
    expect(supervisor.status().services[0]?.pid).not.toBe(pid);
    expect(events.flatMap((e) => (e.type === 'watchdog' ? [e.failures] : []))).toEqual([1, 2, 3]);
  });

  test('the watchdog forgives single failures, and counts a question that hangs', async () => {
    const asked: number[] = [];
    const { supervisor, events } = supervise({
      services: {
        a: {
          ...child('stay'),
          ...quick,
          watchdog: {
            probe: {
              type: 'function',
              probe: () => {
                asked.push(1);
                // Every second one fails, until from the tenth on all hang.
                return asked.length < 10 ? asked.length % 2 === 0 : new Promise<boolean>(() => undefined);
              },
            },
            intervalMs: 5,
            timeoutMs: 20,
            failures: 2,
          },
        },
      },
    });
    await supervisor.start();
    await waitFor('the watchdog', () => events.some((event) => event.type === 'exit'));
    expect(asked.length).toBeGreaterThanOrEqual(10);
  });
});
