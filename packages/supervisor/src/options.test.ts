import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SupervisorError, createSupervisor } from './index.ts';
import type { SupervisorOptions } from './index.ts';

function faults(options: unknown): readonly string[] {
  try {
    createSupervisor(options as SupervisorOptions);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(SupervisorError);
    expect((error as SupervisorError).code).toBe('OPTIONS');
    return (error as SupervisorError).faults;
  }
}

const ok = { command: 'true' };

describe('options', () => {
  test('a service needs no more than a command', () => {
    expect(faults({ services: { a: ok } })).toEqual([]);
  });

  test('functions and expressions of code are let through', () => {
    expect(
      faults({
        services: {
          a: { ...ok, beforeStart: () => undefined, ready: { type: 'function', probe: () => true } },
          b: {
            ...ok,
            ready: { type: 'log', pattern: /x/ },
            watchdog: { probe: { type: 'function', probe: () => true } },
          },
        },
        redact: [/a/, 'b'],
      }),
    ).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['no service', { services: {} }, 'services: expected at least 1 entry'],
    ['no services', {}, 'services: missing'],
    ['a name with a slash', { services: { 'a/b': ok } }, 'services.a/b: the name must match'],
    ['no command', { services: { a: {} } }, 'services.a.command: missing'],
    [
      'a typing error',
      { services: { a: { ...ok, comand: 'x' } } },
      'services.a.comand: not known; known are',
    ],
    [
      'a wrong word',
      { services: { a: { ...ok, restart: 'sometimes' } } },
      'services.a.restart: expected one of always, on-failure, never, got "sometimes"',
    ],
    [
      'an unknown readiness',
      { services: { a: { ...ok, ready: { type: 'htp' } } } },
      'services.a.ready: expected an object whose type is one of http, tcp',
    ],
    [
      'a number that is too small',
      { services: { a: { ...ok, backoff: { factor: 0.5 } } } },
      'services.a.backoff.factor: expected at least 1, got 0.5',
    ],
    ['a fraction of a count', { services: { a: { ...ok, burst: { starts: 1.5 } } } }, 'expected integer'],
    ['an infinite time', { services: { a: { ...ok, readyTimeoutMs: Infinity } } }, 'expected number'],
    [
      'a broken expression',
      { services: { a: { ...ok, ready: { type: 'log', pattern: '(' } } } },
      'services.a.ready.pattern: expected a regular expression',
    ],
    [
      'a hook that is no function',
      { services: { a: { ...ok, beforeStart: 'rm' } } },
      'services.a.beforeStart: not known',
    ],
    [
      'an unknown dependency',
      { services: { a: { ...ok, dependsOn: ['b'] } } },
      'services.a.dependsOn: there is no service b',
    ],
    [
      'a circle',
      { services: { a: { ...ok, dependsOn: ['b'] }, b: { ...ok, dependsOn: ['a'] } } },
      'services: they wait for each other: a → b → a',
    ],
    [
      'completion of what never completes',
      { services: { a: { ...ok, dependsOn: [{ service: 'b', state: 'completed' }] }, b: ok } },
      'b never completes',
    ],
    [
      'a signal that does not exist',
      { services: { a: { ...ok, stop: { signal: 'SIGFOO' } } } },
      'SIGFOO is no signal of this system',
    ],
    [
      'a one-shot that is to be restarted always',
      { services: { a: { ...ok, ready: { type: 'exit' }, restart: 'always' } } },
      'a one-shot',
    ],
  ])('%s is refused by name', (_, options, expected) => {
    expect(faults(options).join('\n')).toContain(expected);
  });

  test('a log directory that cannot be made is one clear line', () => {
    expect(faults({ services: { a: ok }, logDir: '/etc/passwd/logs' })).toEqual([
      expect.stringMatching(/^logDir: \/etc\/passwd\/logs cannot be made: ENOTDIR/),
    ]);
  });

  test('all faults are told at once', () => {
    expect(faults({ services: { a: { restart: 1 }, b: { cwd: 2 } } })).toHaveLength(4);
  });

  test("the caller's options are not touched and not kept", () => {
    const args = ['x'];
    const services = { a: { ...ok, args } };
    const supervisor = createSupervisor({ services: Object.freeze(services) });
    args.push('y');
    expect(supervisor.status().services.map((service) => service.name)).toEqual(['a']);
  });

  test('every option and error code stands in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const types = readFileSync(new URL('types.ts', import.meta.url), 'utf8');
    const options =
      /interface (?:SupervisorOptions|ServiceOptions|LogFileOptions|BackoffOptions|BurstOptions|StopOptions|WatchdogOptions) \{([\s\S]*?)\n\}/g;
    const names = [...types.matchAll(options)].flatMap((match) =>
      [...(match[1] ?? '').matchAll(/^ {2}readonly (\w+)\??:/gm)].map((name) => name[1] ?? ''),
    );
    expect(names.length).toBeGreaterThan(40);
    const codes = [
      ...readFileSync(new URL('errors.ts', import.meta.url), 'utf8').matchAll(/^ {2}\| '(\w+)'/gm),
    ].map((code) => code[1] ?? '');
    expect(codes.length).toBe(5);
    expect([...names, ...codes].filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
