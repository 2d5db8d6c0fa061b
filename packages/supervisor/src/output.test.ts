import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { child, quick, sh, supervise, tempDir, waitFor } from '../test/kit.ts';

function collector(highWaterMark = 16_384): { stream: Writable; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    highWaterMark,
    decodeStrings: false,
    write(chunk: string | Buffer, _, done): void {
      chunks.push(chunk.toString());
      setImmediate(done);
    },
  });
  return { stream, text: () => chunks.join('') };
}

describe('output', () => {
  test('is tagged by name, line by line', async () => {
    const output = collector();
    const { supervisor } = supervise({
      services: {
        a: { ...sh('echo one; echo two >&2; printf three'), restart: 'never' },
        'b-2': { ...sh('echo; echo four'), restart: 'never' },
      },
      output: output.stream,
    });
    await supervisor.start();
    await supervisor.done;
    const lines = output.text().split('\n');
    expect(lines.sort()).toEqual(['', 'a | one', 'a | three', 'a | two', 'b-2 | ', 'b-2 | four']);
  });

  test('goes to the logger with service and stream', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino(
      { base: null },
      { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    const { supervisor } = supervise({
      services: { a: { ...sh('echo one; echo two >&2'), restart: 'never' } },
      logger,
    });
    await supervisor.start();
    await supervisor.done;
    const own = lines.map(({ service, stream, msg }) => ({ service, stream, msg }));
    expect(own).toContainEqual({ service: 'a', stream: 'stdout', msg: 'one' });
    expect(own).toContainEqual({ service: 'a', stream: 'stderr', msg: 'two' });
  });

  test.each([
    ['both', true, true],
    ['file', true, false],
    ['log', false, true],
    ['none', false, false],
  ] as const)('%s', async (choice, toFile, toLog) => {
    const logDir = tempDir();
    const output = collector();
    const { supervisor } = supervise({
      services: { a: { ...sh('echo one'), restart: 'never', output: choice } },
      logDir,
      output: output.stream,
    });
    await supervisor.start();
    await supervisor.done;
    expect(readdirSync(logDir)).toEqual(toFile ? ['a.log'] : []);
    expect(output.text()).toBe(toLog ? 'a | one\n' : '');
  });

  test('nothing is lost at the exit, over many restarts', async () => {
    const logDir = tempDir();
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; printf last; exit 1'),
          ...quick,
          burst: { starts: 10 },
        },
      },
      logDir,
    });
    supervisor.start().catch(() => undefined);
    await supervisor.done;
    const once = [...Array(500).keys(), 'last'].join('\n') + '\n';
    expect(readFileSync(join(logDir, 'a.log'), 'utf8')).toBe(once.repeat(10));
  });

  test('a flood is written in full, and memory does not grow with it', async () => {
    const bytes = 100 * 1024 * 1024;
    const logDir = tempDir();
    const { supervisor } = supervise({
      services: { a: { ...child(`flood=${bytes}`), restart: 'never', output: 'file' } },
      logDir,
      logFiles: { maxBytes: 2 * bytes, maxTotalBytes: 8 * bytes },
      redact: [/sk_test_\w+/],
    });
    let peak = 0;
    const before = process.memoryUsage().rss;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }, 5);
    await supervisor.start();
    await supervisor.done;
    clearInterval(timer);
    const text = readFileSync(join(logDir, 'a.log'));
    expect(text.length).toBe(bytes + (bytes % 100 === 0 ? 0 : 1));
    expect(peak).toBeLessThan(bytes);
  });

  test('a disk that takes nothing holds up the child in its own write, and loses nothing', async () => {
    const logDir = tempDir();
    // A pipe in place of the file: it takes what its reader takes.
    execFileSync('mkfifo', [join(logDir, 'a.log')]);
    const [go, count] = [join(logDir, 'go'), join(logDir, 'count')];
    const wait = `while [ ! -e ${go} ]; do sleep 0.01; done`;
    const reader = spawn('/bin/sh', ['-c', `exec < ${logDir}/a.log; ${wait}; wc -c > ${count}`]);
    onTestFinished(() => void reader.kill('SIGKILL'));
    const size = 8_000_000;
    const { supervisor } = supervise({
      services: { a: { ...child(`flood=${size}`), restart: 'never', output: 'file' } },
      logDir,
    });
    await supervisor.start();
    const pid = supervisor.status().services[0]?.pid ?? 0;
    let [last, looks] = [-1, 0];
    await waitFor('the flood to stand still', () => {
      const now = writtenBy(pid);
      looks = now === last && now > 0 ? looks + 1 : 0;
      last = now;
      return looks === 20;
    });
    expect(last).toBeLessThan(size / 2);
    writeFileSync(go, '');
    expect((await supervisor.done).exitCode).toBe(0);
    await waitFor('the count', () => sizeOf(count) > 0);
    // A last line that is cut off gets the end that it lacks.
    expect([size, size + 1]).toContain(Number(readFileSync(count, 'utf8')));
  });

  test('a slow reader slows its child down and nobody else', async () => {
    let open = false;
    const held: (() => void)[] = [];
    const slow = new Writable({
      highWaterMark: 1_024,
      write(_, __, done): void {
        if (open) done();
        else held.push(done);
      },
    });
    const logDir = tempDir();
    const size = 4_000_000;
    const { supervisor } = supervise({
      services: {
        a: { ...child(`flood=${size}`, 'stay') },
        b: { ...sh('echo up; exec sleep 600'), output: 'file', ready: { type: 'log', pattern: 'up' } },
      },
      output: slow,
      logDir,
    });
    await supervisor.start();
    // The child is held up in its own write: not even its log file goes on.
    let last = -1;
    await waitFor('the flood to stand still', async () => {
      const now = sizeOf(join(logDir, 'a.log'));
      const still = now === last && now > 0;
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return still;
    });
    expect(last).toBeLessThan(size / 2);
    await supervisor.restart('b');
    open = true;
    for (const done of held.splice(0)) done();
    await waitFor('the whole flood', () => sizeOf(join(logDir, 'a.log')) >= size);
  });

  test('when all is over every line has left the output, however long it takes', async () => {
    const lines: string[] = [];
    const slow = new Writable({
      write(chunk: Buffer, _, done): void {
        setTimeout(() => {
          lines.push(chunk.toString());
          done();
        }, 20);
      },
    });
    const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
    const { supervisor } = supervise({
      services: Object.fromEntries(
        names.map((name) => [name, { ...sh('echo bye'), restart: 'never', endWithParent: false }]),
      ),
      output: slow,
    });
    await supervisor.start();
    await supervisor.done;
    expect(lines.filter((line) => line !== '').sort()).toEqual(names.map((name) => `${name} | bye\n`).sort());
  });

  test('a reader that goes away stops nobody', async () => {
    const gone = new Writable({ highWaterMark: 1, write: (): void => undefined });
    gone.on('error', () => undefined);
    const logDir = tempDir();
    const { supervisor } = supervise({
      services: { a: { ...child('flood=1000000', 'print=end'), restart: 'never' } },
      output: gone,
      logDir,
    });
    await supervisor.start();
    await waitFor('the first lines', () => sizeOf(join(logDir, 'a.log')) > 0);
    gone.destroy(new Error('gone'));
    await supervisor.done;
    expect(readFileSync(join(logDir, 'a.log'), 'utf8')).toMatch(/end\n$/);
  });

  test('a reader that never reads again does not hold up the stop', async () => {
    const stuck = new Writable({ highWaterMark: 1, write: (): void => undefined });
    const { supervisor } = supervise({ services: { a: child('flood=1000000', 'stay') }, output: stuck });
    await supervisor.start();
    await waitFor('the first lines', () => stuck.writableLength > 0);
    await supervisor.stop();
    expect(supervisor.status().services[0]?.state).toBe('stopped');
  });

  test('many services share a slow output without a warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    const output = collector(1);
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const { supervisor } = supervise({
      services: Object.fromEntries(
        names.map((name) => [
          name,
          { ...sh('echo a; echo b; echo c >&2; echo d'), restart: 'never' as const },
        ]),
      ),
      output: output.stream,
    });
    await supervisor.start();
    await supervisor.done;
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    expect(output.text().split('\n')).toHaveLength(81);
  });

  test('lines that cannot be written are reported once, not each time', async () => {
    const logDir = tempDir();
    mkdirSync(join(logDir, 'a.log'));
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line) => lines.push(line) });
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.02; done'),
          restart: 'never',
          output: 'file',
        },
      },
      logger,
      logDir,
    });
    await supervisor.start();
    expect(await supervisor.done).toMatchObject({ exitCode: 0 });
    expect(lines.filter((line) => line.includes('Output of a is lost'))).toHaveLength(1);
  });

  test('a logger that throws stops nobody, and gets the next lines', async () => {
    const logDir = tempDir();
    const logged: string[] = [];
    let room = false;
    const logger = pino(
      {},
      {
        write: (text) => {
          if (!room) throw new Error('no room');
          logged.push((JSON.parse(text) as { msg: string }).msg);
        },
      },
    );
    const go = join(logDir, 'go');
    const { supervisor } = supervise({
      services: {
        a: { ...sh(`echo one; while [ ! -e ${go} ]; do sleep 0.01; done; echo two`), restart: 'never' },
      },
      logger,
      logDir,
    });
    await supervisor.start();
    await waitFor('the first line', () => sizeOf(join(logDir, 'a.log')) > 0);
    room = true;
    writeFileSync(go, '');
    await supervisor.done;
    expect(readFileSync(join(logDir, 'a.log'), 'utf8')).toBe('one\ntwo\n');
    expect(logged).toContain('two');
  });

  test('a program that cannot be started does not show its arguments in the log', async () => {
    const lines: string[] = [];
    const { supervisor } = supervise({
      services: { a: { command: '/no/such/program', args: ['--password=hush'], restart: 'never' } },
      logger: pino({}, { write: (line) => lines.push(line) }),
    });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    expect(lines.join('')).toContain('a cannot be started: spawn /no/such/program ENOENT');
    expect(lines.join('')).not.toContain('hush');
  });

  test('the message of a start that failed shows no secret', async () => {
    const lines: string[] = [];
    const { supervisor } = supervise({
      services: {
        a: {
          ...sh('exit 0'),
          restart: 'never',
          beforeStart: () => {
            throw new Error('sk_test_abc is refused');
          },
        },
      },
      redact: [/sk_test_\w+/],
      logger: pino({}, { write: (line) => lines.push(line) }),
    });
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    expect(lines.join('')).toContain('a cannot be started: [redacted] is refused');
    expect(lines.join('')).not.toContain('sk_test_');
  });

  test('no secret reaches log file, output or logger', async () => {
    const key = ['sk', 'test', 'emulator456'].join('_');
    const logDir = tempDir();
    const output = collector();
    const lines: string[] = [];
    const service = {
      ...sh(`echo "key ${key}"; echo "${key}" >&2; printf ${key}`),
      restart: 'never',
    } as const;
    const { supervisor } = supervise({
      services: { a: service },
      logDir,
      output: output.stream,
      redact: [/sk_test_\w+/],
    });
    const other = supervise({
      services: { a: service },
      logger: pino({}, { write: (line) => lines.push(line) }),
      redact: [key],
    });
    await Promise.all([supervisor.start(), other.supervisor.start()]);
    await Promise.all([supervisor.done, other.supervisor.done]);
    const all = readFileSync(join(logDir, 'a.log'), 'utf8') + output.text() + lines.join('');
    expect(all.split('[redacted]').length - 1).toBe(9);
    expect(all).not.toContain('emulator456');
  });
});

/** Bytes that a process has written so far, to whatever. */
function writtenBy(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

function sizeOf(path: string): number {
  try {
    return readFileSync(path).length;
  } catch {
    return 0;
  }
}
