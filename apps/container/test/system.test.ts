import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createEmulator, type Emulator } from '@datasette-stripe/stripe-emulator';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descendants, isAlive, startSystem, temporaryFolder, until, type System } from './system.ts';

const timeout = 120_000;
const key = ['sk', 'test', 'systemEmulator1'].join('_');
const webhookSecret = ['whsec', 'systemtest'].join('_');

describe('an account', { timeout }, () => {
  const data = temporaryFolder();
  let stripe: Emulator;
  let system: System;
  let env: Record<string, string>;

  beforeAll(async () => {
    stripe = createEmulator({ source: { synthetic: 20 }, key });
    const { url } = await stripe.listen();
    env = {
      DATA_DIR: data,
      STRIPE_SECRET_KEY: key,
      STRIPE_API_BASE: url,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      TDOG_POLL_FREQ_MS: '200',
    };
    system = startSystem(env);
    await until(
      async () => ((await (await system.get('/tdog/progress.json')).json()) as { done: boolean }).done,
      'the download',
    );
    await until(async () => (await system.get('/tdog/ready')).ok, 'readiness');
  }, timeout);
  afterAll(async () => {
    await system.stop();
    await stripe.close();
    rmSync(data, { recursive: true });
  }, timeout);

  const rows = async (path: string): Promise<Record<string, unknown>[]> => {
    const response = await system.get(path);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Record<string, unknown>[];
  };
  const customer = (id: string): Promise<Record<string, unknown>[]> =>
    rows(`/stripe/customers.json?_shape=array&id__exact=${id}`);
  const updateCustomer = (name: string): string => {
    const [object] = stripe.state.all('customer');
    if (object === undefined) throw new Error('no customer');
    stripe.state.emit('customer.updated', { ...object, name }, { name: object.name });
    return object.id;
  };

  /** When each table's download was finished. */
  const finished = async (): Promise<unknown[]> => {
    const progress = (await (await system.get('/tdog/progress.json')).json()) as {
      tables: Record<string, unknown>[];
    };
    return progress.tables.map(({ table, finished_ts }) => [table, finished_ts]);
  };

  test('without the key the door is shut, with it open', async () => {
    const anonymous = await system.get('/stripe/customers.json', '');
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringMatching(/Basic/) as string,
    ]);
    expect((await system.get('/stripe/customers.json', `${key}x`)).status).toBe(401);
    expect(await rows('/stripe/customers.json?_shape=array&_size=max')).toHaveLength(
      stripe.state.count('customer'),
    );
  });

  test('every path of the container answers', async () => {
    const health = (await (await system.get('/tdog/health.json')).json()) as { items: object };
    expect(Object.keys(health.items).sort()).toEqual([
      'datasette_server',
      'disk_free',
      'download_progress',
      'sqlite_db_integrity_check',
      'tdog_cli_heartbeat',
      'tdog_process',
    ]);
    const statuses = await Promise.all(
      [
        '/',
        '/tdog/live',
        '/tdog/ready',
        '/tdog/metrics',
        '/tdog/progress',
        '/tdog/cli_log.txt',
        '/-/metadata.json',
      ].map(async (path) => [path, (await system.get(path)).status]),
    );
    expect(statuses.filter(([, status]) => status !== 200)).toEqual([]);
    const closed = await Promise.all(
      [
        '/',
        '/tdog/metrics',
        '/tdog/progress.json',
        '/tdog/stripe.sqlite',
        '/tdog/cli_log.txt',
        '/tdog/links',
      ].map(async (path) => [path, (await system.get(path, '')).status]),
    );
    expect(closed.filter(([, status]) => status !== 401)).toEqual([]);
    const open = await Promise.all(
      ['/tdog/live', '/tdog/ready', '/tdog/health.json'].map(
        async (path) => (await system.get(path, '')).status,
      ),
    );
    expect(open).toEqual([200, 200, 200]);
  });

  test('health gets well, with details for who holds the key alone', async () => {
    const health = async (credentials?: string): Promise<{ ok: boolean; items: Record<string, object> }> =>
      (await (await system.get('/tdog/health.json', credentials)).json()) as never;
    await until(async () => (await health()).ok, 'health');
    expect(Object.keys((await health('')).items.disk_free ?? {}).sort()).toEqual(['ok', 'status']);
    expect(Object.keys((await health()).items.disk_free ?? {})).toContain('observed');
  });

  test('an event becomes a changed row', async () => {
    const id = updateCustomer('Ada Changed');
    await until(async () => (await customer(id))[0]?.name === 'Ada Changed', 'the changed row');
  });

  test('a change can be searched for', async () => {
    const id = updateCustomer('Zebulon Findable');
    const found = async (): Promise<unknown[]> =>
      (await rows('/stripe/customers.json?_shape=array&_search=findable')).map((row) => row.id);
    await until(async () => (await found()).includes(id), 'the row among the hits');
  });

  test.each(['/stripe/customers', '/stripe/customers?currency=usd', '/stripe/customers.json'])(
    '%s is answered from memory the second time',
    async (path) => {
      // The proxy gives what it keeps a tag; the data may change between two requests.
      await until(async () => (await system.get(path)).headers.has('etag'), 'an answer from memory');
    },
  );

  test('a signed webhook changes the row, an unsigned one does not', async () => {
    const [object] = stripe.state.all('customer');
    const event = {
      id: 'evt_webhook1',
      object: 'event',
      type: 'customer.updated',
      api_version: '2026-08-26.dahlia',
      created: Math.floor(Date.now() / 1000),
      livemode: false,
      data: { object: { ...object, name: 'By Webhook' }, previous_attributes: { name: object?.name } },
    };
    const payload = JSON.stringify(event);
    // Stripe has the change too, but no event in its list: only the webhook tells of it.
    stripe.state.put(event.data.object as never);
    const post = async (signature: string): Promise<number> =>
      (
        await fetch(`${await system.url()}/tdog/webhook`, {
          method: 'POST',
          body: payload,
          headers: { 'Stripe-Signature': signature },
        })
      ).status;
    expect(await post('t=1,v1=00')).toBe(400);
    expect(await post(Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret }))).toBe(
      200,
    );
    await until(
      async () => (await customer(object?.id ?? ''))[0]?.name === 'By Webhook',
      'the row of the webhook',
    );
  });

  test('the snapshot is a whole database', async () => {
    const file = join(data, 'download.sqlite');
    const response = await system.get('/tdog/stripe.sqlite');
    expect(response.status).toBe(200);
    const { writeFileSync } = await import('node:fs');
    writeFileSync(file, Buffer.from(await response.arrayBuffer()));
    const database = new DatabaseSync(file, { readOnly: true, enableForeignKeyConstraints: false });
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(database.prepare('SELECT count(*) AS n FROM customers').get()?.n).toBe(
      stripe.state.count('customer'),
    );
    database.close();
  });

  test('no process shows the key, and no log holds it', () => {
    const processes = descendants(system.pid);
    expect(processes.some(({ cmdline }) => cmdline.includes('datasette'))).toBe(true);
    for (const { cmdline, environ } of processes) {
      expect(cmdline).not.toContain(key);
      expect(environ).not.toContain(key);
      expect(environ).not.toContain(webhookSecret);
    }
    expect(readFileSync(`/proc/${system.pid}/cmdline`, 'utf8')).not.toContain(key);
    const logs = readdirSync(join(data, 'logs')).map((name) =>
      readFileSync(join(data, 'logs', name), 'utf8'),
    );
    expect([system.stdout(), system.stderr(), ...logs].join('')).not.toContain(key);
  });

  test('an engine that is killed is started again and goes on', async () => {
    const engine = (): number | undefined =>
      descendants(system.pid).find(({ cmdline }) => cmdline.includes('children/engine'))?.pid;
    const first = engine();
    if (first === undefined) throw new Error('no engine');
    process.kill(first, 'SIGKILL');
    const id = updateCustomer('After The Kill');
    await until(() => engine() !== undefined && engine() !== first, 'another engine');
    await until(async () => (await customer(id))[0]?.name === 'After The Kill', 'the row after the kill');
  });

  test('a share link opens its page and nothing else, until it is ended', async () => {
    const post = async (path: string, fields: Record<string, string>): Promise<string> => {
      const response = await fetch((await system.url()) + path, {
        method: 'POST',
        headers: { Authorization: `Bearer ${key}` },
        body: new URLSearchParams(fields),
      });
      return response.text();
    };
    const made = await post('/tdog/links', { path: '/stripe/products', days: '1', note: 'test' });
    const link =
      /<code>http:\/\/[^/]+(\/stripe\/products[^<]+)<\/code>/.exec(made)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const id = /name="id" value="([^"]+)"/.exec(made)?.[1] ?? '';
    expect((await system.get(link, '')).status).toBe(200);
    expect((await system.get(link.replace('/products', '/customers'), '')).status).toBe(401);
    await post('/tdog/links/revoke', { id });
    expect((await system.get(link, '')).status).toBe(401);
  });

  test('a revoked key shuts the door, one that is good again opens it', async () => {
    stripe.setFaults({ keyRevoked: true });
    await until(async () => (await system.get('/stripe/customers.json')).status === 401, 'the shut door');
    expect(system.process.exitCode).toBeNull();
    stripe.setFaults({});
    // Nobody asks Stripe until somebody comes: the door asks at most each 30 s.
    await until(async () => (await system.get('/stripe/customers.json')).status === 200, 'the open door');
    const id = updateCustomer('After The Rest');
    await until(async () => (await customer(id))[0]?.name === 'After The Rest', 'the row after the rest');
  });

  test('it ends with 0 within 10 s and leaves nothing, and a second start goes on without a download', async () => {
    const children = descendants(system.pid).map(({ pid }) => pid);
    const before = await finished();
    const asked = Date.now();
    expect(await system.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
    expect(children.filter(isAlive)).toEqual([]);
    expect(existsSync(join(data, 'stripe.sqlite-journal'))).toBe(false);

    const id = updateCustomer('While It Was Off');
    system = startSystem(env);
    await until(
      async () => (await customer(id))[0]?.name === 'While It Was Off',
      'the row of the time between',
    );
    expect(await finished()).toEqual(before);
  });
});

