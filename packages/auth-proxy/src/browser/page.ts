import { createHash } from 'node:crypto';
import { escapeHtml, pagePolicy } from './html.ts';

const STYLE = `
:root{color-scheme:light dark;--bg:#f6f8fa;--card:#fff;--ink:#1a1f36;--soft:#4f566b;--line:#c9d1dc;--brand:#4f46e5;--brand-ink:#fff;--bad:#b3093c;--bad-bg:#fdf0f3;--note-bg:#eef2ff;--shadow:0 1px 2px #1a1f3614,0 12px 32px #1a1f361a}
@media(prefers-color-scheme:dark){:root{--bg:#0f1220;--card:#191d2e;--ink:#eceffa;--soft:#aab2cc;--line:#414a66;--brand:#8b8cff;--brand-ink:#0f1220;--bad:#ff9db5;--bad-bg:#3a1724;--note-bg:#232848;--shadow:0 12px 32px #0006}}
*{box-sizing:border-box}
html{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;background:var(--bg);color:var(--ink)}
body{margin:0;min-height:100vh;min-height:100svh;display:grid;place-items:center;padding:1.25rem}
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:14px;box-shadow:var(--shadow);padding:2rem}
main.wide{max-width:52rem}
.mark{width:2.5rem;height:2.5rem;color:var(--brand);display:block;margin-bottom:1rem}
h1{font-size:1.375rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:0 0 1rem;color:var(--soft)}
.alert,.note{border-radius:8px;padding:.75rem .875rem;margin:0 0 1rem}
.alert{background:var(--bad-bg);color:var(--bad);border-left:4px solid var(--bad)}
.note{background:var(--note-bg);color:var(--ink)}
label{display:block;font-weight:600;margin:1rem 0 .375rem}
.hint{font-size:.875rem;margin:.375rem 0 0}
input,select{width:100%;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:8px;padding:.65rem .75rem;min-height:2.75rem}
input:focus-visible,select:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid var(--brand);outline-offset:2px}
input[aria-invalid=true]{border-color:var(--bad)}
button,.button{display:inline-block;width:100%;margin-top:1.25rem;font:inherit;font-weight:600;text-align:center;text-decoration:none;color:var(--brand-ink);background:var(--brand);border:1px solid transparent;border-radius:8px;padding:.65rem 1rem;min-height:2.75rem;cursor:pointer}
button:hover,.button:hover{filter:brightness(1.08)}
.plain{color:var(--ink);background:transparent;border-color:var(--line)}
a{color:var(--brand)}
footer{margin-top:1.5rem;font-size:.875rem;color:var(--soft)}
footer p{margin:0}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
th,td{text-align:left;padding:.5rem .5rem .5rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td button{margin:0;width:auto;min-height:0;padding:.25rem .75rem}
@media(max-width:30rem){main{padding:1.5rem}.scroll{overflow-x:auto}}
@media(forced-colors:active){main,button,.button{border:1px solid}}
`;
const STYLE_HASH = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`;

// A database cylinder with a keyhole, drawn in the page: nothing is loaded.
const MARK = `<svg class="mark" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="2.5" aria-hidden="true"><ellipse cx="20" cy="9" rx="14" ry="5.5"/><path d="M6 9v22c0 3 6.3 5.500 14 5.500s14-2.500 14-5.500V9"/><circle cx="20" cy="22" r="3.200" fill="currentColor" stroke="none"/><path d="M20 23v6"/></svg>`;

/** What goes on one of our own pages. */
export interface Page {
  readonly title: string;
  /** HTML of our own making, with every outside text escaped. */
  readonly content: string;
  /** Loads itself again after so many seconds. */
  readonly refreshSeconds?: number;
  readonly wide?: boolean;
}

/** A whole page and the headers that go with it. */
export function renderPage(page: Page): { readonly body: string; readonly headers: Record<string, string> } {
  const refresh =
    page.refreshSeconds === undefined ? '' : `<meta http-equiv="refresh" content="${page.refreshSeconds}">`;
  return {
    body: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">${refresh}
<title>${escapeHtml(page.title)}</title><style>${STYLE}</style></head>
<body><main${page.wide === true ? ' class="wide"' : ''}>${MARK}
${page.content}
</main></body></html>
`,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-store',
      'Content-Security-Policy': pagePolicy(STYLE_HASH),
    },
  };
}
