import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../test/kit.ts';

test('the block of the README works as it stands', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, block = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  const [, answered = ''] = /^\$ curl .*\n(\{.*\})$/m.exec(readme) ?? [];
  // Inside the package, so that it finds itself by its name.
  const dir = mkdtempSync(join(root, 'test', 'readme-'));
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const script = join(dir, 'block.ts');
  const port = "server.on('listening', () => console.log((server.address() as { port: number }).port));";
  writeFileSync(script, block.replace('8080', "0, '127.0.0.1'").replace('8001', '1') + port);
  const program = spawn(process.execPath, ['--conditions=@datasette-stripe/source', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    program.kill('SIGKILL');
  });
  let text = '';
  program.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await waitFor('its port', () => text.includes('\n'));
  const get = async (path: string, headers = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${text.trim()}${path}`, { headers });
  expect((await get('/live')).status).toBe(200);
  expect((await get('/ready')).status).toBe(503);
  expect((await get('/')).status).toBe(404);
  expect(await (await get('/health.json')).json()).toEqual(JSON.parse(answered));
  const answer = (await (await get('/health.json', { authorization: 'Bearer let-me-see' })).json()) as {
    readonly items: Readonly<Record<string, unknown>>;
  };
  expect(answer.items['queue']).toMatchObject({ ok: true, status: 'pass', observed: 3, unit: 'jobs' });
});
