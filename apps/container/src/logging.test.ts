import { expect, test } from 'vitest';
import { createLogger } from './logging.ts';

function logged(format: 'json' | 'text', log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  log(createLogger('info', format, (line) => lines.push(line)));
  return lines.join('');
}

test('a line for people has time, part, message and details', () => {
  const line = logged('text', (logger) =>
    logger.child({ part: 'proxy' }).warn({ status: 401, path: '/a b' }, 'refused'),
  );
  expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d warn proxy: refused status=401 path="\/a b"\n$/);
});

test("a child's own line stays as it is, after the child's name", () => {
  const line = logged('text', (logger) => logger.info({ service: 'engine', stream: 'stdout' }, 'a = 1'));
  expect(line).toBe('engine | a = 1\n');
});

test('an error is its message', () => {
  const line = logged('text', (logger) => logger.error({ err: new Error('no luck') }, 'failed'));
  expect(line).toMatch(/ error failed err="no luck"\n$/);
});

test('a line for machines is JSON', () => {
  const line = logged('json', (logger) => logger.info({ rows: 1 }, 'done'));
  expect(JSON.parse(line)).toMatchObject({ level: 30, rows: 1, msg: 'done' });
});

test.each(['json', 'text'] as const)('no %s line holds a key, wherever it came from', (format) => {
  const secrets = ['sk_test_1', 'rk_live_2', 'sk_org_3', 'whsec_4'].map((secret) => `${secret}abcDEF`);
  const text = logged(format, (logger) =>
    logger.warn(
      { err: new Error(`bad ${secrets[0]}`), url: `http://${secrets[1]}@x` },
      secrets.slice(2).join(' '),
    ),
  );
  expect(text).not.toContain('abcDEF');
  expect(text.match(/\[redacted\]/g)?.length).toBeGreaterThanOrEqual(4);
});
