import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of /proc/PID/stat: USER_HZ, 100 on every Linux. */
const ticksPerSecond = 100;

/** What a process uses, from Linux's /proc; nulls elsewhere or when it is gone. */
export function processUsage(pid: number): { cpuSeconds: number | null; memoryBytes: number | null } {
  try {
    const fields = statFields(pid);
    const ticks = Number(fields[11]) + Number(fields[12]);
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return {
      cpuSeconds: ticks / ticksPerSecond,
      memoryBytes: resident?.[1] === undefined ? null : Number(resident[1]) * 1024,
    };
  } catch {
    return { cpuSeconds: null, memoryBytes: null };
  }
}

/**
 * Whether a process group has a member that is no zombie. A signal reaches zombies too, and where nobody reaps
 * orphans (Node as PID 1) they would look alive for ever. True where there is no /proc to tell.
 */
export function groupRuns(group: number): boolean {
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return true;
  }
  return pids.some((pid) => {
    try {
      const fields = statFields(pid);
      return fields[2] === String(group) && fields[0] !== 'Z' && fields[0] !== 'X';
    } catch {
      return false;
    }
  });
}

/**
 * The processes that were started with this entry (`NAME=value`) in their environment, as far as it may be read; none
 * where there is no /proc. A zombie has no environment any more.
 */
export function processesWith(entry: string): number[] {
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  const found = pids.filter((pid) => {
    try {
      return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${entry}\0`);
    } catch {
      return false;
    }
  });
  return found.map(Number);
}

/** Fields of /proc/PID/stat from the state on. The name before may hold blanks and brackets: count from the last one. */
function statFields(pid: number | string): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
