import { constants } from 'node:os';
import type { ProcessEnd } from './run-process.ts';
import type { ServiceExit } from './types.ts';

/** How a start ended, with the code that a shell would give it. */
export function exitOf(end: ProcessEnd, reason: ServiceExit['reason'], exitCode?: number): ServiceExit {
  const own = end.signal === null ? (end.code ?? 1) : 128 + constants.signals[end.signal];
  return { ...end, exitCode: exitCode ?? own, reason, at: Date.now() };
}

/** As a shell has it: 127 not found, 126 found but not runnable. */
export function spawnExitCode(error: unknown): number {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 127 : code === 'EACCES' || code === 'EPERM' ? 126 : 1;
}

/** For a log line. */
export function describeExit(exit: ServiceExit): string {
  if (exit.reason === 'spawn-failed') return 'it cannot be started';
  const how = exit.signal === null ? `exit code ${exit.code ?? 1}` : exit.signal;
  return exit.reason === 'exit' ? how : `${exit.reason}, ${how}`;
}
