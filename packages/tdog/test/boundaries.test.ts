import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';

import { createSync } from '../src/index.ts';
import { createKit, dump, mulberry, query, until, type Kit } from './kit.ts';
import { expectState } from './state.ts';

// What a kill -9 leaves behind is the database with its log up to some commit. Here that is every commit there is: the log
// of an undisturbed run is cut after each one of them, and an engine goes on from what is left.

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
let kit: Kit;
let clock = 0;
/** The invoice with many lines. */
let long = '';
const now = (): number => Date.now() + clock;
afterEach(() => kit.close());

/** Lists in windows, sequential ones, children, lists per parent; no table of the account's balance, which moves by itself. */
const tables = [
  'balance_transactions',
  'charges',
  'coupons',
  'credit_note_line_items',
  'credit_notes',
  'customer_balance_transactions',
  'customers',
  'discounts',
  'invoice_line_items',
  'invoice_payments',
  'invoices',
  'notification_events',
  'payment_intents',
  'payment_methods',
  'prices',
  'products',
  'refunds',
  'subscription_items',
  'subscriptions',
  'tax_ids',
];
let options: { readonly tables: readonly string[]; readonly now: () => number } = { tables, now };
const all = (kind: string): Stripe[] => kit.emulator.state.all(kind);

async function start(): Promise<void> {
  clock = 0;
  options = { tables, now };
  kit = await createKit({ source: { synthetic: 2 }, now, random: mulberry(7) });
  const invoice = all('invoice')[0] as Stripe;
  long = invoice.id;
  const lines = invoice['lines'] as { data: Stripe[] };
  const data = Array.from({ length: 130 }, (_, index) => ({ ...lines.data[0], id: `il_many_${index}` }));
  kit.emulator.state.put({ ...invoice, lines: { ...lines, data, has_more: false, total_count: 130 } });
  const customer = all('customer')[0] as Stripe;
  kit.emulator.state.put({
    id: 'cbtxn_one',
    object: 'customer_balance_transaction',
    amount: -500,
    customer: customer.id,
  });
}

/** A whole run: the database as it was before it, and the log that it wrote. */
interface Recorded {
  readonly main: string;
  readonly log: Buffer;
}

/** The emulator does what the clock has made due (renewals, and what follows from them) five times a second. */
async function settled(): Promise<void> {
  let events = -1;
  let since = 0;
  await until(() => {
    const { length } = kit.emulator.state.events();
    if (length !== events) since = performance.now();
    events = length;
    return performance.now() - since > 600;
  });
}

/** Runs to the end; `from` is the file to go on with. */
async function record(from?: string): Promise<Recorded> {
  await settled();
  const file = kit.path('recorded.sqlite');
  if (from === undefined) {
    const empty = new DatabaseSync(file);
    empty.exec('PRAGMA page_size = 8192; PRAGMA journal_mode = WAL');
    empty.close();
  } else copyFileSync(from, file);
  // A reader of the beginning: nothing of the log moves into the database.
  const reader = new DatabaseSync(file);
  reader.exec('PRAGMA journal_mode = WAL; BEGIN');
  reader.prepare('SELECT count(*) FROM sqlite_schema').get();
  const main = kit.path('main.sqlite');
  copyFileSync(file, main);
  try {
    await createSync(kit.options({ ...options, file })).run();
    expect(readFileSync(file).equals(readFileSync(main))).toBe(true);
    return { main, log: readFileSync(`${file}-wal`) };
  } finally {
    reader.close();
  }
}

interface Commit {
  /** Where the transaction ends in the log. */
  readonly end: number;
  /** Where its last page, the one that commits it, begins. */
  readonly last: number;
}

