import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  AuthProxyError,
  fromFunction,
  htpasswd,
  shareLink,
  staticCredentials,
  type Authenticator,
  type ShareLinkAuthenticator,
  type ShareLinkOptions,
} from '../src/index.ts';
import { comparison } from '../src/secrets.ts';
import { basic, openDoor, send, tempDir, TOKEN, until, upstreamServer } from './kit.ts';

const DAY = 86_400_000;
const DAYS_30 = 30 * DAY;

test('a comparison in constant time is one of the whole text', () => {
  for (const secret of ['sk_test_1234', 'x'.repeat(512), 'é'.repeat(300), 'y'.repeat(2_000)]) {
    const same = comparison(secret);
    expect(same(secret)).toBe(true);
    const others = [
      '',
      secret.slice(0, -1),
      `${secret}\0`,
      `${secret}x`,
      secret + secret,
      `x${secret.slice(1)}!`,
    ];
    for (const other of others) expect([other, same(other)]).toEqual([other, false]);
    expect(same(secret)).toBe(true);
  }
});

describe('staticCredentials', () => {
  test('a pair by Basic; a token as Bearer or as Basic’s user name; nothing in between', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [staticCredentials([{ username: 'ada', password: 'correct' }, { password: TOKEN }])],
      guessLimits: { perDay: 1_000, burst: 1_000 },
    });
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await send(url, { headers })).status;
    expect(await status(basic('ada', 'correct'))).toBe(200);
    expect(await status(basic(TOKEN))).toBe(200);
    expect(await status({ authorization: `bearer ${TOKEN}` })).toBe(200);
    for (const wrong of [
      basic('ada'),
      basic('ada', 'Correct'),
      basic('', 'correct'),
      basic('correct'),
      basic('ada', TOKEN),
      basic('', TOKEN),
      basic('Ada', 'correct'),
      { authorization: 'Bearer correct' },
    ]) {
      expect(await status(wrong)).toBe(401);
    }
  });

  test('short passwords: over the limit nothing is checked, but who was right before passes', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [
        staticCredentials([
          { username: 'ada', password: 'correct' },
          { username: 'bob', password: 'horse' },
        ]),
      ],
      guessLimits: { perDay: 4 },
    });
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await send(url, { headers })).status;
    expect(await status(basic('ada', 'correct'))).toBe(200);
    for (let i = 0; i < 4; i++) expect(await status(basic('ada', `wrong${i}`))).toBe(401);
    expect(await status(basic('ada', 'wrong'))).toBe(429);
    expect(await status(basic('ada', 'correct'))).toBe(200);
    expect(await status(basic('bob', 'horse'))).toBe(429);
  });

  test('refuses empty passwords', () => {
    expect(() => staticCredentials([])).toThrow(AuthProxyError);
    expect(() => staticCredentials([{ username: 'a', password: '' }])).toThrow(AuthProxyError);
  });
});

