import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';

import type { FaultSettings } from '@datasette-stripe/stripe-emulator';
import { createKit, dump, query, row, until, type Kit } from './kit.ts';
import { startProgram, type Program } from './program.ts';

// The real program in a world that breaks: a disk, a clock, a network, and Stripe itself.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
const programs: Program[] = [];
const mounts: string[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill();
  for (const path of mounts.splice(0)) spawnSync('umount', [path]);
  await kit.close();
});

function tdog(args: readonly string[] = [], nodeArgs: readonly string[] = [], file = kit.path()): Program {
  const all = [
    '--target',
    file,
    '--api-base',
    kit.url,
    '--progress',
    'none',
    '--poll-freq-ms',
    '50',
    ...args,
  ];
  const program = startProgram(all, { STRIPE_SECRET_KEY: kit.key }, nodeArgs);
  programs.push(program);
  return program;
}

const customers = (): readonly Stripe[] => kit.emulator.state.all('customer');
const name = (id: string, file = kit.path()): unknown => row(file, 'customers', id)?.['name'];
const isWatching = (file = kit.path()): boolean => {
  try {
    return query(file, 'SELECT 1 FROM td_runs WHERE end_ts IS NOT NULL').length > 0;
  } catch {
    return false;
  }
};

async function expectFresh(file = kit.path()): Promise<void> {
  kit.emulator.setFaults({});
  await kit.run({ file: kit.path('fresh.sqlite') });
  expect(query(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  const [found, expected] = [dump(file), dump(kit.path('fresh.sqlite'))];
  for (const table of Object.keys(expected))
    expect({ table, rows: found[table] }).toEqual({ table, rows: expected[table] });
}

/** A disk of so many kilobytes, or undefined where this process may not mount one. */
function mountDisk(path: string, kilobytes: number): boolean {
  mkdirSync(path);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', path]).status === 0;
  if (mounted) mounts.push(path);
  return mounted;
}

const canMount = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

// Without the right to mount there is no disk that can be filled.
describe.skipIf(!canMount)('a full disk (needs the right to mount)', () => {
  test('fills up in the download: it can be read, survives a kill -9, and goes on when there is space', async () => {
    kit = await createKit({ source: { synthetic: 30 } });
    const disk = kit.path('disk');
    expect(mountDisk(disk, 1_500)).toBe(true);
    const file = `${disk}/stripe.sqlite`;
    const first = tdog([], [], file);
    const isFull = (program: Program): boolean =>
      /waiting until the file can be written/.test(program.output());
    await until(() => isFull(first) || first.hasEnded());
    expect(first.hasEnded(), first.output()).toBe(false);
    expect(query(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    await first.kill();
    // It starts on the full disk, too.
    const second = tdog([], [], file);
    await until(() => isFull(second) || second.hasEnded());
    expect(second.hasEnded(), second.output()).toBe(false);
    expect(spawnSync('mount', ['-o', 'remount,size=200m', disk]).status).toBe(0);
    expect(await second.ended(), second.output()).toBe(0);
    await expectFresh(file);
  });

  test('fills up while watching: what happened meanwhile arrives when there is space', async () => {
    kit = await createKit({ source: { synthetic: 5 } });
    const disk = kit.path('disk');
    expect(mountDisk(disk, 40_000)).toBe(true);
    const file = `${disk}/stripe.sqlite`;
    const program = tdog(['--watch'], [], file);
    await until(() => isWatching(file));
    const ballast = `${disk}/ballast`;
    expect(() => writeFileSync(ballast, Buffer.alloc(64_000_000))).toThrow(/ENOSPC/);
    const [one] = customers() as [Stripe];
    const full = (): number => query(file, "SELECT 1 FROM events WHERE payload LIKE '%Full %'").length;
    const long = { text: 'x'.repeat(100_000) };
    // The log is as long as it ever was, so that little fits in: until it does not.
    let n = 0;
    await until(() => {
      n += 1;
      kit.emulator.state.emit('customer.updated', { ...one, name: `Full ${n}`, long });
      return /waiting until the file can be written/.test(program.output());
    });
    rmSync(ballast);
    await until(() => full() === n && name(one.id, file) === `Full ${n}`);
    await program.kill();
    expect(query(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });
});

test('a clock that jumps a day ahead, and back again: it stays current', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const offset = kit.path('offset');
  writeFileSync(offset, '0');
  const clock = kit.path('clock.mjs');
  writeFileSync(
    clock,
    `import { readFileSync } from 'node:fs';
     const real = Date.now;
     Date.now = () => real() + Number(readFileSync(${JSON.stringify(offset)}, 'utf8') || 0);`,
  );
  const program = tdog(['--watch'], ['--import', clock]);
  await until(() => isWatching());
  for (const [index, ms] of [86_400_000, 0, -86_400_000, 0].entries()) {
    writeFileSync(offset, String(ms));
    const one = customers()[index] as Stripe;
    kit.emulator.state.emit('customer.updated', { ...one, name: `By the clock ${index}` });
    await until(() => name(one.id) === `By the clock ${index}` || program.hasEnded());
    expect(program.hasEnded(), program.output()).toBe(false);
  }
  await program.kill();
});

test('kill -9 while events come, again and again: none is lost, none applied twice', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const all = customers();
  let n = 0;
  for (let round = 0; round < 4; round += 1) {
    const program = tdog(['--watch']);
    const before = Number(query(kit.path(), 'SELECT count(*) AS n FROM events')[0]?.['n']);
    let looks = 0;
    await until(() => {
      looks += 1;
      if (looks % 10 === 0) {
        n += 1;
        const one = all[n % all.length] as Stripe;
        kit.emulator.state.emit('customer.updated', { ...one, name: `Change ${n}` });
      }
      return Number(query(kit.path(), 'SELECT count(*) AS n FROM events')[0]?.['n']) > before;
    });
    await program.kill();
  }
  expect(await tdog().ended()).toBe(0);
  const ids = kit.emulator.state.events().map((event) => event.id);
  expect(
    query(kit.path(), 'SELECT id FROM events')
      .map((event) => event['id'])
      .toSorted(),
  ).toEqual(ids.toSorted());
  await expectFresh();
});

test('a download through refusals, errors and connections that are reset in the middle of a body', async () => {
  kit = await createKit({
    source: { synthetic: 5 },
    faults: {
      resetMidBody: 0.1,
      serverError: { rate: 0.1, status: 500 },
      rateLimited: { rate: 0.1, reason: 'endpoint-rate' },
      paths: ['/v1/c', '/v1/invoice', '/v1/p', '/v1/su'],
    },
  });
  const program = tdog();
  expect(await program.ended(), program.output()).toBe(0);
  await expectFresh();
});

test('while it watches, each way in which Stripe refuses is lived through, and what happened meanwhile arrives', async () => {
  kit = await createKit({ source: { synthetic: 10 } });
  const program = tdog(['--watch']);
  await until(() => isWatching());
  const reasons = [
    'global-rate',
    'endpoint-rate',
    'global-concurrency',
    'endpoint-concurrency',
    'resource-specific',
    'lock_timeout',
  ] as const;
  const faults: readonly FaultSettings[] = [
    { resetMidBody: 1 },
    { serverError: { rate: 1, status: 500 } },
    { serverError: { rate: 1, status: 503 } },
    ...reasons.map((reason) => ({ rateLimited: { rate: 1, reason } })),
  ];
  for (const [index, fault] of faults.entries()) {
    kit.emulator.setFaults({ ...fault, times: 2, paths: ['/v1/events'] });
    const one = customers()[index] as Stripe;
    kit.emulator.state.emit('customer.updated', { ...one, name: `Through ${index}` });
    await until(() => name(one.id) === `Through ${index}` || program.hasEnded());
    expect(program.hasEnded(), program.output()).toBe(false);
  }
  await program.kill();
  expect(await tdog().ended()).toBe(0);
  await expectFresh();
});
