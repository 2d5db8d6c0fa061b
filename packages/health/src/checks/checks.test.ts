import { once } from 'node:events';
import { rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { clock, health, runOnce, serve, tempDir, waitFor } from '../../test/kit.ts';
import {
  freeDisk,
  httpProbe,
  keyState,
  processStates,
  sqliteIntegrity,
  tdogHeartbeat,
  tdogProgress,
  walSize,
} from '../index.ts';
import type { Check, ProcessState } from '../index.ts';
import { forecast } from './free-disk.ts';

describe('timing', () => {
  const own = {
    intervalMs: 11,
    timeoutMs: 12,
    expiresMs: 13,
    severity: 'warn',
    readiness: true,
    failAfter: 14,
  } as const;
  test.each<[string, Check]>([
    ['processStates', processStates({ list: () => [], ...own })],
    ['httpProbe', httpProbe({ url: 'http://x/', ...own })],
    ['sqliteIntegrity', sqliteIntegrity({ file: 'x', ...own })],
    ['freeDisk', freeDisk({ path: '/', ...own })],
    ['walSize', walSize({ file: 'x', ...own })],
    ['keyState', keyState({ state: () => 'live', ...own })],
    ['tdogHeartbeat', tdogHeartbeat({ file: 'x', ...own })],
    ['tdogProgress', tdogProgress({ file: 'x', ...own })],
  ])('of %s is that of the caller', (_, check) => {
    expect(check).toMatchObject(own);
  });
});

describe('process states', () => {
  const one = (name: string, state: string, more: Partial<ProcessState> = {}): ProcessState => ({
    name,
    state,
    ...more,
  });

  test.each<[string, ProcessState[], string, string | undefined]>([
    ['all well', [one('a', 'ready'), one('b', 'completed')], 'pass', undefined],
    ['one is starting', [one('a', 'ready'), one('b', 'starting')], 'warn', 'b is starting'],
    [
      'one is in backoff',
      [one('a', 'backoff', { restarts: 3 }), one('b', 'waiting')],
      'warn',
      'a is backoff after 3 restarts; b is waiting',
    ],
    ['one has failed', [one('a', 'backoff'), one('b', 'failed')], 'fail', 'a is backoff; b is failed'],
    ['one is in a state nobody knows', [one('a', 'odd')], 'fail', 'a is odd'],
  ])('%s', async (_, list, status, message) => {
    const result = await runOnce(processStates({ list: () => list }));
    expect([result.status, result.message]).toEqual([status, message]);
  });

  test('can look at one only, and misses one that is not there', async () => {
    const list = (): ProcessState[] => [one('a', 'failed'), one('b', 'ready')];
    expect(await runOnce(processStates({ list, only: ['b'] }))).toMatchObject({
      status: 'pass',
      observed: 'ready',
    });
    expect(await runOnce(processStates({ list, only: ['c'] }))).toMatchObject({
      status: 'fail',
      message: 'c is not there',
    });
  });

  test('words are a choice', async () => {
    const list = (): ProcessState[] => [one('a', 'online')];
    expect((await runOnce(processStates({ list, pass: ['online'] }))).status).toBe('pass');
    expect((await runOnce(processStates({ list, warn: ['online'] }))).status).toBe('warn');
  });

  test('gives cpu, memory and restarts as metrics', async () => {
    const time = clock();
    const list = (): ProcessState[] => [
      one('a', 'ready', { restarts: 2, cpuSeconds: 1.5, memoryBytes: 1_000, since: time.now() - 4_000 }),
    ];
    const { metrics } = await runOnce(processStates({ list }), { clock: time });
    expect(metrics?.map(({ name, value }) => [name, value])).toEqual([
      ['supervised_process_up', 1],
      ['supervised_process_state_age_seconds', 4],
      ['supervised_process_resident_memory_bytes', 1_000],
      ['supervised_process_cpu_seconds', 1.5],
      ['supervised_process_restarts_total', 2],
    ]);
  });
});

describe('HTTP probe', () => {
  test.each<[string, number, readonly number[] | undefined, string]>([
    ['200', 200, undefined, 'pass'],
    ['302', 302, undefined, 'pass'],
    ['404', 404, undefined, 'fail'],
    ['503', 503, undefined, 'fail'],
    ['a status of choice', 401, [401], 'pass'],
    ['not that of choice', 200, [401], 'fail'],
  ])('%s', async (_, code, status, expected) => {
    const url = await serve((_request, response) => response.writeHead(code).end('x'));
    const result = await runOnce(
      httpProbe({ url: `${url}/a?b`, ...(status === undefined ? {} : { status }) }),
    );
    expect(result).toMatchObject({ status: expected, unit: 'ms' });
  });

  test('over a Unix socket, with path and headers', async () => {
    const socketPath = join(tempDir(), 's');
    const seen: unknown[] = [];
    await serve((request, response) => {
      seen.push([request.url, request.headers.host, request.headers['x-own']]);
      response.end();
    }, socketPath);
    const check = httpProbe({
      url: 'http://datasette/-/versions.json?x=1',
      socketPath,
      headers: { 'x-own': 'y' },
    });
    expect((await runOnce(check)).status).toBe('pass');
    expect(seen).toEqual([['/-/versions.json?x=1', 'datasette', 'y']]);
  });

  test('nobody there, and nobody who answers, are failures', async () => {
    const made = health({
      gone: httpProbe({ url: 'http://x/', socketPath: join(tempDir(), 'none') }),
      silent: httpProbe({ url: await serve(() => undefined), timeoutMs: 50 }),
    });
    await made.settled();
    expect(made.status().items).toMatchObject({
      gone: { status: 'fail', message: expect.stringContaining('ENOENT') as unknown },
      silent: { status: 'fail', message: 'No answer within 50 ms' },
    });
  });

  test('one failed answer is a warning, the second in a row a failure', async () => {
    let code = 200;
    const url = await serve((_request, response) => response.writeHead(code).end());
    const made = health({ web: httpProbe({ url, intervalMs: 3_600_000 }) });
    await made.settled();
    const seen = [made.status().status];
    for (code of [503, 200, 503, 503]) seen.push((await made.refresh('web')).status);
    expect(seen).toEqual(['pass', 'warn', 'pass', 'warn', 'fail']);
  });

  test('a question that is not answered in time is withdrawn', async () => {
    let closed = false;
    const url = await serve((request) => {
      request.on('close', () => (closed = true));
    });
    const made = health({ silent: httpProbe({ url, timeoutMs: 50, intervalMs: 3_600_000 }) });
    await made.settled();
    await waitFor('the connection to be closed', () => closed);
  });

  test('over TLS where the URL says so, and no other protocol', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    const heard = once(server, 'connection').then(async ([socket]: Socket[]) => {
      const [data] = (await once(socket ?? server, 'data')) as [Buffer];
      socket?.destroy();
      return data;
    });
    await once(server, 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(runOnce(httpProbe({ url }))).rejects.toThrow();
    // The first byte of a handshake, not the G of GET.
    expect((await heard)[0]).toBe(0x16);
    expect(() => httpProbe({ url: 'ftp://x/' })).toThrow('url: expected http:// or https://, got ftp:');
  });

  test('an endless body does not matter', async () => {
    const url = await serve((_request, response) => {
      response.write('x');
    });
    expect((await runOnce(httpProbe({ url }))).status).toBe('pass');
  });

  test('a slow answer is a warning where a limit is given', async () => {
    const url = await serve((_request, response) => setTimeout(() => response.end(), 20));
    expect(await runOnce(httpProbe({ url, warnAfterMs: 5 }))).toMatchObject({ status: 'warn' });
  });
});

describe('free disk', () => {
  test.each<[string, number, number, string]>([
    ['enough', 0, 0, 'pass'],
    ['little', 2 ** 60, 0, 'warn'],
    ['too little', 2 ** 60, 2 ** 60, 'fail'],
  ])('%s', async (_, warnBelowBytes, failBelowBytes, status) => {
    const result = await runOnce(freeDisk({ path: tempDir(), warnBelowBytes, failBelowBytes }));
    expect(result.status).toBe(status);
    expect(result.observed).toBeGreaterThan(0);
  });

  test('what is kept for root is not free', async () => {
    const { bavail, bfree, bsize } = statfsSync('/');
    const observed = Number((await runOnce(freeDisk({ path: '/' }))).observed);
    const off = (blocks: number): number => Math.abs(observed - blocks * bsize);
    expect(off(bavail)).toBeLessThanOrEqual(off(bfree));
  });

  test('warns when the disk will be full at the pace of the last hours, and forgets an older pace', async () => {
    const dir = tempDir();
    const round = async (): Promise<(string | undefined)[]> => {
      const time = clock(0);
      const files = ['a', 'b'].map((name) => join(dir, name));
      const [kept = '', given = ''] = files;
      const check = freeDisk({ path: dir, warnBelowBytes: 0, failBelowBytes: 0, forecastMs: 2 ** 60 });
      const look = async (): Promise<string | undefined> => {
        const { status, message, metrics } = await runOnce(check, { clock: time });
        const told = metrics?.some(({ name }) => name === 'disk_full_in_seconds') === true;
        return `${status} ${told} ${message?.replace(/[\d.]+/g, 'N')}`;
      };
      const seen = [await look()];
      for (const file of files) writeFileSync(file, Buffer.alloc(16 * 1024 * 1024, 1));
      time.move(3_600_000);
      seen.push(await look());
      time.move(6.5 * 3_600_000);
      await look();
      // A little is given back: of the last hours alone it grows, over all it shrinks.
      rmSync(given);
      time.move(3_600_000);
      seen.push(await look());
      rmSync(kept);
      return seen;
    };
    const expected = [
      'pass false N MiB free',
      'warn true N MiB free; full in N h at the pace of the last hours',
      'pass false N MiB free',
    ];
    // Again when another process has given back more in the meantime.
    await waitFor('a round in which nobody else interferes', async () =>
      isDeepStrictEqual(await round(), expected),
    );
  });

  test('a path that is not there is a failure', async () => {
    await expect(async () => runOnce(freeDisk({ path: '/no/such/path' }))).rejects.toThrow('ENOENT');
  });

  const hour = 3_600_000;
  test.each<[string, [number, number][], number | undefined]>([
    ['nothing known', [], undefined],
    [
      'too short a time',
      [
        [0, 100],
        [60_000, 90],
      ],
      undefined,
    ],
    [
      'steady',
      [
        [0, 100],
        [hour, 100],
      ],
      undefined,
    ],
    [
      'growing',
      [
        [0, 100],
        [hour, 200],
      ],
      undefined,
    ],
    [
      'shrinking',
      [
        [0, 300],
        [hour, 200],
        [2 * hour, 100],
      ],
      hour,
    ],
    [
      'shrinking after a jump',
      [
        [0, 200],
        [hour, 400],
        [2 * hour, 200],
        [3 * hour, 100],
      ],
      2 * hour,
    ],
  ])('forecast: %s', (_, samples, expected) => {
    const found = forecast(samples.map(([at, free]) => ({ at, free })));
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toBeCloseTo(expected, 0);
  });
});

describe('WAL size', () => {
  test('none, small, large', async () => {
    const file = join(tempDir(), 'a.sqlite');
    const check = walSize({ file, warnBytes: 100, failBytes: 1_000 });
    expect(await runOnce(check)).toMatchObject({ status: 'pass', observed: 0 });
    for (const [size, status] of [
      [100, 'pass'],
      [101, 'warn'],
      [1_001, 'fail'],
    ] as const) {
      writeFileSync(`${file}-wal`, '');
      truncateSync(`${file}-wal`, size);
      expect(await runOnce(check)).toMatchObject({ status, observed: size });
    }
  });
});

describe('key state', () => {
  test.each([
    ['live', 'pass'],
    ['unknown', 'warn'],
    ['refused', 'fail'],
  ] as const)('%s is %s', async (state, status) => {
    expect((await runOnce(keyState({ state: async () => state }))).status).toBe(status);
  });
});
