import { readFileSync } from 'node:fs';
import express from 'express';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { always, get, health, isOwner, owner, serve, serveHealth, waitFor } from '../test/kit.ts';
import { HealthError, createHealth } from './index.ts';
import type { Check, HealthStatus } from './index.ts';

describe('report', () => {
  test.each<[HealthStatus[], HealthStatus, boolean, number]>([
    [['pass', 'pass'], 'pass', true, 200],
    [['pass', 'warn'], 'warn', true, 200],
    [['warn', 'fail', 'pass'], 'fail', false, 503],
  ])('%j is %s', async (verdicts, status, ok, code) => {
    const checks = Object.fromEntries(verdicts.map((verdict, index) => [`check_${index}`, always(verdict)]));
    const url = await serveHealth(health(checks));
    const answer = await get(`${url}/health`);
    expect(answer.status).toBe(code);
    expect(answer.type).toBe('application/json; charset=utf-8');
    expect(answer.body).toEqual({
      ok,
      status,
      items: Object.fromEntries(
        verdicts.map((verdict, index) => [`check_${index}`, { ok: verdict !== 'fail', status: verdict }]),
      ),
    });
  });

  test('gives details to those who may see them, and only to them', async () => {
    const url = await serveHealth(health({ a: always('warn') }, { isAuthorised: isOwner }));
    expect((await get(`${url}/health`)).body).toEqual({
      ok: true,
      status: 'warn',
      items: { a: { ok: true, status: 'warn' } },
    });
    expect((await get(`${url}/health`, owner)).body).toEqual({
      ok: true,
      status: 'warn',
      items: {
        a: {
          ok: true,
          status: 'warn',
          observed: 7,
          unit: 'apples',
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as unknown,
          message: 'it is warn',
        },
      },
    });
  });

  test('gives verdicts only when the question of authority fails', async () => {
    const failing = (): never => {
      throw new Error('no idea');
    };
    const url = await serveHealth(health({ a: always('pass') }, { isAuthorised: failing }));
    expect((await get(`${url}/health`, owner)).body).toEqual({
      ok: true,
      status: 'pass',
      items: { a: { ok: true, status: 'pass' } },
    });
  });

  test('is application/health+json when asked for', async () => {
    const url = await serveHealth(
      health(
        { a: always('warn', { componentType: 'datastore' }), b: always('pass') },
        { isAuthorised: isOwner, version: '1', releaseId: '1.2.3' },
      ),
    );
    const accept = { accept: 'text/html, application/health+json;q=0.5' };
    const anonymous = await get(`${url}/health`, accept);
    expect(anonymous.type).toBe('application/health+json');
    expect(anonymous.body).toEqual({
      status: 'warn',
      checks: { a: [{ status: 'warn' }], b: [{ status: 'pass' }] },
    });
    const time = expect.any(String) as unknown;
    expect((await get(`${url}/health`, { ...accept, ...owner })).body).toEqual({
      status: 'warn',
      version: '1',
      releaseId: '1.2.3',
      checks: {
        a: [
          {
            status: 'warn',
            componentType: 'datastore',
            observedValue: 7,
            observedUnit: 'apples',
            time,
            output: 'it is warn',
          },
        ],
        b: [{ status: 'pass', componentType: 'component', observedValue: 7, observedUnit: 'apples', time }],
      },
    });
    expect((await get(`${url}/health`, { accept: 'application/health+json;q=0' })).type).toContain(
      'application/json',
    );
  });

  test('answers HEAD without a body, refuses other methods, is never cached', async () => {
    const url = await serveHealth(health({ a: always('fail') }));
    for (const path of ['/health', '/ready', '/live', '/metrics']) {
      const head = await fetch(url + path, { method: 'HEAD' });
      expect(await head.text()).toBe('');
      expect(Number(head.headers.get('content-length'))).toBeGreaterThan(10);
      expect(head.headers.get('cache-control')).toBe('no-store');
      const post = await fetch(url + path, { method: 'POST', body: 'x' });
      expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
  });

  test('works in express', async () => {
    const made = health({ a: always('pass') });
    const app = express();
    app.get('/health', made.report);
    app.get('/live', made.live);
    const url = await serve(app);
    expect((await get(`${url}/health`)).body).toMatchObject({ ok: true });
    expect((await get(`${url}/live`)).status).toBe(200);
  });
});

describe('live and ready', () => {
  test('live touches no check', async () => {
    let runs = 0;
    const url = await serveHealth(health({ a: { run: () => ((runs += 1), { status: 'fail' }) } }));
    expect((await get(`${url}/live`)).status).toBe(200);
    expect(runs).toBe(0);
  });

  test('ready looks at the checks of readiness only', async () => {
    let status: HealthStatus = 'pass';
    const made = health({
      own: { run: () => ({ status }), readiness: true, intervalMs: 5 },
      stripe: always('fail'),
    });
    const url = await serveHealth(made);
    expect((await get(`${url}/ready`)).body).toEqual({
      ok: true,
      status: 'pass',
      items: { own: { ok: true, status: 'pass' } },
    });
    expect((await get(`${url}/health`)).status).toBe(503);
    status = 'fail';
    await waitFor('503', async () => (await get(`${url}/ready`)).status === 503);
    status = 'pass';
    await waitFor('200', async () => (await get(`${url}/ready`)).status === 200);
  });

  test('ready is 503 until a check of readiness has been run', async () => {
    const gate = Promise.withResolvers<void>();
    const made = health({
      own: {
        run: async () => {
          await gate.promise;
          return { status: 'pass' };
        },
        readiness: true,
      },
    });
    made.start();
    expect(made.isReady()).toBe(false);
    gate.resolve();
    await made.settled();
    expect(made.isReady()).toBe(true);
  });

  test('ready is 503 from the stop signal on, live and the report go on', async () => {
    const stop = new AbortController();
    const made = health({ a: always('pass', { readiness: true }) }, { signal: stop.signal });
    const url = await serveHealth(made);
    expect((await get(`${url}/ready`)).status).toBe(200);
    stop.abort();
    expect((await get(`${url}/ready`)).status).toBe(503);
    expect((await get(`${url}/live`)).status).toBe(200);
    expect((await get(`${url}/health`)).status).toBe(200);
  });

  test('one slow or failed answer does not flap it, where failAfter says so', async () => {
    const verdicts: HealthStatus[] = ['pass', 'fail', 'pass', 'fail', 'fail'];
    const made = health({
      a: {
        run: () => ({ status: verdicts.shift() ?? 'fail' }),
        readiness: true,
        failAfter: 2,
        intervalMs: 3_600_000,
      },
    });
    const seen: unknown[] = [];
    await made.settled();
    for (let turn = 0; turn < 5; turn += 1) {
      seen.push([made.status().status, made.isReady()]);
      await made.refresh('a');
    }
    expect(seen).toEqual([
      ['pass', true],
      ['warn', true],
      ['pass', true],
      ['warn', true],
      ['fail', false],
    ]);
  });

  test('what has never been well is not excused by failAfter', async () => {
    const made = health({ a: { run: () => ({ status: 'fail' }), readiness: true, failAfter: 5 } });
    await made.settled();
    expect(made.isReady()).toBe(false);
  });
});

describe('metrics', () => {
  test('a collect that throws costs its own samples only', async () => {
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line) => lines.push(line) });
    const collect = (): never => {
      throw new Error('no samples today');
    };
    const url = await serveHealth(health({ a: always('pass') }, { collect, logger }));
    const answer = await get(`${url}/metrics`);
    expect(answer.status).toBe(200);
    expect(answer.body).toContain('health_check_status{check="a",status="pass"} 1\n');
    expect(lines.join('')).toContain('no samples today');
  });

  test('are in the Prometheus format, samples of one name together', async () => {
    const made = health(
      {
        a: {
          run: () => ({
            status: 'warn',
            metrics: [
              {
                name: 'apples',
                help: 'Apples\nby tree',
                type: 'gauge',
                value: 3,
                labels: { tree: 'the "old"\\one\n' },
              },
            ],
          }),
        },
        b: {
          run: () => ({
            status: 'pass',
            metrics: [
              { name: 'apples', help: 'x', type: 'gauge', value: 4, labels: { tree: 'new' } },
              { name: 'apples', help: 'x', type: 'gauge', value: 5, labels: { tree: 'new' } },
              { name: 'not a name', help: 'x', type: 'gauge', value: 5 },
            ],
          }),
        },
      },
      { collect: () => [{ name: 'hits_total', help: 'Hits', type: 'counter', value: Infinity }] },
    );
    const url = await serveHealth(made);
    await made.settled();
    const answer = await get(`${url}/metrics`);
    expect([answer.status, answer.type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    const text = answer.body as string;
    expect(text).toContain(
      '# HELP apples Apples\\nby tree\n# TYPE apples gauge\napples{tree="the \\"old\\"\\\\one\\n"} 3\napples{tree="new"} 4\n',
    );
    expect(text).not.toContain('not a name');
    // The same sample twice: Prometheus would refuse the whole answer.
    expect(text.split('apples{tree="new"}')).toHaveLength(2);
    expect(text).toContain('# TYPE hits_total counter\nhits_total +Inf\n');
    expect(text).toContain('health_check_status{check="a",status="warn"} 1\n');
    expect(text).toContain('health_check_status{check="a",status="pass"} 0\n');
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
    expect(new Set(names).size).toBe(names.length);
    for (const line of text.trim().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{.*\})? (\S+))$/);
    }
  });
});

