// Does a supervisor leak over 10,000 restarts?
//   node --expose-gc --conditions=@datasette-stripe/source bench/src/supervisor-restarts.ts [RESTARTS]
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSupervisor } from '@datasette-stripe/supervisor';

const restarts = Number(process.argv[2] ?? 10_000);
const dir = mkdtempSync(join(tmpdir(), 'bench-supervisor-'));
const supervisor = createSupervisor({
  logDir: dir,
  redact: [/sk_test_\w+/],
  services: {
    a: {
      command: '/bin/sh',
      args: ['-c', 'echo up; echo >&2; exit 1'],
      ready: { type: 'log', pattern: 'up' },
      backoff: { initialMs: 0, maxMs: 0 },
      burst: { starts: 0 },
      watchdog: { probe: { type: 'function', probe: () => true }, intervalMs: 1 },
    },
    b: { command: 'sleep', args: ['3600'], dependsOn: ['a'] },
  },
});

interface Sample {
  readonly restarts: number;
  readonly 'heap MiB': number;
  readonly 'RSS MiB': number;
  readonly descriptors: number;
  readonly resources: number;
}

function sample(count: number): Sample {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const round = (bytes: number): number => Math.round(bytes / 1024 ** 2 / 0.1) / 10;
  return {
    restarts: count,
    'heap MiB': round(heapUsed),
    'RSS MiB': round(rss),
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
  };
}

if (globalThis.gc === undefined) throw new Error('Run it with --expose-gc');
const samples: Sample[] = [];
const begun = performance.now();
const events = supervisor.events();
supervisor.start().catch(() => undefined);
let count = 0;
for await (const event of events) {
  if (event.type !== 'restart') continue;
  count += 1;
  if (count % Math.ceil(restarts / 10) === 0) samples.push(sample(count));
  if (count === restarts) break;
}
const seconds = (performance.now() - begun) / 1000;
await supervisor.stop();
rmSync(dir, { recursive: true });
console.table(samples);
console.log(`${restarts} restarts in ${seconds.toFixed(1)} s, ${(restarts / seconds).toFixed(0)} a second`);
console.log(`node ${process.version}, ${cpus()[0]?.model ?? '?'} × ${cpus().length}, Linux ${release()}`);
const [second, last] = [samples[1], samples.at(-1)];
if (second !== undefined && last !== undefined) {
  const leak = last['heap MiB'] - second['heap MiB'] > 2 || last.descriptors > second.descriptors + 3;
  console.log(leak ? 'LEAK' : 'no leak: heap and descriptors do not grow');
  process.exitCode = leak ? 1 : 0;
}
