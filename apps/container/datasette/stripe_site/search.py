"""One search over everything: the query that packages/search-index keeps in the database, grouped and explained."""

from dataclasses import dataclass, field

from datasette import Response, hookimpl
from datasette.database import QueryInterrupted

from .cells import CURRENCY, labels_of, time_cell
from .columns import currency_column, is_money, is_time
from .database import NAME, mirror
from .money import format_money
from .tables import TABLES

PER_TABLE = 5
ONE_TABLE = 100
TIME_LIMIT_MS = 3000
LONGEST = 500
WHY = {0: "", 1: "id begins so", 2: "", 3: "words begin so", 4: "part of a text"}

# What tells two hits of the same name apart.
SHOWN = ("customer", "created", "status", "amount", "total", "currency", "email", "number", "type", "active")


# Among hits that are equally good: the customer, who is mostly meant, then the tables in the order of Stripe's dashboard.
_ORDER = {table: place for place, table in enumerate(dict.fromkeys(["customers", *TABLES]))}


@dataclass
class Group:
    """The hits of one table, best first."""

    table: str
    hits: list = field(default_factory=list)
    more: bool = False


async def _everything(db):
    """The search index's own query, or None while there is no index."""
    if not await db.table_exists("search_index_meta"):
        return None
    row = (await db.execute("select value from search_index_meta where name = 'everything'")).first()
    return row[0] if row else None


async def find(db, text: str, limit: int = PER_TABLE):
    """Groups of hits, best group first."""
    # A control character is no part of what anybody looks for, and a zero byte ends SQLite's own strings.
    text = "".join(c for c in text if c.isprintable() or c.isspace()).strip()[:LONGEST]
    if not text:
        return []
    sql = await _everything(db)
    if sql is None:
        return await _by_id(db, text)
    groups: "dict[str, Group]" = {}
    for table, row_id, label, rank in await db.execute(sql, {"q": text, "limit": limit}, custom_time_limit=TIME_LIMIT_MS):
        group = groups.setdefault(table, Group(table))
        if len(group.hits) >= limit:
            group.more = True
        else:
            group.hits.append({"id": row_id, "label": label, "rank": rank, "why": WHY.get(rank, "")})
    found = sorted(groups.values(), key=lambda group: (group.hits[0]["rank"], _ORDER.get(group.table, len(_ORDER))))
    for group in found:
        await describe(db, group)
    return found


async def _by_id(db, text):
    """Without an index, at least the row of an id."""
    found = []
    for table in await db.table_names():
        if table in TABLES and (await db.execute(f"select 1 from [{table}] where id = ?", [text])).first():
            found.append(Group(table, [{"id": text, "label": None, "rank": 0, "why": ""}]))
            await describe(db, found[-1])
    return found


async def describe(db, group: Group) -> None:
    """Adds to each hit what tells it apart from others of the same label."""
    columns = set(await db.table_columns(group.table))
    shown = [c for c in SHOWN if c in columns]
    if not shown or "id" not in columns:
        return
    marks = ", ".join("?" * len(group.hits))
    sql = f"select id, {', '.join(f'[{c}]' for c in shown)} from [{group.table}] where id in ({marks})"
    rows = {row["id"]: row for row in await db.execute(sql, [hit["id"] for hit in group.hits])}
    for hit in group.hits:
        row = rows.get(hit["id"])
        hit["facts"] = {c: row[c] for c in shown if row is not None and row[c] not in (None, "")}
    await _name_customers(db, group)


async def _name_customers(db, group: Group) -> None:
    """Payments are found by whom they are from: the name in place of the customer's id."""
    ids = {hit["facts"]["customer"] for hit in group.hits if "customer" in hit["facts"]}
    if not ids or not await db.table_exists("customers"):
        return
    names = await labels_of(db, "customers", list(ids))
    for hit in group.hits:
        customer = hit["facts"].get("customer")
        if names.get(customer):
            hit["facts"]["customer"] = names[customer]


async def index_progress(db):
    """(tables that are searchable, tables in all), or None when there is no index."""
    if not await db.table_exists("search_index_tables"):
        return None
    states = [row[0] for row in await db.execute("select state from search_index_tables")]
    return sum(state == "ready" for state in states), len(states)


async def search_page(request, datasette):
    db = mirror(datasette)
    text = request.args.get("q") or ""
    only = request.args.get("table")
    error = None
    groups = []
    try:
        groups = await find(db, text, ONE_TABLE if only else PER_TABLE)
    except QueryInterrupted:
        error = "The search took too long. A longer word, or an exact id, is found faster."
    if only:
        groups = [group for group in groups if group.table == only]
    if request.url_vars.get("format"):
        return Response.json(
            {"q": text, "error": error, "groups": [{"table": g.table, "more": g.more, "hits": g.hits} for g in groups]}
        )
    return Response.html(
        await datasette.render_template(
            "search.html",
            {
                "site_query": text,
                "groups": groups,
                "only": only,
                "error": error,
                "progress": await index_progress(db),
                "tables": TABLES,
                "fact": fact,
                "database": NAME,
            },
            request=request,
        )
    )


def fact(facts: dict, name: str):
    """One fact about a hit as it is shown."""
    value = facts[name]
    currency = facts.get(currency_column(name))
    if is_money(None, name) and isinstance(value, int) and isinstance(currency, str) and CURRENCY.match(currency):
        return format_money(value, currency)
    if is_time(name) and isinstance(value, str):
        return time_cell(value)
    return value


@hookimpl(tryfirst=True)
def register_routes():
    return [(r"^/-/search(\.(?P<format>json))?$", search_page)]
