"""What happened to an object and to what belongs to it, from the events that the mirror keeps for good."""

import json
from datetime import datetime, timezone

from .columns import is_money, is_time
from .money import format_money
from .tables import table_of_id

# Looking stops here: nobody reads the difference between 10,001 and a million references, but everybody waits for it.
COUNTED = 10_000
SHOWN = 60
RELATED = 40

# Whose events belong to the story of a row: (table, column that refers to the row).
BELONGS = {
    "customers": (("subscriptions", "customer"), ("invoices", "customer"), ("charges", "customer"), ("payment_intents", "customer")),
    "subscriptions": (("invoices", "subscription"),),
    "invoices": (("charges", "invoice"), ("payment_intents", "invoice"), ("credit_notes", "invoice")),
    "payment_intents": (("charges", "payment_intent"), ("refunds", "payment_intent"), ("disputes", "payment_intent")),
    "charges": (("refunds", "charge"), ("disputes", "charge")),
}
# References of the row itself that are part of its story.
OWN = {"charges": ("payment_intent", "invoice"), "invoices": ("payment_intent", "charge"), "payment_intents": ("invoice",)}
TABLES_WITH_TIMELINE = frozenset(BELONGS)

BAD = ("failed", "dispute.created", "past_due", "uncollectible", "canceled", "deleted", "expired", "requires_action")
GOOD = ("succeeded", ".paid", "activated", "won")


async def newest_ids(db, table: str, column: str, value: str, limit: int) -> "list[str]":
    """Ids of the newest rows that refer to a value; of those with very many, the newest of COUNTED."""
    by = "created" if "created" in await db.table_columns(table) else "rowid"
    some = f"select id, {by} as at from [{table}] where [{column}] = ? limit {COUNTED}"
    found = await db.execute(f"select id from ({some}) order by at desc limit {limit}", [value])
    return [row[0] for row in found]


async def story(db, table: str, row) -> "list[dict]":
    """Events of the row and of what belongs to it, newest first."""
    if table not in TABLES_WITH_TIMELINE or not await db.table_exists("events"):
        return []
    ids = [row["id"], *(row[c] for c in OWN.get(table, ()) if c in row.keys() and row[c])]
    for other, column in BELONGS[table]:
        if await db.table_exists(other) and column in await db.table_columns(other):
            ids.extend(await newest_ids(db, other, column, row["id"], RELATED))
    marks = ", ".join("?" * len(ids))
    sql = (
        "select id, object_id, type, created, previous_attributes, payload from events "
        f"where object_id in ({marks}) order by created desc, rowid desc limit {SHOWN}"
    )
    return [describe(event, row["id"]) for event in await db.execute(sql, ids)]


def describe(event, own_id: str) -> dict:
    """One event as a line: what, of which object, how much, what changed."""
    kind = event["type"]
    data = _object(event["payload"])
    mood = "bad" if any(word in kind for word in BAD) else "good" if any(word in kind for word in GOOD) else ""
    return {
        "id": event["id"],
        "type": kind,
        "created": event["created"],
        "object_id": event["object_id"],
        "own": event["object_id"] == own_id,
        "table": table_of_id(event["object_id"] or ""),
        "mood": mood,
        "text": " · ".join(_facts(data)),
        "changes": _changes(event["previous_attributes"], data),
    }


def _object(payload: "str | None") -> dict:
    try:
        value = json.loads(payload or "{}")
    except ValueError:
        return {}
    inner = (value.get("data") or {}).get("object") if isinstance(value, dict) else None
    found = inner if isinstance(inner, dict) else value
    return found if isinstance(found, dict) else {}


def _facts(data: dict):
    currency = data.get("currency")
    for name in ("total", "amount"):
        if isinstance(data.get(name), int) and isinstance(currency, str):
            yield format_money(data[name], currency)
            break
    for name in ("number", "status", "failure_message", "reason"):
        if isinstance(data.get(name), str) and data[name]:
            yield data[name].replace("_", " ") if name in ("status", "reason") else data[name]


def _changes(previous: "str | None", data: dict) -> "list[str]":
    """`status: past_due → active`, for values that a line can hold."""
    try:
        old = json.loads(previous or "{}")
    except ValueError:
        return []
    lines = []
    for name, before in old.items() if isinstance(old, dict) else ():
        after = data.get(name)
        if isinstance(before, (dict, list)) or isinstance(after, (dict, list)):
            lines.append(f"{name} changed")
        else:
            lines.append(f"{name}: {_value(name, before, data)} → {_value(name, after, data)}")
    return lines


def _value(name: str, value, data: dict) -> str:
    currency = data.get("currency")
    if is_money(None, name) and isinstance(value, int) and isinstance(currency, str):
        return format_money(value, currency)
    if is_time(name) and isinstance(value, int):
        return datetime.fromtimestamp(value, timezone.utc).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
