"""Dashboard pages: runs the panels' saved queries, draws them, and links every figure to its rows and its SQL."""

import asyncio
import re
import sqlite3
import time
from collections import OrderedDict
from urllib.parse import urlencode

from datasette import Response, hookimpl
from datasette.database import QueryInterrupted
from datasette.utils import sqlite_timelimit, tilde_encode

from . import charts
from .boards import BOARDS, BY_SLUG, SWITCHES, Panel
from .charts import Mark
from .columns import is_money
from .database import mirror
from .functions import periods, zone_of
from .money import decimals, to_decimal
from .queries import QUERIES
from .status import status_of
from .tables import table_of_id

# How Stripe writes what is one of a few: `cancellation_requested`.
WORDS = re.compile(r"^[a-z]+(_[a-z]+)+$")
PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")
MONTHS = re.compile(r"[0-9]{1,5}\Z")
PERIODS = (("6", "6 months"), ("", "12 months"), ("24", "24 months"), ("36", "36 months"), ("60", "5 years"))
# Answers are kept this many times longer than they took, and in any case while the data stays the same.
REST_FACTOR = 20
REST_SECONDS = 2.0
# What took longer than QUICK_SECONDS is shown as it was, at most STALE_SECONDS old, while it is computed anew.
QUICK_SECONDS = 0.2
STALE_SECONDS = 900
# A page waits so long for its panels. Those that take longer are put in by the script as they come.
PAGE_SECONDS = 1.0
TIME_LIMIT_MS = 60_000
KEPT_ANSWERS = 400
# So many are computed at a time: pages have the other threads.
AT_A_TIME = 2
# Ids that a column `name` beside them names, and the one that `plan` names.
NAMED = ("product", "customer")
PLAN = "price"


def _key(name: str, arguments: "dict[str, str]"):
    """(what an answer is kept under, the query's own parameters)."""
    params = {p: arguments.get(p, "") for p in set(PARAMETER.findall(QUERIES[name].sql))}
    return (name, tuple(sorted(params.items()))), params


class Answers:
    """Rows of saved queries, kept while the data stays as it is."""

    def __init__(self, db):
        self._db = db
        self._kept: "OrderedDict[tuple, tuple]" = OrderedDict()
        self._running: "dict[tuple, asyncio.Task]" = {}
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def of(self, name: str, arguments: "dict[str, str]") -> "list[dict]":
        key, params = _key(name, arguments)
        version = (await status_of(self._db)).data_version
        kept = self._kept.get(key)
        now = time.monotonic()
        if kept is not None:
            rows, seen, at, took = kept
            # The clock moves on too: what is "now" in a query is at most a minute old.
            if (seen == version and version and now - at < 60) or now - at < max(REST_SECONDS, took * REST_FACTOR):
                return rows
        running = self._begin(key, name, params, version)
        if kept is not None and kept[3] > QUICK_SECONDS and now - kept[2] < STALE_SECONDS:
            return kept[0]
        return await asyncio.shield(running)

    async def renew(self, name: str, arguments: "dict[str, str]", quick: float, rest_factor: float) -> None:
        """Computes an answer that nobody waits for, unless it is quick, or young for what it costs, or there is nothing new."""
        key, params = _key(name, arguments)
        version = (await status_of(self._db)).data_version
        kept = self._kept.get(key)
        if kept is not None:
            _, seen, at, took = kept
            age = time.monotonic() - at
            is_new = seen != version or not version or age > STALE_SECONDS / 2
            if took < quick or age < took * rest_factor or not is_new:
                return
        await asyncio.shield(self._begin(key, name, params, version))

    def _begin(self, key, name, params, version) -> "asyncio.Task":
        if key not in self._running:
            self._running[key] = asyncio.ensure_future(self._ask(key, QUERIES[name].sql, params, version))
            # Nobody may wait for it when there is an answer to show meanwhile: a failure is told to the next who asks.
            self._running[key].add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._running[key]

    async def _ask(self, key, sql, params, version):
        try:
            async with self._turns:
                began = time.monotonic()
                rows = await self._db.execute_fn(lambda conn: _rows(conn, sql, params))
                now = time.monotonic()
            self._kept[key] = (rows, version, now, now - began)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_ANSWERS:
                self._kept.popitem(last=False)
            return rows
        finally:
            del self._running[key]


def _rows(conn, sql, params) -> "list[dict]":
    """Runs a panel's query; it may take longer than a visitor's own SQL, as its answer is kept."""
    with sqlite_timelimit(conn, TIME_LIMIT_MS):
        try:
            cursor = conn.execute(sql, params)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor]
        except sqlite3.OperationalError as error:
            if error.args == ("interrupted",):
                raise QueryInterrupted(error, sql, params) from error
            raise


def answers_of(db) -> Answers:
    if not hasattr(db, "site_answers"):
        db.site_answers = Answers(db)
    return db.site_answers


