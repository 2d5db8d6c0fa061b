import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { tempDir } from '../test/database.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Runs a program to its end; what it wrote to its standard output. */
function run(command: string, args: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, env: { ...process.env, NODE_NO_WARNINGS: '1' } }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${command}: ${out}${err}`));
    });
  });
}

test('the blocks of the README work as they stand, in JavaScript and in Python', async () => {
  const [, js = ''] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  const [, python = ''] = /```python\n([\s\S]*?)```/.exec(readme) ?? [];
  // Inside the package, so that it finds itself by its name.
  const dir = mkdtempSync(join(root, 'test', 'readme-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  writeFileSync(join(dir, 'block.mjs'), js);
  writeFileSync(join(dir, 'block.py'), python);
  const promised = /^\/\/ (cus_.*)$/m.exec(js)?.[1];
  const out = await run(process.execPath, ['--conditions=@datasette-stripe/source', 'block.mjs'], dir);
  expect(out.trim()).toBe(promised);
  const found = await run('python3', ['-X', 'utf8', 'block.py'], dir);
  expect(found.trim()).toBe('customers cus_NffrFeUfNV2Hib Jenny Rosén 2');
});

test('every option, error code and export is in the README', () => {
  const source = (name: string): string => readFileSync(join(root, 'src', name), 'utf8');
  const [, options = ''] = /interface SearchIndexOptions \{([\s\S]*?)\n\}/.exec(source('options.ts')) ?? [];
  const names = [...options.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1] ?? '');
  const codes = [...source('errors.ts').matchAll(/'(SEARCH_INDEX_\w+)'/g)].map((match) => match[1] ?? '');
  const functions = [...source('index.ts').matchAll(/^export \{ (\w+)/gm)].map((match) => match[1] ?? '');
  expect(names.length).toBeGreaterThan(5);
  expect(functions.length).toBeGreaterThan(4);
  expect([...names, ...codes, ...functions].filter((word) => !readme.includes(word))).toEqual([]);
});

test('the packed tarball works alone', async () => {
  const dir = tempDir();
  const listed = JSON.parse(await run('npm', ['pack', '--dry-run', '--json', root], dir)) as {
    files: { path: string }[];
  }[];
  const paths = listed[0]?.files.map(({ path }) => path) ?? [];
  expect(paths).toEqual(expect.arrayContaining(['package.json', 'README.md', 'CHANGELOG.md']));
  expect(paths.filter((path) => /test|tsbuildinfo/.test(path))).toEqual([]);
  // Built apart from dist/, which other tests may be building at the same time.
  const home = join(dir, 'node_modules/@datasette-stripe/search-index');
  mkdirSync(home, { recursive: true });
  const tsc = fileURLToPath(new URL('../../../node_modules/.bin/tsc', import.meta.url));
  const plain = [
    '--incremental',
    'false',
    '--composite',
    'false',
    '--declaration',
    'true',
    '--declarationMap',
    'false',
  ];
  await run(tsc, ['-p', join(root, 'tsconfig.lib.json'), '--outDir', join(home, 'dist'), ...plain], root);
  writeFileSync(join(home, 'package.json'), readFileSync(join(root, 'package.json')));
  const [, js = ''] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  writeFileSync(join(dir, 'block.mjs'), js);
  expect(await run(process.execPath, ['block.mjs'], dir)).toContain('cus_NffrFeUfNV2Hib');
});
