"""For AI agents: MCP tools that know the schema, and llms.txt."""

from datasette import Response, hookimpl

from .columns import currency_column, is_money, is_time
from .dashboards import PARAMETER
from .database import mirror
from .page import origin
from .queries import QUERIES
from .search import find
from .sigma import SigmaError, translate
from .sigma_page import shape_of
from .status import status_of
from .tables import TABLES

ROWS = 200
RULES = """Amounts are integers in the smallest unit of the row's currency (cents; yen; fils): use money(amount, currency).
Never add up amounts of different currencies: group by currency.
Times are UTC text 'YYYY-MM-DD HH:MM:SS'; filter with created >= '2026-01-01', which uses an index.
Nested objects are JSON text: column ->> '$.a.b'. References are plain ids, e.g. charges.customer = customers.id."""


def describe_column(table: str, name: str, kind: str, keys: "dict[str, str]") -> str:
    """One line on a column."""
    if name in keys:
        return f"{name}: id, refers to {keys[name]}.id"
    if is_money(table, name):
        return f"{name}: amount in the smallest unit of {currency_column(name)}"
    if is_time(name):
        return f"{name}: time, UTC"
    return f"{name}: {kind.lower() or 'any'}"


async def describe_table(db, name: str) -> str:
    """What a table holds, in words."""
    if name not in await db.table_names():
        raise ValueError(f"There is no table {name}. Tables: {', '.join(sorted(await db.table_names()))}")
    keys = {key["column"]: key["other_table"] for key in await db.foreign_keys_for_table(name)}
    known = TABLES.get(name)
    count = (await db.counts.of([name]))[name]
    lines = [f"{name}: {known.description if known else 'a table'}. {count if count is not None else 'Many'} rows."]
    for column in await db.table_column_details(name):
        lines.append("- " + describe_column(name, column.name, column.type, keys))
    incoming = (await db.get_all_foreign_keys()).get(name, {}).get("incoming", [])
    if incoming:
        lines.append("Referred to by: " + ", ".join(f"{k['other_table']}.{k['other_column']}" for k in incoming))
    return "\n".join(lines)


def _rows(result) -> "list[dict]":
    return [dict(zip(result.columns, row)) for row in result.rows[:ROWS]]


@hookimpl
def register_mcp_tools(datasette, mcp):
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    @mcp.tool(annotations=reads)
    async def stripe_overview() -> str:
        """What this database is: the Stripe account, how current it is, its tables by group, and the rules for amounts and times. Call this first."""
        db = mirror(datasette)
        status = await status_of(db)
        names = [name for name in TABLES if name in set(await db.table_names())]
        counts = await db.counts.of(names)
        lines = [
            f"Account {status.account_name} ({status.account_id}), {status.mode} mode, current as of {status.heartbeat}.",
            RULES,
            "Tables (database 'stripe'):",
            *(f"- {name} ({counts[name]} rows): {TABLES[name].description}" for name in names),
        ]
        return "\n".join(lines)

    @mcp.tool(annotations=reads)
    async def stripe_describe_table(table: str) -> str:
        """Columns of a table with their units, references, and what refers to it."""
        db = mirror(datasette)
        try:
            return await describe_table(db, table)
        except ValueError as error:
            raise ToolError(str(error)) from error

    @mcp.tool(annotations=reads)
    async def stripe_search(text: str) -> "list[dict]":
        """Finds customers, invoices, payments and everything else by id, part of an id, e-mail, name, number, last 4 digits, description or metadata."""
        db = mirror(datasette)
        return [{"table": group.table, "more": group.more, "hits": group.hits} for group in await find(db, text)]

    @mcp.tool(annotations=reads)
    async def stripe_saved_queries() -> "list[dict]":
        """Saved queries that answer common questions (MRR, churn, revenue, dunning, payouts, tax …) with tested definitions. Prefer them to SQL of your own."""
        return [
            {"name": q.name, "title": q.title, "description": q.description, "parameters": q.params} for q in QUERIES.values()
        ]

    @mcp.tool(annotations=reads)
    async def stripe_run_saved_query(name: str, parameters: "dict[str, str] | None" = None) -> "list[dict]":
        """Runs a saved query; parameters that are not given have their defaults."""
        db = mirror(datasette)
        if name not in QUERIES:
            raise ToolError(f"There is no saved query {name}; stripe_saved_queries lists them")
        sql = QUERIES[name].sql
        given = parameters or {}
        return _rows(await db.execute(sql, {p: str(given.get(p, "")) for p in set(PARAMETER.findall(sql))}, truncate=True))

    @mcp.tool(annotations=reads)
    async def stripe_translate_sigma(sql: str) -> "dict":
        """Translates a query written for Stripe Sigma (Trino) to this database's SQL."""
        db = mirror(datasette)
        try:
            translation = translate(sql, await shape_of(db))
        except SigmaError as error:
            raise ToolError(str(error)) from error
        return {"sql": translation.sql, "notes": list(translation.notes)}


async def llms(request, datasette):
    db = mirror(datasette)
    status = await status_of(db)
    here = origin(request)
    names = [name for name in TABLES if name in set(await db.table_names())]
    counts = await db.counts.of(names)
    lines = [
        f"# {status.account_name or 'Stripe'}: a Stripe account as a SQLite database",
        "",
        f"> {status.mode or 'unknown'} mode, current as of {status.heartbeat}. Read only.",
        "",
        "Every request needs the account's Stripe key: HTTP Basic with the key as user name and no password, or `Authorization: Bearer`.",
        "",
        "## Rules",
        "",
        *(f"- {rule}" for rule in RULES.splitlines()),
        "",
        "## How to ask",
        "",
        f"- SQL: `{here}/stripe.json?sql=…&_shape=array` (SQLite; also `.csv`, `.xlsx`)",
        f"- A table: `{here}/stripe/charges.json?status=failed&created__gte=2026-01-01&_shape=array`; a row: `{here}/stripe/customers/ID.json`",
        f"- Search over everything: `{here}/-/search.json?q=…`",
        f"- Dashboards as JSON: `{here}/-/dashboards/mrr.json`",
        f"- A query written for Stripe Sigma: `{here}/-/sigma.json?sql=…`",
        f"- GraphQL: POST `{here}/graphql/stripe`; MCP: `{here}/-/mcp`; the whole file: `{here}/tdog/stripe.sqlite`",
        f"- Columns of a table: `{here}/stripe/charges.md`",
        "",
        "## Saved queries",
        "",
        *(f"- [{q.title}]({here}/stripe/{q.name}.json?_shape=array): {q.description}" for q in QUERIES.values()),
        "",
        "## Tables",
        "",
        *(f"- [{n}]({here}/stripe/{n}.md): {TABLES[n].description}. {'Many' if counts[n] is None else counts[n]} rows" for n in names),
        "",
    ]
    return Response.text("\n".join(lines))


@hookimpl(tryfirst=True)
def register_routes():
    return [(r"^/llms\.txt$", llms)]


