import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { fromFunction, shareLink, staticCredentials, stripeAccount } from '../src/index.ts';
import { basic, openDoor, raw, send, tempDir, TOKEN, upstreamServer } from './kit.ts';
import { DATASETTE, DATASETTE_1A, sampleDatabase, startDatasette } from './real.ts';

const right = basic(TOKEN);
const DAY = 86_400_000;
const datasettes: [string, string | undefined][] = [
  ['0.65', DATASETTE],
  ['1.0a', DATASETTE_1A],
];

describe.each(datasettes)('a share link in front of Datasette %s', (_version, bin) => {
  test.skipIf(bin === undefined)(
    'shows its rows and its columns, by no trick more',
    async () => {
      const upstream = await startDatasette(bin ?? '', sampleDatabase());
      const links = shareLink({ stateDir: tempDir() });
      const { url } = await openDoor({
        upstream,
        authenticators: [staticCredentials([{ password: TOKEN }]), links],
      });
      const link = async (path: string): Promise<string> => {
        const made = await links.create({ path, expiresAt: Date.now() + DAY });
        return new URLSearchParams(made.url.slice(made.url.indexOf('?'))).get('_share') ?? '';
      };
      const open = async (token: string, path: string): ReturnType<typeof send> =>
        send(url, { path: `${path}${path.includes('?') ? '&' : '?'}_share=${token}` });

      const shared = '/stripe/customers.json?_col=id&country=DE&_size=5';
      const token = await link(shared);
      const seen = await open(token, shared);
      expect(seen.status).toBe(200);
      expect(seen.body).not.toContain('Customer 0');
      const tricks = [
        '/stripe/customers.json',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_col=name',
        '/stripe/customers.json?_col=id&country=FR&_size=5',
        '/stripe/customers.json?_col=id&country=DE&country=FR&_size=5',
        '/stripe/customers.json?_col=id&_size=5',
        '/stripe/customers.json?_size=5&country=DE',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_size=1000',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_shape=arrays',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_facet=name',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_where=1=1',
        '/stripe/customers.json?_col=id&country=DE&_size=5&%5Fwhere=1',
        '/stripe/customers.json?_col=id&country=DE&_size=5;_where=1',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_extra=query',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_nocol=',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_labels=on',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_search=Customer',
        '/stripe/customers.json?_col=id&country=DE&_size=5&spent__gt=1',
        '/stripe/customers.json?_col=id&country%00=DE&_size=5',
        '/stripe/customers?_col=id&country=DE&_size=5',
        '/stripe/customers.csv?_col=id&country=DE&_size=5',
        '/stripe%2Fcustomers.json?_col=id&country=DE&_size=5',
        '/stripe/%63ustomers.json?_col=id&country=DE&_size=5',
        '/stripe/customers.json/?_col=id&country=DE&_size=5',
        '/stripe/customers/cus_1.json?_col=id&country=DE&_size=5',
        '/stripe.db',
        '/',
        '/-/static/%2e%2e/%2e%2e/stripe.db',
        '/-/static/..%2f..%2fstripe.db',
        '/-/static/%252e%252e/stripe.db',
        // A column that is not shown would come out in the token of the next page.
        '/stripe/customers.json?_col=id&country=DE&_size=5&_sort=name',
        '/stripe/customers.json?_col=id&country=DE&_size=5&_sort_desc=spent',
      ];
      for (const path of tricks) {
        const answer = await open(token, path);
        expect([path, answer.status, answer.body.includes('Customer')]).toEqual([
          path,
          expect.toSatisfy((status: number) => [400, 401, 403, 404].includes(status)),
          false,
        ]);
      }
      // Leafing stays inside the filter and the columns.
      for (const next of ['cus_0', 'x', "'", '1,cus_0', '~27', '%5B%5D']) {
        const answer = await open(token, `${shared}&_next=${next}`);
        expect([next, answer.body.includes('Customer'), answer.body.includes('"cus_1"')]).toEqual([
          next,
          false,
          false,
        ]);
      }
      // The same query in another order is the same page.
      const reordered = await open(token, '/stripe/customers.json?_size=5&country=DE&_col=id');
      expect([reordered.status, reordered.body.includes('Customer')]).toEqual([200, false]);
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        const path = `${shared}&_share=${token}`;
        expect([method, (await send(url, { path, method })).status]).toEqual([method, 401]);
      }
    },
    180_000,
  );
});