describe('bad input', { timeout }, () => {
  const data = temporaryFolder();
  afterAll(() => rmSync(data, { recursive: true }));

  const ends = async (env: Record<string, string>): Promise<{ code: number | null; line: string }> => {
    const system = startSystem({ DATA_DIR: data, ...env });
    const code = await system.exitCode();
    const told = system
      .stderr()
      .split('\n')
      .filter((line) => line.startsWith('datasette-stripe: '));
    expect(system.stdout()).toBe('');
    return { code, line: told.join('\n') };
  };

  test('a wrong value ends with 2', async () => {
    expect(await ends({ PORT: 'x' })).toEqual({
      code: 2,
      line: expect.stringMatching(/^datasette-stripe: PORT: /) as string,
    });
  });

  test('a missing key in production ends with 2', async () => {
    expect(await ends({ NODE_ENV: 'production' })).toEqual({
      code: 2,
      line: expect.stringMatching(/^datasette-stripe: STRIPE_SECRET_KEY: is not set/) as string,
    });
  });

  test('a port that is taken ends with 2', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(await ends({ PORT: String(port) })).toEqual({
      code: 2,
      line: expect.stringMatching(new RegExp(`PORT: ${port} on 127.0.0.1 is in use`)) as string,
    });
    await new Promise((resolve) => server.close(resolve));
  });

  test('a data folder that cannot be written ends with 2', async () => {
    expect(await ends({ DATA_DIR: '/proc/data' })).toEqual({
      code: 2,
      line: expect.stringMatching(/DATA_DIR: \/proc\/data cannot be written/) as string,
    });
  });

  test('a key that Stripe refuses ends with 3', async () => {
    const stripe = createEmulator({ key: `${key}Other` });
    const { url } = await stripe.listen();
    expect(await ends({ STRIPE_SECRET_KEY: key, STRIPE_API_BASE: url })).toEqual({
      code: 3,
      line: expect.stringMatching(/STRIPE_SECRET_KEY: Stripe refuses this key \(…tor1\)/) as string,
    });
    await stripe.close();
  });
});

