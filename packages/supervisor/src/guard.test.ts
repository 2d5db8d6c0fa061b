import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { alive, child, pidIn, tempDir, waitFor } from '../test/kit.ts';
import type { ServiceOptions } from './index.ts';

const host = fileURLToPath(new URL('../test/fixtures/host.ts', import.meta.url));

async function run(services: Record<string, ServiceOptions>): Promise<ChildProcess> {
  const program = spawn(process.execPath, [host, JSON.stringify({ services })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    program.kill('SIGKILL');
  });
  let text = '';
  program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await waitFor('the program to be ready', () => text.includes('"ready":true'));
  return program;
}

test('when the supervisor is killed its services end, with their groups and what has left them, also those that ignore SIGTERM', async () => {
  const dir = tempDir();
  const program = await run({
    a: {
      ...child(`pid=${dir}/a`, `grandchild=${dir}/b`, 'print=up', 'stay'),
      ready: { type: 'log', pattern: 'up' },
    },
    c: {
      ...child(
        'ignore=SIGTERM',
        `pid=${dir}/c`,
        `daemon=${dir}/d`,
        `stubborn-daemon=${dir}/e`,
        'print=up',
        'stay',
      ),
      ready: { type: 'log', pattern: 'up' },
      dependsOn: ['a'],
    },
  });
  const pids = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => pidIn(join(dir, name))));
  program.kill('SIGKILL');
  await waitFor('all to be gone', () => pids.every((pid) => !alive(pid)));
});

test('what has been taken off its list is left alone: the number may be of another process by then', async () => {
  const [gone, kept] = ['gone', 'kept'].map((mark) => {
    const sleeper = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: { MARK: mark } });
    onTestFinished(() => void sleeper.kill('SIGKILL'));
    return sleeper.pid ?? 0;
  });
  const script = `import { pino } from 'pino';
    import { createGuard } from ${JSON.stringify(fileURLToPath(new URL('guard.ts', import.meta.url)))};
    const guard = createGuard(pino({ level: 'silent' }));
    guard.add(${gone}, 'MARK=gone');
    guard.add(${kept}, 'MARK=kept');
    guard.remove(${gone});
    console.log('up');
    setInterval(() => undefined, 1000);`;
  const program = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });
  onTestFinished(() => void program.kill('SIGKILL'));
  let text = '';
  program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await waitFor('the program', () => text.includes('up'));
  const [guard] = readdirSync('/proc').filter(
    (pid) => Number(statusOf(pid, /^PPid:\s+(\d+)$/m)) === program.pid,
  );
  // A signal to all (kill -1) does not end it before its work.
  await waitFor(
    'the guard to ignore signals',
    () => statusOf(guard ?? '', /^SigIgn:\s+(\w+)$/m) !== noSignals,
  );
  process.kill(Number(guard), 'SIGTERM');
  program.kill('SIGKILL');
  await waitFor('the guard to have done its work', () => !alive(Number(guard)));
  expect([gone, kept].map((pid) => alive(pid ?? 0))).toEqual([true, false]);
});

test('a Node child can also end itself when the IPC channel closes', async () => {
  const dir = tempDir();
  const program = await run({
    a: {
      ...child('disconnect', `pid=${dir}/a`, 'send="ready"'),
      ready: { type: 'ipc' },
      endWithParent: false,
    },
  });
  const pid = await pidIn(join(dir, 'a'));
  program.kill('SIGKILL');
  await waitFor('it to be gone', () => !alive(pid));
});

test('a program that awaits the stop as its last act comes to its end', async () => {
  const index = fileURLToPath(new URL('index.ts', import.meta.url));
  const script = `import { createSupervisor } from ${JSON.stringify(index)};
    for (let turn = 0; turn < 30; turn += 1) {
      const supervisor = createSupervisor({ services: { a: { command: '/bin/sleep', args: ['600'] } } });
      await supervisor.start();
      await supervisor.stop();
    }
    console.log('the end');`;
  const program = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise((resolve) => program.once('close', resolve));
  expect([text, code]).toEqual(['the end\n', 0]);
});

const noSignals = '0'.repeat(16);

function statusOf(pid: string, field: RegExp): string | undefined {
  try {
    return field.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}
