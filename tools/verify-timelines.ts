// Replays recorded timelines and compares the mirror with the recorded downloads: `npm run verify:timelines -- DIR…`,
// where each DIR is a timeline (events.json, meta.json, downloads/) or a folder of them.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

import { createEmulator } from '../packages/stripe-emulator/src/index.ts';
import { verifyTimeline, type StepResult } from '../packages/tdog/test/timeline/run.ts';

const folders = process.argv.slice(2).flatMap((given) => {
  const folder = resolve(given);
  if (existsSync(join(folder, 'events.json'))) return [folder];
  if (!existsSync(folder)) throw new Error(`no folder ${given}`);
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((inner) => existsSync(join(inner, 'events.json')))
    .sort();
});
if (folders.length === 0) {
  process.stderr.write('usage: npm run verify:timelines -- DIR… (a timeline, or a folder of timelines)\n');
  process.exit(2);
}

const reasons = new Map<string, number>();
let failures = 0;
for (const folder of folders) {
  const results = await verifyTimeline(folder, (timeline, untilStep) =>
    createEmulator({ source: { timeline, untilStep } }),
  );
  report(basename(folder), results);
}
if (reasons.size > 0) {
  process.stdout.write('\nexceptions (rows or values that rightly differ), all steps and ways together:\n');
  for (const [reason, count] of [...reasons].sort())
    process.stdout.write(`${String(count).padStart(6)}  ${reason}\n`);
}
process.stdout.write(failures === 0 ? '\nall equal\n' : `\n${failures} differences\n`);
process.exit(failures === 0 ? 0 : 1);

function report(name: string, results: readonly StepResult[]): void {
  const values = results.reduce((sum, result) => sum + result.compared, 0);
  const wrong = results.reduce((sum, result) => sum + result.differences.length, 0);
  failures += wrong;
  process.stdout.write(
    `${wrong === 0 ? 'ok  ' : 'FAIL'} ${name}: ${results.length} comparisons, ${values} values, ${wrong} differences\n`,
  );
  for (const result of results) {
    for (const one of result.exceptions) {
      const key = `${one.table}: ${one.reason}`;
      reasons.set(key, (reasons.get(key) ?? 0) + 1);
    }
    for (const one of result.differences)
      process.stdout.write(
        `     step ${result.step}, ${result.way}, ${result.mode}: ${one.table} ${one.id}${one.column === undefined ? '' : `.${one.column}`}: expected ${text(one.expected)}, is ${text(one.actual)}\n`,
      );
  }
}

function text(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 300);
}
