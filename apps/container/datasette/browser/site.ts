/**
 * The site's script: how current the page is, the download's bars, times in the reader's zone, links to Stripe's own
 * dashboard while `s` is held, and a few keys. No framework, no other file.
 */

import { dashboardPaths } from './paths.ts';

interface Status {
  readonly heartbeat: string | null;
  readonly data_version: number;
}

interface ProgressTable {
  readonly table: string;
  readonly state: string;
  readonly rows: number;
  readonly share?: number | null;
}

interface Progress {
  readonly done: boolean;
  readonly tables: readonly ProgressTable[];
  readonly objects_per_second?: number | null;
  readonly seconds_left?: number | null;
}

const plural = (count: number, unit: string): string => `${count} ${unit}${count === 1 ? '' : 's'}`;

function ago(seconds: number): string {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return plural(Math.round(seconds / 86_400), 'day');
}

/** "current as of 12:34:56 (3 s ago)", kept true while the page is looked at. */
function keepFresh(status: Status, target: HTMLElement): void {
  let heartbeat = status.heartbeat === null ? undefined : new Date(status.heartbeat);
  const say = (): void => {
    if (heartbeat === undefined) {
      target.textContent = 'waiting for Stripe';
      return;
    }
    const seconds = (Date.now() - heartbeat.getTime()) / 1000;
    const clock = heartbeat.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
    // The clock is left out where there is no room for it.
    const words = document.createElement('span');
    words.className = 'clock';
    words.textContent = `current as of ${seconds > 86_400 ? heartbeat.toLocaleDateString() : clock} `;
    target.replaceChildren(words, `(${ago(seconds)} ago)`);
    target.title = heartbeat.toString();
    target.classList.toggle('old', seconds > 600);
  };
  const ask = async (): Promise<void> => {
    if (document.hidden) return;
    try {
      const answer = await fetch('/-/now.json', { headers: { accept: 'application/json' } });
      // The session has ended, or a share link opens this page alone.
      if (answer.status === 401) {
        clearInterval(asking);
        return;
      }
      if (!answer.ok) return;
      const now = (await answer.json()) as Status;
      heartbeat = now.heartbeat === null ? undefined : new Date(now.heartbeat);
      say();
    } catch {
      // The next try tells; the seconds go on counting and turn yellow.
    }
  };
  say();
  // A page that was kept says what was true when it was made.
  if (heartbeat === undefined || Date.now() - heartbeat.getTime() > 15_000) void ask();
  setInterval(say, 1000);
  const asking = setInterval(() => void ask(), 4000);
  document.addEventListener('visibilitychange', () => void ask());
}

/** The download, table by table, until it is done. */
function showProgress(section: HTMLElement): void {
  const bars = section.querySelector<HTMLElement>('[data-progress-bars]');
  const left = section.querySelector<HTMLElement>('[data-progress-left]');
  if (bars === null || left === null) return;
  const look = async (): Promise<void> => {
    let progress: Progress;
    try {
      const answer = await fetch('/tdog/progress.json', { headers: { accept: 'application/json' } });
      if (!answer.ok) return;
      progress = (await answer.json()) as Progress;
    } catch {
      setTimeout(() => void look(), 3000);
      return;
    }
    const wasShown = !section.hidden;
    section.hidden = progress.done;
    if (progress.done) {
      // The counts below are those of the beginning.
      if (wasShown) location.reload();
      return;
    }
    const seconds = progress.seconds_left ?? undefined;
    const speed = progress.objects_per_second ?? undefined;
    left.textContent = [
      seconds === undefined ? '' : `about ${ago(seconds)} left`,
      speed === undefined ? '' : `${Math.round(speed).toLocaleString()} objects/s`,
    ]
      .filter((part) => part !== '')
      .join(', ');
    bars.replaceChildren(
      ...progress.tables.filter((table) => table.state !== 'skipped').flatMap((table) => barOf(table)),
    );
    setTimeout(() => void look(), document.hidden ? 5000 : 1000);
  };
  void look();
}

function barOf(table: ProgressTable): HTMLElement[] {
  const name = document.createElement('span');
  name.textContent = table.table;
  const bar = document.createElement('progress');
  bar.setAttribute('aria-label', table.table);
  if (table.state === 'done') bar.value = 1;
  else if (table.state === 'waiting' || table.state === 'failed') bar.value = 0;
  else if (typeof table.share === 'number') bar.value = table.share;
  const rows = document.createElement('span');
  rows.className = 'count';
  rows.textContent = table.state === 'failed' ? 'failed' : table.rows.toLocaleString();
  return [name, bar, rows];
}

/** Times are stored and shown in UTC; on hover and focus in the reader's own zone. */
function localTimes(): void {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const tell = (event: Event): void => {
    const time = event.target instanceof Element ? event.target.closest('time') : null;
    if (time === null || time.title !== '') return;
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) return;
    const local = moment.toLocaleString([], { dateStyle: 'full', timeStyle: 'long' });
    time.title = `${local} (${zone})\n${ago((Date.now() - moment.getTime()) / 1000)} ago`;
  };
  document.addEventListener('pointerover', tell);
  document.addEventListener('focusin', tell);
}

