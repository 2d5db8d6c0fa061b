import { dashboardPaths } from './paths.js';
const plural = (count, unit) => `${count} ${unit}${count === 1 ? '' : 's'}`;
function ago(seconds) {
    if (seconds < 90)
        return `${Math.max(0, Math.round(seconds))} s`;
    if (seconds < 5400)
        return `${Math.round(seconds / 60)} min`;
    if (seconds < 172_800)
        return `${Math.round(seconds / 3600)} h`;
    return plural(Math.round(seconds / 86_400), 'day');
}
function keepFresh(status, target) {
    let heartbeat = status.heartbeat === null ? undefined : new Date(status.heartbeat);
    const say = () => {
        if (heartbeat === undefined) {
            target.textContent = 'waiting for Stripe';
            return;
        }
        const seconds = (Date.now() - heartbeat.getTime()) / 1000;
        const clock = heartbeat.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
        const words = document.createElement('span');
        words.className = 'clock';
        words.textContent = `current as of ${seconds > 86_400 ? heartbeat.toLocaleDateString() : clock} `;
        target.replaceChildren(words, `(${ago(seconds)} ago)`);
        target.title = heartbeat.toString();
        target.classList.toggle('old', seconds > 600);
    };
    const ask = async () => {
        if (document.hidden)
            return;
        try {
            const answer = await fetch('/-/now.json', { headers: { accept: 'application/json' } });
            if (answer.status === 401) {
                clearInterval(asking);
                return;
            }
            if (!answer.ok)
                return;
            const now = (await answer.json());
            heartbeat = now.heartbeat === null ? undefined : new Date(now.heartbeat);
            say();
        }
        catch {
        }
    };
    say();
    if (heartbeat === undefined || Date.now() - heartbeat.getTime() > 15_000)
        void ask();
    setInterval(say, 1000);
    const asking = setInterval(() => void ask(), 4000);
    document.addEventListener('visibilitychange', () => void ask());
}
function showProgress(section) {
    const bars = section.querySelector('[data-progress-bars]');
    const left = section.querySelector('[data-progress-left]');
    if (bars === null || left === null)
        return;
    const look = async () => {
        let progress;
        try {
            const answer = await fetch('/tdog/progress.json', { headers: { accept: 'application/json' } });
            if (!answer.ok)
                return;
            progress = (await answer.json());
        }
        catch {
            setTimeout(() => void look(), 3000);
            return;
        }
        const wasShown = !section.hidden;
        section.hidden = progress.done;
        if (progress.done) {
            if (wasShown)
                location.reload();
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
        bars.replaceChildren(...progress.tables.filter((table) => table.state !== 'skipped').flatMap((table) => barOf(table)));
        setTimeout(() => void look(), document.hidden ? 5000 : 1000);
    };
    void look();
}
function barOf(table) {
    const name = document.createElement('span');
    name.textContent = table.table;
    const bar = document.createElement('progress');
    bar.setAttribute('aria-label', table.table);
    if (table.state === 'done')
        bar.value = 1;
    else if (table.state === 'waiting' || table.state === 'failed')
        bar.value = 0;
    else if (typeof table.share === 'number')
        bar.value = table.share;
    const rows = document.createElement('span');
    rows.className = 'count';
    rows.textContent = table.state === 'failed' ? 'failed' : table.rows.toLocaleString();
    return [name, bar, rows];
}
function localTimes() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const tell = (event) => {
        const time = event.target instanceof Element ? event.target.closest('time') : null;
        if (time === null || time.title !== '')
            return;
        const moment = new Date(time.dateTime);
        if (Number.isNaN(moment.getTime()))
            return;
        const local = moment.toLocaleString([], { dateStyle: 'full', timeStyle: 'long' });
        time.title = `${local} (${zone})\n${ago((Date.now() - moment.getTime()) / 1000)} ago`;
    };
    document.addEventListener('pointerover', tell);
    document.addEventListener('focusin', tell);
}
function stripeAddress(link) {
    const [, database, table, id, ...more] = link.pathname.split('/');
    if (database !== 'stripe' || table === undefined || id === undefined || id === '' || more.length > 0)
        return undefined;
    const base = document.body.dataset['dashboard'] ?? 'https://dashboard.stripe.com';
    const plain = decodeURIComponent(id.replaceAll('+', ' ').replaceAll(/~([0-9A-F]{2})/g, '%$1'));
    const path = dashboardPaths.get(table);
    return path === undefined
        ? `${base}/search?query=${encodeURIComponent(plain)}`
        : `${base}/${path}/${encodeURIComponent(plain)}`;
}
function isTyping(target) {
    return (target instanceof HTMLElement &&
        (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)));
}
function keys() {
    let held = false;
    document.addEventListener('keydown', (event) => {
        if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey)
            return;
        if (event.key === 's')
            held = true;
        if (event.key === '/') {
            const box = document.querySelector('.big-search input, .site-search input');
            if (box !== null) {
                event.preventDefault();
                box.focus();
                box.select();
            }
        }
    });
    document.addEventListener('keyup', (event) => {
        if (event.key === 's')
            held = false;
    });
    addEventListener('blur', () => (held = false));
    document.addEventListener('click', (event) => {
        if (!held || !(event.target instanceof Element))
            return;
        const link = event.target.closest('a');
        const address = link === null ? undefined : stripeAddress(link);
        if (address === undefined)
            return;
        event.preventDefault();
        event.stopPropagation();
        held = false;
        open(address, '_blank', 'noopener');
    }, true);
}
function menus() {
    const close = (except) => {
        for (const menu of document.querySelectorAll('details.nav-menu[open]')) {
            if (menu === except)
                continue;
            if (menu.contains(document.activeElement))
                menu.querySelector('summary')?.focus();
            menu.open = false;
        }
    };
    document.addEventListener('click', (event) => close(event.target instanceof Element ? event.target.closest('details.nav-menu') : null));
    document.addEventListener('keydown', (event) => {
        if (event.key === 'Escape')
            close(null);
    });
}
function switches() {
    for (const form of document.querySelectorAll('form[data-auto]')) {
        form.addEventListener('change', () => form.requestSubmit());
        for (const button of form.querySelectorAll('button'))
            button.hidden = true;
    }
}
function copyButtons() {
    for (const button of document.querySelectorAll('button[data-copy], button[data-copy-from]')) {
        button.hidden = !('clipboard' in navigator);
        button.addEventListener('click', () => {
            const field = document.getElementById(button.dataset['copyFrom'] ?? '');
            const text = field instanceof HTMLTextAreaElement
                ? field.value
                : new URL(button.dataset['copy'] ?? '', location.href).href;
            void navigator.clipboard.writeText(text).then(() => (button.textContent = 'Copied'));
        });
    }
}
function latePanels() {
    const late = () => document.querySelectorAll('[data-pending]');
    const look = async () => {
        let pauseMs = 500;
        try {
            const answer = await fetch(location.href);
            if (answer.status === 401)
                return;
            const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
            for (const element of late()) {
                const now = page.getElementById(element.id);
                if (now !== null && now.dataset['pending'] === undefined)
                    element.replaceWith(now);
            }
            if (!answer.ok)
                pauseMs = 5000;
        }
        catch {
            pauseMs = 5000;
        }
        if (late().length > 0)
            setTimeout(() => void look(), document.hidden ? 5000 : pauseMs);
    };
    if (late().length > 0)
        void look();
}
function editor() {
    const input = document.querySelector('textarea#sql-editor');
    const { CodeMirror, sqlFormatter } = globalThis;
    if (input === null || CodeMirror === undefined)
        return;
    const label = input.labels[0]?.textContent ?? 'SQL';
    const code = CodeMirror.fromTextArea(input, { lineNumbers: true, mode: 'text/x-sql', lineWrapping: true });
    document.querySelector('.CodeMirror textarea')?.setAttribute('aria-label', label);
    code.setOption('extraKeys', { 'Shift-Enter': () => input.form?.requestSubmit(), Tab: false });
    const button = document.querySelector('button#sql-format');
    if (button === null || sqlFormatter === undefined)
        return;
    button.hidden = false;
    button.addEventListener('click', () => code.setValue(sqlFormatter.format(code.getValue())));
}
Object.assign(globalThis, { DATASETTE_ALLOW_FACET: true });
document.addEventListener('DOMContentLoaded', editor);
const fresh = document.querySelector('[data-fresh]');
if (fresh !== null)
    keepFresh(JSON.parse(document.body.dataset['status'] ?? '{}'), fresh);
const progress = document.querySelector('[data-progress]');
if (progress !== null)
    showProgress(progress);
latePanels();
localTimes();
keys();
menus();
switches();
copyButtons();
