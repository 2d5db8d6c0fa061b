import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { basic, type App } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { startStack, type Stack } from '../support/stack.ts';

let stack: Stack;
let app: App;
let customer: Stripe.Customer;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'e2e-contract-'));
  stack = await startStack(inject('image'));
  const { runId } = stack.stripe;
  // Made before the start, so that the download has to find it.
  customer = await stack.stripe.customer({ name: `Zuleika ${runId}`, email: `${runId}@example.com` });
  app = await stack.startDownloaded();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const closedPaths = [
  '/',
  '/stripe',
  '/stripe/customers',
  '/stripe/customers.json?_shape=array',
  '/stripe?sql=select+1',
  '/stripe.db',
  '/graphql/stripe',
  '/-/search',
  '/-/dashboards',
  '/-/metadata.json',
  '/-/mcp',
  '/tdog/metrics',
  '/tdog/progress',
  '/tdog/progress.json',
  '/tdog/stripe.sqlite',
  '/tdog/cli_log.txt',
  '/x?/tdog/health.json',
  '/tdog/live/../stripe.sqlite',
];

describe('without the key', () => {
  test.each(closedPaths)('%s is closed and says how to get in', async (path) => {
    const response = await app.anonymous(path);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic /);
    expect(await response.text()).not.toContain(customer.id);
  });

  test.each([
    ['another key', () => basic(`${stack.stripe.key}x`)],
    ['the key as password', () => basic('', stack.stripe.key)],
    ['the key as both', () => basic(stack.stripe.key, stack.stripe.key)],
    ['another key as bearer', () => `Bearer ${stack.stripe.key}x`],
    ['nonsense', () => 'Basic %%%'],
    ['another scheme', () => `Digest ${stack.stripe.key}`],
  ])('%s does not open the site', async (_name, authorization) => {
    const response = await app.anonymous('/stripe.json', { headers: { authorization: authorization() } });
    expect(response.status).toBe(401);
  });

  test.each(['/tdog/live', '/tdog/ready'])('%s answers probes', async (path) => {
    expect((await app.anonymous(path)).status).toBe(200);
  });

  test('health tells verdicts, no details', async () => {
    const response = await app.anonymous('/tdog/health.json');
    expect(response.status).toBe(200);
    const health = (await response.json()) as Health;
    expect(health).toMatchObject({ ok: true, status: expect.stringMatching(/^(pass|warn)$/) as string });
    expect(Object.keys(health.items)).toEqual(expect.arrayContaining([...healthItems]));
    for (const item of Object.values(health.items))
      expect(Object.keys(item).sort()).toEqual(['ok', 'status']);
  });

  test('the webhook does not exist without its secret', async () => {
    expect((await app.anonymous('/tdog/webhook', { method: 'POST', body: '{}' })).status).toBe(404);
  });
});

const healthItems = [
  'tdog_cli_heartbeat',
  'tdog_process',
  'datasette_server',
  'sqlite_db_integrity_check',
  'disk_free',
  'download_progress',
] as const;