/** The address of a row in Stripe's dashboard, if it has a page there; else Stripe's search for its id. */
function stripeAddress(link: HTMLAnchorElement): string | undefined {
  const [, database, table, id, ...more] = link.pathname.split('/');
  if (database !== 'stripe' || table === undefined || id === undefined || id === '' || more.length > 0)
    return undefined;
  const base = document.body.dataset['dashboard'] ?? 'https://dashboard.stripe.com';
  // Datasette writes bytes as ~2F where others write %2F.
  const plain = decodeURIComponent(id.replaceAll('+', ' ').replaceAll(/~([0-9A-F]{2})/g, '%$1'));
  const path = dashboardPaths.get(table);
  return path === undefined
    ? `${base}/search?query=${encodeURIComponent(plain)}`
    : `${base}/${path}/${encodeURIComponent(plain)}`;
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Holding `s` while clicking opens Stripe; `/` goes to the search box. */
function keys(): void {
  let held = false;
  document.addEventListener('keydown', (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 's') held = true;
    if (event.key === '/') {
      const box = document.querySelector<HTMLInputElement>('.big-search input, .site-search input');
      if (box !== null) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    }
  });
  document.addEventListener('keyup', (event) => {
    if (event.key === 's') held = false;
  });
  addEventListener('blur', () => (held = false));
  document.addEventListener(
    'click',
    (event) => {
      if (!held || !(event.target instanceof Element)) return;
      const link = event.target.closest('a');
      const address = link === null ? undefined : stripeAddress(link);
      if (address === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      held = false;
      open(address, '_blank', 'noopener');
    },
    true,
  );
}

/** A menu closes when something else is clicked, or on Escape. */
function menus(): void {
  const close = (except: Element | null): void => {
    for (const menu of document.querySelectorAll<HTMLDetailsElement>('details.nav-menu[open]')) {
      if (menu === except) continue;
      // What had the focus is about to vanish.
      if (menu.contains(document.activeElement)) menu.querySelector('summary')?.focus();
      menu.open = false;
    }
  };
  document.addEventListener('click', (event) =>
    close(event.target instanceof Element ? event.target.closest('details.nav-menu') : null),
  );
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close(null);
  });
}

/** A switch that is changed takes effect at once; without script there is a button. */
function switches(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>('form[data-auto]')) {
    form.addEventListener('change', () => form.requestSubmit());
    for (const button of form.querySelectorAll('button')) button.hidden = true;
  }
}

/** Copies the address of the page with the query that it shows, or the text of a field. */
function copyButtons(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>(
    'button[data-copy], button[data-copy-from]',
  )) {
    // Browsers have no clipboard for pages that came over plain http from elsewhere.
    button.hidden = !('clipboard' in navigator);
    button.addEventListener('click', () => {
      const field = document.getElementById(button.dataset['copyFrom'] ?? '');
      const text =
        field instanceof HTMLTextAreaElement
          ? field.value
          : new URL(button.dataset['copy'] ?? '', location.href).href;
      void navigator.clipboard.writeText(text).then(() => (button.textContent = 'Copied'));
    });
  }
}

/** Panels of a dashboard that took longer than the page waits: put in as they are computed. */
function latePanels(): void {
  const late = (): NodeListOf<HTMLElement> => document.querySelectorAll<HTMLElement>('[data-pending]');
  const look = async (): Promise<void> => {
    let pauseMs = 500;
    try {
      // The page waits for a second itself.
      const answer = await fetch(location.href);
      // The session has ended.
      if (answer.status === 401) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const element of late()) {
        const now = page.getElementById(element.id);
        if (now !== null && now.dataset['pending'] === undefined) element.replaceWith(now);
      }
      if (!answer.ok) pauseMs = 5000;
    } catch {
      // The next try tells.
      pauseMs = 5000;
    }
    if (late().length > 0) setTimeout(() => void look(), document.hidden ? 5000 : pauseMs);
  };
  if (late().length > 0) void look();
}

interface CodeMirrorEditor {
  getValue(): string;
  setValue(text: string): void;
  setOption(name: string, value: unknown): void;
}

/** Datasette's SQL editor, set up as its own inline script does. */
function editor(): void {
  const input = document.querySelector<HTMLTextAreaElement>('textarea#sql-editor');
  const { CodeMirror, sqlFormatter } = globalThis as unknown as {
    CodeMirror?: { fromTextArea(input: HTMLTextAreaElement, options: object): CodeMirrorEditor };
    sqlFormatter?: { format(text: string): string };
  };
  if (input === null || CodeMirror === undefined) return;
  const label = input.labels[0]?.textContent ?? 'SQL';
  const code = CodeMirror.fromTextArea(input, { lineNumbers: true, mode: 'text/x-sql', lineWrapping: true });
  document.querySelector('.CodeMirror textarea')?.setAttribute('aria-label', label);
  code.setOption('extraKeys', { 'Shift-Enter': () => input.form?.requestSubmit(), Tab: false });
  const button = document.querySelector<HTMLButtonElement>('button#sql-format');
  if (button === null || sqlFormatter === undefined) return;
  button.hidden = false;
  button.addEventListener('click', () => code.setValue(sqlFormatter.format(code.getValue())));
}

// Datasette's table.js reads it; stock pages set it by an inline script.
Object.assign(globalThis, { DATASETTE_ALLOW_FACET: true });

// Deferred scripts of the page, CodeMirror among them, have run by then.
document.addEventListener('DOMContentLoaded', editor);

const fresh = document.querySelector<HTMLElement>('[data-fresh]');
if (fresh !== null) keepFresh(JSON.parse(document.body.dataset['status'] ?? '{}') as Status, fresh);
const progress = document.querySelector<HTMLElement>('[data-progress]');
if (progress !== null) showProgress(progress);
latePanels();
localTimes();
keys();
menus();
switches();
copyButtons();
