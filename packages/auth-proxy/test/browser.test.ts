import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Admitter } from '../src/admit.ts';
import { createClientResolver } from '../src/http/client-address.ts';
import { AuthProxyError, createAuthProxy, staticCredentials } from '../src/index.ts';
import { createOpenWebsockets } from '../src/websockets.ts';
import { basic, listen, openDoor, send, tempDir, TOKEN, until, upstreamServer } from './kit.ts';

const right = basic(TOKEN);
const https = { 'x-forwarded-proto': 'https' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };

function signIn(url: string, headers: Record<string, string> = {}): ReturnType<typeof send> {
  return send(url, {
    path: '/tdog/sign-in',
    method: 'POST',
    headers: { ...form, ...headers },
    body: `secret=${TOKEN}&next=/x`,
  });
}
function cookieOf(response: { headers: { 'set-cookie'?: string[] | undefined } }): string {
  return response.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

describe('the session', () => {
  test('over TLS its cookie has the __Host- prefix and Secure', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      trustedProxies: ['loopback'],
      requireTls: true,
    });
    const signedIn = await signIn(url, https);
    expect(signedIn.headers['set-cookie']?.[0]).toMatch(
      /^__Host-datasette-session=[\w-]{43}; Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax; Secure$/,
    );
    const cookie = cookieOf(signedIn);
    expect((await send(url, { headers: { ...https, cookie } })).status).toBe(200);
    // The same value under the unprotected name, as a neighbour domain could plant it, is nothing.
    expect((await send(url, { headers: { ...https, cookie: cookie.replace('__Host-', '') } })).status).toBe(
      401,
    );
  });

  test('ends after 14 days without a request, and goes on with one a day', async () => {
    const upstream = await upstreamServer();
    let clock = Date.now();
    const { url } = await openDoor({ upstream: upstream.url, now: () => clock });
    const cookie = cookieOf(await signIn(url));
    const visit = (): ReturnType<typeof send> => send(url, { headers: { cookie } });
    for (let day = 0; day < 40; day++) {
      clock += 86_400_000;
      const response = await visit();
      expect(response.status).toBe(200);
      // Sent again, or the browser would drop it 14 days after signing in.
      expect(response.headers['set-cookie']?.[0]).toContain('Max-Age=1209600');
    }
    clock += 14 * 86_400_000 + 120_000;
    expect((await visit()).status).toBe(401);
    clock -= 14 * 86_400_000;
    expect((await visit()).status).toBe(401);
  });

  test('gets a new value at each sign-in, and the old one ends', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url });
    const planted = 'datasette-session=planted-by-somebody-else';
    const first = cookieOf(await signIn(url, { cookie: planted }));
    expect(first).not.toBe(planted);
    const second = cookieOf(await signIn(url, { cookie: first }));
    expect(second).not.toBe(first);
    expect((await send(url, { headers: { cookie: first } })).status).toBe(401);
    expect((await send(url, { headers: { cookie: second } })).status).toBe(200);
  });

  test('and the guesses survive a restart, without the cookie’s value on disk', async () => {
    const upstream = await upstreamServer();
    const stateDir = tempDir();
    const options = { upstream: upstream.url, stateDir, guessLimits: { perDay: 2 } };
    const first = await openDoor(options);
    const cookie = cookieOf(await signIn(first.url));
    for (let i = 0; i < 2; i++) await send(first.url, { headers: basic('wrong') });
    await first.door.close();
    for (const name of ['sessions.json', 'guesses.json']) {
      expect(statSync(join(stateDir, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(stateDir, name), 'utf8')).not.toContain(cookie.split('=')[1] ?? '?');
    }
    const second = await openDoor(options);
    expect((await send(second.url, { headers: { cookie } })).status).toBe(200);
    expect((await send(second.url, { headers: basic('wrong') })).status).toBe(429);
    expect((await send(second.url, { headers: right })).status).toBe(200);
    await second.door.close();
    // A password that is gone takes its sessions along.
    const third = await openDoor({
      ...options,
      authenticators: [staticCredentials([{ password: 'another-long-token-0002' }])],
    });
    expect((await send(third.url, { headers: { cookie } })).status).toBe(401);
  });

  test('signing out asks first by GET, ends by POST, and cannot be done by another site', async () => {
    const upstream = await upstreamServer();
    const { url, door } = await openDoor({ upstream: upstream.url });
    const cookie = cookieOf(await signIn(url));
    const asked = await send(url, { path: '/tdog/sign-out', headers: { cookie } });
    expect(asked.body).toContain('<form method="post" action="/tdog/sign-out">');
    const foreign = { cookie, 'sec-fetch-site': 'cross-site' };
    expect((await send(url, { path: '/tdog/sign-out', method: 'POST', headers: foreign })).status).toBe(403);
    expect((await send(url, { headers: { cookie } })).status).toBe(200);
    const ended = await send(url, { path: '/tdog/sign-out', method: 'POST', headers: { cookie } });
    expect(ended.headers['set-cookie']?.[0]).toContain('Max-Age=0');
    expect((await send(url, { headers: { cookie } })).status).toBe(401);
    expect(door.counters()).toMatchObject({ signIns: 1, signOuts: 1, sessions: 0 });
  });
});

