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

// The colours are those of the site's stylesheet, which this page must not need: it is there before Datasette is.
const style = `
:root { color-scheme: light dark; --ink: #1a1f36; --quiet: #566078; --line: #dfe3eb; --page: #fff; --accent: #4f46c8; --head: #15172e; --bar: #5b54d6; --good: #1a7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8f2; --quiet: #a3abc2; --line: #343a52; --page: #12141f; --accent: #a9a4ff; --head: #0b0c16; --bar: #938dff; --good: #6fd3a0; --bad: #ff8f87; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; margin: 0; color: var(--ink); background: var(--page); }
header { background: var(--head); padding: .7rem 1.2rem; }
header a { color: #f2f3ff; font-weight: 650; text-decoration: none; }
main { max-width: 60rem; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
header a:focus-visible { outline-color: #f2f3ff; }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; }
td, th { padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td:first-child { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (min-width: 40rem) { th:nth-child(3) { width: 40%; } }
@media (max-width: 40rem) { td, th { padding-right: .5rem; } progress { min-width: 3rem; } main { padding: .8rem; } }
progress { width: 100%; min-width: 4rem; height: .7rem; accent-color: var(--bar); }
.note { color: var(--quiet); }
.good { color: var(--good); }
.bad { color: var(--bad); }
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
const colours = { done: 'good', failed: 'bad' };
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
    meter.setAttribute('aria-label', table.table);
    if (typeof table.share === 'number') meter.value = table.share;
    bar.append(meter);
  } else if (table.state === 'done') bar.append(element('span', '\\u2713 done', 'good'));
  row.append(name, element('td', Number(table.rows ?? 0).toLocaleString(), 'number'), bar, element('td', stateText(table), colours[table.state] ?? 'note'));
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
<header><a href="/">Start</a></header>
<main>
<h1>Download progress</h1>
<p id="summary" class="note" aria-live="polite"></p>
<table>
<thead><tr><th>Table</th><th class="number">Rows</th><th>Progress</th><th>Note</th></tr></thead>
<tbody></tbody>
</table>
<noscript>See <a href="/tdog/progress.json">progress.json</a>.</noscript>
</main>
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