describe('files of other accounts', { timeout }, () => {
  const data = temporaryFolder();
  afterAll(() => rmSync(data, { recursive: true }));

  test("another account's file ends with 4 and stays as it is; the demo does not take it either", async () => {
    const first = createEmulator({ source: { synthetic: 2 }, accountId: 'acct_first' });
    const system = startSystem({
      DATA_DIR: data,
      STRIPE_SECRET_KEY: key,
      STRIPE_API_BASE: (await first.listen()).url,
    });
    await until(
      async () => ((await (await system.get('/tdog/progress.json')).json()) as { done: boolean }).done,
      'the download',
    );
    expect(await system.stop()).toBe(0);
    await first.close();

    const second = createEmulator({ source: { synthetic: 2 }, accountId: 'acct_second' });
    const other = startSystem({
      DATA_DIR: data,
      STRIPE_SECRET_KEY: key,
      STRIPE_API_BASE: (await second.listen()).url,
    });
    expect(await other.exitCode()).toBe(4);
    expect(other.stderr()).toMatch(/datasette-stripe: DATA_DIR: .*acct_first/);
    await second.close();

    const demo = startSystem({ DATA_DIR: data });
    expect(await demo.exitCode()).toBe(4);
    expect(demo.stderr()).toMatch(/datasette-stripe: DATA_DIR: .*acct_first.* a demo never replaces/);
    const database = new DatabaseSync(join(data, 'stripe.sqlite'), { readOnly: true });
    expect(database.prepare('SELECT stripe_account_id AS id FROM td_metadata').get()).toEqual({
      id: 'acct_first',
    });
    database.close();
  });
});
