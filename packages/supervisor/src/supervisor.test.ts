import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { alive, child, pidIn, quick, sh, states, supervise, tempDir, waitFor } from '../test/kit.ts';
import type { ServiceOptions, SupervisorEvent } from './index.ts';

const stay = sh('exec sleep 600');

describe('environment', () => {
  test('a child gets what is named and nothing else', async () => {
    const logDir = tempDir();
    const { supervisor } = supervise({
      services: {
        a: {
          ...child('env'),
          env: { A: '1', B: 'own' },
          inheritEnv: ['B', 'C', 'MISSING'],
          restart: 'never',
        },
      },
      environment: { B: 'outer', C: '3', STRIPE_SECRET_KEY: 'never' },
      logDir,
    });
    await supervisor.start();
    await supervisor.done;
    expect(JSON.parse(readFileSync(join(logDir, 'a.log'), 'utf8'))).toEqual({
      A: '1',
      B: 'own',
      C: '3',
      // The one exception: by it a child is known that leaves its process group.
      SUPERVISOR_RUN: expect.stringMatching(/^[\da-f-]{36}$/) as string,
    });
  });

  test('runs in the directory and as the user of choice', async () => {
    const logDir = tempDir();
    const root = process.getuid?.() === 0;
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('pwd; id -u; id -g; id -G'),
          cwd: '/',
          restart: 'never',
          ...(root ? { user: 'nobody' } : {}),
        },
      },
      logDir,
    });
    await supervisor.start();
    await supervisor.done;
    const [directory, uid, gid, groups] = readFileSync(join(logDir, 'a.log'), 'utf8').split('\n');
    expect(directory).toBe('/');
    expect(Number(uid)).toBe(root ? 65534 : process.getuid?.());
    // The groups of the supervisor's user are dropped too.
    if (root) expect(groups).toBe(gid);
  });

  test('an unknown user is a failed start that says so', async () => {
    const { supervisor } = supervise({
      services: { a: { ...stay, user: 'nobody-of-this-name', restart: 'never' } },
    });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    expect(await supervisor.done).toMatchObject({ exitCode: 1, exit: { reason: 'spawn-failed' } });
  });

  test('a hook that throws is a failed start, after which nothing was run', async () => {
    const path = join(tempDir(), 'pids');
    let turns = 0;
    const { supervisor, events } = supervise({
      services: {
        a: {
          ...child(`append=${path}`, 'print=up', 'stay'),
          ready: { type: 'log', pattern: 'up' },
          ...quick,
          beforeStart: async () => {
            turns += 1;
            if (turns === 1) throw new Error('no configuration yet');
          },
        },
      },
    });
    await supervisor.start();
    const reasons = events.flatMap((event) => (event.type === 'exit' ? [event.exit.reason] : []));
    expect(reasons).toEqual(['spawn-failed']);
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(1);
    expect(supervisor.status().services[0]).toMatchObject({ state: 'ready', restarts: 1 });
  });

  test('the hook runs before each start', async () => {
    let calls = 0;
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('exit 1'),
          ...quick,
          burst: { starts: 3 },
          beforeStart: async () => {
            calls += 1;
          },
        },
      },
    });
    supervisor.start().catch(() => undefined);
    await supervisor.done;
    expect(calls).toBe(3);
  });
});

