"""
Labels, order and descriptions of the tables as Datasette's metadata. They are not in metadata.yaml: Datasette 0.65 copies
all of it several times for each page, which took a third of a page's time.
"""

import json
from pathlib import Path

from datasette import Response, hookimpl

from .database import NAME

FACTS = json.loads((Path(__file__).parent / "table_facts.json").read_text(encoding="utf-8"))
HIDDEN = frozenset(name for name, facts in FACTS.items() if facts.get("hidden"))


def facts_of(table: "str | None") -> dict:
    return FACTS.get(table or "", {})


@hookimpl
def startup(datasette):
    inherited = datasette.table_metadata

    def table_metadata(database, table):
        return {**facts_of(table), **inherited(database, table)} if database == NAME else inherited(database, table)

    datasette.table_metadata = table_metadata


@hookimpl
def get_metadata(database, table):
    """Where one table is asked about: the descriptions in /stripe/charges.md and the like."""
    return {"databases": {NAME: {"tables": {table: dict(facts_of(table))}}}} if database == NAME and table in FACTS else {}


async def metadata_json(datasette):
    """`/-/metadata.json` with everything in it."""
    merged = dict(datasette.metadata())
    databases = dict(merged.get("databases") or {})
    own = dict(databases.get(NAME) or {})
    own["tables"] = {**FACTS, **(own.get("tables") or {})}
    return Response.json({**merged, "databases": {**databases, NAME: own}})


@hookimpl(tryfirst=True)
def register_routes():
    return [(r"^/-/metadata\.json$", metadata_json)]
