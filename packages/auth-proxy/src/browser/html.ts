/** Text for HTML content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Our own pages have no scripts and no assets; the style is allowed by its hash. */
export function pagePolicy(styleHash: string): string {
  return [
    "default-src 'none'",
    `style-src '${styleHash}'`,
    'img-src data:',
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Whether the request is a browser's (or anybody's) for a page. */
export function wantsHtml(method: string | undefined, accept: string | undefined): boolean {
  return (
    (method === 'GET' || method === 'HEAD' || method === 'POST') &&
    accept !== undefined &&
    /\btext\/html\b/i.test(accept)
  );
}