/** @see https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
function commitsOf(log: Buffer): readonly Commit[] {
  const frame = 24 + log.readUInt32BE(8);
  const commits: Commit[] = [];
  for (let at = 32; at + frame <= log.length; at += frame)
    if (log.readUInt32BE(at + 4) !== 0) commits.push({ end: at + frame, last: at });
  return commits;
}

/** Ends a recorded run at each of its commits, goes on from there, and checks what comes out. Returns how many there were. */
async function endEverywhere(recorded: Recorded, check: (file: string) => void): Promise<number> {
  const { main, log } = recorded;
  const commits = commitsOf(log);
  for (const [index, commit] of commits.entries()) {
    const file = kit.path('cut.sqlite');
    copyFileSync(main, file);
    // Just after a commit; or, which is to come to the same, when all of the next transaction but its commit was written.
    const next = commits[index + 1];
    writeFileSync(
      `${file}-wal`,
      log.subarray(0, index % 2 === 0 || next === undefined ? commit.end : next.last),
    );
    await createSync(kit.options({ ...options, file })).run();
    try {
      check(file);
    } catch (error) {
      throw new Error(`killed after commit ${index + 1} of ${commits.length}`, { cause: error });
    }
    for (const ending of ['', '-wal', '-shm', '.lock']) if (existsSync(file + ending)) rmSync(file + ending);
  }
  return commits.length;
}

/** The file holds what the account has: row by row what a download has that nothing disturbs, and all events, once. */
async function checkAgainstStripe(): Promise<(file: string) => void> {
  const fresh = kit.path(`fresh-${clock}.sqlite`);
  await createSync(kit.options({ ...options, file: fresh })).run();
  const expected = dump(fresh);
  expectState(kit.emulator, expected);
  const events = kit.emulator.state.events().map((event) => event.id);
  return (file) => {
    const found = dump(file);
    for (const table of Object.keys(expected))
      expect({ table, rows: found[table] }).toEqual({ table, rows: expected[table] });
    const stored = new Set(query(file, 'SELECT id FROM events').map((row) => String(row['id'])));
    expect(events.filter((id) => !stored.has(id))).toEqual([]);
    expect(query(file, 'SELECT * FROM td_todo')).toEqual([]);
    expect(query(file, 'PRAGMA quick_check')).toEqual([{ quick_check: 'ok' }]);
  };
}

/** A file whose download has ended. */
async function downloaded(): Promise<string> {
  const file = kit.path('downloaded.sqlite');
  await createSync(kit.options({ ...options, file })).run();
  return file;
}

const kinds = ['customer', 'product', 'price', 'invoice', 'charge', 'subscription'] as const;

/** Changes all over the account, each with its event: of some objects many, and more than one page. */
function live(random: () => number, count: number, by = 'now', stepMs = 1_000): void {
  const { state } = kit.emulator;
  for (let n = 0; n < count; n += 1) {
    const kind = kinds[Math.floor(random() * kinds.length)] ?? 'customer';
    // Stripe's events show ten lines of an invoice, these would show all.
    const objects = all(kind).filter(({ id }) => id !== long);
    const object = objects[Math.floor(random() * objects.length)];
    if (object === undefined) continue;
    const type = kind === 'subscription' ? 'customer.subscription' : kind;
    state.emit(
      `${type}.updated`,
      { ...object, metadata: { by, n: String(n) } },
      { metadata: object['metadata'] },
    );
    if (n % 9 === 0) clock += stepMs;
  }
  const customer = all('customer')[0] as Stripe;
  const made = { ...customer, id: `cus_made_${clock}`, created: Math.floor(now() / 1_000) };
  state.emit('customer.created', made);
  const passing = { ...made, id: `cus_passing_${clock}` };
  state.emit('customer.created', passing);
  state.remove('customer', passing.id);
  state.emit('customer.deleted', passing);
  const product = { ...(all('product')[0] as Stripe), id: `prod_gone_${clock}` };
  state.emit('product.created', product);
  state.remove('product', product.id);
  state.emit('product.deleted', product);
}

test('a download that is killed at any of its commits goes on to what Stripe has', async () => {
  await start();
  const commits = await endEverywhere(await record(), await checkAgainstStripe());
  expect(commits).toBeGreaterThan(150);
});

test('more tables on a file that has some: killed at any commit, the file goes on to what Stripe has', async () => {
  await start();
  // Tables without a list of their own: nothing but a note says that they are to be read.
  const more = ['customer_balance_transactions', 'invoice_line_items'];
  const some = ['customers', 'invoices', 'notification_events'];
  options = { tables: some, now };
  const file = await downloaded();
  options = { tables: [...some, ...more], now };
  const commits = await endEverywhere(await record(file), await checkAgainstStripe());
  expect(commits).toBeGreaterThan(8);
});

