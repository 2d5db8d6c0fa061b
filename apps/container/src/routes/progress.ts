import { createHash } from 'node:crypto';
import type { SyncProgress } from '@datasette-stripe/tdog';
import type { Mirror, MirrorAccount } from '../mirror.ts';
import { reply, replyJson, type Handler } from './reply.ts';

/** What {@link progressHandlers} need. */
export interface ProgressOptions {
  readonly mirror: Pick<Mirror, 'progress' | 'account'>;
  /** What the running engine last told; only it knows the speed. */
  readonly running: () => SyncProgress | undefined;
}

/** The body of progress.json. */
export interface ProgressReport {
  readonly done: boolean;
  readonly account: MirrorAccount | null;
  readonly tables: readonly object[];
  readonly objects_per_second: number | null;
  readonly seconds_left: number | null;
}

/** The download as it runs: for programs, and as a page that updates itself. */
export function progressHandlers(options: ProgressOptions): {
  readonly json: Handler;
  readonly page: Handler;
} {
  return {
    json: (_request, response) => replyJson(response, 200, report(options)),
    page: (_request, response) => {
      response.setHeader('Content-Security-Policy', pagePolicy);
      reply(response, 200, 'text/html; charset=utf-8', page);
    },
  };
}

/** `td_progress` says what there is, also when no engine runs; the engine adds speed and time left. */
export function report({ mirror, running }: ProgressOptions): ProgressReport {
  const rows = mirror.progress() ?? [];
  const live = running();
  const unfinished = rows.some(({ state }) => state === 'waiting' || state === 'running');
  const done = rows.length > 0 && !unfinished;
  return {
    done,
    account: mirror.account() ?? null,
    tables: rows.map((row) => ({ ...row, cursor: undefined })),
    objects_per_second: done ? null : (live?.objectsPerSecond ?? null),
    seconds_left: done ? 0 : (live?.secondsLeft ?? null),
  };
}

const style = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; }
td, th { padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
progress { width: 100%; min-width: 4rem; max-width: 10rem; }
.note { opacity: .75; }
`;

/** The page's text comes from progress.json by textContent only: nothing of it is ever read as HTML. */
const script = `
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const duration = (seconds) => seconds < 90 ? Math.ceil(seconds) + ' s' : seconds < 5400 ? Math.round(seconds / 60) + ' min' : (seconds / 3600).toFixed(1) + ' h';
const stateText = (table) => table.state === 'running' ? '' : (table.state === 'done' ? '' : table.state) + (table.error ? ': ' + table.error : '');
const line = (table) => {
  const row = element('tr');
  const name = element('td');
  const link = element('a');
  // Long names break behind an underscore.
  link.append(...table.table.split(/(?<=_)/).flatMap((part) => [part, element('wbr')]));
  link.href = '/stripe/' + encodeURIComponent(table.table);
  name.append(link);
  const bar = element('td');
  if (table.state === 'running') {
    const meter = element('progress');
    if (typeof table.share === 'number') meter.value = table.share;
    bar.append(meter);
  } else bar.textContent = table.state === 'done' ? '\\u2713' : '';
  row.append(name, element('td', Number(table.rows ?? 0).toLocaleString(), 'number'), bar, element('td', stateText(table), 'note'));
  return row;
};
const show = (progress) => {
  const rows = progress.tables.reduce((sum, table) => sum + Number(table.rows ?? 0), 0);
  document.querySelector('h1').textContent = progress.done ? 'The mirror is complete' : progress.tables.length === 0 ? 'Waiting for Stripe' : 'Downloading your Stripe account';
  const facts = [rows.toLocaleString() + ' rows'];
  if (progress.objects_per_second) facts.push(Math.round(progress.objects_per_second).toLocaleString() + ' objects/s');
  if (progress.seconds_left) facts.push('about ' + duration(progress.seconds_left) + ' left');
  if (progress.account) facts.push(progress.account.id + (progress.account.livemode ? '' : ' (test mode)'));
  document.querySelector('#summary').textContent = facts.join(' \\u00b7 ');
  document.querySelector('tbody').replaceChildren(...progress.tables.map(line));
  return progress.done;
};
const update = async () => {
  let pause = 1000;
  try {
    const answer = await fetch('/tdog/progress.json', { headers: { Accept: 'application/json' } });
    if (answer.status === 401) return location.reload();
    if (answer.ok && show(await answer.json())) pause = 10000;
  } catch { pause = 3000; }
  setTimeout(update, document.hidden ? 10000 : pause);
};
update();
`;

const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Download progress</title>
<style>${style}</style>
</head>
<body>
<p><a href="/">Home</a></p>
<h1>Download progress</h1>
<p id="summary" class="note" aria-live="polite"></p>
<table>
<thead><tr><th>Table</th><th class="number">Downloaded</th><th>Progress</th><th></th></tr></thead>
<tbody></tbody>
</table>
<noscript>See <a href="/tdog/progress.json">progress.json</a>.</noscript>
<script>${script}</script>
</body>
</html>
`;

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const pagePolicy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
