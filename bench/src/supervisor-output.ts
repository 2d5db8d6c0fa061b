// How fast may a child write, and what does it cost the supervisor?
//   node --conditions=@datasette-stripe/source bench/src/supervisor-output.ts [MEGABYTES]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSupervisor, type SupervisorOptions } from '@datasette-stripe/supervisor';

const bytes = Number(process.argv[2] ?? 2_000) * 1_000_000;
const rows: object[] = [];

async function measure(name: string, options: Omit<SupervisorOptions, 'services'>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-supervisor-'));
  const supervisor = createSupervisor({
    logDir: dir,
    // One file, so that its length tells whether every byte has come.
    logFiles: { maxBytes: 2 * bytes, maxTotalBytes: 8 * bytes },
    services: {
      a: {
        command: '/bin/sh',
        args: ['-c', `yes '${'x'.repeat(99)}' | head -c ${bytes}`],
        restart: 'never',
        output: 'file',
      },
    },
    ...options,
  });
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await supervisor.start();
  await supervisor.done;
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(timer);
  rows.push({
    case: name,
    'MB/s': Math.round(bytes / 1e6 / seconds),
    'CPU s per GB': Number(((user + system) / 1e6 / (bytes / 1e9)).toFixed(2)),
    'peak RSS MiB': Math.round(peak / 1024 ** 2),
    complete: statSync(join(dir, 'a.log')).size === bytes,
  });
  rmSync(dir, { recursive: true });
}

await measure('to a file', {});
await measure('to a file, two redaction patterns', { redact: [/sk_(test|live)_\w+/, 'a literal secret'] });
console.table(rows);
console.log(
  `${bytes / 1e6} MB in lines of 100 bytes; node ${process.version}, ${cpus()[0]?.model ?? '?'} × ${cpus().length}, Linux ${release()}`,
);
