import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { usage } from '../src/cli.ts';
import { faultNames } from '../src/faults/settings.ts';
import { emulatorErrorCodes } from '../src/index.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test('every flag, fault and error code stands in the README', () => {
  const flags = [...usage.matchAll(/--[a-z-]+/g)].map((match) => match[0]);
  for (const name of [...flags, ...faultNames, ...Object.keys(emulatorErrorCodes)]) {
    expect(readme, name).toContain(name);
  }
});
