import { dependsOnDataOnly } from '@datasette-stripe/auth-proxy';
import { tableNames } from '@datasette-stripe/tdog';

const tables: ReadonlySet<string> = new Set([...tableNames('all'), 'events']);

/**
 * Whether the proxy may answer a path and query from memory until the Stripe data changes: static files, queries
 * whose SQL one can see, and tables of Stripe objects. Not the start page, canned queries, dashboards and the engine's
 * own tables (td_…): they show the time, or what changes without Stripe's data changing.
 */
export function isCacheable(target: string): boolean {
  if (!dependsOnDataOnly(target) || /td_|mirror_status/i.test(target)) return false;
  if (target.startsWith('/-/static')) return true;
  const [, database, table] = /^\/(stripe)(?:\.\w+)?(?:\/([^/?.]+)[^?]*)?(?:\?|$)/.exec(target) ?? [];
  return database !== undefined && (table === undefined || tables.has(table));
}
