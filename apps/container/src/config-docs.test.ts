import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logLevels, readConfig, trustedProxyPresets, type Environment } from './config.ts';
import { exitCodes } from './errors.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');

/** Every variable that is looked at, but for those that are just handed on to children. */
function variables(): readonly string[] {
  const asked = new Set<string>();
  const env = new Proxy<Environment>(
    {},
    {
      get: (_target, name) => {
        asked.add(String(name));
        return undefined;
      },
    },
  );
  const result = readConfig(env, '/');
  const handedOn = result.ok ? ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] : [];
  return [...asked].filter((name) => !handedOn.includes(name) && !/^(SSL_CERT_|NODE_EXTRA_)/.test(name));
}

test('every variable stands in docs/configuration.md', () => {
  expect(variables().length).toBeGreaterThan(15);
  expect(variables().filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test('so does every exit code, log level and name of a proxy', () => {
  const codes = Object.values(exitCodes).filter((code) => !new RegExp(`^\\| ${code} +\\|`, 'm').test(page));
  const words = [...logLevels, ...trustedProxyPresets].filter((word) => !page.includes(`\`${word}\``));
  expect([codes, words]).toEqual([[], []]);
});
