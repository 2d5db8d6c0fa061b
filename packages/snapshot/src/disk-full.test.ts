import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkCopy, createDatabase, get, startWriter, tempDir, until } from '../test/database.ts';

/** A mount of its own needs a namespace, which some machines refuse to ordinary users. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const skip = process.env['CI'] !== 'true' && !canMount();

/** A server whose folder for copies is a disk of 1 MB. */
async function serveWithSmallDisk(
  file: string,
  dir: string,
  options: object,
): Promise<{ url: string; log: () => string }> {
  const small = join(dir, 'small');
  mkdirSync(small);
  const json = JSON.stringify({ file, tempDir: small, keepMs: 0, ...options });
  const script = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"';
  const server = [
    process.execPath,
    '--conditions=@datasette-stripe/source',
    join(import.meta.dirname, '../test/server.js'),
    json,
  ];
  const child = spawn('unshare', ['-rm', 'sh', '-c', script, 'sh', small, ...server], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  let [out, log] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  await until(() => out.includes('\n') || child.exitCode !== null, 'the server listens');
  return { url: `http://127.0.0.1:${out.trim()}/`, log: () => log };
}

test.skipIf(skip)(
  'a disk that fills up while spooling drops the slow client, and only it (needs unshare)',
  async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file, { accounts: 60_000 });
    const { url, log } = await serveWithSmallDisk(file, dir, { maxWalBytes: 200_000 });
    const req = request(url, { agent: false });
    req.on('error', () => undefined);
    req.end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    res.pause();
    let broken = false;
    res.on('error', () => (broken = true));
    const { child } = await startWriter(file, 0);
    await until(() => log().includes('could not spool'), 'spooling fails');
    child.kill('SIGKILL');
    expect(log()).toContain('ENOSPC');
    res.resume();
    await until(() => broken, 'the transfer is broken off');
    const answer = await get(url);
    writeFileSync(join(dir, 'copy.sqlite'), answer.body);
    checkCopy(join(dir, 'copy.sqlite'));
  },
);

test.skipIf(skip)(
  'no room for the copy that a rollback journal needs is answered 507 (needs unshare)',
  async () => {
    const dir = tempDir();
    const file = join(dir, 'a.sqlite');
    createDatabase(file, { accounts: 20_000, journal: 'DELETE' });
    const { url } = await serveWithSmallDisk(file, dir, {});
    expect((await get(url)).status).toBe(507);
  },
);