describe('htpasswd', () => {
  async function openHtpasswdDoor(
    lines: string,
    perDay = 30,
  ): Promise<{ status: (user: string, password: string) => Promise<number>; file: string; url: string }> {
    const file = join(tempDir(), 'htpasswd');
    writeFileSync(file, lines);
    const users = htpasswd({ file });
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [users],
      guessLimits: { perDay },
    });
    return {
      file,
      url,
      status: async (user, password) => (await send(url, { headers: basic(user, password) })).status,
    };
  }
  const line = (user: string, password: string): string => `${user}:${bcrypt.hashSync(password, 4)}\n`;

  test('lets in its users, and reads the file again when it changes', async () => {
    const { status, file } = await openHtpasswdDoor(
      `# users\n${line('ada', 'correct')}${line('bob', 'horse').replace('$2b$', '$2y$')}`,
    );
    expect(await status('ada', 'correct')).toBe(200);
    expect(await status('bob', 'horse')).toBe(200);
    for (const [user, password] of [
      ['ada', 'horse'],
      ['eve', 'correct'],
      ['ada', ''],
      ['', 'correct'],
    ] as const) {
      expect(await status(user, password)).toBe(401);
    }
    writeFileSync(file, line('ada', 'changed') + line('eve', 'new'));
    await until(async () => (await status('ada', 'changed')) === 200, 'the new password counts');
    expect(await status('bob', 'horse')).toBe(401);
    // Half a file while an editor writes: what was read before stands.
    writeFileSync(file, 'garbage');
    expect(await status('ada', 'changed')).toBe(200);
  });

  test('bcrypt holds nobody up: a flood from one address is limited, and the user from it passes still', async () => {
    const { status } = await openHtpasswdDoor(line('ada', 'correct'), 5);
    expect(await status('ada', 'correct')).toBe(200);
    const flood = await Promise.all(Array.from({ length: 50 }, (_, i) => status('ada', `wrong${i}`)));
    expect(flood.filter((code) => code === 401).length).toBeLessThanOrEqual(5);
    expect(flood.filter((code) => code === 429).length).toBeGreaterThanOrEqual(45);
    expect(await status('ada', 'correct')).toBe(200);
  });

  test.each([
    ['no such file', undefined],
    ['an MD5 hash', 'ada:$apr1$x$y\n'],
    ['a plain password', 'ada:secret\n'],
  ])('refuses %s at the start, with the line', (_name, content) => {
    const file = join(tempDir(), 'htpasswd');
    if (content !== undefined) writeFileSync(file, content);
    expect(() => htpasswd({ file })).toThrow(content === undefined ? /ENOENT/ : /line 1/);
  });

  test('a session ends when its user is removed', async () => {
    const { url, file } = await openHtpasswdDoor(line('ada', 'correct'));
    const signedIn = await send(url, {
      path: '/tdog/sign-in',
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'username=ada&secret=correct&next=/',
    });
    const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    expect((await send(url, { headers: { cookie } })).status).toBe(200);
    writeFileSync(file, line('bob', 'horse'));
    await until(
      async () => (await send(url, { headers: { cookie } })).status === 401,
      'the session has ended',
    );
  });
});

describe('fromFunction', () => {
  test('lets in by label, refuses without one, and closes when it throws', async () => {
    const upstream = await upstreamServer();
    const own: Authenticator = fromFunction({
      name: 'own',
      authenticate: ({ secret }) => {
        if (secret === 'broken') throw new Error('database gone');
        return secret === 'open sesame' ? 'ali' : undefined;
      },
    });
    const { url } = await openDoor({ upstream: upstream.url, authenticators: [own], forwardUser: true });
    const bearer = (token: string): ReturnType<typeof send> =>
      send(url, { headers: { authorization: `Bearer ${token}` } });
    expect((await bearer('open sesame')).status).toBe(200);
    expect(upstream.seen[0]?.headers['x-forwarded-user']).toBe('ali');
    expect((await bearer('shut')).status).toBe(401);
    expect((await bearer('broken')).status).toBe(503);
  });
});