interface Health {
  readonly ok: boolean;
  readonly status: string;
  readonly items: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

describe('with the key', () => {
  test.each([
    ['Basic', () => basic(stack.stripe.key)],
    ['Bearer', () => `Bearer ${stack.stripe.key}`],
  ])('%s lets in', async (_name, authorization) => {
    const headers = { authorization: authorization() };
    expect((await app.anonymous('/stripe.json', { headers })).status).toBe(200);
  });

  test.each([
    ['/', 'text/html'],
    ['/stripe', 'text/html'],
    ['/stripe/customers', 'text/html'],
    ['/graphql/stripe', 'text/html'],
    ['/-/search', 'text/html'],
    ['/-/dashboards', 'text/html'],
    ['/-/metadata.json', 'application/json'],
    ['/robots.txt', 'text/plain'],
    ['/tdog/metrics', 'text/plain'],
    ['/tdog/progress', 'text/html'],
    ['/tdog/progress.json', 'application/json'],
    ['/tdog/cli_log.txt', 'text/plain'],
  ])('%s answers as %s', async (path, type) => {
    const response = await app.get(path, { headers: { accept: type === 'text/html' ? type : '*/*' } });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain(type);
  });

  test('health tells what was observed', async () => {
    const health = (await app.json('/tdog/health.json')) as Health;
    expect(health.ok).toBe(true);
    for (const name of healthItems) expect(health.items[name]).toMatchObject({ ok: true });
    expect(Object.values(health.items).some((item) => 'observed' in item && 'time' in item)).toBe(true);
  });

  test('a table as JSON', async () => {
    const rows = (await app.json(`/stripe/customers.json?_shape=array&id=${customer.id}`)) as object[];
    expect(rows).toEqual([
      expect.objectContaining({ id: customer.id, name: customer.name, email: customer.email }),
    ]);
  });

  test("a row's page stands under its id", async () => {
    expect((await app.get(`/stripe/customers/${customer.id}`)).status).toBe(200);
  });

  test('SQL', async () => {
    const [row] = await app.sql(`select name from customers where id = '${customer.id}'`);
    expect(row).toEqual({ name: customer.name });
  });

  test.each(['delete from customers', "attach database '/tmp/x' as x", 'pragma journal_mode=delete'])(
    'no SQL that changes anything: %s',
    async (sql) => {
      expect((await app.get(`/stripe.json?sql=${encodeURIComponent(sql)}`)).status).toBe(400);
    },
  );

  test.each([
    ['id', () => customer.id],
    ['e-mail', () => customer.email ?? ''],
    ['name', () => `Zuleika ${stack.stripe.runId}`],
  ])('search by %s', async (_name, term) => {
    const found = await eventually('the search finds the customer', async () => {
      const query = `/stripe/customers.json?_shape=array&_search=${encodeURIComponent(`"${term()}"`)}`;
      const rows = (await app.json(query)) as readonly { id: string }[];
      return rows.some(({ id }) => id === customer.id) || undefined;
    });
    expect(found).toBe(true);
  });

  test('GraphQL', async () => {
    const query = `{ customers(filter: {id: {eq: "${customer.id}"}}) { nodes { id email } } }`;
    const response = await app.get('/graphql/stripe', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      data: { customers: { nodes: [{ id: customer.id, email: customer.email }] } },
    });
  });

  test('Excel', async () => {
    const response = await app.get('/stripe/customers.xlsx');
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('PK\x03\x04');
    expect(bytes.includes('xl/worksheets/sheet1.xml')).toBe(true);
  });

  test('every canned query answers without parameters', async () => {
    const { queries } = (await app.json('/stripe.json')) as { queries: readonly { name: string }[] };
    expect(queries.length).toBeGreaterThan(0);
    const broken: string[] = [];
    for (const { name } of queries) {
      const response = await app.get(`/stripe/${encodeURIComponent(name)}.json?_shape=array`);
      if (response.status !== 200) broken.push(`${name}: ${response.status}`);
      await response.body?.cancel();
    }
    expect(broken).toEqual([]);
  });

  test('progress says that the download is done', async () => {
    const progress = (await app.json('/tdog/progress.json')) as {
      done: boolean;
      tables: readonly { table: string; state: string }[];
    };
    expect(progress.done).toBe(true);
    expect(progress.tables.map(({ table }) => table)).toEqual(
      expect.arrayContaining(['customers', 'charges', 'invoices', 'subscriptions']),
    );
  });

  test('metrics are Prometheus text', async () => {
    const text = await (await app.get('/tdog/metrics')).text();
    expect(text).toMatch(/^# TYPE \w+ (gauge|counter|histogram)$/m);
    expect(text).toMatch(/^\w+(\{[^}]*\})? [\d.e+-]+$/m);
  });

  test('the log can be followed', async () => {
    const leave = new AbortController();
    const response = await app.get('/tdog/cli_log.txt?follow=1', { signal: leave.signal });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(first?.value?.byteLength).toBeGreaterThan(0);
    leave.abort();
  });

  test('the key is refused in the query', async () => {
    expect((await app.anonymous(`/stripe.json?key=${stack.stripe.key}`)).status).toBe(401);
  });
});