test('a link to our own page of links opens it to nobody', async () => {
  const upstream = await upstreamServer();
  const links = shareLink({ stateDir: tempDir() });
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [staticCredentials([{ password: TOKEN }]), links],
  });
  const secret = await links.create({ path: '/stripe/secret', expiresAt: Date.now() + DAY, note: 'board' });
  const made = await links.create({ path: '/tdog/links', expiresAt: Date.now() + DAY });
  const { status, body } = await send(url, { path: made.url });
  expect(status).toBe(401);
  expect(body).not.toContain(secret.path);
});

test('a websocket upgrade with a body is refused: the upstream would wait for it in the next request', async () => {
  // An upstream that reads bytes, as they come over each connection.
  const connections: string[] = [];
  const server = createTcpServer((socket) => {
    const index = connections.push('') - 1;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      connections[index] += chunk.toString('latin1');
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = await openDoor({
    upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    openPaths: [{ path: '/live' }],
  });
  for (const framing of ['Content-Length: 60', 'Transfer-Encoding: chunked']) {
    const answer = await raw(
      port,
      `GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${framing}\r\n\r\n`,
      (text) => text.includes('\r\n\r\n'),
    );
    expect([framing, answer.slice(0, 12)]).toEqual([framing, 'HTTP/1.1 400']);
  }
  expect(connections.join('')).toBe('');
});

describe('the cache', () => {
  test('keeps no answer that the upstream calls private', async () => {
    let made = 0;
    let control = '';
    const upstream = await upstreamServer((_req, res) => {
      res.setHeader('cache-control', control);
      res.end(`answer ${++made}`);
    });
    const { url } = await openDoor({ upstream: upstream.url, cache: { dataVersion: () => 1 } });
    for (control of ['private', 'max-age=5, Private', 'private="set-cookie"']) {
      const path = `/page?${encodeURIComponent(control)}`;
      const one = await send(url, { path, headers: right });
      const two = await send(url, { path, headers: right });
      expect([control, one.body === two.body]).toEqual([control, false]);
    }
  });

  test('cannot be made to take one user for another by what stands in a label or a header', async () => {
    const upstream = await upstreamServer((req, res) => {
      res.end(`for ${String(req.headers['x-forwarded-user'])} as ${req.headers.accept}`);
    });
    const users = fromFunction({
      name: 'users',
      authenticate: ({ username }) => username,
    });
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [users],
      forwardUser: true,
      cache: { dataVersion: () => 1 },
    });
    const ask = async (label: string, accept: string): Promise<string> =>
      (await send(url, { path: '/page', headers: { ...basic(label, 'x'), accept } })).body;
    const first = await ask('a\nb', 'c');
    const second = await ask('a', 'b');
    expect(first).not.toBe(second);
    expect(await ask('a', 'b\tc')).not.toBe(first);
    expect(await send(url, { path: '/page', headers: { ...basic('a', 'x'), accept: 'b' } })).toMatchObject({
      body: 'for a as b',
    });
  });
});

