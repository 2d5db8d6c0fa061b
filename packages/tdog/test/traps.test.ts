import { getEventListeners } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';

import { createSync, type StripeEvent } from '../src/index.ts';
import { resolveOptions } from '../src/options.ts';
import { withEngine } from '../src/run.ts';
import { createKit, dump, query, row, until, type Kit } from './kit.ts';
import { fullObject, startMockStripe } from './mock-stripe.ts';

// What other mirrors of Stripe fell into, one test each.

let kit: Kit;
afterEach(() => kit.close());

interface Stripe {
  id: string;
  object: string;
  [name: string]: unknown;
}
const first = (kind: string): Stripe => kit.emulator.state.all(kind)[0] as Stripe;
let serial = 0;
const event = (type: string, object: Stripe, created: number): StripeEvent => ({
  id: `evt_made_${(serial += 1)}`,
  object: 'event',
  type,
  created,
  api_version: '2026-08-26.dahlia',
  livemode: false,
  data: { object },
});
const now = (): number => Math.floor(Date.now() / 1_000);

test('nothing is left hanging on the abort signal after a run', async () => {
  kit = await createKit({ source: { synthetic: 20 } });
  const stop = new AbortController();
  await createSync(kit.options()).run(stop.signal);
  expect(getEventListeners(stop.signal, 'abort').length).toBeLessThanOrEqual(2);
});

test('no request, wait or commit leaves anything behind on the signal that lives as long as the engine', async () => {
  kit = await createKit({
    source: { synthetic: 20 },
    faults: { rateLimited: { rate: 0.2, reason: 'lock_timeout' }, times: 4, paths: ['/v1/products'] },
  });
  await withEngine(resolveOptions(kit.options()), undefined, async (engine) => {
    const { api, signal } = engine;
    const read = async (): Promise<number> => {
      for (let n = 0; n < 40; n += 1) {
        await api.list('/v1/products?limit=1', { endpoint: 'GET /v1/products', purpose: 'download' });
        await engine.commit(() => undefined);
      }
      return getEventListeners(signal, 'abort').length;
    };
    // Connections that are kept open are few, and there from the first requests on.
    const before = await read();
    expect(await read()).toBeLessThanOrEqual(before);
  });
});

test('429s go through the limiter: a low limit costs few refusals and everything arrives', async () => {
  kit = await createKit({
    source: { synthetic: 40 },
    faults: { requestsPerSecond: 8 },
  });
  const result = await kit.run({ maxRequestsPerSecond: 60 });
  expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(40);
  const pages = result.tables.reduce((sum, table) => sum + table.pages, 0);
  expect(result.requests).toBeLessThan(pages * 1.5 + 30);
});

test.each([
  'global-rate',
  'endpoint-rate',
  'global-concurrency',
  'endpoint-concurrency',
  'resource-specific',
  'lock_timeout',
] as const)('a share of 429 %s is survived', async (reason) => {
  kit = await createKit({ source: { synthetic: 8 }, faults: { rateLimited: { rate: 0.15, reason } } });
  const result = await kit.run();
  expect(result.tables.every((table) => table.state === 'done')).toBe(true);
  expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(8);
});

test('a storm of 500s, 503s and connections reset in the middle of a body is waited out', async () => {
  kit = await createKit({
    source: { synthetic: 8 },
    faults: { serverError: { rate: 0.15, status: 503 }, resetMidBody: 0.1 },
  });
  const broken = await kit.run();
  expect(broken.tables.every((table) => table.state === 'done')).toBe(true);
  kit.emulator.setFaults({});
  await kit.run({ file: kit.path('fresh.sqlite') });
  expect(dump(kit.path())).toEqual(dump(kit.path('fresh.sqlite')));
});