describe('snapshot', () => {
  test('opens, is whole and holds the account', async () => {
    const response = await app.get('/tdog/stripe.sqlite');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename=.*\.sqlite/);
    const file = path.join(folder, 'stripe.sqlite');
    await writeFile(file, Buffer.from(await response.arrayBuffer()));
    const database = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
    expect(database.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
    const row = database.prepare('select email from customers where id = ?').get(customer.id);
    expect(row).toMatchObject({ email: customer.email });
    database.close();
  });

  test('HEAD tells what a GET would send', async () => {
    const response = await app.get('/tdog/stripe.sqlite', { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('etag')).toMatch(/^"/);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(4096);
    expect(await response.text()).toBe('');
  });

  test('a part of it', async () => {
    const response = await app.get('/tdog/stripe.sqlite', { headers: { range: 'bytes=0-15' } });
    expect(response.status).toBe(206);
    expect(await response.text()).toBe('SQLite format 3\0');
    expect(response.headers.get('content-range')).toMatch(/^bytes 0-15\/\d+$/);
  });
});

describe('changes at Stripe', () => {
  const nameOf = async (id: string) =>
    (await app.sql(`select name from customers where id = '${id}'`))[0]?.name;

  test('a new customer, its change and its deletion arrive within 5 s each', async () => {
    const { client, runId } = stack.stripe;
    const { id } = await stack.stripe.customer({ name: `New ${runId}` });
    await eventually('the new row', async () => (await nameOf(id)) === `New ${runId}` || undefined, 5_000);
    await client.customers.update(id, { name: `Changed ${runId}` });
    await eventually(
      'the changed row',
      async () => (await nameOf(id)) === `Changed ${runId}` || undefined,
      5_000,
    );
    await client.customers.del(id);
    await eventually('the row is gone', async () => (await nameOf(id)) === undefined || undefined, 5_000);
    expect(await app.sql(`select "table", id from td_deleted where id = '${id}'`)).toEqual([
      { table: 'customers', id },
    ]);
  });

  test('the search follows', async () => {
    const term = `Quetzal${stack.stripe.runId}`;
    const { id } = await stack.stripe.customer({ name: term });
    await eventually('the search finds the new customer', async () => {
      const rows = (await app.json(`/stripe/customers.json?_shape=array&_search=${term}`)) as {
        id: string;
      }[];
      return rows.some((row) => row.id === id) || undefined;
    });
  });
});

describe('sign-in by form', () => {
  test('opens a session, which sign-out ends', async () => {
    const page = await app.anonymous('/stripe', { headers: { accept: 'text/html' } });
    expect(page.status).toBe(401);
    expect(await page.text()).toContain('<form');
    const signedIn = await app.anonymous('/tdog/sign-in', {
      method: 'POST',
      headers: { origin: app.url, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ secret: stack.stripe.key, next: '/stripe' }),
    });
    expect([302, 303]).toContain(signedIn.status);
    const set = signedIn.headers.getSetCookie()[0] ?? '';
    expect(set).toMatch(/httponly/i);
    expect(set).not.toContain(stack.stripe.key);
    const headers = { cookie: set.split(';')[0] ?? '', origin: app.url, 'sec-fetch-site': 'same-origin' };
    expect((await app.anonymous('/stripe.json', { headers })).status).toBe(200);
    await app.anonymous('/tdog/sign-out', { method: 'POST', headers });
    expect((await app.anonymous('/stripe.json', { headers })).status).toBe(401);
  });
});
