import { readFileSync } from 'node:fs';

/** Memory of a process, MB: what is resident now, that without pages of files, and the most that ever was resident. All 0 when it is gone. */
export function memoryOf(
  pid: number | undefined,
): Readonly<Record<'residentMb' | 'anonymousMb' | 'peakMb', number>> {
  let status = '';
  try {
    status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  } catch {
    // It has ended.
  }
  const megabytes = (form: RegExp): number => Number(form.exec(status)?.[1] ?? '0') / 1024;
  return {
    residentMb: megabytes(/^VmRSS:\s+(\d+)/m),
    anonymousMb: megabytes(/^RssAnon:\s+(\d+)/m),
    peakMb: megabytes(/^VmHWM:\s+(\d+)/m),
  };
}
