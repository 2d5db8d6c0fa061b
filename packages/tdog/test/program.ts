import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../src/bin.ts', import.meta.url));

/** A running `tdog`. */
export interface Program {
  readonly process: ChildProcess;
  /** What it has written so far, both streams. */
  output(): string;
  hasEnded(): boolean;
  /** Resolves with the exit code; null where a signal ended it. */
  ended(): Promise<number | null>;
  /** kill -9, and waits until it is gone. */
  kill(): Promise<void>;
}

/** Starts the real program, from source. `nodeArgs` stand before its own arguments. */
export function startProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  nodeArgs: readonly string[] = [],
): Program {
  const child = spawn(
    process.execPath,
    ['--conditions=@datasette-stripe/source', ...nodeArgs, bin, ...args],
    {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let text = '';
  const keep = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const closed = once(child, 'close');
  const program: Program = {
    process: child,
    output: () => text,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    ended: async () => {
      await closed;
      return child.exitCode;
    },
    kill: async () => {
      if (!program.hasEnded()) child.kill('SIGKILL');
      await closed;
    },
  };
  return program;
}