test('a 200 that is no JSON, a truncated one and a 502 page are no end of anything', async () => {
  kit = await createKit({ source: { empty: true } });
  let faults = 0;
  const mock = await startMockStripe(
    (table) => (table.object === 'event' ? undefined : fullObject(table)),
    (path, response) => {
      if (path !== '/v1/customers' || faults >= 4) return false;
      faults += 1;
      if (faults === 1) response.end('<html>a proxy says hello</html>');
      else if (faults === 2) {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"object":"list"');
        response.destroy();
      } else if (faults === 3) {
        response.writeHead(502);
        response.end('<h1>Bad gateway</h1>');
      } else response.end('null');
      return true;
    },
  );
  try {
    await kit.run({ stripe: { secretKey: kit.key, apiBase: mock.url }, tables: ['customers'] });
    expect(faults).toBe(4);
    expect(query(kit.path(), 'SELECT count(*) AS n FROM customers')[0]?.['n']).toBe(1);
  } finally {
    await mock.close();
  }
});

test('Retry-After is what is waited for, and others go on meanwhile', async () => {
  kit = await createKit({ source: { empty: true } });
  const asked: { readonly path: string; readonly at: number }[] = [];
  const mock = await startMockStripe(
    (table) => (table.object === 'event' ? undefined : fullObject(table)),
    (path, response) => {
      asked.push({ path, at: performance.now() });
      if (path !== '/v1/customers' || asked.filter((one) => one.path === path).length > 1) return false;
      response.writeHead(429, { 'retry-after': '2', 'stripe-rate-limited-reason': 'endpoint-rate' });
      response.end('{"error":{"type":"invalid_request_error","code":"rate_limit","message":"slower"}}');
      return true;
    },
  );
  try {
    await kit.run({ stripe: { secretKey: kit.key, apiBase: mock.url }, tables: ['customers', 'products'] });
    const [first, second] = asked.filter(({ path }) => path === '/v1/customers');
    // Without the header it would have been half a second at most.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_990);
    expect(asked.find(({ path }) => path === '/v1/products')?.at).toBeLessThan(second?.at ?? 0);
  } finally {
    await mock.close();
  }
});

test('a change during the download arrives although its page was read before, and hours ago', async () => {
  let clock = 0;
  const ahead = (): number => Date.now() + clock;
  kit = await createKit({ source: { synthetic: 5 }, now: ahead });
  const [one, two] = kit.emulator.state.all('customer') as [Stripe, Stripe];
  await createSync(
    kit.options({
      now: ahead,
      onTableDone: (_db, table) => {
        if (table !== 'customers') return;
        kit.emulator.state.emit('customer.updated', { ...one, name: 'Meanwhile' });
        // The rest of the download takes long: the last minutes of events do not reach back.
        clock += 3 * 3_600_000;
        kit.emulator.state.emit('customer.updated', { ...two, name: 'Later' });
      },
    }),
  ).run();
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Meanwhile');
  expect(row(kit.path(), 'customers', two.id)?.['name']).toBe('Later');
});

test('children are found by their parent from the first row on', async () => {
  kit = await createKit({ source: { synthetic: 3 } });
  const plans: string[] = [];
  await createSync(
    kit.options({
      onTableDone: (db, table) => {
        if (table === 'own_account' || plans.length > 0) return;
        for (const [child, parent] of [
          ['invoice_line_items', 'invoice'],
          ['subscription_items', 'subscription'],
          ['credit_note_line_items', 'credit_note_id'],
        ] as const)
          plans.push(
            ...db
              .prepare(`EXPLAIN QUERY PLAN SELECT id FROM ${child} WHERE ${parent} = 'x'`)
              .all()
              .map((line) => String(line['detail'])),
          );
      },
    }),
  ).run();
  expect(plans).toHaveLength(3);
  for (const plan of plans) expect(plan).toMatch(/USING INDEX/);
});

