import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';

import { createSync } from '../src/index.ts';
import { createKit, dump, mulberry, query, row, until, type Kit } from './kit.ts';
import { startProgram, type Program } from './program.ts';

let kit: Kit;
const programs: Program[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill();
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await kit.close();
});

/** The real program, from source. */
function tdog(args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const program = startProgram(args, env);
  programs.push(program);
  return program;
}

test('kill -9 in the middle, again and again: it continues, and nothing is lost or doubled', async () => {
  kit = await createKit({ source: { synthetic: 25 } });
  const args = ['--target', kit.path(), '--api-base', kit.url, '--progress', 'none'];
  const env = { STRIPE_SECRET_KEY: kit.key };
  // Some lists do not answer, one less each time: the engine is in the middle, however fast it is.
  const silent = ['/v1/charges', '/v1/balance_transactions', '/v1/customers'];
  for (; silent.length > 0; silent.shift()) {
    kit.emulator.setFaults({ latencyMs: 3_600_000, paths: [...silent] });
    const before = written();
    const child = tdog(args, env);
    await until(() => child.hasEnded() || written() > before);
    expect(child.hasEnded(), child.output()).toBe(false);
    await child.kill();
  }
  kit.emulator.setFaults({});
  const last = tdog(args, env);
  expect(await last.ended()).toBe(0);
  expect(query(kit.path(), 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  await kit.run({ file: kit.path('fresh.sqlite') });
  expect(dump(kit.path())).toEqual(dump(kit.path('fresh.sqlite')));
});

test('a reader that has the file for itself for a moment, as when it takes up the log of a crash, is waited for', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const script = `const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(process.argv[1]);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT');
    console.log('held');
    setTimeout(() => db.close(), 500);`;
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', script, kit.path()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(holder);
  await once(holder.stdout, 'data');
  await kit.run();
});

function written(): number {
  try {
    return Number(query(kit.path(), 'SELECT sum(rows) AS n FROM td_progress')[0]?.['n'] ?? 0);
  } catch {
    return 0;
  }
}

test.each(['before', 'after'] as const)(
  'a crash %s any commit of download or events loses nothing',
  async (when) => {
    kit = await createKit({ source: { synthetic: 4 } });
    await kit.run({ file: kit.path('fresh.sqlite') });
    const expected = dump(kit.path('fresh.sqlite'));
    for (let at = 3; ; at += 23) {
      const file = kit.path(`crash-${at}.sqlite`);
      const crashed = await createSync(kit.options({ file, onSchema: (db) => crashAtCommit(db, at, when) }))
        .run()
        .then(
          () => false,
          (error: unknown) => {
            if (!String(error).includes('crash here')) throw error;
            return true;
          },
        );
      if (!crashed) break;
      await createSync(kit.options({ file })).run();
      expect(dump(file)).toEqual(expected);
    }
  },
);

/** Throws at the n-th commit, before or after it has happened, as a crash would. */
function crashAtCommit(db: { exec(sql: string): void }, at: number, when: 'before' | 'after'): void {
  const exec = db.exec.bind(db);
  let commits = 0;
  db.exec = (sql) => {
    if (sql !== 'COMMIT') return exec(sql);
    commits += 1;
    if (commits >= at && when === 'before') throw new Error('crash here');
    exec(sql);
    if (commits >= at) throw new Error('crash here');
  };
}

test('events shuffled, doubled and late end in the state that Stripe has', async () => {
  for (const seed of [1, 2]) {
    const random = mulberry(seed);
    kit = await createKit({
      source: { synthetic: 4, seed },
      faults: { reorderEvents: true, duplicateEvents: 0.3, delayEventsMs: 30 },
    });
    await kit.run();
    let jump = 0;
    await kit.watch({ pollIntervalMs: 5, now: () => Date.now() + jump });
    const kinds = ['customer', 'product', 'price', 'invoice', 'charge'] as const;
    for (let i = 0; i < 120; i += 1) {
      const kind = kinds[Math.floor(random() * kinds.length)] ?? 'customer';
      const all = kit.emulator.state.all(kind);
      const object = all[Math.floor(random() * all.length)];
      if (object === undefined) continue;
      const gone = kind === 'customer' && random() < 0.03;
      kit.emulator.state.emit(
        gone ? 'customer.deleted' : `${kind}.updated`,
        gone ? object : { ...object, metadata: { n: String(i) } },
      );
      if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, random() * 20));
    }
    const same = (): boolean =>
      kinds.every((kind) =>
        kit.emulator.state.all(kind).every((object) => {
          const metadata = object['metadata'] as Record<string, string>;
          const stored = row(kit.path(), `${kind}s`, object.id)?.['metadata'] ?? null;
          return stored === (Object.keys(metadata).length === 0 ? null : JSON.stringify(metadata));
        }),
      );
    // What came in a wrong order is settled when the last minutes are read again: a minute later by the engine's clock.
    await until(() => {
      jump += 1_000;
      return same();
    });
    expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(
      kit.emulator.state.count('customer'),
    );
    if (seed < 2) await kit.close();
  }
});

test('the program: exit codes, one line for each error, and no key anywhere', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  const run = async (
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number | null; text: string }> => {
    const child = tdog(args, env);
    const code = await child.ended();
    return { code, text: child.output() };
  };
  const env = { STRIPE_SECRET_KEY: kit.key };
  const base = ['--target', kit.path(), '--api-base', kit.url, '--progress', 'none'];
  expect(await run(['--version'])).toMatchObject({ code: 0, text: '0.1.0\n' });
  expect((await run(['--help'])).code).toBe(0);
  expect(await run(['--nonsense'])).toMatchObject({
    code: 2,
    text: expect.stringContaining('--nonsense') as string,
  });
  expect((await run(base)).code).toBe(2);
  expect(await run(base, { STRIPE_SECRET_KEY: 'pk_test_' + 'x' })).toMatchObject({
    code: 2,
    text: expect.stringContaining('publishable') as string,
  });
  const done = await run(base, env);
  expect(done).toMatchObject({ code: 0 });
  expect(done.text).not.toContain(kit.key);
  const json = JSON.stringify({
    cmd: {
      fn: 'download',
      args: {
        from: { stripe: { secret_key: kit.key, http: { base_url: kit.url } } },
        to: { sqlite: { file: kit.path('07.sqlite') } },
      },
    },
  });
  expect((await run(['--json', json, '--progress', 'none'])).code).toBe(0);
  expect(query(kit.path('07.sqlite'), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(3);
  expect((await run(['verify', ...base], env)).code).toBe(0);
  const [one] = kit.emulator.state.all('customer');
  kit.emulator.state.put({ ...(one as { id: string; object: string }), name: 'Drifted' });
  expect((await run(['verify', ...base], env)).code).toBe(1);
  expect((await run(base, { STRIPE_SECRET_KEY: 'sk_live_' + 'emulator' })).code).toBe(4);
  kit.emulator.setFaults({ keyRevoked: true });
  const refused = await run(base, env);
  expect(refused.code).toBe(3);
  expect(refused.text).not.toContain(kit.key);
});

test('the program ends on SIGTERM with exit code 0', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  const child = tdog(['--target', kit.path(), '--api-base', kit.url, '--watch', '--progress', 'none'], {
    STRIPE_SECRET_KEY: kit.key,
  });
  await until(() => written() > 50);
  child.process.kill('SIGTERM');
  expect(await child.ended()).toBe(0);
});