async def currencies(db) -> "list[str]":
    """The account's currencies, the one with most payments of late first."""
    rows = await answers_of(db).of("payments-by-month", {"months": "24"}) if await db.table_exists("charges") else []
    weight: "dict[str, int]" = {}
    for row in rows:
        weight[row["currency"]] = weight.get(row["currency"], 0) + row["succeeded"] + row["failed"]
    return sorted(weight, key=lambda c: (-weight[c], c))


def shown(value, unit: str, currency: str) -> str:
    """A value of a chart as text."""
    if value is None:
        return "–"
    if unit == "%":
        return f"{value:g} %"
    if unit == "money":
        return f"{value:,.{decimals(currency)}f}\u00a0{currency.upper()}".replace("-", "\u2212")
    return f"{value:,}"


def _cell(row: dict, column: str):
    value = row[column]
    currency = row.get("currency")
    if isinstance(value, float) and isinstance(currency, str) and not column.endswith("percent"):
        return f"{value:,.{decimals(currency)}f}".replace("-", "\u2212")
    if isinstance(value, int) and isinstance(currency, str) and is_money(None, column):
        return f"{to_decimal(value, currency):,.{decimals(currency)}f}".replace("-", "\u2212")
    if isinstance(value, int):
        return str(value) if column.endswith("_year") else f"{value:,}".replace("-", "\u2212")
    if isinstance(value, str) and WORDS.match(value):
        return value.replace("_", " ")
    return value


def table_columns(rows: "list[dict]", currency: str) -> "list[str]":
    """The columns that a panel has room for: the currency stands in the page's head, a name stands for its id."""
    if not rows:
        return []
    hidden = {"currency"} if currency else set()
    if "name" in rows[0]:
        hidden |= {"email", *(owner for owner in NAMED if owner in rows[0])}
    if "plan" in rows[0]:
        hidden.add(PLAN)
    return [name for name in rows[0] if name not in hidden]


def row_link(column: str, row: dict):
    """The row that an id in a table leads to; a name leads to the row that it names."""
    value = row[column]
    if column == "name":
        value = next((row[owner] for owner in NAMED if row.get(owner)), None)
    if column == "plan":
        value = row.get(PLAN)
    if not isinstance(value, str) or column in ("email", "reason"):
        return None
    table = table_of_id(value)
    return f"/stripe/{table}/{tilde_encode(value)}" if table else None


def every_label(panel: Panel, rows: "list[dict]", arguments):
    """A month or day of which there is nothing to tell has its place on the axis all the same."""
    unit = panel.label
    if unit not in ("month", "day"):
        return [row[unit] for row in rows], rows
    found = {row[unit]: row for row in rows}
    wanted = arguments.get("months") if unit == "month" else "30"
    labels = [period[0] for period in periods(unit, arguments.get("tz"), wanted, arguments.get("until"))]
    labels = [label for label in labels if label >= min(found)]
    return labels, [found.get(label, {unit: label}) for label in labels]


def draw(panel: Panel, rows: "list[dict]", arguments: "dict[str, str]", currency: str):
    """The panel's chart, or None where a table says more."""
    if panel.kind not in ("columns", "lines") or not rows:
        return None
    if not any(row.get(s.column) for row in rows for s in panel.series):
        return None
    labels, rows = every_label(panel, rows, arguments)

    def mark(row, series):
        value = row.get(series.column)
        if value is None:
            return None
        href = panel.rows(row, series.column, arguments) if panel.rows else address(panel, arguments)
        return Mark(value * series.sign, f"{row[panel.label]}, {series.label}: {shown(value, panel.unit, currency)}", href)

    look = {
        "width": charts.WIDE if panel.wide else charts.WIDTH,
        "unit": currency.upper() if panel.unit == "money" else panel.unit,
        "colours": charts.colours_of(panel.series),
    }
    if panel.kind == "columns":
        stacks = [[mark(row, s) or Mark(0, "") for s in panel.series] for row in rows]
        return charts.columns(labels, stacks, panel.title, **look)
    return charts.lines(labels, [[mark(row, s) for row in rows] for s in panel.series], panel.title, **look)


def cohorts(rows: "list[dict]"):
    """Rows of retention-cohorts as a triangle: one line per cohort, one column per month later."""
    found: "dict[str, dict]" = {}
    last = 0
    for row in rows:
        line = found.setdefault(row["cohort"], {"cohort": row["cohort"], "size": row["customers_at_first"], "cells": {}})
        line["cells"][row["months_later"]] = row
        last = max(last, row["months_later"])
    return list(found.values()), list(range(last + 1))


def address(panel: Panel, arguments: "dict[str, str]") -> str:
    """The saved query's page with the panel's arguments: its rows and its SQL."""
    wanted = set(PARAMETER.findall(QUERIES[panel.query].sql))
    kept = {k: v for k, v in {**arguments, **panel.params}.items() if v and k in wanted}
    return f"/stripe/{panel.query}{'?' + urlencode(kept) if kept else ''}"


