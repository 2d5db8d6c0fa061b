import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { stripeKey } from '../src/index.ts';
import { basic, KEY, listen, openDoor, OTHER_KEY, send, tempDir, upstreamServer } from './kit.ts';

/** A Stripe that answers /v1/account with what `status` holds. */
async function stripeServer(): Promise<{ url: string; status: number; asked: number }> {
  const stripe = { url: '', status: 200, asked: 0 };
  const server = createServer((_req, res) => {
    stripe.asked += 1;
    res.writeHead(stripe.status, { 'content-type': 'application/json' });
    res.end(stripe.status === 200 ? '{"id":"acct_1"}' : '{"error":{"message":"Invalid API Key provided"}}');
  });
  stripe.url = await listen(server);
  return stripe;
}

test('lets in who holds the key, as Basic user name or Bearer token, over TCP and a Unix socket', async () => {
  const stripe = await stripeServer();
  for (const where of [0, join(tempDir(), 'up.sock')]) {
    const upstream = await upstreamServer(undefined, where);
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [stripeKey({ key: KEY, apiBase: stripe.url })],
    });
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: basic(OTHER_KEY) })).status).toBe(401);
    const byBasic = await fetch(`${url}/stripe?sql=select+1`, { headers: basic(KEY) });
    expect(byBasic.status).toBe(200);
    expect(((await byBasic.json()) as { url: string }).url).toBe('/stripe?sql=select+1');
    expect((await fetch(url, { headers: { authorization: `Bearer ${KEY}` } })).status).toBe(200);
    expect(upstream.seen).toHaveLength(2);
  }
});

test('refuses the key as a password and says why to who holds it', async () => {
  const stripe = await stripeServer();
  const upstream = await upstreamServer();
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [stripeKey({ key: KEY, apiBase: stripe.url })],
  });
  for (const user of ['', 'admin', KEY]) {
    const response = await fetch(url, { headers: basic(user, KEY) });
    expect(response.status).toBe(401);
    expect(response.headers.get('tabledog-auth-error')).toMatch(/as the user name/);
  }
  expect(upstream.seen).toHaveLength(0);
});

test('answers 401 with WWW-Authenticate: Basic to who is no browser, and the sign-in page to browsers', async () => {
  const upstream = await upstreamServer();
  const { url } = await openDoor({ upstream: upstream.url, siteName: 'Stripe mirror' });
  const curl = await fetch(`${url}/stripe`);
  expect(curl.headers.get('www-authenticate')).toBe('Basic realm="Stripe mirror", charset="UTF-8"');
  const browser = await fetch(`${url}/stripe?x="><script>`, { headers: { accept: 'text/html' } });
  expect(browser.status).toBe(401);
  expect(browser.headers.get('www-authenticate')).not.toMatch(/basic/i);
  const page = await browser.text();
  expect(page).toContain('<form method="post" action="/tdog/sign-in">');
  expect(page).not.toContain('<script>');
});

