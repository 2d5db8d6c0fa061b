const history = (view: string, object: string): string => `
CREATE VIEW IF NOT EXISTS ${view} AS
SELECT object_id AS id, created AS valid_from,
  lead(created) OVER (PARTITION BY object_id ORDER BY created, rowid) AS valid_to,
  type, id AS event, api_version, json_extract(payload, '$.data.object') AS state
FROM events WHERE object = '${object}' AND object_id IS NOT NULL;`;

/**
 * Views over the engine's own tables. `*_history`: the state of an object at a time T is the row with
 * `valid_from <= T AND (valid_to > T OR valid_to IS NULL)`, as far back as events were seen.
 */
export const VIEWS: string = `
CREATE VIEW IF NOT EXISTS notification_events AS
SELECT rowid AS event_id, id, type,
  substr(type, 1, length(rtrim(type, replace(type, '.', ''))) - 1) AS resource,
  substr(type, length(rtrim(type, replace(type, '.', ''))) + 1) AS action,
  json_extract(payload, '$.account') AS account, api_version, object_id AS data_object_id, object AS data_object_object,
  json_extract(payload, '$.data.object') AS data_object, previous_attributes AS data_previous_attributes,
  json_extract(payload, '$.pending_webhooks') AS pending_webhooks, json_extract(payload, '$.request.id') AS request_id,
  json_extract(payload, '$.request.idempotency_key') AS request_idempotency_key, created,
  json_extract(payload, '$.livemode') AS livemode, insert_ts
FROM events;
${history('customer_history', 'customer')}
${history('subscription_history', 'subscription')}
${history('invoice_history', 'invoice')}
CREATE VIEW IF NOT EXISTS object_timeline AS
SELECT object_id, object, created, type, id AS event, previous_attributes, json_extract(payload, '$.request.id') AS request,
  json_extract(payload, '$.data.object') AS state
FROM events WHERE object_id IS NOT NULL;
CREATE VIEW IF NOT EXISTS mirror_status AS
SELECT "table", state, rows,
  CASE WHEN state <> 'done' THEN NULL
    WHEN cursor = 'events' THEN coalesce((SELECT value FROM td_state WHERE key = 'current_ts'), finished_ts)
    ELSE max(finished_ts, coalesce((SELECT min(checked_ts) FROM td_proof p WHERE p."table" = td_progress."table"), '')) END AS complete_as_of,
  error
FROM td_progress
UNION ALL
SELECT '(all)', CASE WHEN sum(state IN ('waiting', 'running')) > 0 THEN 'running' WHEN sum(state IN ('skipped', 'failed')) > 0 THEN 'partial' ELSE 'done' END,
  sum(rows),
  CASE WHEN sum(state NOT IN ('done', 'skipped')) > 0 THEN NULL ELSE min(CASE WHEN state <> 'done' THEN NULL
    WHEN cursor = 'events' THEN coalesce((SELECT value FROM td_state WHERE key = 'current_ts'), finished_ts)
    ELSE max(finished_ts, coalesce((SELECT min(checked_ts) FROM td_proof p WHERE p."table" = td_progress."table"), '')) END) END,
  (SELECT group_concat("table", ', ') FROM td_progress WHERE state IN ('skipped', 'failed'))
FROM td_progress;
`;
