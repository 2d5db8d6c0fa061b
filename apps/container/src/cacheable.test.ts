import { expect, test } from 'vitest';
import { isCacheable } from './cacheable.ts';

test.each([
  '/stripe',
  '/stripe.json',
  '/stripe?sql=select+1',
  '/stripe/customers',
  '/stripe/customers?_search=x',
  '/stripe/customers.json?_shape=array',
  '/stripe/customers/cus_1',
  '/stripe/events/evt_1.json',
  '/-/static/app.css',
])('%s may be answered from memory', (target) => {
  expect(isCacheable(target)).toBe(true);
});

test.each([
  ['the start page', '/'],
  ['a dashboard', '/-/dashboards/revenue'],
  ['a canned query, whose SQL may ask for the time', '/stripe/payments-recent-failed'],
  ['SQL that asks for the time', "/stripe?sql=select+date('now')"],
  ["the engine's own table", '/stripe/td_progress'],
  ["SQL over the engine's own table", '/stripe?sql=select+*+from+td_requests'],
  ['a view on the state of the download', '/stripe/mirror_status'],
  ['another database', '/other/customers'],
  ['GraphQL', '/graphql/stripe?query=%7B%7D'],
])('%s is not', (_name, target) => {
  expect(isCacheable(target)).toBe(false);
});
