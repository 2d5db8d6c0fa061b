// A Stripe account of exactly the reference mixture, made of the emulator's own objects: so quick that it is the engine
// which is measured. A process of its own:
//   node bench/src/tdog-account.ts [--of N] [--bursts] [--limits JSON]
// --of N      every count divided by N
// --bursts    creation times in the first six hours of each month instead of evenly
// --limits    {latencyMs, perSecond, perEndpoint}: 429 above it, by token buckets that hold one second's worth
// Prints its address; GET /_stats tells what was asked for: [ms since the first request, list, status] of each request.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createEmulator } from '@datasette-stripe/stripe-emulator';

const { values } = parseArgs({
  options: {
    of: { type: 'string', default: '1' },
    bursts: { type: 'boolean', default: false },
    limits: { type: 'string', default: '{}' },
  },
});
const limits = JSON.parse(values.limits) as {
  readonly latencyMs?: number;
  readonly perSecond?: number;
  readonly perEndpoint?: number;
};
const of = Number(values.of);

interface Kind {
  readonly path: string;
  readonly prefix: string;
  readonly count: number;
}
const kinds: readonly Kind[] = [
  { path: '/v1/customers', prefix: 'cus', count: Math.ceil(20_000 / of) },
  { path: '/v1/subscriptions', prefix: 'sub', count: Math.ceil(20_000 / of) },
  { path: '/v1/invoices', prefix: 'in', count: Math.ceil(60_000 / of) },
  { path: '/v1/charges', prefix: 'ch', count: Math.ceil(50_000 / of) },
  { path: '/v1/payment_intents', prefix: 'pi', count: Math.ceil(50_000 / of) },
];
const byPath = new Map(kinds.map((kind) => [kind.path, kind]));
const byPrefix = new Map(kinds.map((kind) => [kind.prefix, kind]));
/** One payment method a customer, one item a subscription. */
const owner = new Map([
  ['pm', 'cus'],
  ['si', 'sub'],
]);
/** Small lists that are the emulator's own. */
const own = /^\/v1\/(account|balance|products|prices|coupons|promotion_codes|tax_rates)\b/;
/** Objects that the mixture does not have. */
const absent = /^(txn|re|dp|seti|inpay|prv|issfr|cn|sub_sched|ii)_[A-Za-z0-9]{8,}$/;

const months = 36;
const monthSeconds = 30 * 86_400;
const burstSeconds = 6 * 3_600;
const first = Math.floor(Date.now() / 1_000) - months * monthSeconds;

/** Creation time of the i-th object of so many; never falls with i. */
function createdAt(i: number, count: number): number {
  const month = (i * months) / count;
  if (!values.bursts) return Math.floor(first + month * monthSeconds);
  return Math.floor(first + Math.floor(month) * monthSeconds + (month % 1) * burstSeconds);
}

/** As Stripe's ids: time first, then scattered. And back. */
const toId = (i: number, count: number): string =>
  createdAt(i, count).toString(36) +
  (Math.imul(i + 1, 2_654_435_761) >>> 0).toString(36).padStart(7, '0') +
  'kvDn8RRztz';
const fromId = (id: string): number =>
  (Math.imul(Number.parseInt((id.split('_')[1] ?? '').slice(6, 13), 36), 244_002_641) >>> 0) - 1;

/** What a template has in place of ids and times. */
interface Hole {
  readonly prefix: string;
  readonly suffix: string;
}
interface Template {
  readonly texts: readonly string[];
  readonly holes: readonly Hole[];
}

const emulator = createEmulator({ source: { synthetic: 300 } });
const upstream = await emulator.listen();
async function ask(path: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(upstream.url + path, { headers: { authorization: `Bearer ${upstream.key}` } });
  return { status: answer.status, text: await answer.text() };
}

const templates = new Map<string, Promise<readonly Template[]>>();
function templatesOf(kind: Kind, query: URLSearchParams): Promise<readonly Template[]> {
  const wanted = new URLSearchParams([...query].filter(([name]) => name === 'expand[]' || name === 'status'));
  const key = `${kind.path}?limit=100&${wanted.toString()}`;
  let found = templates.get(key);
  if (found === undefined)
    templates.set(
      key,
      (found = ask(key).then(({ text }) =>
        (JSON.parse(text) as { data: { id: string; created: number | string }[] }).data.map((object) =>
          templateOf(kind, object),
        ),
      )),
    );
  return found;
}