describe('a session', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const signIn = async (url: string, headers: Record<string, string> = {}): ReturnType<typeof send> =>
    send(url, {
      path: '/tdog/sign-in',
      method: 'POST',
      headers: { ...form, ...headers },
      body: new URLSearchParams({ secret: TOKEN, next: '/page' }).toString(),
    });
  const cookieOf = ({ headers }: Awaited<ReturnType<typeof send>>): string =>
    headers['set-cookie']?.[0]?.split(';')[0] ?? '';

  test('opens pages in memory by no method, condition or range once it has ended', async () => {
    const upstream = await upstreamServer((_req, res) => res.end('a page of the company'));
    const { url } = await openDoor({ upstream: upstream.url, cache: { dataVersion: () => 1 } });
    const cookie = cookieOf(await signIn(url));
    const page = await send(url, { path: '/page', headers: { cookie } });
    const etag = (await send(url, { path: '/page', headers: { cookie } })).headers.etag ?? '';
    expect([page.status, etag]).toEqual([200, expect.stringMatching(/^"/)]);
    expect(page.headers['cache-control']).toBe('private, no-cache');
    const tries: Record<string, string>[] = [
      {},
      { 'if-none-match': etag },
      { 'if-none-match': '*' },
      { range: 'bytes=0-5' },
      { range: 'bytes=0-5', 'if-range': etag },
      { 'if-modified-since': new Date().toUTCString() },
      { 'cache-control': 'only-if-cached' },
    ];
    expect((await send(url, { path: '/tdog/sign-out', method: 'POST', headers: { cookie } })).status).toBe(
      200,
    );
    for (const method of ['GET', 'HEAD']) {
      for (const more of tries) {
        for (const headers of [more, { ...more, cookie }]) {
          const answer = await send(url, { path: '/page', method, headers });
          expect([method, headers, answer.status, answer.headers.etag]).toEqual([
            method,
            headers,
            401,
            undefined,
          ]);
          expect(answer.body).not.toContain('company');
        }
      }
    }
    expect(upstream.seen).toHaveLength(1);
  });

  test('is not begun, ended or used by malformed cookies', async () => {
    const upstream = await upstreamServer();
    const { url, port } = await openDoor({ upstream: upstream.url });
    const cookie = cookieOf(await signIn(url));
    const value = cookie.split('=')[1] ?? '';
    const wrong = [
      '=',
      ';;;;',
      'datasette-session',
      'datasette-session=',
      'datasette-session==',
      `datasette-session=${value.slice(1)}`,
      `datasette-session="${value}"`,
      `datasette-session=${value}x`,
      `datasette-session=x; datasette-session=${value}`,
      `Datasette-Session=${value}`,
      `__Host-datasette-session=${value}`,
      `a=b, datasette-session=${value}`,
      `datasette-session%3D${value}`,
      '__proto__=1; constructor=2',
      'a='.repeat(3_000),
    ];
    for (const text of wrong) {
      expect([text, (await send(url, { headers: { cookie: text } })).status]).toEqual([text, 401]);
    }
    const binary = Buffer.from(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: \xff\xfe=\x80\r\n\r\n',
      'latin1',
    );
    expect(await raw(port, binary)).toMatch(/^HTTP\/1\.1 401 /);
    expect(upstream.seen).toHaveLength(0);
    expect((await send(url, { headers: { cookie: ` ; x=1;;${cookie} ;` } })).status).toBe(200);
  });

  test('is begun by a form of this site only', async () => {
    const upstream = await upstreamServer();
    const { url, door } = await openDoor({ upstream: upstream.url });
    const { host } = new URL(url);
    const others: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `https://evil.${host}` },
      { origin: `http://${host}.evil.example` },
      { origin: '' },
      { 'sec-fetch-site': 'cross-site', origin: url },
      { 'sec-fetch-site': 'same-site', origin: url },
      { 'sec-fetch-site': 'cross-site, same-origin' },
    ];
    for (const headers of others) {
      const { status, headers: got } = await signIn(url, headers);
      expect([headers, status, got['set-cookie']]).toEqual([headers, 403, undefined]);
    }
    // By a script of another site that sends no form, and in the address, where it would be logged.
    const elsewhere = await send(url, {
      path: `/tdog/sign-in?secret=${TOKEN}`,
      method: 'POST',
      headers: form,
      body: '',
    });
    expect([elsewhere.status, elsewhere.headers['set-cookie']]).toEqual([401, undefined]);
    expect(door.counters().sessions).toBe(0);
    expect((await signIn(url, { origin: url })).status).toBe(303);
  });
});

test('while Stripe is out of reach unknown keys do not each ask it', async () => {
  let asked = 0;
  const account = stripeAccount({
    livemode: false,
    samples: () => [{ id: 'cus_1', path: '/v1/customers/cus_1' }],
    fetch: async () => {
      asked += 1;
      throw new TypeError('fetch failed');
    },
  });
  const upstream = await upstreamServer();
  const { url } = await openDoor({ upstream: upstream.url, authenticators: [account] });
  for (let i = 0; i < 50; i++) {
    const { status, headers } = await send(url, { headers: basic(`sk_test_unknownKey${1000 + i}`) });
    expect([503, 429]).toContain(status);
    expect(headers['retry-after']).toBeDefined();
  }
  expect(asked).toBeLessThanOrEqual(5);
});

test('a sign-in form that trickles in is cut off', async () => {
  const upstream = await upstreamServer();
  const { port } = await openDoor({ upstream: upstream.url });
  const socket = connect(port, '127.0.0.1');
  let closed = false;
  socket.on('error', () => {});
  socket.on('close', () => (closed = true));
  socket.write(
    'POST /tdog/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nsecret=',
  );
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
    socket.destroy();
  });
  const deadline = Date.now() + 30_000;
  while (!closed && Date.now() < deadline) {
    socket.write('a');
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(100);
  }
  expect(closed).toBe(true);
});
