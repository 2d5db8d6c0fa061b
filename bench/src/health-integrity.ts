// Is a reader or a writer slower while a large database is checked?
//   node --conditions=@datasette-stripe/source bench/src/health-integrity.ts [MEGABYTES] [ROUNDS] [NICE]
// NICE is the priority of the reader and the writer: on a busy machine -10 keeps what else runs there out of their figures.
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, release, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { createHealth, sqliteIntegrity } from '@datasette-stripe/health';

const [megabytes = '1000', rounds = '5', nice = '0', role, path] = process.argv.slice(2);
const tables = 10;
/** Operations a second of the reader and of the writer. */
const rates = { reader: 200, writer: 50 } as const;
type Role = keyof typeof rates;

if (role !== undefined && path !== undefined) await work(role as Role, path);
else await main();

/** In a process of its own: works at its pace; sends its latencies in ms when asked, and starts anew. */
async function work(as: Role, file: string): Promise<void> {
  setPriority(Number(nice));
  const db = new DatabaseSync(file, { timeout: 10_000, readOnly: as === 'reader' });
  if (as === 'writer') db.exec('PRAGMA synchronous = NORMAL');
  const rows = Number(db.prepare('SELECT max(id) AS n FROM t0').get()?.['n']);
  const point = Array.from({ length: tables }, (_, i) => db.prepare(`SELECT * FROM t${i} WHERE id = ?`));
  const range = Array.from({ length: tables }, (_, i) =>
    db.prepare(`SELECT id, amount FROM t${i} WHERE customer = ? LIMIT 50`),
  );
  const update = Array.from({ length: tables }, (_, i) =>
    db.prepare(`UPDATE t${i} SET amount = amount + 1 WHERE id = ?`),
  );
  let taken: number[] = [];
  process.on('message', () => {
    process.send?.(taken);
    taken = [];
  });
  process.send?.('ready');
  for (let turn = 0; ; turn += 1) {
    const table = turn % tables;
    const id = 1 + Math.floor(Math.random() * rows);
    const begun = performance.now();
    if (as === 'reader') {
      point[table]?.get(id);
      range[table]?.all(`cus_${id % 5_000}`);
    } else {
      db.exec('BEGIN IMMEDIATE');
      for (let row = 0; row < 20; row += 1) update[table]?.run(1 + ((id + row) % rows));
      db.exec('COMMIT');
    }
    taken.push(performance.now() - begun);
    await delay(1000 / rates[as]);
  }
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-health-'));
  const file = join(dir, 'big.sqlite');
  const begun = performance.now();
  build(file, Number(megabytes));
  console.log(
    `${Math.round(statSync(file).size / 1e6)} MB made in ${Math.round((performance.now() - begun) / 1000)} s`,
  );
  const roles: Role[] = ['reader', 'writer'];
  const children = await Promise.all(roles.map((one) => started(one, file)));
  const without: Record<Role, number[]> = { reader: [], writer: [] };
  const during: Record<Role, number[]> = { reader: [], writer: [] };
  const took: number[] = [];
  let walPeak = 0;
  const timer = setInterval(() => {
    const wal = `${file}-wal`;
    if (existsSync(wal)) walPeak = Math.max(walPeak, statSync(wal).size);
  }, 50);
  const collect = async (into: Record<Role, number[]> | undefined): Promise<void> => {
    const all = await Promise.all(children.map(asked));
    roles.forEach((one, index) => into?.[one].push(...(all[index] ?? [])));
  };
  await delay(2_000);
  // In turns, so that what else the machine does falls on both alike.
  for (let round = 0; round < Number(rounds); round += 1) {
    await collect(undefined);
    const health = createHealth({ checks: { integrity: sqliteIntegrity({ file }) } });
    const at = performance.now();
    await health.settled();
    took.push((performance.now() - at) / 1000);
    const { integrity } = health.status().items;
    if (integrity?.status !== 'pass') throw new Error(integrity?.message ?? 'no verdict');
    await health.close();
    await collect(during);
    await delay((took.at(-1) ?? 1) * 1000);
    await collect(without);
  }
  clearInterval(timer);
  for (const child of children) child.kill();
  rmSync(dir, { recursive: true });
  console.table(
    roles.map((one) => ({
      who: one,
      'p50 without, ms': at(without[one], 0.5),
      'p50 during, ms': at(during[one], 0.5),
      'p99 without, ms': at(without[one], 0.99),
      'p99 during, ms': at(during[one], 0.99),
      'p99.9 without, ms': at(without[one], 0.999),
      'p99.9 during, ms': at(during[one], 0.999),
      'p99 ratio': Number((at(during[one], 0.99) / at(without[one], 0.99)).toFixed(2)),
      operations: during[one].length,
    })),
  );
  console.log(
    `one check takes ${took.map((s) => s.toFixed(1)).join(', ')} s; WAL at most ${Math.round(walPeak / 1e6)} MB`,
  );
  console.log(`node ${process.version}, ${cpus()[0]?.model ?? '?'} × ${cpus().length}, Linux ${release()}`);
}

function build(file: string, size: number): void {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;');
  // About 1 KB a row with its indexes.
  const rows = Math.round((size * 1000) / 1.08 / tables);
  for (let table = 0; table < tables; table += 1) {
    db.exec(`CREATE TABLE t${table} (id INTEGER PRIMARY KEY, customer TEXT, amount INTEGER, created TEXT, body TEXT);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
        INSERT INTO t${table} SELECT i, 'cus_' || (i % 5000), i % 1000, datetime(1700000000 + i, 'unixepoch'), hex(randomblob(450)) FROM n;
      CREATE INDEX t${table}_customer ON t${table}(customer); CREATE INDEX t${table}_created ON t${table}(created);`);
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
}

function started(one: Role, file: string): Promise<ChildProcess> {
  const child = fork(import.meta.filename, [megabytes, rounds, nice, one, file]);
  return new Promise((resolve) => child.once('message', () => resolve(child)));
}

function asked(child: ChildProcess): Promise<number[]> {
  return new Promise((resolve) => {
    child.once('message', (taken) => {
      resolve(taken as number[]);
    });
    child.send('now');
  });
}

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Number((sorted[Math.floor(sorted.length * share)] ?? NaN).toFixed(3));
}