function templateOf(kind: Kind, object: { id: string; created: number | string }): Template {
  const self = object.id;
  object.created = '@@created_';
  const json = JSON.stringify(object, (_, value: unknown) =>
    typeof value === 'string' && absent.test(value) ? null : value,
  ).replace('"@@created_"', '@@created_');
  const texts: string[] = [];
  const holes: Hole[] = [];
  const others = new Map<string, number>();
  let from = 0;
  for (const match of json.matchAll(/@@(created)_|\b([a-z]{2,8})_([A-Za-z0-9]{12,})\b/g)) {
    const [text, created, prefix = ''] = match;
    if (created === undefined && (!/[A-Z0-9]/.test(text) || /^(prod|price|txr|promo|acct)$/.test(prefix)))
      continue;
    texts.push(json.slice(from, match.index));
    from = match.index + text.length;
    if (created !== undefined) holes.push({ prefix: 'created', suffix: '' });
    else if (text === self || byPrefix.has(prefix)) holes.push({ prefix, suffix: '' });
    else {
      if (!others.has(text)) others.set(text, others.size);
      // Lines and discounts are the object's own.
      holes.push({ prefix, suffix: owner.has(prefix) ? '' : `${kind.prefix}${others.get(text) ?? 0}` });
    }
  }
  texts.push(json.slice(from));
  return { texts, holes };
}

function render(kind: Kind, i: number, all: readonly Template[]): string {
  const template = all[i % all.length];
  if (template === undefined) throw new Error(`no template of ${kind.path}`);
  let text = template.texts[0] ?? '';
  for (let n = 0; n < template.holes.length; n += 1) {
    const { prefix, suffix } = template.holes[n] as Hole;
    if (prefix === 'created') text += String(createdAt(i, kind.count));
    else {
      const target = byPrefix.get(owner.get(prefix) ?? prefix);
      const index = target === undefined ? i : Math.floor((i * target.count) / kind.count);
      text += `${prefix}_${toId(index, target?.count ?? kind.count)}${suffix}`;
    }
    text += template.texts[n + 1] ?? '';
  }
  return text;
}

/** The first index whose creation time is not below `time`. */
function indexAt(time: number, count: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (createdAt(middle, count) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function listOf(kind: Kind, query: URLSearchParams): Promise<string> {
  const all = await templatesOf(kind, query);
  const number = (name: string): number | undefined =>
    query.has(name) ? Number(query.get(name)) : undefined;
  const gte = number('created[gte]');
  const lt = number('created[lt]');
  const after = query.get('starting_after');
  const before = query.get('ending_before');
  const bottom = gte === undefined ? 0 : indexAt(gte, kind.count);
  const limit = number('limit') ?? 10;
  let top = lt === undefined ? kind.count : indexAt(lt, kind.count);
  if (after !== null) top = Math.min(top, fromId(after));
  let low = Math.max(bottom, top - limit);
  let more = low > bottom;
  if (before !== null) {
    low = Math.max(bottom, fromId(before) + 1);
    more = top - low > limit;
    top = Math.min(top, low + limit);
  }
  const texts: string[] = [];
  for (let i = top - 1; i >= low; i -= 1) texts.push(render(kind, i, all));
  return `{"object":"list","data":[${texts.join(',')}],"has_more":${more},"url":"${kind.path}"}`;
}

function bucket(rate: number): () => boolean {
  let tokens = rate;
  let last = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(rate, tokens + ((now - last) / 1_000) * rate);
    last = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
const account = limits.perSecond === undefined ? undefined : bucket(limits.perSecond);
const endpoints = new Map<string, () => boolean>();
const asked: [number, string, number][] = [];
let began: number | undefined;
let bytes = 0;

function overLimit(path: string): string | undefined {
  if (account !== undefined && !account()) return 'global-rate';
  if (limits.perEndpoint === undefined) return undefined;
  let one = endpoints.get(path);
  if (one === undefined) endpoints.set(path, (one = bucket(limits.perEndpoint)));
  return one() ? undefined : 'endpoint-rate';
}

async function answer(url: URL, response: ServerResponse): Promise<void> {
  const path = url.pathname;
  if (path === '/_stats') {
    response.end(JSON.stringify({ asked, bytes }));
    return;
  }
  if (limits.latencyMs !== undefined) await sleep(limits.latencyMs);
  const name = own.test(path) ? path.split('/').slice(0, 3).join('/') : path;
  const reason = overLimit(name);
  began ??= performance.now();
  asked.push([Math.round(performance.now() - began), name, reason === undefined ? 200 : 429]);
  response.setHeader('content-type', 'application/json');
  if (reason !== undefined) {
    response.writeHead(429, { 'stripe-rate-limited-reason': reason });
    response.end(
      '{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many requests."}}',
    );
    return;
  }
  const kind = byPath.get(path);
  let text = `{"object":"list","data":[],"has_more":false,"url":"${path}"}`;
  if (kind !== undefined) text = await listOf(kind, url.searchParams);
  else if (own.test(path)) {
    const passed = await ask(path + url.search);
    response.statusCode = passed.status;
    ({ text } = passed);
  }
  bytes += text.length;
  response.end(text);
}

const server = createServer((request, response) => {
  void answer(new URL(request.url ?? '/', 'http://localhost'), response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.destroy();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port} sk_test_reference\n`);
});