describe('other sites', () => {
  test.each([
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['Sec-Fetch-Site: same-site (a neighbour domain)', { 'sec-fetch-site': 'same-site' }, 403],
    ['Sec-Fetch-Site: same-origin', { 'sec-fetch-site': 'same-origin' }, 200],
    ['Sec-Fetch-Site: none (typed)', { 'sec-fetch-site': 'none' }, 200],
    ['a foreign Origin', { origin: 'https://evil.example' }, 403],
    ['Origin: null', { origin: 'null' }, 403],
    ['no browser', {}, 200],
  ] as const)('an unsafe request with %s', async (_name, headers, status) => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url });
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      expect((await send(url, { method, headers: { ...headers, ...right }, body: '{}' })).status).toBe(
        status,
      );
    }
    expect((await send(url, { headers: { ...headers, ...right } })).status).toBe(200);
    const own = { origin: url, ...right };
    expect((await send(url, { method: 'POST', headers: own })).status).toBe(200);
  });

  test('a page of another site cannot open a websocket with the browser’s session', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url });
    const cookie = cookieOf(await signIn(url));
    const headers = { cookie, connection: 'Upgrade', upgrade: 'websocket', origin: 'https://evil.example' };
    expect((await send(url, { headers })).status).toBe(403);
  });
});

describe('TLS and headers', () => {
  test('plain http is refused where TLS is required: 308 when a trusted proxy says so, else 403', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      requireTls: true,
      trustedProxies: ['loopback'],
      openPaths: [{ path: '/live', plainHttp: true }, { path: '/hook' }],
    });
    const told = await send(url, {
      path: '/stripe?a=1&_share=x.y',
      headers: { 'x-forwarded-proto': 'http', host: 'site.example', ...right },
    });
    expect([told.status, told.headers.location]).toEqual([308, 'https://site.example/stripe?a=1&_share=x.y']);
    expect((await send(url, { headers: right })).status).toBe(403);
    expect((await send(url, { path: '/live' })).status).toBe(200);
    expect((await send(url, { path: '/hook' })).status).toBe(403);
    const secure = await send(url, { headers: { ...https, ...right } });
    expect([secure.status, secure.headers['strict-transport-security']]).toEqual([
      200,
      'max-age=31536000; includeSubDomains',
    ]);
    expect(upstream.seen.map(({ url: path }) => path)).toEqual(['/live', '/']);
    const untrusted = await openDoor({ upstream: upstream.url, requireTls: true });
    expect((await send(untrusted.url, { headers: { ...https, ...right } })).status).toBe(403);
  });

  test('every answer carries the security headers, ours over the upstream’s', async () => {
    const upstream = await upstreamServer((_req, res) => {
      res.writeHead(200, {
        'x-frame-options': 'ALLOWALL',
        'referrer-policy': 'unsafe-url',
        'content-security-policy': "default-src 'none'",
        'cache-control': 'public, max-age=60, s-maxage=100',
        'set-cookie': ['ds_messages=1; Path=/', 'datasette-session=stolen; Path=/'],
        'keep-alive': 'timeout=99',
      });
      res.end('x');
    });
    const { url } = await openDoor({ upstream: upstream.url });
    const { headers } = await send(url, { headers: right });
    expect(headers).toMatchObject({
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=60',
      'set-cookie': ['ds_messages=1; Path=/'],
    });
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'self'; .*frame-ancestors 'self', default-src 'none'$/,
    );
    expect(headers['strict-transport-security']).toBeUndefined();
    expect(headers['keep-alive']).not.toBe('timeout=99');
    for (const path of ['/', '/%zz', '/tdog/sign-in']) {
      expect((await send(url, { path })).headers['x-content-type-options']).toBe('nosniff');
    }
  });

  test('our own pages allow no script and nothing from elsewhere; their one style is allowed by its hash', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url, siteName: '<b>"Site"</b>' });
    const page = await send(url, { headers: { accept: 'text/html' } });
    const style = /<style>([\s\S]*?)<\/style>/.exec(page.body)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(page.headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    );
    expect(page.body).not.toMatch(/<script|<b>|https?:\/\/|\son\w+=/);
    expect(page.headers['cache-control']).toBe('no-store');
  });

  test('signIn: basic gives the browser’s own prompt, and signing out makes it forget', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url, signIn: 'basic' });
    const asked = await send(url, { headers: { accept: 'text/html' } });
    expect(asked.headers['www-authenticate']).toMatch(/^Basic /);
    expect(asked.body).not.toContain('<form');
    const out = await send(url, { path: '/tdog/sign-out', method: 'POST', headers: right });
    expect([out.status, out.headers['www-authenticate']]).toEqual([401, 'Basic realm="signed out"']);
  });
});

