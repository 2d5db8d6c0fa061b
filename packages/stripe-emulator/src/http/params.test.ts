import { describe, expect, test } from 'vitest';
import { parseParams, range } from './params.ts';

test.each<[string, string, unknown]>([
  ['plain', 'a=1&b=two+words%21', { a: '1', b: 'two words!' }],
  ['nested', 'created[gte]=5&a[b][c]=d', { created: { gte: '5' }, a: { b: { c: 'd' } } }],
  ['arrays without numbers', 'expand[]=a&expand[]=b', { expand: ['a', 'b'] }],
  [
    'arrays with numbers',
    'items[0][price]=p&items[1][price]=q&items[1][quantity]=2',
    { items: [{ price: 'p' }, { price: 'q', quantity: '2' }] },
  ],
  [
    'hashes in arrays without numbers',
    'items[][price]=p&items[][quantity]=2&items[][price]=q',
    { items: [{ price: 'p', quantity: '2' }, { price: 'q' }] },
  ],
  ['encoded brackets', 'a%5Bb%5D=c', { a: { b: 'c' } }],
  ['an empty value', 'a=&b', { a: '', b: '' }],
  ['letters of all kinds', 'name=Zo%C3%AB', { name: 'Zoë' }],
  ['a broken escape', 'a=%E0%A4%A', { a: '%E0%A4%A' }],
])('%s', (_, query, expected) => {
  expect(parseParams(query)).toEqual(expected);
});

test.each(['__proto__[x]=1', 'a[constructor]=1', 'prototype=1'])('%s is no name', (query) => {
  expect(() => parseParams(query)).toThrow('Invalid parameter name');
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

describe('ranges', () => {
  test.each([
    ['created=5', { from: 5, to: 5 }],
    ['created[gt]=5&created[lt]=9', { from: 6, to: 8 }],
    ['created[gte]=5&created[lte]=9', { from: 5, to: 9 }],
    ['created[gte]=5', { from: 5, to: undefined }],
    ['other=1', undefined],
  ])('%s', (query, expected) => {
    expect(range(parseParams(query), 'created')).toEqual(expected);
  });

  test.each(['created=soon', 'created[gte]=1.5', 'created[near]=1'])('%s is refused', (query) => {
    expect(() => range(parseParams(query), 'created')).toThrow();
  });
});
