import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const main = path.join(import.meta.dirname, '../../../apps/container/dist/main.js');

/** The system as `npm start` runs it, without a key: the demo. */
export interface NativeDemo extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
}

/** Starts the demo in a folder of its own; resolves when it has printed its address and key. */
export async function startNativeDemo(timeoutMs = 120_000): Promise<NativeDemo> {
  const data = await mkdtemp(path.join(tmpdir(), 'e2e-demo-'));
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: data, NODE_ENV: 'development', PORT: '0', DATA_DIR: data },
  });
  const exited = once(child, 'exit');
  const close = async () => {
    child.kill('SIGTERM');
    await exited;
    await rm(data, { recursive: true, force: true });
  };
  let output = '';
  const announced = new Promise<{ url: string; key: string }>((resolve, reject) => {
    const read = (text: string) => {
      output += text;
      const url = /https?:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      const key = /sk_test_demo\w+/.exec(output)?.[0];
      if (url !== undefined && key !== undefined) resolve({ url, key });
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const timer = setTimeout(() => reject(new Error(`no address printed in time:\n${output}`)), timeoutMs);
    void exited.then(() => reject(new Error(`it ended by itself:\n${output}`)));
    timer.unref();
  });
  try {
    return { ...(await announced), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
