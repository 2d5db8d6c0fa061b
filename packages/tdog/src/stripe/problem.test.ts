import { expect, test } from 'vitest';

import { toProblem } from './problem.ts';

test.each(['sk_live_', 'rk_test_', 'sk_org_'])('no key of the form %s… stays in a message', (prefix) => {
  const key = `${prefix}${'a1B2'.repeat(6)}`;
  const { message } = toProblem({ statusCode: 401, message: `Invalid API Key provided: ${key}` }, false);
  expect(message).toContain(prefix);
  expect(message).not.toContain(key.slice(prefix.length));
});

test.each([
  [undefined, undefined, 'trouble'],
  [401, undefined, 'refused'],
  [403, undefined, 'forbidden'],
  [404, 'resource_missing', 'missing'],
  [404, undefined, 'no-endpoint'],
  [400, undefined, 'rejected'],
  [400, 'resource_missing', 'missing'],
  [409, undefined, 'trouble'],
  [429, 'rate_limit', 'limited'],
  [500, undefined, 'trouble'],
  [502, undefined, 'trouble'],
  [503, undefined, 'trouble'],
] as const)('status %s with code %s is %s', (statusCode, code, kind) => {
  expect(toProblem({ statusCode, code, message: 'x' }, false).kind).toBe(kind);
});
