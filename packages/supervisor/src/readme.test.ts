import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { tempDir } from '../test/kit.ts';
import { readConfig } from './index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the block of the README works as it stands', async () => {
  const [, block = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  // Inside the package, so that it finds itself by its name.
  const dir = mkdtempSync(join(root, 'test', 'readme-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const script = join(dir, 'block.ts');
  writeFileSync(script, block.replaceAll('8001', String(port)));
  const program = spawn(process.execPath, ['--conditions=@datasette-stripe/source', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: dir,
  });
  onTestFinished(() => {
    program.kill('SIGKILL');
  });
  let text = '';
  program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise((resolve) => program.once('close', resolve));
  expect(code).toBe(0);
  expect(text).toMatch(/name: 'api', state: 'ready', pid: \d+/);
  expect(text).toContain("{ exitCode: 0, reason: 'stopped' }");
  expect(readFileSync(join(dir, 'logs', 'worker.log'), 'utf8')).toBe('working\n');
});

test("the recipe's configuration is right", async () => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(readme) ?? [];
  const path = join(tempDir(), 'services.yaml');
  writeFileSync(path, yaml);
  expect(Object.keys((await readConfig(path)).services)).toEqual(['app', 'nginx']);
  expect(parse(yaml)).toHaveProperty('stopTimeoutMs');
});
