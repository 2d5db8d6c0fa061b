"""The start page, and the few facts that its script keeps up to date."""

import asyncio

from datasette import Response, hookimpl

from .boards import BOARDS, Figure
from .dashboards import currencies, figure_of
from .database import NAME, mirror
from .page import origin, status_json
from .queries import QUERIES
from .status import status_of
from .tables import GROUPS, TABLES


# What most people come to look at. Shown in the account's main currency.
FIGURES = (
    Figure("MRR now", "mrr-now", "mrr"),
    Figure("Subscribers", "mrr-now", "customers", ""),
    Figure("Net this month", "revenue-by-month", "net", last=True),
    Figure("Success rate this month", "payments-by-month", "success_percent", "%", last=True),
)
# The page does not wait longer for them. What is computed is kept, so the next visit has them.
FIGURES_SECONDS = 0.2


async def figures(db):
    """The figures, or none when they take too long or there is nothing yet to compute them from."""

    async def all_of_them():
        known = await currencies(db)
        if not known:
            return []
        found = await asyncio.gather(*(figure_of(db, figure, {"currency": known[0]}, known[0]) for figure in FIGURES))
        return [figure for figure in found if figure["text"] != "–"]

    try:
        return await asyncio.wait_for(all_of_them(), FIGURES_SECONDS)
    except asyncio.TimeoutError:
        return []


def grouped_tables(names, counts):
    """The tables that are there, as Stripe's dashboard groups them; what the catalogue does not know comes last."""
    groups = []
    for group in GROUPS:
        rows = [
            {"name": t.name, "description": t.description, "count": counts.get(t.name)}
            for t in TABLES.values()
            if t.group == group and t.name in names
        ]
        # What holds something first; the order within is the dashboard's.
        if rows:
            groups.append({"name": group, "tables": rows, "empty": all(row["count"] == 0 for row in rows)})
    return [group for group in groups if not group["empty"]] + [group for group in groups if group["empty"]]


def grouped_queries():
    """Saved queries by group."""
    groups = {}
    for query in QUERIES.values():
        groups.setdefault(query.group, []).append(query)
    return groups


@hookimpl
def extra_template_vars(view_name, database):
    """The page of the database has the same groups."""
    if view_name != "database" or database != NAME:
        return {}

    def grouped(tables):
        """Datasette's tables in the groups of the start page; what the catalogue does not know comes last."""
        by_name = {table["name"]: table for table in tables if not table["hidden"]}
        counts = {name: table["count"] for name, table in by_name.items()}
        groups = [
            {"name": group["name"], "tables": [by_name.pop(row["name"]) for row in group["tables"]]}
            for group in grouped_tables(set(by_name), counts)
        ]
        return groups + ([{"name": "Other", "tables": list(by_name.values())}] if by_name else [])

    return {"grouped": grouped, "grouped_queries": grouped_queries(), "saved_names": set(QUERIES)}


async def start(request, datasette):
    db = mirror(datasette)
    names = [name for name in await db.table_names() if name in TABLES]
    counts = await db.counts.of(names)
    return Response.html(
        await datasette.render_template(
            "start.html",
            {
                "groups": grouped_tables(set(names), counts),
                "queries": grouped_queries(),
                "dashboards": BOARDS,
                "figures": await figures(db),
                "origin": origin(request),
                "size": db.size,
                "metadata": datasette.metadata(),
            },
            request=request,
        )
    )


async def now(datasette):
    """`/-/now.json`: the heartbeat and the version of the data; cheap enough to be asked each second."""
    return Response.json(status_json(await status_of(mirror(datasette))), headers={"cache-control": "no-store"})


@hookimpl(tryfirst=True)
def register_routes():
    return [(r"^/$", start), (r"^/-/now\.json$", now)]


