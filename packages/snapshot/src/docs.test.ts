import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import {
  checkCopy,
  createDatabase,
  get,
  serve,
  serveSnapshots,
  startWriter,
  tempDir,
  until,
} from '../test/database.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What is missing fails in CI, and is left out by name elsewhere. */
const noCurl = process.env['CI'] !== 'true' && spawnSync('curl', ['--version']).error !== undefined;
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the block of the README works as it stands', async () => {
  const [, block = ''] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
  // Inside the package, so that it finds itself by its name.
  const dir = mkdtempSync(join(root, 'test', 'readme-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  createDatabase(join(dir, 'shop.sqlite'));
  const script = join(dir, 'block.mjs');
  const listen = ".listen(0, '127.0.0.1', function () { console.log(this.address().port); })";
  writeFileSync(script, block.replace(".listen(8080, '127.0.0.1')", listen));
  const program = spawn(process.execPath, ['--conditions=@datasette-stripe/source', script], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    program.kill('SIGKILL');
  });
  let text = '';
  program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await until(() => text.includes('\n'), 'its port');
  const answer = await get(`http://127.0.0.1:${text.trim()}/`);
  expect(answer.headers['content-disposition']).toMatch(/filename="shop-.*\.sqlite"/);
  writeFileSync(join(dir, 'copy.sqlite'), answer.body);
  checkCopy(join(dir, 'copy.sqlite'));
});

test.skipIf(noCurl)(
  'the nightly script resumes a broken download, and fetches nothing when nothing is new (needs curl)',
  async () => {
    const [, block = ''] = /```sh\n(#!\/bin\/sh[\s\S]*?)```/.exec(readme) ?? [];
    const dir = tempDir();
    const script = join(dir, 'nightly.sh');
    writeFileSync(script, block);
    chmodSync(script, 0o755);
    const file = join(dir, 'a.sqlite');
    const db = createDatabase(file, { accounts: 20_000 });
    await startWriter(file, 50);
    let version = 1;
    const { url } = await serveSnapshots({ file, shareMs: 0, dataVersion: () => version });
    const seen: string[] = [];
    let breaks = 2;
    const through = await serve((req, res) => {
      seen.push(`${req.headers.authorization ?? ''} ${req.headers.range ?? 'whole'}`);
      const breaking = breaks-- > 0;
      const onward = request(url, { headers: { ...req.headers, host: 'x' }, agent: false }, (answer) => {
        res.writeHead(answer.statusCode ?? 500, answer.headers);
        let passed = 0;
        answer.on('error', () => undefined);
        answer.on('data', (chunk: Buffer) => {
          res.write(chunk);
          passed += chunk.length;
          if (breaking && passed > 200_000) {
            answer.destroy();
            res.destroy();
          }
        });
        answer.on('end', () => res.end());
      });
      onward.on('error', () => res.destroy());
      onward.end();
    });
    const copy = join(dir, 'copy.sqlite');
    const night = (): Promise<number> =>
      new Promise((resolve) => {
        const env = { PATH: process.env['PATH'], KEY: 'sk_test_emulator', PAUSE: '0' };
        execFile('sh', [script, through, copy], { env }, (error) => {
          resolve(Number(error?.code ?? 0));
        });
      });
    expect(await night()).toBe(0);
    checkCopy(copy);
    const basic = `Basic ${Buffer.from('sk_test_emulator:').toString('base64')}`;
    expect(seen.length).toBe(3);
    expect(seen[0]).toBe(`${basic} whole`);
    expect(seen[2]).toMatch(/bytes=\d+-$/);
    const { mtimeMs } = statSync(copy);
    expect(await night()).toBe(0);
    expect(seen.length).toBe(4);
    expect(statSync(copy).mtimeMs).toBe(mtimeMs);
    version = 2;
    const before = checkCopy(copy).moves;
    expect(await night()).toBe(0);
    expect(checkCopy(copy).moves).toBeGreaterThan(before);
    expect(existsSync(`${copy}.part`)).toBe(false);
    db.close();
  },
);

test('every option, error code and command is in the README', () => {
  const source = (name: string): string => readFileSync(join(root, 'src', name), 'utf8');
  const [, options = ''] = /interface SnapshotOptions \{([\s\S]*?)\n\}/.exec(source('options.ts')) ?? [];
  const names = [...options.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1] ?? '');
  const codes = [...source('errors.ts').matchAll(/'(SNAPSHOT_\w+)'/g)].map((match) => match[1] ?? '');
  const flags = [...source('bin.ts').matchAll(/^ {2}(--[\w-]+)/gm)].map((match) => match[1] ?? '');
  expect(names.length).toBeGreaterThan(15);
  expect(flags.length).toBeGreaterThan(2);
  const missing = [...names, ...codes, ...flags].filter(
    (word) => !readme.includes(`${word}\``) && !readme.includes(`${word} `),
  );
  expect(missing).toEqual([]);
});

test('the packed tarball works alone', async () => {
  const dir = tempDir();
  const npm = (...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile('npm', args, { cwd: dir }, (error, out, err) => {
        if (error === null) resolve(out);
        else reject(new Error(`npm ${args.join(' ')}: ${err}`));
      });
    });
  await new Promise((resolve, reject) => {
    const done = (error: Error | null): void => (error === null ? resolve(undefined) : reject(error));
    const tsc = fileURLToPath(new URL('../../../node_modules/.bin/tsc', import.meta.url));
    execFile(
      tsc,
      [
        '-p',
        join(root, 'tsconfig.lib.json'),
        '--outDir',
        join(dir, 'package/dist'),
        '--incremental',
        'false',
        '--composite',
        'false',
        '--declaration',
        'true',
        '--declarationMap',
        'false',
      ],
      { cwd: root },
      done,
    );
  });
  // What `npm pack` takes is checked apart from the build, which other tests may be running at the same time.
  const listed = JSON.parse(await npm('pack', '--dry-run', '--json', root)) as {
    files: { path: string }[];
  }[];
  const paths = listed[0]?.files.map(({ path }) => path) ?? [];
  expect(paths).toEqual(
    expect.arrayContaining(['package.json', 'README.md', 'CHANGELOG.md', 'bin/sqlite-snapshot.js']),
  );
  expect(paths.filter((path) => /test|tsbuildinfo/.test(path))).toEqual([]);
  mkdirSync(join(dir, 'package/bin'), { recursive: true });
  for (const name of ['package.json', 'bin/sqlite-snapshot.js']) {
    writeFileSync(join(dir, 'package', name), readFileSync(join(root, name)));
  }
  createDatabase(join(dir, 'a.sqlite'));
  const ran = await new Promise<string>((resolve, reject) => {
    const args = [
      join(dir, 'package/bin/sqlite-snapshot.js'),
      'copy',
      join(dir, 'a.sqlite'),
      join(dir, 'b.sqlite'),
      '--check',
    ];
    execFile(process.execPath, args, { cwd: '/' }, (error, out, err) =>
      error === null ? resolve(out) : reject(new Error(err)),
    );
  });
  expect(ran).toContain('sha256');
  checkCopy(join(dir, 'b.sqlite'));
});
