// Do all wrong credentials cost the same time? node --conditions=@datasette-stripe/source bench/src/auth-proxy-timing.ts [tries]
// Tries of several kinds, in random order, over real sockets: a Kruskal-Wallis test says whether the kinds differ,
// and a control with a deliberate leak says whether this test would see one.
import { createServer } from 'node:http';
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createAuthProxy,
  staticCredentials,
  stripeKey,
  type Authenticator,
  type AuthProxy,
} from '@datasette-stripe/auth-proxy';
import { machine, median } from './auth-proxy-kit.ts';

const tries = Number(process.argv[2] ?? 20_000);
const key = ['sk', 'test', 'emulatorTimingKey00001'].join('_');
const leakMicroseconds = 4;

const basic = (username: string, password = ''): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
const swap = (text: string, at: number): string => `${text.slice(0, at)}#${text.slice(at + 1)}`;
/** The same amount of bytes in each, so that only the comparison can differ. */
const kinds: Readonly<Record<string, string>> = {
  'first character wrong': basic(swap(key, 0)),
  'middle character wrong': basic(swap(key, 14)),
  'last character wrong': basic(swap(key, key.length - 1)),
  'nothing right': basic('#'.repeat(key.length)),
  'right, in the wrong case': basic(key.toUpperCase()),
};
const names = Object.keys(kinds);

/** Compares as `===` on a slow machine would: longer, the more is right. */
function leaky(): Authenticator {
  return {
    name: 'leaky',
    form: 'none',
    authenticate: ({ username }) => {
      let same = 0;
      while (same < key.length && username[same] === key[same]) same += 1;
      const until = performance.now() + (same / key.length) * (leakMicroseconds / 1000);
      while (performance.now() < until);
      return { outcome: 'unknown' };
    },
    stillGood: () => ({ outcome: 'unknown' }),
  };
}

async function serve(
  authenticators: readonly Authenticator[],
): Promise<{ port: number; close: () => Promise<void> }> {
  const proxy: AuthProxy = createAuthProxy({
    upstream: 'http://127.0.0.1:9',
    authenticators,
    // The limits answer sooner than the comparison: here only the comparison is of interest.
    guessLimits: { perDay: 1e9, burst: 1e9 },
  });
  const server = createServer((req, res) => proxy.handler(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await proxy.close();
    },
  };
}

async function measure(port: number): Promise<Map<string, number[]>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  const ask = (authorization: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const begin = process.hrtime.bigint();
      const req = request({ port, host: '127.0.0.1', headers: { authorization }, agent }, (res) => {
        res.resume();
        res.on('end', () => {
          if (res.statusCode !== 401) return reject(new Error(`status ${res.statusCode}`));
          resolve(Number(process.hrtime.bigint() - begin) / 1000);
        });
      });
      req.on('error', reject);
      req.end();
    });
  for (let i = 0; i < 2_000; i++) await ask(kinds[names[i % names.length] ?? ''] ?? '');
  for (let i = 0; i < tries; i++) {
    // A new order in each round, so that what the machine does meanwhile hits all kinds.
    const name = names[Math.floor(Math.random() * names.length)] ?? '';
    times.get(name)?.push(await ask(kinds[name] ?? ''));
  }
  agent.destroy();
  return times;
}

/** Kruskal-Wallis: the probability of ranks this uneven if all kinds were alike. */
function kruskalWallis(groups: readonly (readonly number[])[]): number {
  const all = groups.flatMap((values, group) => values.map((value) => ({ value, group })));
  all.sort((a, b) => a.value - b.value);
  const ranks = groups.map(() => 0);
  for (const [rank, { group }] of all.entries()) ranks[group] = (ranks[group] ?? 0) + rank + 1;
  const n = all.length;
  const sum = groups.reduce((total, values, group) => total + (ranks[group] ?? 0) ** 2 / values.length, 0);
  const h = (12 / (n * (n + 1))) * sum - 3 * (n + 1);
  return chiSquareTail(h, groups.length - 1);
}

/** P(X > x) for an even number of degrees of freedom (here: 5 kinds, 4 degrees). */
function chiSquareTail(x: number, degrees: number): number {
  if (degrees % 2 !== 0) throw new Error('an odd number of kinds is needed');
  let term = 1;
  let sum = 1;
  for (let i = 1; i < degrees / 2; i++) {
    term *= x / 2 / i;
    sum += term;
  }
  return Math.exp(-x / 2) * sum;
}

async function report(title: string, authenticators: readonly Authenticator[]): Promise<number> {
  const { port, close } = await serve(authenticators);
  const times = await measure(port);
  await close();
  const p = kruskalWallis([...times.values()]);
  console.log(`\n${title}`);
  for (const [name, values] of times) {
    console.log(
      `  ${name.padEnd(28)}${String(values.length).padStart(7)} tries   median ${median(values).toFixed(2)} µs`,
    );
  }
  console.log(`  Kruskal-Wallis p = ${p.toPrecision(3)}`);
  return p;
}

console.log(`${machine()}; ${tries} tries each`);
const door = stripeKey({ key, idleCheckMs: 0 });
door.feed('live');
const ours = await report('stripeKey', [door]);
const fixed = await report('staticCredentials', [
  staticCredentials([{ password: key }, { username: 'ada', password: key }]),
]);
const control = await report(`control: a comparison that leaks up to ${leakMicroseconds} µs`, [leaky()]);
const even = ours > 0.001 && fixed > 0.001;
const sees = control < 0.001;
console.log(
  `\nequal work for every wrong credential: ${even ? 'yes' : 'NO'}; the test sees a leak of ${leakMicroseconds} µs: ${sees ? 'yes' : 'NO (machine too busy)'}`,
);
process.exitCode = even ? 0 : 1;
