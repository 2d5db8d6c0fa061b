import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { child, quick, sh, states, supervise, tempDir, waitFor } from '../test/kit.ts';
import type { ServiceOptions } from './index.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('readiness', () => {
  test.each<[string, (dir: string, port: number) => ServiceOptions]>([
    [
      'an HTTP answer',
      (_, port) => ({
        ...child(`listen=${port}`),
        ready: { type: 'http', url: `http://127.0.0.1:${port}/` },
      }),
    ],
    [
      'an HTTP answer over a Unix socket',
      (dir) => ({
        ...child(`listen=${dir}/s`),
        ready: { type: 'http', url: 'http://x/', socketPath: `${dir}/s`, status: [200] },
      }),
    ],
    ['a TCP port', (_, port) => ({ ...child(`listen=${port}`), ready: { type: 'tcp', port } })],
    [
      'a Unix socket',
      (dir) => ({ ...child(`listen=${dir}/s`), ready: { type: 'socket', path: `${dir}/s` } }),
    ],
    ['a file', (dir) => ({ ...sh(`touch ${dir}/f; sleep 600`), ready: { type: 'file', path: `${dir}/f` } })],
    [
      'a log line',
      () => ({ ...sh('echo one; echo two >&2; sleep 600'), ready: { type: 'log', pattern: 'tw.$' } }),
    ],
    [
      'a log line of one stream',
      () => ({ ...sh('echo up >&2; sleep 600'), ready: { type: 'log', pattern: /UP/i, stream: 'stderr' } }),
    ],
    [
      'a log line, wherever in it and however often the expression has been asked',
      () => ({ ...sh('echo one; echo all is up; sleep 600'), ready: { type: 'log', pattern: /up/gy } }),
    ],
    ['a line on a descriptor', () => ({ ...sh('echo ok >&4; sleep 600'), ready: { type: 'fd', fd: 4 } })],
    [
      'a line on a descriptor, beside an IPC channel',
      () => ({ ...child('fd=3', 'send={"x":1}', 'stay'), ready: { type: 'fd', fd: 3 }, ipc: true }),
    ],
    ['a message', () => ({ ...child('send="ready"', 'stay'), ready: { type: 'ipc' } })],
    [
      'a message of choice',
      () => ({ ...child('send={"up":1}', 'stay'), ready: { type: 'ipc', message: { up: 1 } } }),
    ],
    [
      'a function',
      () => ({
        ...sh('sleep 600'),
        ready: { type: 'function', probe: ({ service, pid }) => service === 'a' && pid > 0 },
      }),
    ],
    ['having been started', () => sh('sleep 600')],
  ])('by %s', async (_, service) => {
    const { supervisor, events } = supervise({ services: { a: service(tempDir(), await freePort()) } });
    await supervisor.start();
    expect(supervisor.status().services[0]).toMatchObject({ state: 'ready', restarts: 0 });
    expect(states(events, 'a')).toEqual(['starting', 'ready']);
  });

  test('by exit code 0: a one-shot, after which the next ones start', async () => {
    const path = join(tempDir(), 'out');
    const { supervisor, events } = supervise({
      services: {
        migrate: { ...sh(`echo migrated >> ${path}`), ready: { type: 'exit' } },
        web: {
          ...sh(`cat ${path}; sleep 600`),
          dependsOn: [{ service: 'migrate', state: 'completed' }],
          ready: { type: 'log', pattern: '^migrated$' },
        },
        // Completed is more than ready.
        worker: { ...sh('exec sleep 600'), dependsOn: ['migrate'] },
      },
    });
    await supervisor.start();
    expect(supervisor.status().services.map(({ state }) => state)).toEqual(['completed', 'ready', 'ready']);
    expect(states(events, 'migrate')).toEqual(
      ['starting', 'ready', 'completed'].filter((s) => s !== 'ready'),
    );
  });

  test('starts in the order of dependsOn, each only when the one before is ready', async () => {
    const dir = tempDir();
    const { supervisor, events } = supervise({
      services: {
        c: { ...sh('sleep 600'), dependsOn: ['b'] },
        b: {
          ...sh(`sleep 600`),
          dependsOn: ['a'],
          ready: { type: 'file', path: join(dir, 'go') },
        },
        a: sh('sleep 600'),
      },
    });
    const started = supervisor.start();
    await waitFor('b is being started', () => states(events, 'b').includes('starting'));
    expect(supervisor.status().services.map(({ name, state }) => [name, state])).toEqual([
      ['c', 'waiting'],
      ['b', 'starting'],
      ['a', 'ready'],
    ]);
    writeFileSync(join(dir, 'go'), '');
    await started;
    const ready = events.flatMap((e) => (e.type === 'state' && e.to === 'ready' ? [e.service] : []));
    expect(ready).toEqual(['a', 'b', 'c']);
  });

  test('a service that is not ready in time is ended and started again', async () => {
    const path = join(tempDir(), 'second');
    const { supervisor, events } = supervise({
      services: {
        a: {
          ...sh(`if [ -e ${path} ]; then echo up; else touch ${path}; fi; exec sleep 600`),
          ready: { type: 'log', pattern: 'up' },
          readyTimeoutMs: 300,
          ...quick,
          burst: { starts: 0 },
        },
      },
    });
    await supervisor.start();
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'exit',
        exit: expect.objectContaining({ reason: 'not-ready' }) as unknown,
      }),
    );
  });

  test.each<[string, (dir: string, port: number) => ServiceOptions['ready']]>([
    ['a port where nobody listens', (_, port) => ({ type: 'tcp', port })],
    ['an HTTP server that is not there', (_, port) => ({ type: 'http', url: `http://127.0.0.1:${port}/` })],
    ['a socket that is not there', (dir) => ({ type: 'socket', path: join(dir, 'none') })],
    [
      'a file in place of a socket',
      (dir) => {
        writeFileSync(join(dir, 'file'), '');
        return { type: 'socket', path: join(dir, 'file') };
      },
    ],
    ['a file that is not there', (dir) => ({ type: 'file', path: join(dir, 'none') })],
    ['a function that says no', () => ({ type: 'function', probe: () => false })],
    [
      'a function that throws',
      () => ({
        type: 'function',
        probe: () => {
          throw new Error('no');
        },
      }),
    ],
  ])('not by %s', async (_, ready) => {
    const { supervisor, events } = supervise({
      services: {
        a: {
          ...sh('exec sleep 600'),
          ready: ready(tempDir(), await freePort()) ?? { type: 'started' },
          readyTimeoutMs: 300,
          readyIntervalMs: 1,
          restart: 'never',
        },
      },
    });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    await supervisor.done;
    expect(supervisor.status().services[0]?.lastExit?.reason).toBe('not-ready');
    expect(states(events, 'a')).not.toContain('ready');
  });

  test.each<[string, readonly number[] | undefined, number, number]>([
    ['a failure', undefined, 503, 200],
    ['another status than that of choice', [204], 200, 204],
  ])('not by %s over HTTP', async (_, status, early, late) => {
    let [code, asked] = [early, 0];
    const server = createHttpServer((_request, response) => {
      asked += 1;
      response.writeHead(code).end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('exec sleep 600'),
          ready: { type: 'http', url, ...(status === undefined ? {} : { status }) },
          readyIntervalMs: 1,
        },
      },
    });
    const started = supervisor.start();
    // It goes on asking: so it did not take the answers before.
    await waitFor('it to be asked again', () => asked >= 3);
    expect(supervisor.status().services[0]?.state).toBe('starting');
    code = late;
    await started;
  });

  test('a question that is never answered is asked again', async () => {
    let asked = 0;
    const server = createHttpServer((_request, response) => {
      asked += 1;
      if (asked > 1) response.end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { supervisor } = supervise({
      services: { a: { ...sh('exec sleep 600'), ready: { type: 'http', url }, readyTimeoutMs: 0 } },
    });
    await supervisor.start();
    expect(asked).toBeGreaterThan(1);
  });

  test.each<[string, string, ServiceOptions['ready'], string]>([
    ['another line', 'echo upset', { type: 'log', pattern: '^up$' }, 'echo up'],
    ['a line of another stream', 'echo up', { type: 'log', pattern: 'up', stream: 'stderr' }, 'echo up >&2'],
    ['half a line on a descriptor', 'printf half >&4', { type: 'fd', fd: 4 }, 'echo >&4'],
  ])('not by %s', async (_, early, ready, late) => {
    const dir = tempDir();
    const go = join(dir, 'go');
    const { supervisor } = supervise({
      logDir: dir,
      services: {
        a: {
          ...sh(`${early}; echo waiting; while [ ! -e ${go} ]; do sleep 0.01; done; ${late}; exec sleep 600`),
          ...(ready === undefined ? {} : { ready }),
          readyTimeoutMs: 0,
        },
      },
    });
    const started = supervisor.start();
    const log = join(dir, 'a.log');
    await waitFor('it to wait', () => existsSync(log) && readFileSync(log, 'utf8').includes('waiting'));
    expect(supervisor.status().services[0]?.state).toBe('starting');
    writeFileSync(go, '');
    await started;
    expect(supervisor.status().services[0]).toMatchObject({ state: 'ready', restarts: 0 });
  });

  test('not by another message', async () => {
    const { supervisor } = supervise({
      services: {
        a: { ...child('echo', 'send={"up":1}', 'stay'), ready: { type: 'ipc', message: { echo: 'go' } } },
      },
    });
    const seen: unknown[] = [];
    supervisor.onMessage('a', (message) => seen.push(message));
    const started = supervisor.start();
    await waitFor('the other message', () => seen.length === 1);
    expect(supervisor.status().services[0]?.state).toBe('starting');
    supervisor.send('a', 'go');
    await started;
    expect(seen).toEqual([{ up: 1 }, { echo: 'go' }]);
  });

  test('a question that never ends does not hold up the limit', async () => {
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('exec sleep 600'),
          ready: { type: 'function', probe: () => new Promise(() => undefined) },
          readyTimeoutMs: 100,
          restart: 'never',
        },
      },
    });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    expect(await supervisor.done).toMatchObject({ reason: 'gave-up', service: 'a', exitCode: 143 });
  });
});
