import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createSupervisor } from '../src/index.ts';
import type { ServiceOptions, Supervisor, SupervisorEvent, SupervisorOptions } from '../src/index.ts';

/** Generous: the machine may be busy. */
const deadlineMs = 30_000;

/** A directory that goes when the test is over. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'supervisor-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** Looks again and again until it is so. */
export async function waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const fixture = fileURLToPath(new URL('fixtures/child.mjs', import.meta.url));

/** A Node child that does what the words say; see fixtures/child.mjs. */
export function child(...words: string[]): Pick<ServiceOptions, 'command' | 'args'> {
  return { command: process.execPath, args: [fixture, ...words] };
}

/** A shell child, for what needs no Node and must be quick. */
export function sh(script: string): Pick<ServiceOptions, 'command' | 'args'> {
  return { command: '/bin/sh', args: ['-c', script] };
}

/** No waiting between restarts. */
export const quick: Pick<ServiceOptions, 'backoff'> = { backoff: { initialMs: 1, maxMs: 1, jitter: 0 } };

/** Made, recorded, and stopped when the test is over. */
export function supervise(options: SupervisorOptions): { supervisor: Supervisor; events: SupervisorEvent[] } {
  const supervisor = createSupervisor(options);
  const events: SupervisorEvent[] = [];
  void (async (): Promise<void> => {
    for await (const event of supervisor.events()) events.push(event);
  })();
  onTestFinished(() => supervisor.stop({ now: true }));
  return { supervisor, events };
}

/** States that a service went through. */
export function states(events: readonly SupervisorEvent[], service: string): string[] {
  return events.flatMap((event) => (event.type === 'state' && event.service === service ? [event.to] : []));
}

/** False for a zombie too. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** The pid that a child wrote, when it has. */
export async function pidIn(path: string): Promise<number> {
  await waitFor(`a pid in ${path}`, () => existsSync(path) && readFileSync(path, 'utf8').trim() !== '');
  return Number(readFileSync(path, 'utf8').trim());
}
