"""How a value is shown: amounts as money, times as times, ids as links, JSON folded. The raw value stays in sight."""

import json
import re

from datasette import hookimpl
from datasette.plugins import pm
from datasette.utils import tilde_encode
from markupsafe import Markup, escape

from .columns import currency_column, is_money, is_time
from .database import NAME, mirror
from .facts import facts_of
from .money import decimals, format_money
from .tables import TABLES, table_of_id

TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$")
ID = re.compile(r"^[a-z]+(?:_[a-z]+)*_[A-Za-z0-9_]{4,255}$")
CURRENCY = re.compile(r"^[a-z]{3}$")

# What the values of `status` columns mean to the reader: done, gone wrong, or waiting for somebody.
GOOD = frozenset("active available complete completed paid succeeded verified won".split())
BAD = frozenset("canceled expired failed incomplete_expired lost past_due requires_payment_method uncollectible unpaid void".split())
WAITING = frozenset(
    "in_transit incomplete needs_response open pending processing requires_action requires_capture requires_confirmation "
    "trialing under_review warning_needs_response warning_under_review".split()
)

# A cell with more JSON than this is folded without being laid out: the row's page and the exports have all of it.
JSON_SHOWN = 20_000


def money_cell(amount, currency) -> Markup:
    """`1,234.56 USD` and, small, the stored number."""
    # Written without Markup.format, which takes ten times as long, and a page has hundreds of these; currency is [a-z]{3}.
    return Markup(
        f'<span class="money">{format_money(amount, currency)}</span> '
        f'<small class="raw" title="as stored: in the smallest unit">{escape(amount)}</small>'
    )


def whole_cell(value: float, currency: str) -> Markup:
    """A number that is in whole units already, with the currency's digits."""
    return Markup('<span class="money">{}</span>').format(f"{value:,.{decimals(currency)}f}".replace("-", "\u2212"))


def state_cell(value: str) -> Markup:
    """A status with a mark of its colour; the word says it all without."""
    mood = "good" if value in GOOD else "bad" if value in BAD else "wait" if value in WAITING else "plain"
    return Markup(f'<span class="state {mood}">{escape(value)}</span>')


def time_cell(value: str) -> Markup:
    """The time as stored (UTC; it has the form of TIME); the script adds the reader's own zone on hover."""
    return Markup(f'<time datetime="{value.replace(" ", "T")}Z">{value}</time>')


def link_cell(datasette, table: str, row_id: str, label: "str | None" = None) -> Markup:
    """A link to a row: its label, if it has one, and its id."""
    href = f"{datasette.urls.table(NAME, table)}/{tilde_encode(row_id)}"
    if label is None or label in ("", row_id):
        return Markup(f'<a class="id" href="{href}">{escape(row_id)}</a>')
    return Markup(f'<a href="{href}">{escape(label)}</a> <small class="id">{escape(row_id)}</small>')


def json_cell(text: str) -> "Markup | None":
    """JSON folded behind a line that says what is in it; None when it is not an object or a list."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, (dict, list)):
        return None
    if not value:
        return Markup('<code class="json">{}</code>').format("{}" if isinstance(value, dict) else "[]")
    if isinstance(value, dict):
        shown = ", ".join(list(value)[:3]) + (" …" if len(value) > 3 else "")
    else:
        shown = f"{len(value)} item{'' if len(value) == 1 else 's'}"
        if all(isinstance(item, str) for item in value) and len(value) <= 3:
            shown = ", ".join(value)
    laid_out = json.dumps(value, indent=2, ensure_ascii=False) if len(text) <= JSON_SHOWN else text
    return Markup('<details class="json"><summary>{}</summary><pre>{}</pre></details>').format(shown, laid_out)


async def target_of(db, table: "str | None", column: str, value: str) -> "str | None":
    """The table that a reference leads to: the declared one, else the one of the id's prefix."""
    if table:
        for key in await db.foreign_keys_for_table(table):
            if key["column"] == column:
                return key["other_table"]
    if not ID.match(value):
        return None
    target = table_of_id(value)
    return target if target and await db.table_exists(target) else None


async def label_of(db, table: str, row_id: str) -> "str | None":
    """What a person calls the row."""
    return (await labels_of(db, table, [row_id])).get(row_id)


