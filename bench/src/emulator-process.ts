import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../packages/stripe-emulator/bin/stripe-emulator.js', import.meta.url));

/** An emulator that takes no time of the process that measures. */
export interface EmulatorProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly key: string;
}

/** Starts the emulator's own command on a free port. */
export async function startEmulator(args: readonly string[]): Promise<EmulatorProcess> {
  const child = spawn(process.execPath, [bin, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const url = /http:\/\/[\d.]+:\d+/.exec(text)?.[0];
    const key = /sk_test_\w+/.exec(text)?.[0];
    if (url === undefined || key === undefined) continue;
    child.stdout.resume();
    return { child, url, key };
  }
  throw new Error('the emulator did not start');
}
