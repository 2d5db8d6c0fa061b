"""Table pages: the columns that matter first, ways to group and narrow, exports."""

from datasette import hookimpl
from datasette.views.table import TableView
from markupsafe import Markup, escape

from .database import NAME, mirror
from .facts import facts_of
from .tables import MIRROR_TABLES, TABLES

# Columns worth grouping by, where a table has them. Offered as links: grouping costs only when it is asked for.
GROUPABLE = (
    "status type reporting_category currency reason mode payment_status collection_method billing_reason paid captured "
    "refunded disputed failure_code livemode active customer product price recurring country brand funding "
    "cancel_at_period_end method automatic delinquent duration valid fraud_type proration payment_method_details_type"
).split()

JSON_KEPT_LAST = ("extra", "insert_ts", "update_ts")
OTHERS_SHOWN = 10

_datasette_columns_to_select = TableView.columns_to_select


def main_columns(table: str, columns: "list[str]", described: "dict[str, str]") -> "list[str]":
    """The columns to show first: the table's own choice, or the first that are no JSON."""
    known = TABLES.get(table)
    chosen = [column for column in known.columns if column in columns] if known else []
    if chosen:
        return chosen
    plain = [c for c in columns if described.get(c) != "JSON" and c not in JSON_KEPT_LAST]
    return plain[:OTHERS_SHOWN] or columns


async def columns_to_select(self, table_columns, pks, request):
    """Pages for people show the main columns unless others are asked for; JSON, CSV and Excel have all."""
    columns = await _datasette_columns_to_select(self, table_columns, pks, request)
    table = request.url_vars["table"]
    if (
        request.url_vars.get("format")
        or request.url_vars["database"] != NAME
        or table in MIRROR_TABLES
        or any(name in request.args for name in ("_col", "_nocol", "_columns", "_shape"))
    ):
        return columns
    described = self.ds.table_metadata(NAME, table).get("columns") or {}
    return list(dict.fromkeys([*pks, *main_columns(table, columns, described)]))


def table_rows(rows) -> Markup:
    """
    The rows of a table as HTML. In the template each cell would pass through four asynchronous generators in five pieces,
    which took a third of a page's time.
    """
    heads: "dict[tuple[str, str], str]" = {}
    parts: "list[str]" = []
    for row in rows:
        parts.append("<tr>")
        for cell in row:
            key = (cell["value_type"], cell["column"])
            if key not in heads:
                heads[key] = f'<td class="type-{escape(key[0])}" data-column="{escape(key[1])}">'
            parts += (heads[key], escape(cell["value"]), "</td>")
        parts.append("</tr>\n")
    return Markup("".join(parts))


@hookimpl
def prepare_jinja2_environment(env):
    env.filters["table_rows"] = table_rows


@hookimpl
def startup():
    # Datasette has no setting for default columns; the pinned version's method is wrapped, and a test watches it.
    TableView.columns_to_select = columns_to_select


@hookimpl
def extra_template_vars(datasette, database, table, view_name, request):
    if view_name != "table" or database != NAME or not table:
        return {}

    async def variables():
        columns = await mirror(datasette).table_columns(table)
        grouped = set(request.args.getlist("_facet"))
        return {
            "groupable": [c for c in GROUPABLE if c in columns and c not in grouped],
            "all_columns": "_columns" in request.args or "_col" in request.args or "_nocol" in request.args,
            "column_total": len(columns),
            "facts": facts_of(table),
        }

    return variables


