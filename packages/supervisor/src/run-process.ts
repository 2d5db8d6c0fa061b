import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import type { ResolvedService } from './options.ts';
import { pumpLines, type PumpActivity } from './output.ts';
import type { BlockSink } from './log-files.ts';
import type { Redactor } from './redact.ts';
import { groupRuns, processesWith } from './proc.ts';
import { resolveUser } from './users.ts';

/** After the last process of the group is gone, so long may a daemon that left the group hold the output open. */
const outputIdleMs = 1_000;
/** … and so long may a reader of our own (the log's disk, the output stream) take nothing at all. */
const outputStuckMs = 3_000;
/** SIGKILL takes effect at once, but for a process in an uninterruptible wait. */
const afterKillMs = 2_000;

/**
 * A variable that each start sets to another value, as systemd does with INVOCATION_ID: children inherit it, so that
 * what leaves the process group (setsid, a double fork) is found all the same.
 */
const runVariable = 'SUPERVISOR_RUN';

/** The entry in the environment of all that is started by one start of a service. */
export function runEntry(run: string): string {
  return `${runVariable}=${run}`;
}

/** How the process itself ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** SIGKILL was needed. */
  readonly killed: boolean;
}

/** A process that has been started, with its process group and its output. */
export interface RunningProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The process itself has ended; others of its group may still run. */
  readonly exited: Promise<ProcessEnd>;
  /** Its whole group and what had left that have ended, and its output is in the sinks. */
  readonly ended: Promise<ProcessEnd>;
  /** Signal, then SIGKILL at the time limit, to the whole group. Again: no effect. */
  terminate(): void;
  /** SIGKILL to the whole group, now. */
  kill(): void;
  /** To the process alone. False when it is gone. */
  signal(signal: NodeJS.Signals): boolean;
}

/** What a process writes to. */
export interface ProcessSinks {
  readonly stdout: readonly BlockSink[];
  readonly stderr: readonly BlockSink[];
}

/** Starts it as the leader of a process group of its own, marked by `run`. Rejects when it cannot be started. */
export async function startProcess(
  service: ResolvedService,
  run: string,
  sinks: ProcessSinks,
  redactor: Redactor | undefined,
): Promise<RunningProcess> {
  const child = spawn(service.command, [...service.args], {
    env: { ...service.env, [runVariable]: run },
    detached: true,
    stdio: stdioOf(service),
    ...(service.cwd === undefined ? {} : { cwd: service.cwd }),
    ...(service.user === undefined ? {} : resolveUser(service.user)),
  });
  const exit = Promise.withResolvers<Omit<ProcessEnd, 'killed'>>();
  child.once('exit', (code, signal) => {
    exit.resolve({ code, signal });
  });
  await spawned(child);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${service.command} has no process id`);

  let killed = false;
  /** When what is left is to be killed; undefined until it has been asked to end. */
  let deadline: number | undefined;
  let hurry = false;
  let killTimer: NodeJS.Timeout | undefined;
  const kill = (): void => {
    hurry = true;
    if (signalGroup(pid, 'SIGKILL')) killed = true;
  };
  const terminate = (): void => {
    if (deadline !== undefined) return;
    deadline = performance.now() + service.stop.timeoutMs;
    signalGroup(pid, service.stop.signal);
    // A stopped process takes the signal only when it goes on.
    signalGroup(pid, 'SIGCONT');
    killTimer = setTimeout(kill, service.stop.timeoutMs);
  };

  const activity: PumpActivity[] = [];
  const pump = (stream: Readable | null, to: readonly BlockSink[]): Promise<void> => {
    if (stream === null) return Promise.resolve();
    const own = { chunks: 0, written: 0, writing: false };
    activity.push(own);
    return pumpLines(stream, redactor, to, own);
  };
  const pumps = Promise.all([pump(child.stdout, sinks.stdout), pump(child.stderr, sinks.stderr)]);

  const finish = async (): Promise<ProcessEnd> => {
    const end = await exit.promise;
    if (groupAlive(pid)) {
      terminate();
      await groupGone(pid, () => killed);
    }
    clearTimeout(killTimer);
    const last = deadline ?? performance.now() + service.stop.timeoutMs;
    await endStrays(runEntry(run), service.stop.signal, () => hurry || performance.now() >= last);
    await drained(child, pumps, activity);
    return { ...end, killed };
  };

  return {
    pid,
    child,
    exited: exit.promise.then((end) => ({ ...end, killed })),
    ended: finish(),
    terminate,
    kill,
    signal: (name) => child.exitCode === null && child.signalCode === null && child.kill(name),
  };
}

function stdioOf(service: ResolvedService): ('ignore' | 'pipe' | 'ipc')[] {
  const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'pipe', 'pipe'];
  if (service.ready.type === 'fd') {
    while (stdio.length < service.ready.fd) stdio.push('ignore');
    stdio.push('pipe');
  }
  if (service.ipc) stdio.push('ipc');
  return stdio;
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    // Stays on: a failed kill or send also comes as an error event and must not end the supervisor.
    child.on('error', reject);
  });
}

/** False when nobody of the group is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function groupAlive(pid: number): boolean {
  return signalGroup(pid, 0) && groupRuns(pid);
}

/** Waits for the rest of the group; when SIGKILL has been sent, not for ever. */
async function groupGone(pid: number, wasKilled: () => boolean): Promise<void> {
  let killedAt: number | undefined;
  for (let wait = 5; groupAlive(pid); wait = Math.min(100, wait * 2)) {
    if (wasKilled()) killedAt ??= performance.now();
    if (killedAt !== undefined && performance.now() - killedAt > afterKillMs) return;
    await delay(wait);
  }
}

/**
 * Ends what has left the group, once the group is gone: a program that stops such children itself is given its time.
 * Again and again until there are none, because they may start others meanwhile.
 */
async function endStrays(entry: string, signal: NodeJS.Signals, late: () => boolean): Promise<void> {
  const asked = new Set<number>();
  let killedAt: number | undefined;
  for (let wait = 5; ; wait = Math.min(100, wait * 2)) {
    const pids = processesWith(entry);
    if (pids.length === 0) return;
    if (late()) killedAt ??= performance.now();
    if (killedAt !== undefined && performance.now() - killedAt > afterKillMs) return;
    for (const pid of pids) {
      if (killedAt !== undefined) signalProcess(pid, 'SIGKILL');
      else if (!asked.has(pid)) {
        asked.add(pid);
        signalProcess(pid, signal);
        signalProcess(pid, 'SIGCONT');
      }
    }
    await delay(wait);
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone meanwhile, or not ours to signal.
  }
}

async function drained(
  child: ChildProcess,
  pumps: Promise<unknown>,
  activity: readonly PumpActivity[],
): Promise<void> {
  let done = false;
  const finished = pumps.finally(() => {
    done = true;
  });
  const watch = async (): Promise<void> => {
    let seen = -1;
    let since = performance.now();
    while (!done) {
      const blocks = activity.reduce((sum, one) => sum + one.chunks + one.written, 0);
      const still = performance.now() - since;
      if (blocks !== seen) {
        seen = blocks;
        since = performance.now();
      } else if (activity.some((one) => one.writing)) {
        // What cannot be written is lost: a stuck reader must not hold up the restart or the stop.
        if (still > outputStuckMs) return;
      } else if (still > outputIdleMs) {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }
      await delay(25);
    }
  };
  await Promise.race([finished, watch()]);
}
