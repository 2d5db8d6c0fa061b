import { createServer, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fromFunction } from '../src/index.ts';
import { basic, listen, openDoor, raw, send, TOKEN, until, upstreamServer } from './kit.ts';

const right = basic(TOKEN);
const auth = `Authorization: ${right.authorization}\r\n`;
/** The suite moves this much; the long run of 5 GB is in bench/. */
const LARGE_BYTES = Number(process.env['LARGE_BYTES'] ?? 256 * 1024 * 1024);
const FUZZ_REQUESTS = Number(
  process.env['FUZZ_REQUESTS'] ?? (process.env['CI'] === 'true' ? 100_000 : 20_000),
);

describe('what ended other proxies', () => {
  test('CVE-2024-21536, http-proxy-middleware#822: //x@x and bad upgrades do not end the process', async () => {
    const upstream = await upstreamServer();
    const { port, url } = await openDoor({ upstream: upstream.url });
    const upgrade = (headers: string, target = '/ws'): string =>
      `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n${headers}\r\n`;
    const hostile = [
      `GET //x@x HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      `GET //x@x:y/ HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      `GET /x@x HTTP/1.1\r\nHost: x@x\r\n${auth}Connection: close\r\n\r\n`,
      upgrade(`Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n${auth}`),
      upgrade(`Upgrade: websocket\r\n`),
      upgrade(`Upgrade: websocket\r\n${auth}`),
      upgrade(`Upgrade: websocket\r\n${auth}`, '//x@x'),
      upgrade(`Upgrade: websocket, h2c\r\n${auth}`),
      upgrade(`Upgrade: \r\n${auth}`),
      upgrade(`Upgrade: __proto__\r\n${auth}`),
      `POST /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n${auth}\r\nabc`,
      `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n${auth}\r\n`,
      `TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    ];
    for (const bytes of hostile) {
      await raw(port, bytes, (answer) => answer.includes('\r\n\r\n'));
      // Reset right after asking.
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(bytes);
        socket.resetAndDestroy();
      });
      socket.on('error', () => {});
    }
    expect((await send(url, { headers: right })).status).toBe(200);
  });

  test('a client that resets while its upgrade is being decided on ends nothing', async () => {
    const upstream = await upstreamServer();
    const decisions: (() => void)[] = [];
    const slow = fromFunction({
      name: 'slow',
      authenticate: () => new Promise((resolve) => decisions.push(() => resolve('ada'))),
    });
    const { port, url, server } = await openDoor({
      upstream: upstream.url,
      authenticators: [slow],
      openPaths: [{ path: '/open' }],
    });
    const gone: boolean[] = [];
    server.on('upgrade', (_req, socket) => socket.once('close', () => gone.push(true)));
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${auth}\r\n`);
    await until(() => decisions.length === 1, 'the credentials are looked at');
    socket.resetAndDestroy();
    await until(() => gone.length === 1, 'the door sees the reset');
    decisions[0]?.();
    expect((await send(url, { path: '/open' })).status).toBe(200);
    expect(upstream.seen.map((one) => one.url)).toEqual(['/open']);
  });

  test('http-proxy GHSA-6x33-pw7p-hmpq: a refused request with a long body is answered', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url });
    for (const body of ['x'.repeat(1_025), 'x'.repeat(100_000)]) {
      expect((await send(url, { method: 'POST', body })).status).toBe(401);
      expect(
        (await send(url, { method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } })).status,
      ).toBe(401);
    }
    expect(upstream.seen).toHaveLength(0);
  });

  test('home-assistant#15204: nonsense in forwarding headers is an ordinary request', async () => {
    const upstream = await upstreamServer();
    const { url } = await openDoor({ upstream: upstream.url, trustedProxies: ['loopback'] });
    const junk = [
      '',
      ',',
      ',,,,',
      'unknown',
      '_hidden',
      'for="[::1]:80"',
      '[::1]:80',
      '[::1',
      '::::',
      '1.2.3',
      '999.999.999.999',
      '1.2.3.4:99999999',
      'fe80::1%eth0',
      '<script>',
      '__proto__',
      'constructor',
      Array.from({ length: 100 }, (_, i) => `10.0.0.${i}`).join(', '),
      'x'.repeat(4_000),
    ];
    for (const value of junk) {
      for (const name of [
        'X-Forwarded-For',
        'Forwarded',
        'X-Forwarded-Proto',
        'X-Forwarded-Host',
        'X-Real-IP',
      ]) {
        expect([name, value, (await send(url, { headers: { [name]: value, ...right } })).status]).toEqual([
          name,
          value,
          200,
        ]);
      }
      expect(
        (await send(url, { headers: { Forwarded: `for="${value.replaceAll('"', '')}";proto=` } })).status,
      ).toBe(401);
    }
  });

  test('backend.ai#13663: the client is found behind 0, 1 and 2 proxies', async () => {
    const upstream = await upstreamServer();
    const seenClient = async (trustedProxies: string[], forwardedFor?: string): Promise<unknown> => {
      const { url } = await openDoor({ upstream: upstream.url, trustedProxies });
      const headers = {
        ...right,
        ...(forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }),
      };
      await send(url, { headers });
      return upstream.seen.at(-1)?.headers['x-forwarded-for'];
    };
    expect(await seenClient([])).toBe('127.0.0.1');
    expect(await seenClient([], '6.6.6.6')).toBe('127.0.0.1');
    expect(await seenClient(['loopback'])).toBe('127.0.0.1');
    expect(await seenClient(['loopback'], '203.0.113.7')).toBe('203.0.113.7');
    expect(await seenClient(['loopback'], '6.6.6.6, 203.0.113.7')).toBe('203.0.113.7');
    expect(await seenClient(['loopback', '198.51.100.0/24'], '6.6.6.6, 203.0.113.7, 198.51.100.3')).toBe(
      '203.0.113.7',
    );
    expect(await seenClient(['127.0.0.1', '198.51.100.3'], '203.0.113.7, 198.51.100.3')).toBe('203.0.113.7');
    expect(await seenClient(['loopback'], '2001:db8::1')).toBe('2001:db8::1');
    expect(await seenClient(['loopback'], '::ffff:203.0.113.7')).toBe('203.0.113.7');
  });
});