test('an invoice with 250 lines has 250 lines', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const invoice = first('invoice');
  const lines = invoice['lines'] as { data: Stripe[] };
  const [line] = lines.data;
  const data = Array.from({ length: 250 }, (_, index) => ({ ...line, id: `il_many_${index}` }));
  kit.emulator.state.put({ ...invoice, lines: { ...lines, data, has_more: false, total_count: 250 } });
  await kit.run();
  expect(
    query(kit.path(), 'SELECT count(*) AS n FROM invoice_line_items WHERE invoice = ?', invoice.id)[0]?.['n'],
  ).toBe(250);
});

test('the lines of an invoice that changes while they are read are read from the top again', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const invoice = first('invoice');
  const lines = invoice['lines'] as { data: Stripe[] };
  const [line] = lines.data as [Stripe];
  const data: Stripe[] = Array.from({ length: 150 }, (_, n) => ({ ...line, id: `il_many_${n}` }));
  const put = (): unknown =>
    kit.emulator.state.put({ ...invoice, lines: { ...lines, data, has_more: false, total_count: 150 } });
  put();
  await kit.run();
  const db = new DatabaseSync(kit.path());
  const todo = db.prepare('INSERT INTO td_todo (list, id) VALUES (?, ?)');
  for (const list of ['get:invoices', 'rest:invoices.lines']) todo.run(list, invoice.id);
  db.close();
  const asked = (): number => kit.emulator.state.requests().get('GET /v1/invoices/{invoice}/lines') ?? 0;
  const before = asked();
  // The invoice comes while its second page of lines is on the way: what the first one told is no longer sure.
  const answers = { latencyMs: 300, paths: [`/v1/invoices/${invoice.id}`] };
  kit.emulator.setFaults({ ...answers, times: 2 });
  const running = kit.run();
  await until(() => asked() > before);
  kit.emulator.setFaults(answers);
  data[20] = { ...line, id: 'il_many_20', description: 'Changed meanwhile' };
  put();
  await running;
  expect(row(kit.path(), 'invoice_line_items', 'il_many_20')?.['description']).toBe('Changed meanwhile');
});

test('a delete event of a type that nobody listed deletes and never inserts', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const one = first('payment_method');
  const unknown = { ...one, id: 'pm_never_seen' };
  kit.emulator.state.emit('payment_method.exploded.deleted', one);
  kit.emulator.state.emit('payment_method.exploded.deleted', unknown);
  await kit.run();
  expect(row(kit.path(), 'payment_methods', one.id)).toBeUndefined();
  expect(row(kit.path(), 'payment_methods', 'pm_never_seen')).toBeUndefined();
});

test('a stale delete does not delete a newer row', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  const one = first('customer');
  kit.emulator.state.put({ ...one, name: 'Newer' });
  sync.applyEvent(event('customer.updated', { ...one, name: 'Newer' }, now()));
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'Newer');
  sync.applyEvent(event('customer.deleted', one, now() - 100));
  await until(() => query(kit.path(), "SELECT 1 FROM events WHERE type = 'customer.deleted'").length === 1);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Newer');
});

test('a stale update does not bring back what was deleted', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  const one = first('customer');
  kit.emulator.state.remove('customer', one.id);
  sync.applyEvent(event('customer.deleted', one, now()));
  await until(() => row(kit.path(), 'customers', one.id) === undefined);
  const stale = event('customer.updated', { ...one, name: 'Zombie' }, now() - 100);
  sync.applyEvent(stale);
  await until(() => row(kit.path(), 'events', stale.id) !== undefined);
  expect(row(kit.path(), 'customers', one.id)).toBeUndefined();
});

test('a copy inside another object does not bring back what was deleted', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const subscription = first('subscription');
  const [item] = (subscription['items'] as { data: Stripe[] }).data;
  const price = item?.['price'] as Stripe;
  kit.emulator.state.remove('price', price.id);
  kit.emulator.state.emit('price.deleted', price);
  await kit.run();
  expect(row(kit.path(), 'prices', price.id)).toBeUndefined();
  kit.emulator.state.emit('customer.subscription.updated', { ...subscription, metadata: { still: 'there' } });
  await kit.run();
  expect(row(kit.path(), 'subscriptions', subscription.id)?.['metadata']).toBe('{"still":"there"}');
  expect(row(kit.path(), 'prices', price.id)).toBeUndefined();
});