describe('options', () => {
  test.each<[string, unknown, string]>([
    ['no check', {}, 'checks: expected at least one'],
    ['no function', { a: {} }, 'checks.a.run: expected a function'],
    ['a name with a blank', { 'a b': always('pass') }, 'checks: the name "a b" must match'],
    [
      'an interval of 0',
      { a: always('pass', { intervalMs: 0 }) },
      'checks.a.intervalMs: expected a number above 0, got 0',
    ],
    [
      'a limit that is none',
      { a: always('pass', { timeoutMs: NaN }) },
      'checks.a.timeoutMs: expected a number above 0, got NaN',
    ],
  ])('%s is refused', (_, checks, expected) => {
    expect(() => createHealth({ checks: checks as Record<string, Check> })).toThrow(
      expect.objectContaining({ code: 'OPTIONS', message: expect.stringContaining(expected) as unknown }),
    );
  });

  test('an unknown check is refused by name', async () => {
    const made = health({ a: always('pass') });
    await expect(made.refresh('b')).rejects.toThrow(HealthError);
    await expect(made.refresh('b')).rejects.toMatchObject({
      code: 'UNKNOWN_CHECK',
      message: 'There is no check b; there are a',
    });
  });

  test('every option, check and error code stands in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const types = readFileSync(new URL('types.ts', import.meta.url), 'utf8');
    const interfaces = [
      ...types.matchAll(
        /interface (\w+Options|CheckTiming|Check|CheckResult)(?: extends \w+)? \{([\s\S]*?)\n\}/g,
      ),
    ];
    const names = interfaces.flatMap((match) =>
      [...(match[2] ?? '').matchAll(/^ {2}readonly (\w+)\??:/gm)].map((name) => name[1] ?? ''),
    );
    expect(names.length).toBeGreaterThan(40);
    const index = readFileSync(new URL('index.ts', import.meta.url), 'utf8');
    const factories = [...index.matchAll(/^export \{ (\w+) \}/gm)].map((match) => match[1] ?? '');
    const codes = [
      ...readFileSync(new URL('errors.ts', import.meta.url), 'utf8').matchAll(/^ {2}\| '(\w+)'/gm),
    ].map((match) => match[1] ?? '');
    expect([factories.length, codes.length]).toEqual([10, 3]);
    expect([...names, ...factories, ...codes].filter((name) => !readme.includes(`\`${name}`))).toEqual([]);
  });
});
