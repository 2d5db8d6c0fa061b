import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { always, clock, get, health, isOwner, owner, serveHealth, waitFor } from '../test/kit.ts';
import { createHealth } from './index.ts';
import type { CheckResult, HealthStatus } from './index.ts';

describe('checks', () => {
  test('a burst of 10,000 requests runs no check more than its interval allows', async () => {
    let runs = 0;
    const made = health({
      a: { run: () => ((runs += 1), { status: 'pass' }), intervalMs: 3_600_000 },
    });
    const url = await serveHealth(made);
    const { request, Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    const one = (): Promise<number> =>
      new Promise((resolve, reject) => {
        request(`${url}/health`, { agent }, (response) => {
          response.resume().on('end', () => {
            resolve(response.statusCode ?? 0);
          });
        })
          .on('error', reject)
          .end();
      });
    const codes = await Promise.all(Array.from({ length: 10_000 }, one));
    agent.destroy();
    expect(new Set(codes)).toEqual(new Set([200]));
    expect(runs).toBe(1);
  });

  test('runs again after its interval, without anybody asking', async () => {
    let runs = 0;
    const made = health({ a: { run: () => ((runs += 1), { status: 'pass' }), intervalMs: 1 } });
    made.start();
    await waitFor('five runs', () => runs >= 5);
  });

  test('a check can ask to be run sooner', async () => {
    let runs = 0;
    const made = health({
      a: {
        run: () => ((runs += 1), { status: 'pass', ...(runs < 4 ? { againInMs: 1 } : {}) }),
        intervalMs: 3_600_000,
      },
    });
    made.start();
    await waitFor('four runs', () => runs === 4);
  });

  test('a throw is a failure, with its message', async () => {
    const made = health({
      a: {
        run: () => {
          throw new Error('broken');
        },
      },
      b: { run: () => Promise.reject(new Error('late')) },
    });
    await made.settled();
    expect(made.status().items).toMatchObject({
      a: { status: 'fail', message: 'broken' },
      b: { status: 'fail', message: 'late' },
    });
  });

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'got none'],
    ['null', null, 'got none'],
    ['another word', { status: 'ok' }, 'got "ok"'],
    ['what is no JSON', { status: 'pass', observed: 10n }, '`observed` is no JSON'],
  ])('%s is no verdict but a failure that says so, and the check goes on', async (_, returned, message) => {
    const results = [returned, { status: 'pass' }];
    const made = health(
      { a: { run: () => results.shift() as CheckResult, intervalMs: 3_600_000, readiness: true } },
      { isAuthorised: isOwner },
    );
    const url = await serveHealth(made);
    const answer = await get(`${url}/health`, owner);
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ status: 'fail', items: { a: { ok: false, status: 'fail' } } });
    expect(made.status().items['a']?.message).toContain(message);
    expect((await get(`${url}/ready`)).status).toBe(503);
    await made.refresh('a');
    expect((await get(`${url}/ready`)).status).toBe(200);
  });

  test('severity warn makes a failure a warning, and so a verdict that is too old', async () => {
    const time = clock(0);
    const made = health(
      { a: always('fail', { severity: 'warn', expiresMs: 10_000, intervalMs: 3_600_000 }) },
      { monotonic: time.now },
    );
    await made.settled();
    expect(made.status()).toMatchObject({ ok: true, status: 'warn' });
    time.move(10_001);
    expect(made.status()).toMatchObject({
      ok: true,
      status: 'warn',
      items: { a: { message: 'The last verdict is 10 s old' } },
    });
  });

  test('the time limit is a failure, aborts the signal, and a run that hangs is not joined by others', async () => {
    let runs = 0;
    let aborted = false;
    const made = health({
      a: {
        run: ({ signal }) => {
          runs += 1;
          signal.addEventListener('abort', () => (aborted = true));
          return new Promise(() => undefined);
        },
        timeoutMs: 20,
        intervalMs: 1,
      },
      b: { run: () => ({ status: 'pass' }), intervalMs: 1 },
    });
    await made.settled();
    expect(made.status().items['a']).toMatchObject({ status: 'fail', message: 'No answer within 20 ms' });
    expect(aborted).toBe(true);
    await made.refresh('a');
    expect(runs).toBe(1);
  });

  test('who asks while it runs joins the run', async () => {
    const gate = Promise.withResolvers<CheckResult>();
    let runs = 0;
    const made = health({ a: { run: () => ((runs += 1), gate.promise), intervalMs: 3_600_000 } });
    const asked = [made.refresh('a'), made.refresh('a')];
    gate.resolve({ status: 'pass' });
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(['pass', 'pass']);
    expect(runs).toBe(1);
  });

  test('the first answer does not wait for a check that hangs', async () => {
    const made = health({
      a: { run: () => new Promise(() => undefined), timeoutMs: 3_600_000 },
      b: always('pass'),
    });
    const url = await serveHealth(made);
    expect((await get(`${url}/health`)).body).toMatchObject({
      status: 'warn',
      items: { a: { status: 'warn' }, b: { status: 'pass' } },
    });
  });

  test('its timers keep no program alive', async () => {
    const index = fileURLToPath(new URL('index.ts', import.meta.url));
    const script = `import { createHealth } from ${JSON.stringify(index)};
      const made = createHealth({ checks: { a: { run: () => ({ status: 'pass' }), intervalMs: 3_600_000 } } });
      await made.settled();
      console.log(made.status().status);`;
    const program = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      program.kill('SIGKILL');
    });
    let said = '';
    program.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await waitFor('the program to end by itself', () => program.exitCode !== null);
    expect([said.trim(), program.exitCode]).toEqual(['pass', 0]);
  });

  test('a verdict that is too old is a failure: a dead refresher does not freeze ok', async () => {
    const time = clock(0);
    const made = health(
      { a: always('pass', { intervalMs: 3_600_000, expiresMs: 10_000, readiness: true }) },
      { monotonic: time.now },
    );
    await made.settled();
    time.move(10_000);
    expect(made.status().status).toBe('pass');
    time.move(1);
    expect(made.status().items['a']).toMatchObject({
      ok: false,
      status: 'fail',
      message: 'The last verdict is 10 s old',
    });
    expect(made.isReady()).toBe(false);
    await made.refresh('a');
    expect(made.status().status).toBe('pass');
  });

  test('no first verdict is a warning at first, then a failure', async () => {
    const time = clock(0);
    const made = health(
      { a: { run: () => new Promise(() => undefined), expiresMs: 10_000, timeoutMs: 3_600_000 } },
      { monotonic: time.now },
    );
    made.start();
    expect(made.status().items['a']).toEqual({ ok: true, status: 'warn', message: 'Not checked yet' });
    time.move(10_001);
    expect(made.status().items['a']).toMatchObject({
      status: 'fail',
      message: 'No verdict since the start 10 s ago',
    });
  });

  test('a jump of the wall clock changes no verdict', async () => {
    const wall = clock();
    const made = health({ a: always('pass', { expiresMs: 60_000 }) }, { now: wall.now });
    await made.settled();
    wall.move(-86_400_000);
    expect(made.status().status).toBe('pass');
    wall.move(30 * 86_400_000);
    expect(made.status().status).toBe('pass');
  });

  test('changes are logged, once each', async () => {
    const lines: string[] = [];
    const logger = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) });
    const verdicts: HealthStatus[] = ['pass', 'fail', 'fail', 'pass', 'pass'];
    const made = health(
      { a: { run: () => ({ status: verdicts.shift() ?? 'pass', message: 'words' }), intervalMs: 3_600_000 } },
      { logger },
    );
    await made.settled();
    for (let turn = 0; turn < 4; turn += 1) await made.refresh('a');
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'a: words',
      'a is well again',
    ]);
  });

  test('close ends a run under way, starts none, and twice is no error', async () => {
    let runs = 0;
    const made = createHealth({
      checks: {
        a: { run: () => ((runs += 1), new Promise(() => undefined)), timeoutMs: 3_600_000, intervalMs: 1 },
      },
    });
    made.start();
    await waitFor('the run', () => runs === 1);
    await made.close();
    await made.close();
    await made[Symbol.asyncDispose]();
    expect(runs).toBe(1);
    await expect(made.refresh('a')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