describe('status and events', () => {
  test('tell pid, state, since, cpu and memory', async () => {
    const { supervisor } = supervise({
      services: { a: child('listen=0', 'stay'), b: { ...stay, dependsOn: ['a'] } },
    });
    expect(supervisor.status()).toMatchObject({
      state: 'idle',
      services: [{ state: 'stopped', pid: null }, {}],
    });
    const before = Date.now();
    await supervisor.start();
    const [a] = supervisor.status().services;
    expect(a?.pid).toBeGreaterThan(1);
    expect(a?.since).toBeGreaterThanOrEqual(before);
    await waitFor('cpu and memory', () => {
      const now = supervisor.status().services[0];
      return (now?.memoryBytes ?? 0) > 1_000_000 && (now?.cpuSeconds ?? 0) > 0;
    });
  });

  test('every reader gets every event, until the end', async () => {
    const { supervisor, events } = supervise({ services: { a: { ...stay } } });
    const second: SupervisorEvent[] = [];
    const reader = (async (): Promise<void> => {
      for await (const event of supervisor.events()) second.push(event);
    })();
    await supervisor.start();
    await supervisor.stop();
    await reader;
    await waitFor('the first reader', () => events.length === second.length);
    expect(second).toEqual(events);
    expect(states(second, 'a')).toEqual(['starting', 'ready', 'stopping', 'stopped']);
    expect(second.at(-1)).toMatchObject({ type: 'done', result: { exitCode: 0 } });
  });

  test('a reader can leave, and one that does not read loses the oldest and is told', async () => {
    const { createBroadcast } = await import('./events.ts');
    const broadcast = createBroadcast<number>((count) => -count);
    const lazy = broadcast.reader();
    const leaver = broadcast.reader();
    await leaver.return?.();
    for (let value = 1; value <= 10_005; value += 1) broadcast.emit(value);
    expect(await leaver.next()).toEqual({ done: true, value: undefined });
    expect((await lazy.next()).value).toBe(-5);
    expect((await lazy.next()).value).toBe(6);
    broadcast.end();
    const rest: number[] = [];
    for await (const value of lazy) rest.push(value);
    expect(rest).toHaveLength(9_999);
  });
});

describe('signal', () => {
  test('is for the process, not for its group', async () => {
    const [logDir, path] = [tempDir(), join(tempDir(), 'pid')];
    const { supervisor } = supervise({
      logDir,
      services: {
        a: {
          ...child('ignore=SIGUSR2', `grandchild=${path}`, 'print=up', 'stay'),
          ready: { type: 'log', pattern: 'up' },
        },
      },
    });
    await supervisor.start();
    const pid = await pidIn(path);
    expect(supervisor.signal('a', 'SIGUSR2')).toBe(true);
    const log = join(logDir, 'a.log');
    await waitFor(
      'the signal',
      () => existsSync(log) && readFileSync(log, 'utf8').includes('ignored SIGUSR2'),
    );
    expect(alive(pid)).toBe(true);
  });

  test('reaches the process; false when it does not run; unknown names are refused', async () => {
    const logDir = tempDir();
    const { supervisor } = supervise({
      services: {
        a: {
          ...child('ignore=SIGHUP', 'print=up', 'stay'),
          ready: { type: 'log', pattern: 'up' },
        },
      },
      logDir,
    });
    expect(supervisor.signal('a', 'SIGHUP')).toBe(false);
    await supervisor.start();
    expect(supervisor.signal('a', 'SIGHUP')).toBe(true);
    const log = join(logDir, 'a.log');
    await waitFor(
      'the signal',
      () => existsSync(log) && readFileSync(log, 'utf8').includes('ignored SIGHUP'),
    );
    expect(() => supervisor.signal('b', 'SIGHUP')).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_SERVICE', message: 'There is no service b; there are a' }),
    );
  });
});

describe('messages', () => {
  test('go both ways, over restarts, and not into the void', async () => {
    const { supervisor } = supervise({
      services: { a: { ...child('echo', 'send="ready"'), ready: { type: 'ipc' }, ...quick } },
    });
    const got: unknown[] = [];
    const off = supervisor.onMessage('a', (message) => got.push(message));
    expect(supervisor.send('a', 1)).toBe(false);
    await supervisor.start();
    expect(supervisor.send('a', { poll: true })).toBe(true);
    await waitFor('the echo', () => got.length === 2);
    await supervisor.restart('a');
    expect(supervisor.send('a', 2)).toBe(true);
    await waitFor('the second echo', () => got.length === 4);
    expect(got).toEqual(['ready', { echo: { poll: true } }, 'ready', { echo: 2 }]);
    off();
    supervisor.send('a', 3);
    await supervisor.stop();
    expect(got).toHaveLength(4);
    expect(supervisor.send('a', 4)).toBe(false);
  });

  test('to a child that does not read are refused, not queued without end', async () => {
    const { supervisor } = supervise({
      services: { a: { ...child('send="ready"', 'echo'), ready: { type: 'ipc' } } },
    });
    await supervisor.start();
    supervisor.signal('a', 'SIGSTOP');
    const block = 'x'.repeat(100_000);
    let taken = 0;
    while (taken < 1_000 && supervisor.send('a', block)) taken += 1;
    expect(taken).toBeLessThan(100);
    supervisor.signal('a', 'SIGCONT');
    await waitFor('room again', () => supervisor.send('a', 'small'));
  });
});

