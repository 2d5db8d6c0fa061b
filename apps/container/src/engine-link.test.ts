import { expect, test } from 'vitest';
import type { EngineStart } from './children/messages.ts';
import { linkEngine, type EngineLink } from './engine-link.ts';

const start = { restOnRefusal: false, logLevel: 'info', sync: {} } as unknown as EngineStart;

function link(): {
  engine: EngineLink;
  sent: unknown[];
  verdicts: unknown[];
  say: (message: unknown) => void;
  pass: (ms: number) => void;
} {
  const sent: unknown[] = [];
  const verdicts: unknown[] = [];
  let listener: (message: unknown) => void = () => undefined;
  let now = 0;
  const engine = linkEngine({
    channel: {
      send: (name, message) => sent.push([name, message]) > 0,
      onMessage: (_name, listen) => {
        listener = listen;
        return () => undefined;
      },
    },
    start: () => start,
    onVerdict: (verdict, at) => verdicts.push([verdict, at]),
    now: () => now,
  });
  return { engine, sent, verdicts, say: (message) => listener(message), pass: (ms) => (now += ms) };
}

test('each engine that says hello is told what to do', () => {
  const { sent, say } = link();
  say({ hello: true });
  say({ hello: true });
  expect(sent).toEqual([
    ['engine', { start }],
    ['engine', { start }],
  ]);
});

test('many looks are one message a second', () => {
  const { engine, sent, pass } = link();
  engine.look();
  engine.look();
  pass(999);
  engine.look();
  expect(sent).toHaveLength(1);
  pass(1);
  engine.look();
  expect(sent).toEqual([
    ['engine', { poll: true }],
    ['engine', { poll: true }],
  ]);
});

test('what the engine says is kept or handed on', () => {
  const { engine, verdicts, say } = link();
  say({ verdict: 'live', at: 7 });
  say({ indexing: true });
  say({ progress: { objects: 3 } });
  say({ fatal: { code: 'TDOG_OTHER_ACCOUNT', message: 'no' } });
  expect(verdicts).toEqual([['live', 7]]);
  expect(engine.indexing()).toBe(true);
  expect(engine.progress()).toEqual({ objects: 3 });
  expect(engine.lastError()).toEqual({ code: 'TDOG_OTHER_ACCOUNT', message: 'no' });
});

test('an engine that starts anew is not still indexing', () => {
  const { engine, say } = link();
  say({ indexing: true });
  say({ hello: true });
  expect(engine.indexing()).toBe(false);
});

test('reads of main are counted by the engine; what none hears is told to the next', () => {
  const sent: unknown[] = [];
  let listener: (message: unknown) => void = () => undefined;
  let runs = false;
  const engine = linkEngine({
    channel: {
      send: (_name, message) => {
        if (runs) sent.push(message);
        return runs;
      },
      onMessage: (_name, listen) => {
        listener = listen;
        return () => undefined;
      },
    },
    start: () => start,
    onVerdict: () => undefined,
    now: () => 0,
  });
  engine.countRead();
  engine.countRead();
  runs = true;
  listener({ hello: true });
  engine.countRead();
  expect(sent).toEqual([{ start }, { reads: 2 }, { reads: 1 }]);
});
