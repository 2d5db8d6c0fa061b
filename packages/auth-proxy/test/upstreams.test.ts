import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createAuthProxy } from '../src/index.ts';
import { basic, listen, openDoor, send, TOKEN, until, upstreamServer } from './kit.ts';

const headers = basic(TOKEN);

/** An upstream that answers with its name. */
function named(name: string): RequestListener {
  return (req, res) => {
    req.resume().on('end', () => res.end(name));
  };
}

/** An upstream that answers when it is told to. */
async function slow(): Promise<{ url: string; waiting: ServerResponse[] }> {
  const waiting: ServerResponse[] = [];
  const { url } = await upstreamServer((_req, res) => waiting.push(res));
  return { url, waiting };
}

async function stop(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

describe('several upstreams', () => {
  test('the one that works on the fewest is asked, and the first of equals', async () => {
    const [a, b] = [await slow(), await slow()];
    const { url } = await openDoor({ upstream: [a.url, b.url] });
    const answers = [send(url, { headers })];
    await until(() => a.waiting.length === 1, 'the first');
    for (const expected of [
      [1, 1],
      [2, 1],
      [2, 2],
    ]) {
      answers.push(send(url, { headers }));
      await until(() => a.waiting.length + b.waiting.length === answers.length, 'the next');
      expect([a.waiting.length, b.waiting.length]).toEqual(expected);
    }
    b.waiting.shift()?.end();
    await Promise.race(answers);
    answers.push(send(url, { headers }));
    await until(() => b.waiting.length === 2, 'the one that had become free');
    for (const res of [...a.waiting, ...b.waiting]) res.end();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(
      (
        await Promise.all([
          send(url, { headers }),
          until(() => a.waiting.length === 3, 'the first').then(() => a.waiting[2]?.end()),
        ])
      )[0].status,
    ).toBe(200);
  });

  test('what is not balanced goes to the first, however much that has to do', async () => {
    const a = await slow();
    const b = await upstreamServer(named('b'));
    const { url } = await openDoor({
      upstream: [a.url, b.url],
      balanced: (target) => target.startsWith('/any'),
    });
    const held = [send(url, { path: '/own?x=1', headers }), send(url, { path: '/own', headers })];
    await until(() => a.waiting.length === 2, 'both at the first');
    expect((await send(url, { path: '/any?x=1', headers })).body).toBe('b');
    expect(b.seen.map((one) => one.url)).toEqual(['/any?x=1']);
    for (const res of a.waiting) res.end('a');
    expect((await Promise.all(held)).map(({ body }) => body)).toEqual(['a', 'a']);
  });

  test('one that cannot be connected to is passed over, and asked again when it is back', async () => {
    const a = await upstreamServer(named('a'));
    const b = await upstreamServer(named('b'));
    const { url } = await openDoor({ upstream: [a.url, b.url], balanced: () => false });
    const ask = async (method = 'GET', body?: string): Promise<string> => {
      const answer = await send(url, { method, headers, ...(body === undefined ? {} : { body }) });
      return `${answer.status} ${answer.body}`;
    };
    expect(await ask()).toBe('200 a');
    await stop(a.server);
    expect(await ask()).toBe('200 b');
    // A body cannot be sent twice; by now it is known who is there.
    expect(await ask('POST', 'x=1')).toBe('200 b');
    await stop(b.server);
    expect((await send(url, { headers })).status).toBe(502);
    const again = createServer(named('a again'));
    await listen(again, Number(new URL(a.url).port));
    await until(async () => (await ask()) === '200 a again', 'the first, back again');
  });

  test('a read whose upstream dies over it is answered by another; a write is not repeated', async () => {
    const server = createServer();
    server.on('request', (req) => {
      server.close();
      req.socket.destroy();
    });
    const dying = await listen(server);
    const b = await upstreamServer(named('b'));
    const { url } = await openDoor({ upstream: [dying, b.url] });
    expect(await send(url, { headers })).toMatchObject({ status: 200, body: 'b' });

    const other = createServer();
    other.on('request', (req) => {
      other.close();
      req.socket.destroy();
    });
    const second = await openDoor({ upstream: [await listen(other), b.url] });
    const before = b.seen.length;
    expect((await send(second.url, { method: 'POST', headers, body: 'x=1' })).status).toBe(502);
    expect(b.seen).toHaveLength(before);
  });

  test('a read is answered by another when every connection to the first breaks over it', async () => {
    const a = await upstreamServer((req) => req.socket.destroy());
    const b = await upstreamServer(named('b'));
    const { url } = await openDoor({ upstream: [a.url, b.url] });
    expect(await send(url, { headers })).toMatchObject({ status: 200, body: 'b' });
    // It was asked, and not once more than a connection that broke is worth.
    expect(a.seen).toHaveLength(2);
    const alone = await openDoor({ upstream: [a.url, a.url.replace('127.0.0.1', 'localhost')] });
    expect((await send(alone.url, { headers })).status).toBe(502);
  });

  test('who has waited in vain for the first does not wait for the next as well', async () => {
    const a = await slow();
    const b = await upstreamServer(named('b'));
    const { url } = await openDoor({ upstream: [a.url, b.url], timeouts: { upstreamMs: 200 } });
    expect((await send(url, { headers })).status).toBe(504);
    expect(b.seen).toHaveLength(0);
  });

  test('a websocket counts as work, and goes where somebody is', async () => {
    const first = createServer(named('a'));
    const sockets = new WebSocketServer({ server: first });
    sockets.on('connection', (socket) => socket.send('hello'));
    const a = await listen(first);
    const b = await upstreamServer(named('b'));
    const { url, port } = await openDoor({ upstream: [a, b.url] });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/live`, { headers });
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    expect((await send(url, { headers })).body).toBe('b');
    socket.close();
    await once(socket, 'close');
    await until(async () => (await send(url, { headers })).body === 'a', 'the first is free again');
    sockets.close();
  });
});

test.each([
  [[], '`upstream` is empty'],
  [
    ['http://127.0.0.1:1', 'ftp://x'],
    '`upstream` must be http://host:port or unix:/path.sock, got "ftp://x"',
  ],
  [['unix:/a.sock', 'unix:/a.sock'], '`upstream` has the same address twice'],
])('upstreams %j are refused', (upstream, message) => {
  expect(() => createAuthProxy({ upstream, authenticators: [], allowAnyone: true })).toThrow(message);
});
