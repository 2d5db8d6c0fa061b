import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command, succeed, type Ran } from '../support/command.ts';

const packages = path.join(import.meta.dirname, '../../../packages');

/** What each package is for: its factory, and the command line it brings. */
const published = [
  { folder: 'auth-proxy', factory: 'createAuthProxy', bin: 'datasette-auth-proxy' },
  { folder: 'health', factory: 'createHealth' },
  { folder: 'search-index', factory: 'ensureSearchIndex' },
  { folder: 'snapshot', factory: 'createSnapshotHandler', bin: 'sqlite-snapshot' },
  { folder: 'stripe-emulator', factory: 'createEmulator', bin: 'stripe-emulator' },
  { folder: 'supervisor', factory: 'createSupervisor', bin: 'supervise' },
  { folder: 'tdog', factory: 'createSync', bin: 'tdog' },
] as const;

let tarballs: string;

beforeAll(async () => {
  tarballs = await mkdtemp(path.join(tmpdir(), 'e2e-tarballs-'));
});

afterAll(() => rm(tarballs, { recursive: true, force: true }));

test('every package is covered here', async () => {
  expect(published.map(({ folder }) => folder).sort()).toEqual((await readdir(packages)).sort());
});

describe.each(published)('$folder', ({ folder, factory, ...rest }) => {
  const bin = 'bin' in rest ? rest.bin : undefined;
  let project: string;
  let manifest: { name: string; version: string; dependencies?: Record<string, string> };
  let files: readonly string[];

  beforeAll(async () => {
    project = await mkdtemp(path.join(tmpdir(), `e2e-packed-${folder}-`));
    manifest = JSON.parse(
      await readFile(path.join(packages, folder, 'package.json'), 'utf8'),
    ) as typeof manifest;
    const packed = await succeed(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', tarballs],
      {
        cwd: path.join(packages, folder),
      },
    );
    const tarball = packOf(JSON.parse(packed));
    files = tarball.files.map((file) => file.path);
    await writeFile(path.join(project, 'package.json'), '{"private":true,"type":"module"}');
    const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    await succeed('npm', [...install, path.join(tarballs, tarball.filename)], { cwd: project });
  });

  afterAll(() => rm(project, { recursive: true, force: true }));

  test('holds what it needs and no tests', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'package.json',
        'dist/index.js',
        'dist/index.d.ts',
      ]),
    );
    expect(files.filter((file) => /\.test\.|^test\/|tsbuildinfo/.test(file))).toEqual([]);
  });

  test('depends on no other package of the workspace', () => {
    const own = Object.keys(manifest.dependencies ?? {}).filter((name) =>
      name.startsWith('@datasette-stripe/'),
    );
    expect(own).toEqual([]);
  });

  test('is imported by itself', async () => {
    const script = `const m = await import('${manifest.name}'); console.log(typeof m.${factory});`;
    const printed = await succeed(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: project,
    });
    expect(printed.trim()).toBe('function');
  });

  if (bin === undefined) return;

  test('its command says how it is used and its version', async () => {
    const help = await run(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain(bin);
    const version = await run(['--version']);
    expect(version).toMatchObject({ code: 0, stderr: '' });
    expect(version.stdout).toContain(manifest.version);
  });

  test('its command refuses an unknown flag with exit code 2', async () => {
    const ran = await run(['--no-such-flag']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('no-such-flag');
  });

  test('its command says so when Node is too old', async () => {
    const older = encodeURIComponent("Object.defineProperty(process.versions, 'node', { value: '20.20.2' })");
    const ran = await run(['--version'], { NODE_OPTIONS: `--import=data:text/javascript,${older}` });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(
      new RegExp(`^${bin}: needs Node.js 22\\.\\d+ or newer; this is 20\\.20\\.2\\.\n$`),
    );
  });

  function run(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const env = { PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, ...more };
    return command(path.join(project, 'node_modules/.bin', bin ?? ''), args, { cwd: project, env });
  }
});

interface Pack {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** npm 12 answers with an object by name, older ones with a list. */
function packOf(answer: unknown): Pack {
  const [first] = Object.values(answer as Record<string, Pack>);
  if (first === undefined) throw new Error('npm pack packed nothing');
  return first;
}
