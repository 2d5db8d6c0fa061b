import type { Authenticator } from '../authenticators/authenticator.ts';
import { escapeHtml } from './html.ts';
import { renderPage } from './page.ts';

/** What the sign-in page shows. */
export interface SignInPage {
  readonly siteName: string;
  readonly notice: string | undefined;
  readonly basePath: string;
  /** Own path to go on to. */
  readonly next: string;
  /** Why the last try failed. */
  readonly problem?: string;
}

/** The sign-in page: a plain form, so that it works without scripts and password managers know it. */
export function signInPage(
  page: SignInPage,
  authenticators: readonly Authenticator[],
): ReturnType<typeof renderPage> {
  const forms = authenticators.filter(({ form }) => form !== 'none');
  const asksUser = forms.some(({ form }) => form === 'user-password');
  const keyOnly = !asksUser;
  const label = [...new Set(forms.map(({ formLabel }) => formLabel ?? 'Password'))].join(' or ');
  const invalid = page.problem === undefined ? '' : ' aria-invalid="true" aria-describedby="problem"';
  const user = asksUser
    ? `<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" autofocus${forms.every(({ form }) => form === 'user-password') ? ' required' : ''}>`
    : // Password managers file a password under a user name; a key has none, so the site stands for it.
      `<input type="text" name="username" value="${escapeHtml(page.siteName)}" autocomplete="username" hidden readonly>`;
  const hint =
    keyOnly && forms.some(({ name }) => name.startsWith('stripe'))
      ? `<p class="hint" id="hint">A secret or restricted key: <code>sk_…</code> or <code>rk_…</code></p>`
      : '';
  return renderPage({
    title: `Sign in · ${page.siteName}`,
    content: `<h1>Sign in to ${escapeHtml(page.siteName)}</h1>
${page.notice === undefined ? '' : `<p class="note">${escapeHtml(page.notice)}</p>`}
${page.problem === undefined ? '' : `<p class="alert" id="problem" role="alert">${escapeHtml(page.problem)}</p>`}
<form method="post" action="${escapeHtml(page.basePath)}/sign-in">
<input type="hidden" name="next" value="${escapeHtml(page.next)}">
${user}
<label for="secret">${escapeHtml(label === '' ? 'Password' : label)}</label>
<input id="secret" name="secret" type="password" autocomplete="current-password" autocapitalize="none" spellcheck="false" required${keyOnly ? ' autofocus' : ''}${hint !== '' && invalid === '' ? ' aria-describedby="hint"' : ''}${invalid}>
${hint}
<button>Sign in</button>
</form>`,
  });
}