test('two events of one second that come apart: Stripe is asked which one holds', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  const one = first('customer');
  const second = now();
  kit.emulator.state.put({ ...one, name: 'Truth' });
  sync.applyEvent(event('customer.updated', { ...one, name: 'Truth' }, second));
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'Truth');
  const other = event('customer.updated', { ...one, name: 'Earlier in the second' }, second);
  sync.applyEvent(other);
  await until(() => row(kit.path(), 'events', other.id) !== undefined);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Truth');
});

test('made and deleted within seconds, and listed the wrong way round: no row is left', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  // Nobody at Stripe has it any more; what its creation showed is what its deletion shows.
  const made = (id: string): Stripe => ({ ...first('product'), id });
  const [created, deleted] = ['product.created', 'product.deleted'];
  // In one batch.
  sync.applyEvent(event(deleted, made('prod_one'), now()));
  sync.applyEvent(event(created, made('prod_one'), now()));
  // In two.
  sync.applyEvent(event(deleted, made('prod_two'), now()));
  const known = (type: string): number =>
    query(kit.path(), "SELECT 1 FROM events WHERE type = ? AND object_id LIKE 'prod\__%' ESCAPE '\\'", type)
      .length;
  await until(() => known(deleted) === 2);
  sync.applyEvent(event(created, made('prod_two'), now() + 2));
  await until(() => known(created) === 2);
  expect(row(kit.path(), 'products', 'prod_one')).toBeUndefined();
  expect(row(kit.path(), 'products', 'prod_two')).toBeUndefined();
});

test('two changes that come in two polls, the older one last and with the later time: Stripe is asked', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  const one = first('customer');
  kit.emulator.state.put({ ...one, name: 'Truth' });
  sync.applyEvent(event('customer.updated', { ...one, name: 'Truth' }, now()));
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'Truth');
  const older = event('customer.updated', { ...one, name: 'Before' }, now() + 3);
  sync.applyEvent(older);
  await until(() => row(kit.path(), 'events', older.id) !== undefined);
  expect(row(kit.path(), 'customers', one.id)?.['name']).toBe('Truth');
});

test('an event from long before the newest one, of an object that was read since: Stripe is asked', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  const one = first('product');
  kit.emulator.state.emit('customer.updated', first('customer'));
  kit.emulator.state.put({ ...one, name: 'As downloaded' });
  await kit.run();
  const sync = await kit.watch({ pollIntervalMs: 3_600_000 });
  const late = event('product.updated', { ...one, name: 'Older' }, now() - 600);
  sync.applyEvent(late);
  await until(() => row(kit.path(), 'events', late.id) !== undefined);
  expect(row(kit.path(), 'products', one.id)?.['name']).toBe('As downloaded');
});

test('a cash balance is read by its customer, and goes with it', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run({ tables: 'all' });
  const sync = await kit.watch({ tables: 'all', pollIntervalMs: 3_600_000 });
  const customer = first('customer');
  const cash = (): unknown => row(kit.path(), 'cash_balances', customer.id);
  expect(cash()).toBeDefined();
  // Of another API version: it is read again.
  const funds = event('cash_balance.funds_available', {} as Stripe, now());
  const object = { object: 'cash_balance', customer: customer.id };
  sync.applyEvent({ ...funds, api_version: '2020-08-27', data: { object } });
  await until(() => row(kit.path(), 'events', funds.id) !== undefined);
  expect(cash()).toBeDefined();
  kit.emulator.state.remove('customer', customer.id);
  sync.applyEvent(event('customer.deleted', customer, now()));
  await until(() => cash() === undefined);
});