describe('reload', () => {
  test('starts the added, stops the removed, restarts the changed, leaves the rest alone', async () => {
    const { supervisor, events } = supervise({
      services: {
        same: stay,
        changed: stay,
        removed: stay,
        after: { ...stay, dependsOn: [{ service: 'changed', restart: true }] },
      },
    });
    await supervisor.start();
    const pid = (name: string): number | null | undefined =>
      supervisor.status().services.find((service) => service.name === name)?.pid;
    const before = { same: pid('same'), changed: pid('changed'), after: pid('after') };
    const result = await supervisor.reload({
      services: {
        same: { ...stay },
        changed: { ...stay, env: { X: '1' } },
        added: stay,
        after: { ...stay, dependsOn: [{ service: 'changed', restart: true }] },
      },
    });
    expect(result).toEqual({
      added: ['added'],
      removed: ['removed'],
      changed: ['changed'],
      unchanged: ['same', 'after'],
    });
    await waitFor(
      'all ready',
      () =>
        supervisor.status().services.every(({ state }) => state === 'ready') && pid('after') !== before.after,
    );
    expect(pid('same')).toBe(before.same);
    expect(pid('changed')).not.toBe(before.changed);
    expect(pid('removed')).toBeUndefined();
    expect(states(events, 'removed').at(-1)).toBe('stopped');
  });

  test('stops what goes in reverse order', async () => {
    const path = join(tempDir(), 'order');
    const service = (name: string, ...dependsOn: string[]): ServiceOptions => ({
      ...child(`log-term=${path}`, 'print=up', 'stay'),
      env: { NAME: name },
      ready: { type: 'log', pattern: 'up' },
      dependsOn,
    });
    const { supervisor } = supervise({
      services: { a: service('a'), b: service('b', 'a'), c: service('c', 'b'), rest: stay },
    });
    await supervisor.start();
    await supervisor.reload({ services: { rest: stay } });
    expect(readFileSync(path, 'utf8')).toBe('c\nb\na\n');
    expect(supervisor.status().services.map(({ name }) => name)).toEqual(['rest']);
  });

  test('of something wrong changes nothing', async () => {
    const { supervisor } = supervise({ services: { a: stay } });
    await supervisor.start();
    const { pid } = supervisor.status().services[0] ?? {};
    expect(() => supervisor.reload({ services: { a: { command: '' } } })).toThrow(
      expect.objectContaining({ code: 'OPTIONS' }),
    );
    expect(supervisor.status().services[0]?.pid).toBe(pid);
  });

  test('during a stop is refused, and a stop during a reload leaves nothing behind', async () => {
    const { supervisor } = supervise({ services: { a: stay } });
    await supervisor.start();
    const reloading = supervisor.reload({ services: { a: { ...stay, env: { X: '1' } }, b: stay } });
    const stopping = supervisor.stop();
    await reloading.catch(() => undefined);
    await stopping;
    expect(supervisor.status().services.every(({ pid }) => pid === null)).toBe(true);
    await expect(supervisor.reload({ services: { a: stay } })).rejects.toMatchObject({ code: 'STOPPED' });
  });
});

test('is async disposable', async () => {
  const path = join(tempDir(), 'ended');
  const { supervisor } = supervise({
    services: {
      a: {
        ...sh(`trap 'touch ${path}; exit 0' TERM; echo up; sleep 600 & wait`),
        ready: { type: 'log', pattern: 'up' },
      },
    },
  });
  {
    await using running = supervisor;
    await running.start();
  }
  expect(existsSync(path)).toBe(true);
});
