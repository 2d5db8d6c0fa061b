// How many objects per second does the emulator serve, and how fast does it start?
//   npm exec -w bench -- node --conditions=@datasette-stripe/source src/emulator.ts [CUSTOMERS]
// The server runs in a process of its own; its CPU time is what is counted, so that the client's share does not matter.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { memoryOf } from './memory.ts';

const customers = process.argv[2] ?? '3000';
const bin = fileURLToPath(new URL('../../packages/stripe-emulator/src/bin.ts', import.meta.url));
const lists = [
  'customers',
  'charges',
  'invoices',
  'payment_intents',
  'balance_transactions',
  'subscriptions?status=all',
  'events',
];

const started = performance.now();
const child = spawn(
  process.execPath,
  ['--conditions=@datasette-stripe/source', bin, '--port', '0', '--synthetic', customers],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const banner = await new Promise<string>((resolve) => {
  let text = '';
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
    if (text.includes('/_emulator')) resolve(text);
  });
});
const startMs = performance.now() - started;
const url = /http:\S+/.exec(banner)?.[0] ?? '';
const key = /sk_test_\w+/.exec(banner)?.[0] ?? '';
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

function get(path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const call = request(url + path, { agent, headers: { authorization: `Bearer ${key}` } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve(Buffer.concat(chunks)));
    });
    call.on('error', reject);
    call.end();
  });
}

/** Seconds of CPU that the server has used. */
function cpu(): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

interface Page {
  data: { id: string; created: number }[];
  has_more: boolean;
}

/** Walks a list in four windows at once, each object once: no page is asked for twice. */
async function walk(list: string): Promise<{ objects: number; bytes: number }> {
  const mark = list.includes('?') ? '&' : '?';
  const page = async (query: string): Promise<{ page: Page; bytes: number }> => {
    const body = await get(`/v1/${list}${mark}limit=100${query}`);
    return { page: JSON.parse(body.toString()) as Page, bytes: body.length };
  };
  const newest = (await page('')).page.data[0]?.created ?? 0;
  const day = 86_400;
  const bounds = [0, 400, 700, 900, 1200].map((days) => newest + 1 - (1200 - days) * day);
  const sums = await Promise.all(
    bounds.slice(1).map(async (to, index) => {
      let [objects, bytes, after] = [0, 0, ''];
      for (;;) {
        const window = `&created[gte]=${bounds[index]}&created[lt]=${to}`;
        const got = await page(`${window}${after === '' ? '' : `&starting_after=${after}`}`);
        objects += got.page.data.length;
        bytes += got.bytes;
        after = got.page.data.at(-1)?.id ?? '';
        if (!got.page.has_more) return { objects, bytes };
      }
    }),
  );
  return sums.reduce((a, b) => ({ objects: a.objects + b.objects, bytes: a.bytes + b.bytes }));
}

const status = JSON.parse((await get('/_emulator')).toString()) as { objects: Record<string, number> };
const total = Object.values(status.objects).reduce((a, b) => a + b, 0);
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}`);
console.log(
  `${customers} customers, ${total} objects: start ${Math.round(startMs)} ms, ${Math.round(memoryOf(child.pid).residentMb)} MB`,
);
console.log(
  'list                       objects    bytes each   objects/s of server CPU   objects/s of wall time',
);
let [all, allCpu] = [0, 0];
for (const round of ['cold', 'warm']) {
  for (const list of lists) {
    const [before, from] = [cpu(), performance.now()];
    const { objects, bytes } = await walk(list);
    const used = Math.max(0.01, cpu() - before);
    const wall = (performance.now() - from) / 1000;
    if (round === 'cold') [all, allCpu] = [all + objects, allCpu + used];
    console.log(
      `${round} ${list.padEnd(21)} ${String(objects).padStart(7)} ${String(Math.round(bytes / Math.max(1, objects))).padStart(13)} ${String(Math.round(objects / used)).padStart(25)} ${String(Math.round(objects / wall)).padStart(24)}`,
    );
  }
}
console.log(
  `all lists, cold: ${Math.round(all / allCpu)} objects/s of server CPU; ${Math.round(memoryOf(child.pid).residentMb)} MB at the end`,
);
child.kill('SIGTERM');