describe('request smuggling', () => {
  const hidden = `GET /hidden HTTP/1.1\r\nHost: x\r\n${auth}\r\n`;
  const cases: [string, string][] = [
    ['CL.TE', `Content-Length: ${6 + hidden.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['TE.CL', `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${hidden}\r\n0\r\n\r\n`],
    [
      'CVE-2022-32215: two TE lines',
      `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    ['CVE-2022-32213: TE with junk', `Transfer-Encoding: chunkedchunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['TE xchunked', `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['TE not last', `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`],
    ['CVE-2022-32214: bare CR', `X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['CVE-2022-35256, obs-fold', `X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    [
      'CVE-2023-30589: CR alone ends a line',
      `Content-Length: 0\rContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    ],
    [
      'CVE-2020-8287: two TE, one hidden',
      `Transfer-Encoding: chunked\r\nTransfer-Encoding : identity\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    ['space before the colon', `Content-Length : ${hidden.length}\r\n\r\n${hidden}`],
    ['two Content-Length', `Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`],
    ['Content-Length list', `Content-Length: 0, ${hidden.length}\r\n\r\n${hidden}`],
    ['signed Content-Length', `Content-Length: +0\r\n\r\n${hidden}`],
    ['LF alone', `X: y\nContent-Length: ${hidden.length}\n\n${hidden}`],
    ['empty header name', `: x\r\nContent-Length: 0\r\n\r\n${hidden}`],
    ['chunk size with junk', `Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${hidden}`],
    ['chunk size overflow', `Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(20)}\r\n${hidden}`],
    ['NUL in a header', `X: a\0b\r\nContent-Length: 0\r\n\r\n${hidden}`],
  ];
  test.each(cases)('%s: 400, and the upstream sees nothing hidden', async (_name, rest) => {
    const upstream = await upstreamServer();
    const { port } = await openDoor({ upstream: upstream.url });
    const answer = await raw(port, `POST /seen HTTP/1.1\r\nHost: x\r\n${auth}${rest}`, (text) =>
      text.includes('HTTP/1.1 400'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 (400|200) /);
    // Either nothing got through, or one request whose end both sides agree on.
    expect(upstream.seen.map(({ url }) => url)).not.toContain('/hidden');
    expect(upstream.seen.length).toBeLessThanOrEqual(1);
  });

  test('well-formed chunked and pipelined requests pass as they are', async () => {
    const upstream = await upstreamServer();
    const { port } = await openDoor({ upstream: upstream.url });
    await raw(
      port,
      `POST /a HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n` +
        `GET /b HTTP/1.1\r\nHost: x\r\n${auth}\r\nGET /c HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    );
    expect(upstream.seen.map(({ url, body }) => [url, body])).toEqual([
      ['/a', 'abc'],
      ['/b', ''],
      ['/c', ''],
    ]);
  });

  test.each(['GET', 'DELETE', 'OPTIONS', 'HEAD'])(
    'a %s with a body carries it upstream as a body',
    async (method) => {
      const upstream = await upstreamServer();
      const { port } = await openDoor({ upstream: upstream.url });
      const framed = [
        `Transfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
        `Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
      ];
      for (const body of framed) {
        await raw(port, `${method} /seen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${auth}${body}`);
      }
      expect(upstream.seen.map(({ url, body }) => [url, body])).toEqual([
        ['/seen', hidden],
        ['/seen', hidden],
      ]);
    },
  );
});

describe('large bodies', () => {
  const chunk = randomBytes(1024 * 1024);

  test('an upload and a download of any size pass in pieces, without being held in memory', async () => {
    let received = 0;
    const server = createServer((req, res) => {
      if (req.method === 'GET') return void pour(res, LARGE_BYTES, chunk);
      req.on('data', (data: Buffer) => (received += data.length));
      req.on('end', () => res.end('done'));
    });
    const { url } = await openDoor({ upstream: await listen(server) });
    const before = process.memoryUsage().rss;
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    const answer = await new Promise<string>((resolve, reject) => {
      const req = request(
        url,
        { method: 'POST', headers: { ...right, 'content-length': LARGE_BYTES } },
        (res) => {
          res.setEncoding('utf8').on('data', resolve);
        },
      );
      req.on('error', reject);
      pour(req, LARGE_BYTES, chunk);
    });
    expect(answer).toBe('done');
    expect(received).toBe(LARGE_BYTES);
    const downloaded = await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      request(url, { headers: right }, (res) => {
        res.on('data', (data: Buffer) => (bytes += data.length));
        res.on('end', () => resolve(bytes));
      })
        .on('error', reject)
        .end();
    });
    clearInterval(watch);
    expect(downloaded).toBe(LARGE_BYTES);
    expect(peak - before).toBeLessThan(Math.max(200 * 1024 * 1024, LARGE_BYTES / 10));
  }, 300_000);

  test('a client that aborts a 5 GB upload or download cancels it at the upstream', async () => {
    const size = 5 * 1024 ** 3;
    const ended: string[] = [];
    const server = createServer((req, res) => {
      if (req.method === 'GET') {
        res.on('close', () => ended.push(`download ${res.writableFinished}`));
        pour(res, size, chunk);
        return;
      }
      req.on('data', () => {});
      req.on('close', () => ended.push(`upload ${req.complete}`));
      req.on('error', () => {});
    });
    const { url, door } = await openDoor({ upstream: await listen(server) });
    const download = request(url, { headers: right }, (res) => {
      let bytes = 0;
      res.on('error', () => {});
      res.on('data', (data: Buffer) => {
        bytes += data.length;
        if (bytes > 32 * 1024 * 1024) download.destroy();
      });
    });
    download.on('error', () => {}).end();
    await until(() => ended.includes('download false'), 'the upstream sees the download aborted');
    const upload = request(url, { method: 'PUT', headers: { ...right, 'content-length': size } });
    upload.on('error', () => {});
    pour(upload, size, chunk, 32 * 1024 * 1024, () => upload.destroy());
    await until(() => ended.includes('upload false'), 'the upstream sees the upload aborted');
    await until(() => door.counters().requests.proxied === 2, 'both are logged');
  }, 60_000);

  test('an upstream that breaks off in the middle breaks off the client’s answer', async () => {
    const sockets: Socket[] = [];
    const server = createServer((_req, res) => {
      res.writeHead(200, { 'content-length': 1_000 });
      res.write('half');
      setImmediate(() => res.destroy());
    });
    server.on('connection', (socket) => sockets.push(socket));
    const { url } = await openDoor({ upstream: await listen(server) });
    await expect(send(url, { headers: right })).rejects.toThrow();
  });
});

test('an upstream that does not answer in time gives 504', async () => {
  const upstream = await upstreamServer(() => {});
  const { url } = await openDoor({ upstream: upstream.url, timeouts: { upstreamMs: 100 } });
  const { status, headers } = await send(url, { headers: right });
  expect([status, headers['retry-after']]).toEqual([504, '5']);
});

test('an upload may take longer than the time limit while it moves on', async () => {
  const upstream = await upstreamServer();
  const { url } = await openDoor({ upstream: upstream.url, timeouts: { upstreamMs: 1_500 } });
  const answer = await new Promise<number>((resolve, reject) => {
    const upload = request(url, { method: 'PUT', headers: right }, (res) => {
      res.resume().once('end', () => resolve(res.statusCode ?? 0));
    });
    upload.once('error', reject);
    let pieces = 0;
    const timer = setInterval(() => {
      upload.write('piece');
      if (++pieces < 25) return;
      clearInterval(timer);
      upload.end();
    }, 100);
  });
  expect(answer).toBe(200);
  expect(upstream.seen[0]?.body).toHaveLength(25 * 'piece'.length);
});

test('a stream may be silent for longer than the time limit once its answer has begun', async () => {
  const upstream = await upstreamServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write('data: 1\n\n');
    setTimeout(() => res.end('data: 2\n\n'), 3_000);
  });
  const { url } = await openDoor({ upstream: upstream.url, timeouts: { upstreamMs: 1_000 } });
  expect((await send(url, { headers: right })).body).toBe('data: 1\n\ndata: 2\n\n');
});

test('a connection that the upstream closed while idle costs no request', async () => {
  let connections = 0;
  const server = createServer((_req, res) => res.end('ok'));
  server.keepAliveTimeout = 1;
  server.on('connection', () => (connections += 1));
  const { url } = await openDoor({ upstream: await listen(server) });
  for (let i = 0; i < 200; i++) {
    expect((await send(url, { headers: right })).status).toBe(200);
    if (i % 10 === 0) server.closeIdleConnections();
  }
  expect(connections).toBeGreaterThan(1);
});

test(`${FUZZ_REQUESTS} raw requests of nonsense leave the process up and the upstream unvisited`, async () => {
  const upstream = await upstreamServer();
  const { port, url } = await openDoor({ upstream: upstream.url, trustedProxies: ['loopback'] });
  let sent = 0;
  const random = seeded(20_260_906);
  const lane = async (): Promise<void> => {
    while (sent < FUZZ_REQUESTS) {
      sent += 1;
      await raw(port, nonsense(random), (answer) => answer.includes('\r\n\r\n'), true);
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  expect(upstream.seen).toHaveLength(0);
  expect((await send(url, { headers: right })).status).toBe(200);
}, 600_000);

function pour(
  sink: ServerResponse | ReturnType<typeof request>,
  size: number,
  chunk: Buffer,
  stopAfter = Infinity,
  stop: () => void = () => {},
): void {
  let left = size;
  const push = (): void => {
    while (left > 0 && !sink.destroyed) {
      if (size - left > stopAfter) return stop();
      const piece = left >= chunk.length ? chunk : chunk.subarray(0, left);
      left -= piece.length;
      if (!sink.write(piece)) return void sink.once('drain', push);
    }
    if (!sink.destroyed) sink.end();
  };
  push();
}

/** A small generator with a fixed seed, so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function nonsense(random: (below: number) => number): Buffer {
  const pick = <T>(list: readonly [T, ...T[]]): T => list[random(list.length)] ?? list[0];
  const bytes = (length: number): string =>
    Array.from({ length }, () => String.fromCharCode(random(256))).join('');
  const method = pick(['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT', 'get', 'PRI', bytes(4)]);
  const target = pick([
    '/',
    '//x@x',
    '/tdog/sign-in',
    '/tdog/sign-out',
    '/%2e%2e/',
    '/\\',
    `/${bytes(8)}`,
    '*',
    'http://x/',
    '/a?b=%00',
    `/x?_share=%${random(256).toString(16)}.b`,
  ]);
  const version = pick(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/9.9', bytes(5)]);
  const headers: string[] = [];
  for (let i = random(7); i > 0; i--) {
    headers.push(
      pick([
        'Host: x',
        'Authorization: Basic',
        `Authorization: Basic ${Buffer.from(bytes(12), 'latin1').toString('base64')}`,
        `Authorization: ${bytes(10).replace(/[\r\n]/g, '')}`,
        `X-Forwarded-For: ${bytes(12).replace(/[\r\n]/g, '')}`,
        'X-Forwarded-For: __proto__, 1.2.3.4',
        `Forwarded: for=${bytes(6).replace(/[\r\n]/g, '')};proto=https`,
        `Cookie: datasette-session=${bytes(9).replace(/[\r\n]/g, '')}; __proto__=1`,
        'Connection: Upgrade\r\nUpgrade: websocket',
        'Connection: close, Authorization',
        'Content-Length: 5',
        'Transfer-Encoding: chunked',
        'Content-Type: application/x-www-form-urlencoded',
        'Accept: text/html',
        'Expect: 100-continue',
        `${bytes(3)}: ${bytes(3)}`,
      ]),
    );
  }
  const body = pick(['', '', '0\r\n\r\n', 'secret=x&next=//y', bytes(30)]);
  return Buffer.from(
    `${method} ${target} ${version}\r\n${headers.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`,
    'latin1',
  );
}
