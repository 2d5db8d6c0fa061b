import { expect, test } from 'vitest';
import { isForAnyDatasette } from './datasette.ts';

test.each([
  '/stripe',
  '/stripe?sql=select+1',
  '/stripe.json',
  '/stripe/charges?amount__gt=5',
  '/stripe/charges/ch_1',
  '/-/search?q=x',
  '/-/search.json?q=x',
])('any of several Datasettes answers %s', (target) => {
  expect(isForAnyDatasette(target)).toBe(true);
});

test.each(['/', '/-/dashboards/mrr', '/-/now.json', '/-/mcp', '/graphql/stripe', '/stripes', '/-/searching'])(
  'the first answers %s',
  (target) => {
    expect(isForAnyDatasette(target)).toBe(false);
  },
);
