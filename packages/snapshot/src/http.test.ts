import { describe, expect, test } from 'vitest';
import { chooseEncoding, disposition, parseRange, parseTags, versionOf } from './http.ts';

describe('Range', () => {
  test.each([
    [undefined, { kind: 'whole' }],
    ['bytes=0-0', { kind: 'range', first: 0, last: 0 }],
    ['bytes=10-', { kind: 'range', first: 10, last: 99 }],
    ['bytes=10-19', { kind: 'range', first: 10, last: 19 }],
    ['bytes=90-200', { kind: 'range', first: 90, last: 99 }],
    ['bytes=-10', { kind: 'range', first: 90, last: 99 }],
    ['bytes=-1000', { kind: 'range', first: 0, last: 99 }],
    ['bytes=100-', { kind: 'unsatisfiable' }],
    ['bytes=-0', { kind: 'unsatisfiable' }],
    ['bytes=20-10', { kind: 'whole' }],
    ['bytes=0-1,5-6', { kind: 'whole' }],
    ['bytes=-', { kind: 'whole' }],
    ['pages=0-1', { kind: 'whole' }],
  ])('%s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });
});

describe('Accept-Encoding', () => {
  test.each([
    [undefined, 'identity'],
    ['', 'identity'],
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, deflate', 'gzip'],
    ['br', 'identity'],
    ['*', 'zstd'],
    ['zstd;q=0.5, gzip', 'gzip'],
    ['gzip;q=0', 'identity'],
    ['identity, gzip;q=0.5', 'identity'],
    ['GZIP', 'gzip'],
  ])('%s', (header, expected) => {
    expect(chooseEncoding(header)).toBe(expected);
  });
});

test('entity tags are read, weak or not', () => {
  expect(parseTags('W/"1.a", "2.b"')).toEqual(['"1.a"', '"2.b"']);
  expect(versionOf('"17.abc_-d"')).toBe('17');
  expect(versionOf('"a%2Eb.abc-gzip"')).toBe('a%2Eb');
  expect(versionOf('"nothing"')).toBeUndefined();
});

test('a file name holds no letter that could break a header or a path', () => {
  expect(disposition('../a"b\r\nc/é', 0)).toBe('attachment; filename="a_b_c_-1970-01-01T000000Z.sqlite"');
  expect(disposition('"', 0)).toBe('attachment; filename="database-1970-01-01T000000Z.sqlite"');
});