test('events: killed at any commit, the file goes on to what Stripe has', async () => {
  await start();
  const file = await downloaded();
  // Over hours: the last minutes, which are read again anyway, do not reach back.
  live(mulberry(1), 130, 'now', 600_000);
  // Two of another API version, whose objects are read by their ids.
  const { state } = kit.emulator;
  const [one, two] = all('charge') as [Stripe, Stripe];
  for (const object of [one, two])
    state.put({
      ...state.emit('charge.updated', { ...object, description: 'Old shape' }),
      api_version: '2020-08-27',
    });
  const commits = await endEverywhere(await record(file), await checkAgainstStripe());
  expect(commits).toBeGreaterThan(8);
});

test('events shuffled, doubled and late: killed at any commit, the file goes on to what Stripe has', async () => {
  await start();
  const file = await downloaded();
  const random = mulberry(2);
  kit.emulator.setFaults({ reorderEvents: true, duplicateEvents: 0.3 });
  live(random, 110);
  const recorded = await record(file);
  // What turns up only now, and is older than what was applied: where both tell of an object, the first still holds.
  const newer = kinds.flatMap((kind) => all(kind)).filter(({ metadata }) => isBy(metadata, 'now'));
  clock -= 30_000;
  live(random, 40, 'late');
  clock += 60_000;
  for (const object of newer) kit.emulator.state.put(object);
  const commits = await endEverywhere(recorded, await checkAgainstStripe());
  expect(commits).toBeGreaterThan(5);
});

test.each([1, 2, 3, 4, 5])(
  'events that come in pieces, by webhook and by poll, split and mixed in any way, end in what Stripe has (%i)',
  async (seed) => {
    await start();
    const file = await downloaded();
    const random = mulberry(seed);
    // No proof that mends what was missed.
    const sync = await kit.watch({ ...options, file, pollIntervalMs: 3_600_000, proofShare: 0 });
    const { state } = kit.emulator;
    const known = new Set(state.events().map((event) => event.id));
    for (let round = 0; round < 4; round += 1) {
      // Within seconds the order is proven or asked for, over hours it is told by the times.
      live(random, 25, 'now', seed % 2 === 0 ? 1_000 : 600_000);
      const fresh = state.events().filter((event) => !known.has(event.id));
      for (const event of fresh) known.add(event.id);
      // Each piece is a transaction of its own; what no webhook brings, a poll does, later.
      for (const event of fresh) state.remove('event', event.id);
      for (const event of [...fresh, ...fresh].sort(() => random() - 0.5)) {
        if (random() < 0.6) sync.applyEvent(event as unknown as Parameters<typeof sync.applyEvent>[0]);
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 10));
      }
      for (const event of fresh) state.put(event);
      if (random() < 0.5) sync.poll();
    }
    // The last minutes are read again a minute later.
    clock += 61_000;
    await settled();
    // The events, then what they let be read.
    for (let poll = 0; poll < 2; poll += 1) {
      const asked = sync.status().lastPollAt;
      sync.poll();
      await until(() => sync.status().lastPollAt !== asked);
      clock += 1;
    }
    (await checkAgainstStripe())(file);
  },
);

test('a comparison of everything that is killed at any commit goes on to what Stripe has', async () => {
  await start();
  const file = await downloaded();
  const { state } = kit.emulator;
  live(mulberry(2), 20);
  const [changed, removed] = all('customer') as [Stripe, Stripe];
  state.put({ ...changed, name: 'Nobody told' });
  const product = all('product').at(-1) as Stripe;
  state.put({ ...product, id: 'prod_untold' });
  void removed;
  clock += 45 * 86_400_000;
  live(mulberry(3), 20);
  clock += 60_000;
  kit.emulator.setFaults({ expireEventsAfterSeconds: 30 * 86_400 });
  const commits = await endEverywhere(await record(file), await checkAgainstStripe());
  expect(commits).toBeGreaterThan(20);
});

function isBy(metadata: unknown, by: string): boolean {
  return (metadata as { by?: string } | undefined)?.by === by;
}
