import { describe, expect, test } from 'vitest';
import { dependsOnDataOnly, staticCredentials } from '../src/index.ts';
import { basic, openDoor, send, TOKEN, until, upstreamServer } from './kit.ts';

const right = basic(TOKEN);

describe('answers from memory', () => {
  async function cached(
    answer?: Parameters<typeof upstreamServer>[0],
    bounds: { maxBytes?: number; maxEntryBytes?: number } = {},
  ): Promise<{
    data: { version: number | undefined };
    get: (path: string, headers?: Record<string, string>, method?: string) => ReturnType<typeof send>;
    asked: () => number;
    door: Awaited<ReturnType<typeof openDoor>>['door'];
  }> {
    const data: { version: number | undefined } = { version: 1 };
    let answers = 0;
    const upstream = await upstreamServer(
      answer ??
        ((_req, res) => {
          answers += 1;
          res.writeHead(200, { 'content-type': 'text/plain', vary: 'Cookie, Authorization' });
          res.end(`answer ${answers}`);
        }),
    );
    const { url, door } = await openDoor({
      upstream: upstream.url,
      cache: { dataVersion: () => data.version, ...bounds },
    });
    return {
      data,
      door,
      asked: () => upstream.seen.length,
      get: (path, headers = {}, method = 'GET') =>
        send(url, { path, method, headers: { ...right, ...headers } }),
    };
  }

  test('the same page is made once per version of the data', async () => {
    const { data, get, door } = await cached();
    expect((await get('/stripe')).body).toBe('answer 1');
    const again = await get('/stripe');
    expect(again.body).toBe('answer 1');
    expect(again.headers).toMatchObject({
      'content-type': 'text/plain',
      'cache-control': 'private, no-cache',
    });
    expect((await get('/stripe', {}, 'HEAD')).headers['content-length']).toBe('8');
    data.version = 2;
    expect((await get('/stripe')).body).toBe('answer 2');
    data.version = undefined;
    expect((await get('/stripe')).body).toBe('answer 3');
    expect((await get('/stripe')).body).toBe('answer 4');
    expect(door.counters().requests).toMatchObject({ proxied: 4, cached: 2 });
  });

  test('from memory it carries the same headers as from the upstream', async () => {
    const { get, door } = await cached((_req, res) => {
      res.writeHead(200, { 'content-security-policy': "default-src 'none'", 'x-own': '1', server: 'x' });
      res.end('x');
    });
    const fresh = (await get('/stripe')).headers;
    const kept = (await get('/stripe')).headers;
    expect(door.counters().requests.cached).toBe(1);
    expect(fresh['content-security-policy']).toMatch(/^default-src 'self'.*, default-src 'none'$/);
    for (const name of ['content-security-policy', 'x-own', 'server', 'cache-control', 'x-frame-options']) {
      expect([name, kept[name]]).toEqual([name, fresh[name]]);
    }
  });

  test('with the user’s name upstream each user has answers of their own', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [staticCredentials([{ password: TOKEN }, { password: 'another-long-token-0002' }])],
      forwardUser: true,
      cache: { dataVersion: () => 1 },
    });
    for (const token of [TOKEN, 'another-long-token-0002', TOKEN, 'another-long-token-0002']) {
      const { body } = await send(url, { path: '/stripe', headers: basic(token) });
      expect(body).toContain(`"x-forwarded-user":"token ...${token.slice(-4)}"`);
    }
    expect(upstream.seen).toHaveLength(2);
  });

  test('nobody gets an answer from memory without credentials', async () => {
    const { get } = await cached();
    await get('/stripe');
    expect((await get('/stripe', { authorization: '' })).status).toBe(401);
    expect((await get('/stripe', basic('wrong'))).status).toBe(401);
  });

  test('a browser that has the page gets 304', async () => {
    const { get, data, door } = await cached();
    await get('/stripe');
    const { etag } = (await get('/stripe')).headers;
    const unchanged = await get('/stripe', { 'if-none-match': `"other", ${etag}` });
    expect([unchanged.status, unchanged.body, unchanged.headers.etag]).toEqual([304, '', etag]);
    expect((await get('/stripe', { 'if-none-match': '"other"' })).status).toBe(200);
    data.version = 2;
    expect((await get('/stripe', { 'if-none-match': `${etag}` })).status).toBe(200);
    expect(door.counters().requests.notModified).toBe(1);
  });

  test.each([
    ['POST', '/stripe', {}, 'POST'],
    ['a foreign cookie', '/stripe', { cookie: 'ds_actor=1' }, 'GET'],
    ['Range', '/stripe', { range: 'bytes=0-1' }, 'GET'],
    ['Cache-Control: no-cache', '/stripe', { 'cache-control': 'no-cache' }, 'GET'],
    ['a page that shows time', "/stripe?sql=select+date('now')", {}, 'GET'],
    ['a page under /-/', '/-/threads.json', {}, 'GET'],
  ] as const)('not for %s', async (_name, path, headers, method) => {
    const { get, asked } = await cached();
    await get(path, headers, method);
    await get(path, headers, method);
    expect(asked()).toBe(2);
  });

  test.each([
    ['a cookie that is set', { 'set-cookie': 'a=b' }, 200],
    ['no-store', { 'cache-control': 'no-store' }, 200],
    ['Vary: User-Agent', { vary: 'User-Agent' }, 200],
    ['a status that is not 200', {}, 404],
  ] as const)('not for an answer with %s', async (_name, headers, status) => {
    const { get, asked } = await cached((_req, res) => {
      res.writeHead(status, headers);
      res.end('x');
    });
    await get('/stripe');
    await get('/stripe');
    expect(asked()).toBe(2);
  });

  test('not when the data changed while the answer was made', async () => {
    const { data, get, asked } = await cached((_req, res) => {
      data.version = (data.version ?? 0) + 1;
      res.end('half old, half new');
    });
    await get('/stripe');
    await get('/stripe');
    expect(asked()).toBe(2);
  });

  test('stays within its bounds and forgets what was used least lately', async () => {
    const { get, door, asked } = await cached(
      (req, res) => void res.end('x'.repeat(req.url === '/big' ? 20_000 : 3_000)),
      {
        maxBytes: 20_000,
        maxEntryBytes: 10_000,
      },
    );
    await get('/big');
    expect(door.counters().cacheEntries).toBe(0);
    for (let i = 0; i < 10; i++) {
      await get(`/page${i}`);
      await get('/page0');
    }
    await until(() => door.counters().cacheEntries > 0, 'something is kept');
    expect(door.counters().cacheBytes).toBeLessThanOrEqual(20_000);
    expect(asked()).toBe(11);
  });
});

test.each([
  ['/stripe/customers?_sort=id', true],
  ['/-/static/app.css', true],
  ['/-/dashboards/mrr', false],
  ['/stripe?sql=select+random()', false],
  ['/stripe?sql=select%20DATE%28%22now%22%29', false],
  ['/stripe?sql=select+current_timestamp', false],
])('dependsOnDataOnly(%s) is %s', (target, expected) => {
  expect(dependsOnDataOnly(target)).toBe(expected);
});