async def labels_of(db, table: str, row_ids: "list[str]") -> "dict[str, str]":
    """What a person calls the rows, by id; without those that have no name."""
    columns = set(await db.table_columns(table))
    known = TABLES.get(table)
    names = [c for c in (known.label if known else None, "name", "email") if c in columns]
    if not names or "id" not in columns:
        return {}
    label = f"coalesce({', '.join([f'''nullif([{c}], '')''' for c in names] + ['null'])})"
    sql = f"select id, {label} from [{table}] where id in ({', '.join('?' * len(row_ids))})"
    return {row[0]: str(row[1]) for row in await db.execute(sql, row_ids) if row[1] is not None}


# They look at every cell of every page and have nothing to say about this database; search-all's menu link asks each table
# for its full-text index.
NEEDLESS = {"render_cell": ("pretty_json", "render_markdown"), "menu_links": ("search_all",)}


class OnlyCells:
    """A hook that nobody but this module answers, without the plug-in machinery: it is called 500 times a page."""

    def __init__(self, caller):
        self._caller = caller

    def __getattr__(self, name):
        return getattr(self._caller, name)

    def __call__(self, *, row, value, column, table, database, datasette):
        found = render_cell(row, value, column, table, database, datasette)
        return [] if found is None else [found]


@hookimpl
def startup():
    for hook, names in NEEDLESS.items():
        plugins = [plugin for name in names if (plugin := pm.get_plugin(name)) is not None]
        setattr(pm.hook, hook, pm.subset_hook_caller(hook, plugins))
    if [found.function for found in pm.hook.render_cell.get_hookimpls()] == [render_cell]:
        pm.hook.render_cell = OnlyCells(pm.hook.render_cell)


@hookimpl(tryfirst=True)
def render_cell(row, value, column, table, database, datasette):
    if database != NAME or value is None:
        return None
    if isinstance(value, dict):
        # Datasette has looked up the label of a reference.
        return _labelled(value, column, table, datasette)
    if value in (0, 1) and isinstance(value, int) and (words := flag_words(table, column)):
        return Markup(f'{words[value]} <small class="raw">{value}</small>')
    if isinstance(value, (int, float)):
        return _number(row, value, column, table)
    if not isinstance(value, str) or not value:
        return None
    if value[0] in "{[":
        return json_cell(value)
    if column == "status":
        return state_cell(value)
    if is_time(column) and TIME.match(value):
        return time_cell(value)
    if is_money(table, column):
        return _number(row, value, column, table)
    if "_" in value and value.isascii() or column == "customer":
        return _reference(value, column, table, datasette)
    return None


def flag_words(table: "str | None", column: str) -> "tuple[str, str] | None":
    """What 0 and 1 mean in a column, if they are no numbers."""
    described = (facts_of(table).get("columns") or {}).get(column)
    if column == "livemode":
        return ("test", "live")
    return ("no", "yes") if described == "1 or 0" else None


def _number(row, value, column, table):
    name = currency_column(column)
    if isinstance(value, bool) or name not in row.keys():
        return None
    currency = row[name]
    if table is None and isinstance(value, float) and isinstance(currency, str) and CURRENCY.match(currency):
        # money() in a saved query: already in whole units.
        return None if column.endswith(("percent", "rate", "days")) else whole_cell(value, currency)
    if not is_money(table, column):
        if table is None and isinstance(value, int) and isinstance(currency, str) and not decimals(currency):
            # money() of a currency without decimals is an integer, as counts are: both are read more easily so.
            return whole_cell(value, currency)
        return None
    if isinstance(currency, str) and CURRENCY.match(currency) and re.match(r"^-?\d+(\.\d+)?$", str(value)):
        return money_cell(value, currency)
    return None


async def _labelled(value, column, table, datasette):
    db = mirror(datasette)
    target = await target_of(db, table, column, str(value["value"]))
    if target is None:
        return None
    label = value["label"]
    if label is None or label == "":
        label = await label_of(db, target, str(value["value"]))
    return link_cell(datasette, target, str(value["value"]), None if label is None else str(label))


async def _reference(value, column, table, datasette):
    db = mirror(datasette)
    if table and column == "id":
        return None
    target = await target_of(db, table, column, value)
    if target is None:
        return None
    return link_cell(datasette, target, value, await label_of(db, target, value))
