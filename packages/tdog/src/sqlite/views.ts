import type { DatabaseSync } from 'node:sqlite';

/** A delete event ends the history, as does Stripe's word that there is no such object; neither is a state of it. */
const history = (table: string, object: string): string => `SELECT * FROM (
SELECT object_id AS id, created AS valid_from,
  coalesce(lead(created) OVER (PARTITION BY object_id ORDER BY created, rowid),
    (SELECT substr(deleted_ts, 1, 19) FROM td_deleted WHERE "table" = '${table}' AND td_deleted.id = object_id)) AS valid_to,
  type, id AS event, api_version, json_extract(payload, '$.data.object') AS state, rowid AS position
FROM events WHERE object = '${object}' AND object_id IS NOT NULL
) WHERE type <> '${object}.deleted' AND json_extract(state, '$.deleted') IS NOT 1`;

/** As of when what a row of td_progress tells of is complete: by events, else by the comparison that is longest ago. */
const COMPLETE_AS_OF = `CASE WHEN state <> 'done' THEN NULL
    WHEN cursor = 'events' THEN coalesce((SELECT value FROM td_state WHERE key = 'current_ts'), finished_ts)
    ELSE max(finished_ts, coalesce((SELECT value FROM td_state WHERE key = 'proven:' || td_progress."table"), ''),
      coalesce((SELECT checked_ts FROM td_proof p WHERE p."table" = td_progress."table" AND p."window" = 'all'), '')) END`;

/**
 * Views over the engine's own tables. `*_history`: the state of an object at a time T is the row with
 * `valid_from <= T AND (valid_to > T OR valid_to IS NULL)`, as far back as events were seen.
 */
export const VIEWS: Readonly<Record<string, string>> = {
  notification_events: `SELECT rowid AS event_id, id, type,
  substr(type, 1, length(rtrim(type, replace(type, '.', ''))) - 1) AS resource,
  substr(type, length(rtrim(type, replace(type, '.', ''))) + 1) AS action,
  json_extract(payload, '$.account') AS account, api_version, object_id AS data_object_id, object AS data_object_object,
  json_extract(payload, '$.data.object') AS data_object, previous_attributes AS data_previous_attributes,
  json_extract(payload, '$.pending_webhooks') AS pending_webhooks, json_extract(payload, '$.request.id') AS request_id,
  json_extract(payload, '$.request.idempotency_key') AS request_idempotency_key, created,
  json_extract(payload, '$.livemode') AS livemode, insert_ts
FROM events`,
  customer_history: history('customers', 'customer'),
  subscription_history: history('subscriptions', 'subscription'),
  invoice_history: history('invoices', 'invoice'),
  object_timeline: `SELECT object_id, object, created, type, id AS event, previous_attributes, json_extract(payload, '$.request.id') AS request,
  json_extract(payload, '$.data.object') AS state, rowid AS position
FROM events WHERE object_id IS NOT NULL`,
  mirror_status: `SELECT "table", state, rows,
  ${COMPLETE_AS_OF} AS complete_as_of,
  error
FROM td_progress
UNION ALL
SELECT '(all)', CASE WHEN sum(state IN ('waiting', 'running')) > 0 THEN 'running' WHEN sum(state IN ('skipped', 'failed')) > 0 THEN 'partial' ELSE 'done' END,
  sum(rows),
  CASE WHEN sum(state NOT IN ('done', 'skipped')) > 0 THEN NULL ELSE min(${COMPLETE_AS_OF}) END,
  (SELECT group_concat("table", ', ') FROM td_progress WHERE state IN ('skipped', 'failed'))
FROM td_progress`,
};

/** Makes the views, anew where an earlier engine made them otherwise; in the caller's transaction. */
export function ensureViews(db: DatabaseSync): void {
  const stored = new Map(
    db
      .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view'")
      .all()
      .map((row) => [String(row['name']), String(row['sql'])] as const),
  );
  for (const [name, select] of Object.entries(VIEWS)) {
    const sql = `CREATE VIEW ${name} AS ${select}`;
    if (stored.get(name) === sql) continue;
    db.exec(`DROP VIEW IF EXISTS ${name}`);
    db.exec(sql);
  }
}