test('old values that are not the state before: the list has the wrong order, and Stripe is asked', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const one = first('product');
  const change = (name: string, before: object): unknown =>
    kit.emulator.state.emit('product.updated', { ...one, name }, before as Record<string, unknown>);
  change('Truth', { name: 'Before' });
  change('Before', { name: one['name'] });
  kit.emulator.state.put({ ...one, name: 'Truth', metadata: { a: '1' } });
  await kit.run();
  expect(row(kit.path(), 'products', one.id)?.['name']).toBe('Truth');
  // The same with a part of what is nested.
  const two = kit.emulator.state.all('product')[1] as Stripe;
  const nested = (metadata: object, before: object): unknown =>
    kit.emulator.state.emit('product.updated', { ...two, metadata }, { metadata: before });
  nested({ a: '2' }, { a: '1' });
  nested({ a: '1' }, { a: null });
  kit.emulator.state.put({ ...two, metadata: { a: '2' } });
  await kit.run();
  expect(row(kit.path(), 'products', two.id)?.['metadata']).toBe('{"a":"2"}');
});

test('an unknown enum value, event type or property drops nothing', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  const one = first('customer');
  kit.emulator.state.emit('customer.hyperspaced', { ...one, tax_exempt: 'brand_new', warp: { factor: 9 } });
  kit.emulator.state.emit('unheard.of', { id: 'x_1', object: 'unheard_of' });
  await kit.run();
  const stored = row(kit.path(), 'customers', one.id);
  expect(stored?.['tax_exempt']).toBe('brand_new');
  expect(JSON.parse(String(stored?.['extra']))).toEqual({ warp: { factor: 9 } });
  expect(query(kit.path(), "SELECT object_id FROM events WHERE type = 'unheard.of'")).toEqual([
    { object_id: 'x_1' },
  ]);
});

test('payment methods do not cost requests per customer', async () => {
  kit = await createKit({ source: { synthetic: 700 } });
  const result = await kit.run({ tables: ['customers', 'payment_methods', 'cards', 'sources'] });
  expect(query(kit.path(), 'SELECT count(*) AS n FROM payment_methods')[0]?.['n']).toBeGreaterThanOrEqual(
    700,
  );
  expect(result.requests).toBeLessThan(40);
});

test('a full disk is waited out with nothing lost', async () => {
  kit = await createKit({ source: { synthetic: 30 } });
  let grow: (() => void) | undefined;
  const sync = createSync(
    kit.options({
      onSchema: (db) => {
        db.exec('PRAGMA max_page_count = 200');
        grow = () => db.exec('PRAGMA max_page_count = 1000000');
      },
    }),
  );
  const running = sync.run();
  running.catch(() => undefined);
  await until(() => /full/.test(sync.status().trouble ?? ''));
  grow?.();
  await running;
  await kit.run({ file: kit.path('fresh.sqlite') });
  expect(dump(kit.path())).toEqual(dump(kit.path('fresh.sqlite')));
});

test('a clock that jumps a day ahead changes nothing', async () => {
  kit = await createKit({ source: { synthetic: 5 } });
  await kit.run();
  let jump = 0;
  const sync = await kit.watch({ now: () => Date.now() + jump });
  jump = 86_400_000;
  const one = first('customer');
  kit.emulator.state.emit('customer.updated', { ...one, name: 'Tomorrow' });
  await until(() => row(kit.path(), 'customers', one.id)?.['name'] === 'Tomorrow');
  expect(sync.status().phase).toBe('watching');
});

test('a list that keeps failing is named, and the others are complete', async () => {
  kit = await createKit({
    source: { synthetic: 5 },
    faults: { serverError: { rate: 1, status: 500 }, paths: ['/v1/disputes'] },
  });
  const result = await kit.run({ tables: ['customers', 'disputes'], random: () => 0 });
  expect(result.tables.find((table) => table.table === 'disputes')?.state).toBe('failed');
  expect(result.tables.find((table) => table.table === 'customers')?.state).toBe('done');
});
