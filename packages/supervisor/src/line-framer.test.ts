import { describe, expect, test } from 'vitest';
import { createLineFramer } from './line-framer.ts';
import { createRedactor } from './redact.ts';

function frame(chunks: readonly (string | Buffer)[], patterns: readonly (RegExp | string)[] = []): string {
  const framer = createLineFramer(createRedactor(patterns));
  const blocks = [...chunks.map((chunk) => framer.push(Buffer.from(chunk as string))), framer.end()];
  return blocks.map((block) => block?.toString('utf8') ?? '').join('');
}

describe('line framer', () => {
  test.each([
    ['whole lines', ['a\nb\n'], 'a\nb\n'],
    ['lines in pieces', ['a', 'b\nc', '\n'], 'ab\nc\n'],
    ['a last line without its end', ['a\nb'], 'a\nb\n'],
    ['empty lines', ['\n\n', 'x\n'], '\n\nx\n'],
    ['nothing', [], ''],
  ])('%s', (_, chunks, expected) => {
    expect(frame(chunks)).toBe(expected);
  });

  test('keeps bytes that are no UTF-8 as they are', () => {
    const framer = createLineFramer(createRedactor(['secret']));
    const line = Buffer.from([0xff, 0x00, 0xfe, 0x0a]);
    expect(framer.push(line)).toEqual(line);
  });

  test('cuts a line without end, so that memory does not grow', () => {
    const framer = createLineFramer(undefined);
    let longest = 0;
    let bytes = 0;
    for (let turn = 0; turn < 100; turn += 1) {
      const block = framer.push(Buffer.alloc(10_000, 'x'));
      longest = Math.max(longest, block?.length ?? 0);
      bytes += block?.length ?? 0;
    }
    expect(longest).toBeLessThan(80_000);
    expect(bytes).toBeGreaterThan(900_000);
  });
});

describe('redaction', () => {
  const key = ['sk', 'test', 'emulator123'].join('_');

  test.each([
    ['a pattern', [/sk_test_\w+/], `key=${key}, ok\n`, 'key=[redacted], ok\n'],
    ['a literal text with special characters', ['a+b(c'], 'x a+b(c y\n', 'x [redacted] y\n'],
    ['every place', [/\bs\d/], 's1 s2\n', '[redacted] [redacted]\n'],
    ['a sticky pattern everywhere', [/s\d/y], 'x s1\n', 'x [redacted]\n'],
    ['letters beyond ASCII', ['grün'], 'das grüne\n', 'das [redacted]e\n'],
  ])('%s', (_, patterns, input, expected) => {
    expect(frame([input], patterns)).toBe(expected);
  });

  test('wherever the chunks are cut', () => {
    const line = `before ${key} after\n`;
    for (let at = 1; at < line.length; at += 1) {
      expect(frame([line.slice(0, at), line.slice(at)], [/sk_test_\w+/])).toBe('before [redacted] after\n');
    }
  });

  test('wherever an endless line is cut', () => {
    // The secret moves over the place where lines are cut.
    for (let offset = 55_000; offset < 75_000; offset += 3) {
      const output = frame([`${'-'.repeat(offset)}${key}${'-'.repeat(40_000)}\n`], [/sk_test_\w+/]);
      expect(output).not.toContain('emulator123');
      expect(output).toContain('[redacted]');
    }
  });

  test('in chunks of an endless line', () => {
    const framer = createLineFramer(createRedactor([/sk_test_\w+/]));
    const text = `${'-'.repeat(65_530)}${key}${'-'.repeat(70_000)}`;
    let output = '';
    for (let at = 0; at < text.length; at += 777) {
      output += framer.push(Buffer.from(text.slice(at, at + 777)))?.toString() ?? '';
    }
    output += framer.end()?.toString() ?? '';
    expect(output).not.toContain('emulator');
    expect(output).not.toContain('123');
  });

  test('a secret longer than any line swallows the rest of its line, not the next', () => {
    const output = frame([`k_${'a'.repeat(50_000)}`, 'a'.repeat(50_000), 'aaa\nnext\n'], [/k_a+/]);
    expect(output).toBe('[redacted]\nnext\n');
  });
});
