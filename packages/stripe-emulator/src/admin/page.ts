import type { FaultSettings } from '../faults/settings.ts';
import type { Attempt } from '../webhooks/deliveries.ts';

/** What the emulator knows about itself. */
export interface Status {
  readonly account: string;
  readonly url: string;
  readonly key: string;
  readonly apiVersion: string;
  readonly source: string;
  readonly step?: number;
  readonly lastStep?: number;
  readonly eventsPerSecond: number;
  readonly startedAt: string;
  /** Objects by type, those there are. */
  readonly objects: Readonly<Record<string, number>>;
  readonly requests: Readonly<Record<string, number>>;
  readonly faults: FaultSettings;
  readonly deliveries: readonly Attempt[];
  readonly events: readonly { readonly id: string; readonly type: string; readonly created: string }[];
}

const escaped = (value: unknown): string =>
  String(value)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

const table = (head: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  rows.length === 0
    ? '<p>None.</p>'
    : `<table><tr>${head.map((cell) => `<th>${escaped(cell)}</th>`).join('')}</tr>${rows
        .map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`)
        .join('')}</table>`;

const byCount = (counts: Readonly<Record<string, number>>): [string, number][] =>
  Object.entries(counts).sort(([, a], [, b]) => b - a);

/** The status as a page that reloads itself. */
export function statusPage(status: Status): string {
  const step = status.step === undefined ? '' : `, step ${status.step} of ${status.lastStep ?? 0}`;
  const live = status.eventsPerSecond > 0 ? `, ${status.eventsPerSecond} events per second` : '';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width">
<title>Stripe emulator</title>
<style>
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1a1f36; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
  table { border-collapse: collapse; } td, th { padding: .2rem 1.2rem .2rem 0; text-align: left; border-bottom: 1px solid #e3e8ee; }
  code, pre { background: #f6f9fc; padding: .1rem .3rem; border-radius: 4px; } pre { padding: .8rem; overflow: auto; }
  @media (prefers-color-scheme: dark) { body { background: #1a1f36; color: #e3e8ee; } code, pre { background: #2a2f45; } td, th { border-color: #3c4257; } }
</style>
<h1>Stripe emulator: ${escaped(status.account)}</h1>
<p>${escaped(status.source)}${escaped(step)}${escaped(live)}. API version ${escaped(status.apiVersion)}, up since ${escaped(status.startedAt)}.</p>
<pre>curl ${escaped(status.url)}/v1/customers?limit=3 -u ${escaped(status.key)}:</pre>
<h2>Objects</h2>
${table(['object', 'how many'], byCount(status.objects))}
<h2>Newest events</h2>
${table(
  ['type', 'id', 'created'],
  status.events.map((event) => [event.type, event.id, event.created]),
)}
<h2>Webhook deliveries</h2>
${table(
  ['event', 'url', 'attempt', 'result'],
  status.deliveries.slice(0, 20).map((one) => [one.type, one.url, one.attempt, one.result]),
)}
<h2>Requests</h2>
${table(['route', 'answered'], byCount(status.requests).slice(0, 30))}
<h2>Faults</h2>
<pre>${escaped(JSON.stringify(status.faults, null, 2))}</pre>
<p>Change them with <code>POST /_emulator/faults</code>; <code>{}</code> ends them.</p>
</html>
`;
}
