"""The mirror's tables as the engine makes them, for tests that need no engine: made from its catalogue."""

import json
import sqlite3
from pathlib import Path

CATALOG = Path(__file__).parents[4] / "packages" / "tdog" / "src" / "catalog.json"
TYPES = {"integer": "INTEGER", "boolean": "INTEGER", "real": "REAL"}

# Columns of tdog 0.7 that the current objects no longer have and the engine keeps filling, as far as the site reads them.
KEPT = {
    "charges": {"invoice": "TEXT", "payment_method_details_type": "TEXT"},
    "discounts": {"coupon": "TEXT", "end_ts": "TEXT"},
    "invoice_line_items": {
        "type": "TEXT", "invoice": "TEXT", "invoice_item": "TEXT", "subscription": "TEXT", "subscription_item": "TEXT",
        "price": "TEXT", "proration": "INTEGER", "period_json": "JSON", "tax_amounts": "JSON",
    },
    "invoiceitems": {
        "subscription": "TEXT", "date_ts": "TEXT", "price": "TEXT", "unit_amount": "INTEGER", "period_json": "JSON",
        "unit_amount_decimal": "TEXT", "subscription_item": "TEXT",
    },
    "invoices": {
        "paid": "INTEGER", "charge": "TEXT", "payment_intent": "TEXT", "subscription": "TEXT", "tax": "INTEGER",
        "total_tax_amounts": "JSON",
    },
    "payment_intents": {"invoice": "TEXT"},
    "promotion_codes": {"coupon": "TEXT"},
    "subscription_items": {"price": "TEXT"},
    "subscriptions": {
        "current_period_end": "TEXT", "current_period_start": "TEXT", "discount": "TEXT", "items": "JSON",
    },
}  # fmt: skip

REFERENCES = {
    "balance_transaction": "balance_transactions", "charge": "charges", "coupon": "coupons", "customer": "customers",
    "credit_note": "credit_notes", "default_price": "prices", "discount": "discounts", "invoice": "invoices",
    "invoice_item": "invoiceitems", "latest_charge": "charges", "latest_invoice": "invoices",
    "payment_intent": "payment_intents", "payment_method": "payment_methods", "price": "prices", "product": "products",
    "promotion_code": "promotion_codes", "subscription": "subscriptions", "subscription_item": "subscription_items",
    "default_payment_method": "payment_methods",
}  # fmt: skip

MIRROR = """
CREATE TABLE td_metadata (id INTEGER PRIMARY KEY, cli_version TEXT NOT NULL, stripe_version TEXT NOT NULL,
  stripe_account_id TEXT NOT NULL, stripe_account TEXT NOT NULL, stripe_is_test INTEGER NOT NULL, heartbeat_ts TEXT,
  data_version INTEGER NOT NULL DEFAULT 0);
CREATE TABLE td_runs (run_id INTEGER PRIMARY KEY, type TEXT NOT NULL, start_ts TEXT, end_ts TEXT);
CREATE TABLE td_progress ("table" TEXT PRIMARY KEY, state TEXT, rows INTEGER, pages INTEGER, share REAL, requests INTEGER,
  cursor TEXT, error TEXT, started_ts TEXT, updated_ts TEXT, finished_ts TEXT);
CREATE TABLE td_state (key TEXT PRIMARY KEY NOT NULL, value TEXT) WITHOUT ROWID;
CREATE TABLE td_requests (day TEXT, purpose TEXT, reads INTEGER, PRIMARY KEY (day, purpose));
CREATE TABLE td_deleted ("table" TEXT, id TEXT, deleted_ts TEXT, object TEXT, PRIMARY KEY ("table", id));
CREATE TABLE td_proof ("table" TEXT, "window" TEXT, checked_ts TEXT, rows INTEGER, drift INTEGER, repaired INTEGER);
CREATE TABLE events (id TEXT PRIMARY KEY NOT NULL, object_id TEXT, object TEXT, type TEXT, created TEXT, api_version TEXT,
  previous_attributes TEXT, payload TEXT, insert_ts TEXT);
CREATE INDEX events_object_id ON events (object_id, created);
CREATE INDEX events_created ON events (created);
"""


def catalog() -> "list[dict]":
    return json.loads(CATALOG.read_text())["tables"]


def create(db: sqlite3.Connection, core_only: bool = True) -> None:
    """All tables, their indexes and the mirror's own tables; WAL, as the engine has it."""
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(MIRROR)
    for table in catalog():
        if table["table"] == "notification_events" or (core_only and not table["core"]):
            continue
        create_table(db, table)


def create_indexes(db: sqlite3.Connection) -> None:
    """The site's own, as the engine's process makes them."""
    db.executescript((Path(__file__).parent.parent / "indexes.sql").read_text())


def create_table(db: sqlite3.Connection, table: dict) -> None:
    name = table["table"]
    kept = KEPT.get(name, {})
    scalars, jsons = {}, {}
    for column in table["columns"]:
        kind = column["type"]
        if column["name"] == "id" or column["name"] in kept:
            continue
        (jsons if kind == "json" else scalars)[column["name"]] = "TEXT" if kind == "json" else TYPES.get(kind, "TEXT")
    for column, kind in kept.items():
        (jsons if kind == "JSON" else scalars)[column] = "TEXT" if kind == "JSON" else kind
    references = {c: t for c in scalars if (t := REFERENCES.get(c)) and not (name == "discounts" and c == "invoice")}
    columns = ["id TEXT PRIMARY KEY NOT NULL"]
    for column, kind in {**scalars, **jsons, "extra": "TEXT", "insert_ts": "TEXT", "update_ts": "TEXT"}.items():
        columns.append(f'"{column}" {kind}' + (f" REFERENCES {references[column]}(id)" if column in references else ""))
    db.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
    for column in [*references, *(["created"] if "created" in scalars else [])]:
        db.execute(f'CREATE INDEX "{name}_{column}" ON {name} ("{column}")')


def insert(db: sqlite3.Connection, table: str, rows: "list[dict]") -> None:
    """Rows as dicts; what is a list or a dict becomes JSON text."""
    for row in rows:
        values = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in row.values()]
        names = ", ".join(f'"{name}"' for name in row)
        db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", values)
