"""
Writes stripe_site/table_facts.json (labels, order and descriptions of the tables) and browser/paths.ts (their pages in Stripe's
dashboard), from the engine's catalogue and stripe_site/tables.py.

    apps/container/.venv/bin/python apps/container/datasette/generate.py [--check]
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
CATALOG = HERE.parent.parent.parent / "packages" / "tdog" / "src" / "catalog.json"
sys.path.insert(0, str(HERE))

from stripe_site.columns import currency_column, is_money  # noqa: E402
from stripe_site.tables import MIRROR_TABLES, TABLES  # noqa: E402

# Sort only by what every row has and the engine indexes.
SORT = "created"
DESCRIPTIONS = {
    "id": "Stripe's id",
    "metadata": "What your own software has noted, as JSON",
    "livemode": "1: live, 0: test",
    "currency": "ISO code in lower case",
    "extra": "Properties that the catalogue does not know, as JSON",
    "insert_ts": "When the mirror first wrote the row, UTC",
    "update_ts": "When the mirror last wrote the row, UTC",
}


def describe(table, column):
    """One line on a column: its unit and kind."""
    name = column["name"]
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    if column["type"] == "timestamp":
        return "Time, UTC"
    if is_money(table, name) and column["type"] in ("integer", "text"):
        return f"Amount in the smallest unit of {currency_column(name)} (cents; yen)"
    return {
        "expandable-id": f"Id of the {name.replace('_', ' ')}",
        "json": "JSON",
        "boolean": "1 or 0",
        "real": "Number",
        "integer": "Whole number",
    }.get(column["type"])


def tables():
    catalog = {table["table"]: table for table in json.loads(CATALOG.read_text())["tables"]}
    for name, table in TABLES.items():
        columns = catalog.get(name, {"columns": []})["columns"]
        entry = {"description": f"{table.description}."}
        if table.label:
            entry["label_column"] = table.label
        if name == "invoiceitems":
            entry["sort_desc"] = "date_ts"
        elif name == "events" or any(column["name"] == SORT for column in columns):
            entry["sort_desc"] = SORT
        described = {column["name"]: text for column in columns if (text := describe(name, column))}
        if described:
            entry["columns"] = described
        yield name, entry
    for name, description in MIRROR_TABLES.items():
        yield name, {"description": f"{description}.", "hidden": True}


def paths():
    entries = "\n".join(f"  ['{t.name}', '{t.dashboard}']," for t in TABLES.values() if t.dashboard)
    return f"""// Made by generate.py from stripe_site/tables.py: change that, not this file.

/** Where Stripe's dashboard has the page of a table's objects; what is missing has none. */
export const dashboardPaths: ReadonlyMap<string, string> = new Map([
{entries}
]);
"""


if __name__ == "__main__":
    files = {
        HERE / "stripe_site" / "table_facts.json": json.dumps(dict(tables()), indent=1, ensure_ascii=False) + "\n",
        HERE / "browser" / "paths.ts": paths(),
    }
    for file, text in files.items():
        if "--check" not in sys.argv:
            file.write_text(text)
        elif file.read_text() != text:
            sys.exit(f"{file.name} is not current: run generate.py")
