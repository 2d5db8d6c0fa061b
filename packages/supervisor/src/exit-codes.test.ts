import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { sh, supervise } from '../test/kit.ts';
import type { ServiceOptions } from './index.ts';

test('every exit code is told and passed on as it is', async () => {
  const codes = [...Array(256).keys()];
  const service = (code: number): ServiceOptions => ({
    ...sh(`exit ${code}`),
    restart: 'never',
    onGiveUp: 'leave',
  });
  const { supervisor } = supervise({
    services: Object.fromEntries(codes.map((code) => [`code-${code}`, service(code)])),
  });
  await supervisor.start();
  await supervisor.done;
  const exits = supervisor
    .status()
    .services.map(({ state, lastExit }) => [state, lastExit?.code, lastExit?.exitCode]);
  expect(exits).toEqual(codes.map((code) => [code === 0 ? 'exited' : 'failed', code, code]));
});

test.each([1, 2, 3, 4, 77, 126, 127, 128, 137, 143, 255])(
  'the supervisor ends with exit code %i of the one it gives up',
  async (code) => {
    const { supervisor } = supervise({ services: { a: { ...sh(`exit ${code}`), restart: 'never' } } });
    supervisor.start().catch(() => undefined);
    expect(await supervisor.done).toMatchObject({ exitCode: code, reason: 'gave-up' });
  },
);

test('every signal is told, and passed on as 128 + its number', async () => {
  // What ends a process by default; SIGSTOP and the like stop it, SIGCHLD and the like do nothing.
  const harmless = ['SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGWINCH'];
  const signals = (Object.entries(constants.signals) as [NodeJS.Signals, number][]).filter(
    ([name, number], index, all) =>
      !harmless.includes(name) && all.findIndex(([, other]) => other === number) === index,
  );
  expect(signals.length).toBeGreaterThan(20);
  const { supervisor } = supervise({
    services: Object.fromEntries(
      signals.map(([name, number]) => [
        name,
        // No core files.
        { ...sh(`ulimit -c 0; kill -${number} $$; sleep 600`), restart: 'never', onGiveUp: 'leave' },
      ]),
    ),
  });
  await supervisor.start();
  await supervisor.done;
  const exits = supervisor
    .status()
    .services.map(({ lastExit }) => [
      constants.signals[lastExit?.signal ?? 'SIGUSR1'],
      lastExit?.code,
      lastExit?.exitCode,
    ]);
  expect(exits).toEqual(signals.map(([, number]) => [number, null, 128 + number]));
});
