import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../../..');
const main = path.join(root, 'apps/container/dist/main.js');
const emulator = path.join(root, 'packages/stripe-emulator/bin/stripe-emulator.js');

/** The system as `npm start` runs it, without a key: the demo. */
export interface NativeDemo extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
}

/** A Stripe whose answers can be made slow. */
export interface NativeEmulator extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** What goes wrong from now on; `{}` ends it. */
  faults(faults: Readonly<Record<string, unknown>>): Promise<void>;
}

/** Starts the demo in a folder of its own; resolves when it has printed its address and key. */
export async function startNativeDemo(timeoutMs?: number): Promise<NativeDemo> {
  return startNative({}, /sk_test_demo\w+/, timeoutMs);
}

/** Starts the system on a key and a Stripe of the spec's own. */
export async function startNativeOn(
  { url, key }: Pick<NativeEmulator, 'url' | 'key'>,
  timeoutMs?: number,
): Promise<NativeDemo> {
  const env = { STRIPE_API_BASE: url, STRIPE_SECRET_KEY: key };
  const { [Symbol.asyncDispose]: close, ...site } = await startNative(env, /127\.0\.0\.1/, timeoutMs);
  return { ...site, key, [Symbol.asyncDispose]: close };
}

async function startNative(
  env: Readonly<Record<string, string>>,
  key: RegExp,
  timeoutMs?: number,
): Promise<NativeDemo> {
  const data = await mkdtemp(path.join(tmpdir(), 'e2e-demo-'));
  const remove = () => rm(data, { recursive: true, force: true });
  const all = { HOME: data, NODE_ENV: 'development', PORT: '0', DATA_DIR: data, ...env };
  return announced([main], all, key, remove, timeoutMs);
}

/** Starts the emulator with a made-up account. */
export async function startNativeEmulator(
  faults: Readonly<Record<string, unknown>> = {},
): Promise<NativeEmulator> {
  const flags = ['--port', '0', '--synthetic', '40', '--seed', '7', '--account-id', 'acct_e2e'];
  const started = await announced(
    [emulator, ...flags, '--faults', JSON.stringify(faults)],
    {},
    /sk_test_\w+/,
  );
  return {
    ...started,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
    async faults(next) {
      const body = JSON.stringify(next);
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${started.url}/_emulator/faults`, { method: 'POST', headers, body });
      if (!response.ok) throw new Error(`faults: ${response.status} ${await response.text()}`);
    },
  };
}

/** Runs a program until it is closed; resolves when it has printed its address and what `key` looks for. */
async function announced(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  key: RegExp,
  afterwards: () => Promise<void> = () => Promise.resolve(),
  timeoutMs = 120_000,
): Promise<NativeDemo> {
  const child = spawn(process.execPath, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  });
  const exited = once(child, 'exit');
  const close = async () => {
    child.kill('SIGTERM');
    await exited;
    await afterwards();
  };
  let output = '';
  const told = new Promise<{ url: string; key: string }>((resolve, reject) => {
    const read = (text: string) => {
      output += text;
      const url = /https?:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      const found = key.exec(output)?.[0];
      if (url !== undefined && found !== undefined) resolve({ url, key: found });
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const timer = setTimeout(() => reject(new Error(`no address printed in time:\n${output}`)), timeoutMs);
    void exited.then(() => reject(new Error(`it ended by itself:\n${output}`)));
    timer.unref();
  });
  try {
    return { ...(await told), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