describe('shareLink', () => {
  async function openLinkDoor(options: Partial<ShareLinkOptions> = {}): Promise<{
    links: ShareLinkAuthenticator;
    get: (path: string, more?: Parameters<typeof send>[1]) => ReturnType<typeof send>;
    upstream: Awaited<ReturnType<typeof upstreamServer>>;
    stateDir: string;
  }> {
    const stateDir = options.stateDir ?? tempDir();
    const links = shareLink({ stateDir, ...options });
    const upstream = await upstreamServer();
    const { url } = await openDoor({
      upstream: upstream.url,
      authenticators: [staticCredentials([{ password: TOKEN }]), links],
      guessLimits: { perDay: 4 },
    });
    onTestFinished(() => links.close?.());
    return { links, upstream, stateDir, get: (path, more) => send(url, { path, ...more }) };
  }

  test('opens its page to anybody and nothing else', async () => {
    const { links, get, upstream } = await openLinkDoor();
    const made = await links.create({
      path: '/stripe/customers?country=DE&_sort=name',
      expiresAt: Date.now() + DAYS_30,
    });
    expect(made.url).toMatch(/^\/stripe\/customers\?country=DE&_sort=name&_share=[\w-]{12}\.[\w-]{43}$/);
    expect((await get(made.url)).status).toBe(200);
    expect(upstream.seen[0]?.url).toBe('/stripe/customers?country=DE&_sort=name');
    const token = made.url.slice(made.url.indexOf('_share='));
    for (const path of [
      `/?${token}`,
      `/stripe?${token}`,
      `/stripe/customers?${token}`,
      `/stripe/customers?country=FR&_sort=name&${token}`,
      `/stripe/customers?country=DE&country=FR&_sort=name&${token}`,
      `/stripe/customers?country=DE&_sort=name&_where=1&${token}`,
      `/stripe/customers?country=DE&_sort=other&${token}`,
      `/stripe/customers?country=DE&_sort=name&_sort=other&${token}`,
      `/stripe/customers.json?country=DE&_sort=name&${token}`,
      `/stripe/customer%73?country=DE&_sort=name&${token}`,
      `/stripe/customers/?country=DE&_sort=name&${token}`,
      `/stripe/invoices?country=DE&_sort=name&${token}`,
      `/tdog/stripe.sqlite?${token}`,
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 401]);
    }
    expect((await get(made.url, { method: 'POST' })).status).toBe(401);
    expect(upstream.seen).toHaveLength(1);
  });

  test('lets one leaf through the linked rows and load the page’s styles, by a cookie that opens only these', async () => {
    const { links, get } = await openLinkDoor();
    const made = await links.create({
      path: '/stripe/customers?country=DE',
      expiresAt: Date.now() + DAYS_30,
    });
    const opened = await get(made.url);
    const setCookie = opened.headers['set-cookie']?.[0] ?? '';
    expect(setCookie).toMatch(/^datasette-link=[\w.-]+; Path=\/; HttpOnly; SameSite=Lax$/);
    const headers = { cookie: setCookie.split(';')[0] ?? '' };
    expect((await get('/-/static/app.css?abc', { headers })).status).toBe(200);
    expect(
      (await get('/stripe/customers?country=DE&_next=100&_size=50&_sort_desc=name', { headers })).status,
    ).toBe(200);
    expect((await get('/stripe', { headers })).status).toBe(401);
    expect((await get('/-/static', { headers })).status).toBe(401);
    expect((await get('/-/databases.json', { headers })).status).toBe(401);
    // None of these was a guess.
    expect((await get('/', { headers: basic('wrong') })).status).toBe(401);
  });

  test('the link reaches the upstream neither in the address nor in the Referer of what its page loads', async () => {
    const { links, get, upstream } = await openLinkDoor();
    const made = await links.create({ path: '/stripe', expiresAt: Date.now() + DAYS_30 });
    await get(made.url, { headers: { referer: `http://x${made.url}` } });
    expect(JSON.stringify(upstream.seen)).not.toContain('_share');
    await get('/stripe', { headers: { ...basic(TOKEN), referer: 'http://x/stripe' } });
    expect(upstream.seen.at(-1)?.headers.referer).toBe('http://x/stripe');
  });

  test.each(['%ff', '%', '%zz', '', '.', '..', 'a.b.c', '__proto__.x', 'x'.repeat(5_000)])(
    'garbage in place of a link (%s) is an ordinary wrong request, also as an upgrade',
    async (garbage) => {
      const { get } = await openLinkDoor();
      const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
      for (const headers of [{}, upgrade]) {
        const { status } = await get(`/stripe?_share=${garbage.slice(0, 40)}`, { headers });
        expect([400, 401]).toContain(status);
        expect(
          (await get('/', { headers: { cookie: `datasette-link=${garbage}`, ...headers } })).status,
        ).toBe(401);
      }
    },
  );

  test('the page of links comes with the address of a page that offers to be shared', async () => {
    const { get } = await openLinkDoor();
    const path = encodeURIComponent('/stripe/charges?name="><b>');
    const page = await get(`/tdog/links?path=${path}`, { headers: basic(TOKEN) });
    expect(page.body).toContain('value="/stripe/charges?name=&quot;&gt;&lt;b&gt;"');
    const twice = await get('/tdog/links?path=/a&path=/b', { headers: basic(TOKEN) });
    expect(twice.body).toContain('name="path" value=""');
  });

  test('a forged link is a guess; an ended one is told so', async () => {
    let clock = Date.now();
    const { links, get } = await openLinkDoor({ now: () => clock });
    const made = await links.create({ path: '/stripe', expiresAt: clock + DAY });
    const [before = '', signature = ''] = made.url.split('.');
    const forged = `${before}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    for (const path of [forged, `${before}.`, before, forged]) expect((await get(path)).status).toBe(401);
    expect((await get(forged)).status).toBe(429);
    expect((await get(made.url)).status).toBe(200);
    clock += DAY + 1;
    const ended = await get(made.url);
    expect([ended.status, ended.headers['tabledog-auth-error']]).toEqual([401, 'This link has ended']);
  });

  test('an expired link is no longer listed, and however often it is opened, it is no guess', async () => {
    let clock = Date.now();
    const { links, get } = await openLinkDoor({ now: () => clock });
    const made = await links.create({ path: '/stripe', expiresAt: clock + DAY });
    clock += DAYS_30;
    await links.create({ path: '/stripe/invoices', expiresAt: clock + DAY });
    expect(links.list().map(({ path }) => path)).toEqual(['/stripe/invoices']);
    for (let n = 0; n < 12; n += 1) {
      const ended = await get(made.url);
      expect([ended.status, ended.headers['tabledog-auth-error']]).toEqual([401, 'This link has ended']);
    }
  });

  test('is revoked at once and for good, also over a restart', async () => {
    const stateDir = tempDir();
    const first = await openLinkDoor({ stateDir });
    const made = await first.links.create({
      path: '/stripe',
      expiresAt: Date.now() + DAYS_30,
      note: 'for the auditor',
    });
    const kept = await first.links.create({ path: '/stripe/invoices', expiresAt: Date.now() + DAYS_30 });
    expect(await first.links.revoke(made.id)).toBe(true);
    expect(await first.links.revoke('nothing')).toBe(false);
    expect((await first.get(made.url)).status).toBe(401);
    await first.links.close?.();
    const second = await openLinkDoor({ stateDir });
    expect((await second.get(made.url)).status).toBe(401);
    expect((await second.get(kept.url)).status).toBe(200);
    expect(second.links.list().map(({ note, revokedAt }) => [note, revokedAt !== undefined])).toContainEqual([
      'for the auditor',
      true,
    ]);
    expect(statSync(join(stateDir, 'share-link-secret')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(stateDir, 'share-links.json'), 'utf8')).not.toContain(
      made.url.split('.')[1] ?? '?',
    );
  });

  test.each([
    ['elsewhere', 'https://evil.example/', DAY],
    ['two slashes', '//evil.example', DAY],
    ['dots', '/a/../b', DAY],
    ['the past', '/stripe', -1],
    ['more than a year', '/stripe', 367 * DAY],
    ['no number', '/stripe', NaN],
  ])('cannot be made for %s', async (_name, path, ahead) => {
    const links = shareLink({ stateDir: tempDir(), secret: 'x'.repeat(32) });
    await expect(links.create({ path, expiresAt: Date.now() + ahead })).rejects.toMatchObject({
      code: 'AUTH_PROXY_LINK_INVALID',
    });
  });

  test('refuses a short secret', () => {
    expect(() => shareLink({ stateDir: tempDir(), secret: 'short' })).toThrow(/32 characters/);
  });
});
