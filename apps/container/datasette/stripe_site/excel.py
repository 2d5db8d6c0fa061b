"""Excel files whose cells have types: times are times, numbers numbers, and text is never a formula."""

import re
import tempfile
from datetime import date, datetime

from datasette import hookimpl
from datasette.utils import sqlite_timelimit
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from .cells import CURRENCY, TIME
from .columns import currency_column, is_money, is_time
from .database import NAME
from .money import decimals, to_decimal

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEET_ROWS = 1_048_575
MOST_ROWS = 1_000_000
LONGEST_TEXT = 32_767
# Excel keeps 15 digits of a number.
EXACT = 10**15
TIME_LIMIT_MS = 60_000
BATCH = 2_000
DAY = re.compile(r"^\d{4}-\d\d-\d\d$")
PAGE = re.compile(r" limit \d+( offset \d+)?$")


class Sheets:
    """Rows into a workbook. Beside an amount stands the same as money, in whole units of the row's currency."""

    def __init__(self, title: str, columns: "list[str]", table: "str | None"):
        self._book = Workbook(write_only=True)
        self._title = re.sub(r"[\[\]:*?/\\]", "_", title)[:25] or "rows"
        self._columns = columns
        self._money = {}
        for index, column in enumerate(columns):
            by = currency_column(column)
            if is_money(table, column) and by in columns:
                self._money[index] = columns.index(by)
        self._sheet = None
        self._rows = 0
        self.total = 0

    def _begin(self):
        number = len(self._book.worksheets)
        self._sheet = self._book.create_sheet(self._title if not number else f"{self._title} {number + 1}")
        self._sheet.freeze_panes = "A2"
        header = []
        for index, column in enumerate(self._columns):
            header.append(column)
            if index in self._money:
                header.append(f"{column} (money)")
        for index, name in enumerate(header, 1):
            wide = 19 if is_time(name) else 14
            self._sheet.column_dimensions[get_column_letter(index)].width = max(wide, min(len(name) + 2, 40))
        self._sheet.append([self._bold(name) for name in header])
        self._rows = 0

    def _bold(self, text):
        cell = self._text(text)
        cell.font = Font(bold=True)
        return cell

    def add(self, row) -> None:
        if self._sheet is None or self._rows == SHEET_ROWS:
            self._begin()
        cells = []
        for index, value in enumerate(row):
            cells.append(self._cell(self._columns[index], value))
            if index in self._money:
                cells.append(self._money_cell(value, row[self._money[index]]))
        self._sheet.append(cells)
        self._rows += 1
        self.total += 1

    def _text(self, value: str):
        value = ILLEGAL_CHARACTERS_RE.sub("", value)
        if len(value) > LONGEST_TEXT:
            value = value[: LONGEST_TEXT - 1] + "…"
        cell = WriteOnlyCell(self._sheet, value=value)
        # Whatever a customer has written, `=HYPERLINK(…)` too, is text.
        cell.data_type = "s"
        return cell

    def _typed(self, value, number_format: str):
        cell = WriteOnlyCell(self._sheet, value=value)
        cell.number_format = number_format
        return cell

    def _cell(self, column: str, value):
        if value is None or isinstance(value, float):
            return value
        if isinstance(value, int):
            return value if abs(value) < EXACT else self._text(str(value))
        if isinstance(value, bytes):
            return self._text(f"<{len(value)} bytes>")
        if TIME.match(value) and is_time(column):
            return self._typed(datetime.fromisoformat(value[:19]), "yyyy-mm-dd hh:mm:ss")
        if DAY.match(value):
            try:
                return self._typed(date.fromisoformat(value), "yyyy-mm-dd")
            except ValueError:
                return self._text(value)
        return self._text(value)

    def _money_cell(self, value, currency):
        if not isinstance(value, int) or not isinstance(currency, str) or not CURRENCY.match(currency):
            return None
        places = decimals(currency)
        return self._typed(to_decimal(value, currency), "#,##0" + ("." + "0" * places if places else ""))

    def save(self) -> bytes:
        if self._sheet is None:
            self._begin()
        with tempfile.TemporaryFile() as file:
            self._book.save(file)
            file.seek(0)
            return file.read()


async def render_xlsx(datasette, database, table, sql, query_name, columns, rows, view_name, data):
    """All rows of a table or a query, not just those of the page."""
    name = table or query_name or "query"
    sheets = Sheets(name, columns, table)
    if view_name == "row":
        for row in rows:
            sheets.add(list(row))
    else:
        # Datasette's own page of a table has a limit at its end; the rest of the query is what was asked for.
        text = PAGE.sub("", sql) if view_name == "table" and table else sql
        params = (data.get("query") or {}).get("params") or {}

        def write(conn):
            with sqlite_timelimit(conn, TIME_LIMIT_MS):
                cursor = conn.execute(text, params)
                while sheets.total < MOST_ROWS and (batch := cursor.fetchmany(BATCH)):
                    for row in batch:
                        sheets.add(list(row))

        await datasette.databases[database].execute_fn(write)
    plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    return {
        "body": sheets.save(),
        "content_type": CONTENT_TYPE,
        "headers": {"content-disposition": f'attachment; filename="{plain}.xlsx"'},
    }


# Last, so that it takes the place of datasette-xlsx's, which knows no types of Stripe's; that one serves other databases.
@hookimpl(trylast=True)
def register_output_renderer(datasette):
    from datasette_xlsx import render_xlsx as other

    async def render(datasette, request, database, table, sql, query_name, columns, rows, view_name, data):
        if database == NAME:
            return await render_xlsx(datasette, database, table, sql, query_name, columns, rows, view_name, data)
        return await other(datasette, request, database, table, sql, query_name, columns, rows, view_name, data)

    return {
        "extension": "xlsx",
        "render": render,
        "can_render": lambda view_name: view_name in ("table", "query", "row", "database"),
    }