async def panel_of(db, panel: Panel, arguments, currency):
    context = {"panel": panel, "href": address(panel, arguments), "error": None, "rows": [], "chart": None, "columns": []}
    try:
        rows = await answers_of(db).of(panel.query, {**arguments, **panel.params})
    except QueryInterrupted:
        context["error"] = "This took too long. A shorter period is faster."
        return context
    except Exception as error:  # a table that is not mirrored: the other panels are of use all the same
        context["error"] = f"Not available: {error}"
        return context
    if currency and rows and "currency" in rows[0]:
        rows = [row for row in rows if row["currency"] == currency]
    context["rows"] = rows
    context["columns"] = table_columns(rows, currency)
    context["chart"] = draw(panel, rows, arguments, currency)
    if panel.kind == "cohorts":
        context["cohorts"], context["later"] = cohorts(rows)
    return context


async def figure_of(db, figure, arguments, currency):
    value = None
    try:
        rows = await answers_of(db).of(figure.query, arguments)
        rows = [row for row in rows if row.get("currency", currency) == currency]
        if figure.last:
            # Of the month that runs, or nothing: another month's figure would be taken for it.
            month = periods("month", arguments.get("tz"), 1, arguments.get("until"))[0][0]
            rows = [row for row in rows if row["month"] == month]
        if rows:
            value = rows[0][figure.column]
    except Exception:  # shown as unknown; the panel of the same query says why
        value = None
    return {
        "label": figure.label,
        "text": shown(value, figure.unit, currency),
        "href": address(Panel("", figure.query), arguments),
    }


def default_arguments(board, known: "list[str]") -> "dict[str, str]":
    """What a dashboard shows when nobody has chosen anything."""
    return {**dict.fromkeys(("months", "tz", "until", *board.switches), ""), "currency": known[0] if known else "usd"}


def arguments_of(request, board, known: "list[str]"):
    """The switches' values from the address, and the currency that is shown."""
    default = default_arguments(board, known)
    arguments = {name: request.args.get(name) or "" for name in default if name != "currency"}
    asked = (request.args.get("currency") or "").lower()
    currency = asked if asked in known else default["currency"]
    try:
        zone_of(arguments["tz"])
    except ValueError:
        arguments["tz"] = ""
    months = int(arguments["months"]) if MONTHS.match(arguments["months"]) else 12
    arguments["months"] = "" if months == 12 else str(months)
    return {**arguments, "currency": currency}, currency


def _periods(months: str):
    """The periods to choose from, the one that is shown among them."""
    return PERIODS if months in {value for value, _ in PERIODS} else (*PERIODS, (months, f"{months} months"))


async def _by_then(works, seconds: "float | None") -> list:
    """What each of these answers, None for those that take longer; what is computed for them is kept all the same."""
    tasks = [asyncio.ensure_future(work) for work in works]
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    return [task.result() if task in done else None for task in tasks]


async def dashboard(request, datasette):
    db = mirror(datasette)
    board = BY_SLUG[request.url_vars["slug"]]
    known = await currencies(db)
    arguments, currency = arguments_of(request, board, known)
    works = [
        *(panel_of(db, panel, arguments, currency) for panel in board.panels),
        *(figure_of(db, figure, arguments, currency) for figure in board.figures),
    ]
    found = await _by_then(works, None if request.url_vars.get("format") else PAGE_SECONDS)
    panels, figures = found[: len(board.panels)], found[len(board.panels) :]
    if request.url_vars.get("format"):
        return Response.json(
            {
                "dashboard": board.slug,
                "arguments": arguments,
                "panels": [{"title": p["panel"].title, "query": p["href"], "error": p["error"], "rows": p["rows"]} for p in panels],
            }
        )
    return Response.html(
        await datasette.render_template(
            "dashboard.html",
            {
                "board": board,
                "boards": BOARDS,
                "panels": [p or {"panel": panel, "href": address(panel, arguments)} for p, panel in zip(panels, board.panels)],
                "figures": [
                    f or {"label": figure.label, "href": address(Panel("", figure.query), arguments)}
                    for f, figure in zip(figures, board.figures)
                ],
                "is_whole": None not in found,
                "arguments": arguments,
                "currencies": known,
                "currency": currency,
                "switches": [(name, *SWITCHES[name]) for name in board.switches],
                "periods": _periods(arguments["months"]),
                "cell": _cell,
                "row_link": row_link,
                "query_string": urlencode({k: v for k, v in arguments.items() if v}),
            },
            request=request,
        )
    )


async def dashboard_list(request, datasette):
    own = (datasette.plugin_config("datasette-dashboards") or {}) if hasattr(datasette, "plugin_config") else {}
    return Response.html(
        await datasette.render_template("dashboard_list.html", {"built_in": BOARDS, "dashboards": own}, request=request)
    )


@hookimpl(tryfirst=True)
def register_routes():
    slugs = "|".join(re.escape(board.slug) for board in BOARDS)
    return [
        (rf"^/-/dashboards/(?P<slug>{slugs})(\.(?P<format>json))?$", dashboard),
        (r"^/-/dashboards$", dashboard_list),
    ]