test('signs in by the form, keeps a session, and signs out', async () => {
  const stripe = await stripeServer();
  const upstream = await upstreamServer();
  const { url, door } = await openDoor({
    upstream: upstream.url,
    authenticators: [stripeKey({ key: KEY, apiBase: stripe.url })],
  });
  const form = (secret: string, next: string): Promise<Response> =>
    fetch(`${url}/tdog/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers: { accept: 'text/html' },
      body: new URLSearchParams({ secret, next, username: 'Datasette' }),
    });
  const wrong = await form(OTHER_KEY, '/stripe');
  expect(wrong.status).toBe(401);
  expect(await wrong.text()).toContain('role="alert"');
  const right = await form(KEY, '/stripe?a=1');
  expect(right.status).toBe(303);
  expect(right.headers.get('location')).toBe('/stripe?a=1');
  const setCookie = right.headers.get('set-cookie') ?? '';
  expect(setCookie).toMatch(
    /^datasette-session=[\w-]{43}; Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax$/,
  );
  const cookie = setCookie.split(';', 1)[0] ?? '';
  expect((await fetch(url, { headers: { cookie } })).status).toBe(200);
  expect(upstream.seen.at(-1)?.headers.cookie).toBeUndefined();
  expect(door.counters().sessions).toBe(1);
  const out = await fetch(`${url}/tdog/sign-out`, { method: 'POST', headers: { cookie } });
  expect(out.status).toBe(200);
  expect((await fetch(url, { headers: { cookie } })).status).toBe(401);
});

test('never lets credentials reach the upstream', async () => {
  const stripe = await stripeServer();
  const upstream = await upstreamServer();
  const { url } = await openDoor({
    upstream: upstream.url,
    authenticators: [stripeKey({ key: KEY, apiBase: stripe.url })],
  });
  await send(url, {
    headers: { ...basic(KEY), cookie: 'ds_actor=x; datasette-session=abc; __Host-datasette-session=d' },
  });
  expect(upstream.seen[0]?.headers.authorization).toBeUndefined();
  expect(upstream.seen[0]?.headers.cookie).toBe('ds_actor=x');
  expect(JSON.stringify(upstream.seen)).not.toContain(KEY);
});

test('asks Stripe once for many requests and obeys what it says', async () => {
  const stripe = await stripeServer();
  const upstream = await upstreamServer();
  let clock = Date.now();
  const key = stripeKey({ key: KEY, apiBase: stripe.url, now: () => clock });
  const { url } = await openDoor({ upstream: upstream.url, authenticators: [key] });
  const status = async (): Promise<number> => (await fetch(url, { headers: basic(KEY) })).status;
  expect(await Promise.all(Array.from({ length: 20 }, status))).toEqual(
    Array.from({ length: 20 }, () => 200),
  );
  expect(stripe.asked).toBe(1);
  stripe.status = 401;
  clock += 31_000;
  const refused = await fetch(url, { headers: basic(KEY) });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('tabledog-auth-error')).toContain('Invalid API Key provided');
  clock += 31_000;
  stripe.status = 200;
  expect(await status()).toBe(200);
  clock += 31_000;
  key.feed('live');
  const { asked } = stripe;
  expect(await status()).toBe(200);
  expect(stripe.asked).toBe(asked);
  key.feed('refused');
  expect(await status()).toBe(401);
});

test('carries websockets both ways and refuses them without credentials', async () => {
  const server = createServer();
  const wss = new WebSocketServer({ server });
  const seen: (string | undefined)[] = [];
  wss.on('connection', (socket, req) => {
    seen.push(req.headers.authorization);
    socket.on('message', (data: Buffer) => socket.send(`echo ${data.toString()}`));
  });
  const { url, door } = await openDoor({ upstream: await listen(server) });
  const address = `${url.replace('http', 'ws')}/ws?x=1`;
  const refused = await new Promise((resolve) => {
    const socket = new WebSocket(address);
    socket.on('unexpected-response', (_req, res) => resolve(res.statusCode));
    socket.on('error', () => {});
  });
  expect(refused).toBe(401);
  const socket = new WebSocket(address, { headers: basic('a-long-token-for-tests-0001') });
  const echoed = await new Promise((resolve, reject) => {
    socket.on('open', () => socket.send('hello'));
    socket.on('message', (data: Buffer) => resolve(data.toString()));
    socket.on('error', reject);
  });
  expect(echoed).toBe('echo hello');
  expect(seen).toEqual([undefined]);
  expect(door.counters().openWebsockets).toBe(1);
  socket.close();
});

test('runs its checks before routes of the app, and leaves exact open paths open', async () => {
  const upstream = await upstreamServer();
  const { url } = await openDoor(
    {
      upstream: upstream.url,
      requireTls: true,
      trustedProxies: ['loopback'],
      openPaths: [
        { path: '/live', plainHttp: true },
        { path: '/hook', methods: ['POST'] },
      ],
    },
    (app, door) => {
      app.use(door.requireAuth);
      app.get('/live', (req, res) => {
        void door.isAuthorised(req).then((authorised) => res.json({ authorised }));
      });
      app.post('/hook', (_req, res) => {
        res.send('hooked');
      });
      app.get('/mine', (req, res) => {
        res.send(door.identity(req)?.label);
      });
    },
  );
  const tls = { 'x-forwarded-proto': 'https' };
  const token = basic('a-long-token-for-tests-0001');
  expect(await (await fetch(`${url}/live`)).json()).toEqual({ authorised: false });
  expect(await (await fetch(`${url}/live`, { headers: { ...tls, ...token } })).json()).toEqual({
    authorised: true,
  });
  // Credentials in the clear are worth nothing.
  expect(await (await fetch(`${url}/live`, { headers: token })).json()).toEqual({ authorised: false });
  expect((await fetch(`${url}/live`, { method: 'POST', headers: tls })).status).toBe(401);
  expect((await fetch(`${url}/hook`, { method: 'POST' })).status).toBe(403);
  expect(await (await fetch(`${url}/hook`, { method: 'POST', headers: tls })).text()).toBe('hooked');
  expect((await fetch(`${url}/mine`, { headers: tls })).status).toBe(401);
  expect(await (await fetch(`${url}/mine`, { headers: { ...tls, ...token } })).text()).toBe('token ...0001');
  expect(upstream.seen).toHaveLength(0);
});

test('a door on a socket that is not there yet answers 502 that refreshes itself', async () => {
  const { url } = await openDoor({ upstream: `unix:${join(tempDir(), 'none.sock')}` });
  const headers = { ...basic('a-long-token-for-tests-0001'), accept: 'text/html' };
  const response = await fetch(url, { headers });
  expect(response.status).toBe(502);
  expect(response.headers.get('retry-after')).toBe('5');
  expect(await response.text()).toContain('<meta http-equiv="refresh" content="5">');
});