test('behind a Unix socket the preset loopback believes the proxy at its other end', async () => {
  const upstream = await upstreamServer();
  for (const [trustedProxies, client] of [
    [['loopback'], '203.0.113.7'],
    [[], 'unix'],
  ] as const) {
    const door = createAuthProxy({
      upstream: upstream.url,
      trustedProxies,
      authenticators: [staticCredentials([{ password: TOKEN }])],
    });
    const server = createServer((req, res) => door.handler(req, res));
    const address = await listen(server, join(tempDir(), 'door.sock'));
    const status = await new Promise((resolve, reject) => {
      const headers = { ...right, 'x-forwarded-for': '203.0.113.7' };
      request({ socketPath: address.slice('unix:'.length), headers }, (res) => {
        res.resume();
        resolve(res.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    expect(upstream.seen.at(-1)?.headers['x-forwarded-for']).toBe(client);
    await door.close();
  }
});

test('behind fly-proxy the client stands before the app’s own address, and the protocol in Fly’s header', () => {
  const resolve = createClientResolver(['fly']);
  const request = (socket: string, headers: Record<string, string>): IncomingMessage =>
    ({ socket: { remoteAddress: socket }, headers }) as unknown as IncomingMessage;
  const headers = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.7, 66.241.124.230',
    'x-forwarded-proto': 'https',
    'fly-forwarded-proto': 'http',
  };
  expect(resolve(request('172.16.4.2', headers))).toMatchObject({
    address: '203.0.113.7',
    secure: false,
    viaProxy: true,
  });
  expect(resolve(request('203.0.113.9', headers))).toMatchObject({ address: '203.0.113.9', viaProxy: false });
});

test('a state folder that cannot be used is said at the start; a full one later locks nobody out', async () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'file'), '');
  const upstream = await upstreamServer();
  const options = { upstream: upstream.url, authenticators: [staticCredentials([{ password: TOKEN }])] };
  expect(() => createAuthProxy({ ...options, stateDir: join(dir, 'file') })).toThrow(
    expect.objectContaining({ code: 'AUTH_PROXY_STATE_UNREADABLE' }) as Error,
  );
  const stateDir = join(dir, 'state');
  const { url } = await openDoor({ ...options, stateDir });
  const cookie = cookieOf(await signIn(url));
  rmSync(stateDir, { recursive: true });
  writeFileSync(stateDir, 'no folder any more');
  expect((await send(url, { headers: basic('wrong') })).status).toBe(401);
  expect((await send(url, { headers: { cookie } })).status).toBe(200);
  expect((await send(url, { path: '/tdog/sign-out', method: 'POST', headers: { cookie } })).status).toBe(200);
});

test('an open websocket ends with the credential that opened it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  let good = true;
  const admitter = { stillGood: async () => good } as unknown as Admitter;
  const websockets = createOpenWebsockets(admitter, pino({ level: 'silent' }));
  const [upstream, client] = [new PassThrough(), new PassThrough()];
  websockets.add(upstream, client, { by: 'x', label: 'x', fingerprint: 'x' });
  await vi.advanceTimersByTimeAsync(31_000);
  expect([websockets.size(), client.destroyed]).toEqual([1, false]);
  good = false;
  await vi.advanceTimersByTimeAsync(31_000);
  await until(() => websockets.size() === 0, 'the websocket is gone');
  expect([upstream.destroyed, client.destroyed]).toEqual([true, true]);
});

describe('options', () => {
  test('all faults are told together', () => {
    const faulty = (): unknown =>
      createAuthProxy({
        upstream: 'ftp://x',
        authenticators: [],
        trustedProxies: ['everyone', '10.0.0.0/33', '1.2.3.4', '2001:db8::/32', 'fly'],
        openPaths: [{ path: '/a?b' }, { path: 'x' }],
        basePath: 'tdog',
        sessionIdleMs: NaN,
      });
    expect(faulty).toThrow(AuthProxyError);
    expect(faulty).toThrow(
      /upstream.*authenticators.*everyone.*10\.0\.0\.0\/33.*\/a\?b.*"x".*basePath.*sessionIdleMs/s,
    );
    expect(faulty).not.toThrow(/1\.2\.3\.4|2001/);
  });

  test('close is idempotent and an abort closes too', async () => {
    const upstream = await upstreamServer();
    const stop = new AbortController();
    const { door } = await openDoor({ upstream: upstream.url, signal: stop.signal, stateDir: tempDir() });
    stop.abort();
    await Promise.all([door.close(), door.close()]);
  });
});
