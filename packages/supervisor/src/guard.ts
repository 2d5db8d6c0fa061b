import { spawn, type ChildProcess } from 'node:child_process';
import type { Logger } from 'pino';

/**
 * Ends the services when the supervisor's process is gone without a word (SIGKILL, out of memory). One `sh` holds the
 * read end of a pipe whose write end only the supervisor has: its end of file is the supervisor's death. No native
 * code (prctl) needed, and it reaches whole process groups.
 */
export interface Guard {
  /** `entry`: the entry (`NAME=value`) in the environment of all that it has started. */
  add(pid: number, entry: string): void;
  remove(pid: number): void;
  close(): Promise<void>;
}

// Newest first, as services are stopped in reverse. 5 s from SIGTERM to SIGKILL; then 1 s for what has left the groups.
const script = `
trap '' TERM INT HUP QUIT
groups= entries=
while read -r word pid entry; do
  case $word in
    add) groups="$pid $groups"; entries="$pid:$entry $entries" ;;
    remove)
      rest=; for p in $groups; do [ "$p" = "$pid" ] || rest="$rest $p"; done; groups=$rest
      rest=; for e in $entries; do [ "\${e%%:*}" = "$pid" ] || rest="$rest $e"; done; entries=$rest ;;
    bye) exit 0 ;;
  esac
done
strays() {
  found=
  for e in $entries; do
    for path in $(grep -lsF -e "\${e#*:}" /proc/[0-9]*/environ); do
      path=\${path#/proc/}
      kill -s "$1" -- "\${path%/environ}" && found=1
    done
  done
}
for p in $groups; do kill -s TERM -- "-$p"; done
turn=0
while [ $turn -lt 50 ]; do
  alive=
  for p in $groups; do kill -s 0 -- "-$p" && alive=1; done
  [ -n "$alive" ] || break
  sleep 0.1
  turn=$((turn + 1))
done
[ -z "$alive" ] || for p in $groups; do kill -s KILL -- "-$p"; done
strays TERM
turn=0
while [ -n "$found" ] && [ $turn -lt 10 ]; do
  sleep 0.1
  strays 0
  turn=$((turn + 1))
done
strays KILL
`;

/** Starts the watching shell at the first `add`. Without a shell it warns once and does nothing. */
export function createGuard(logger: Logger): Guard {
  let child: ChildProcess | undefined;
  let failed = false;
  let closed: Promise<void> | undefined;

  const fail = (error: unknown): void => {
    if (failed || closed !== undefined) return;
    failed = true;
    logger.warn(
      { err: error },
      'No /bin/sh to watch over the services: they will outlive a killed supervisor',
    );
  };
  const tell = (line: string): void => {
    if (child === undefined && !failed) {
      const started = spawn('/bin/sh', ['-c', script], {
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { PATH: '/usr/bin:/bin' },
      });
      started.on('error', fail);
      started.stdin.on('error', fail);
      // It must not keep the program alive once nothing else runs.
      started.unref();
      child = started;
    }
    if (!failed) child?.stdin?.write(`${line}\n`);
  };

  return {
    add: (pid, entry) => {
      tell(`add ${pid} ${entry}`);
    },
    remove: (pid) => {
      tell(`remove ${pid}`);
    },
    close(): Promise<void> {
      closed ??= new Promise((resolve) => {
        const running = child;
        if (running === undefined || failed || running.exitCode !== null || running.signalCode !== null) {
          resolve();
          return;
        }
        running.once('exit', () => {
          resolve();
        });
        running.once('error', () => {
          resolve();
        });
        // Nothing else may be left to keep the program alive until the answer comes.
        running.ref();
        running.stdin?.end('bye\n');
      });
      return closed;
    },
  };
}
