import { parseTarget } from '../http/target.ts';

/**
 * Where to go after signing in: only a path of this site, in the strict form that every request must have.
 * Anything a browser could read as another origin (`//x`, `/\x`, tabs, `https:`) becomes the front page.
 */
export function ownPath(next: string | undefined): string {
  if (next === undefined || next.length > 4_000) return '/';
  // Browsers strip tabs and newlines before they parse.
  if (/[\x00-\x20\x7f\\]/.test(next)) return '/';
  const target = parseTarget(next);
  if ('problem' in target || /^\/(?:%2f|%5c)/i.test(target.path)) return '/';
  return target.path + target.search;
}
