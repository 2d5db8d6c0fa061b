"""Row counts that never make a page wait: counted again only as often as counting is cheap."""

import asyncio
import sqlite3
import time
from collections import OrderedDict

from datasette.database import QueryInterrupted

from .keeping import lacks_something
from .status import status_of

# What one page may spend on counting; what is left is counted afterwards.
BUDGET_SECONDS = 0.1
# A count that took t seconds is kept for at least t times this, however much changes: one percent of one core.
REST_FACTOR = 100
STEPS_BETWEEN_LOOKS = 20_000
KEPT_FILTERED = 1000
# Part of the time that counts which are never finished may take: a twentieth.
LATE_FACTOR = 20
INTERRUPTED = object()


class Counts:
    """Counts of one database's tables, with the version of the data and the price of each."""

    def __init__(self, db):
        self._db = db
        self._known = {}
        self._task = None

    def known(self, table):
        """The last count of the table, or None."""
        entry = self._known.get(table)
        return entry[0] if entry else None

    async def of(self, tables):
        """The counts of these tables, None for those that are still being counted."""
        version = (await status_of(self._db)).data_version
        shape = await self._db.shape_version()
        stale = [table for table in tables if self._is_stale(table, version, shape)]
        if stale:
            left = await self._count(stale, version, shape, BUDGET_SECONDS)
            if left and (self._task is None or self._task.done()):
                self._task = asyncio.ensure_future(self._count(left, version, shape))
        found = {table: self.known(table) for table in tables}
        if None in found.values():
            lacks_something()
        return found

    def _is_stale(self, table, version, shape):
        entry = self._known.get(table)
        if entry is None or entry[4] != shape:
            return True
        _, seen, at, took, _ = entry
        # Without an engine that counts versions (tdog 0.7) a count lives for its rest time only.
        return (seen != version or version == 0) and time.monotonic() - at > max(1.0, took * REST_FACTOR)

    async def _count(self, tables, version, shape, budget=None):
        """Counts one table after the other, until the budget is spent; answers those that are left."""
        deadline = None if budget is None else time.monotonic() + budget
        left = list(tables)
        while left and (deadline is None or time.monotonic() < deadline):
            number, took = await self._db.execute_fn(lambda conn: _count_one(conn, left[0], deadline))
            if number is INTERRUPTED:
                break
            self._known[left.pop(0)] = (number, version, time.monotonic(), took, shape)
        return left


class FilteredCounts:
    """Counts of filtered pages, kept as those of whole tables are: who turns the pages, and who comes next, need not wait again."""

    def __init__(self, db):
        self._db = db
        self._kept: "OrderedDict[tuple, tuple]" = OrderedDict()
        # Until when a count of this form is not tried, whatever the values: it took too long a moment ago.
        self._late: "dict[str, float]" = {}

    async def of(self, sql, params, ask):
        """What `ask()` answers or has answered; QueryInterrupted where it took too long, which is not tried again at once."""
        values = sorted(params.items()) if isinstance(params, dict) else params or ()
        key = (sql, *values, await self._db.shape_version())
        version = (await status_of(self._db)).data_version
        kept = self._kept.get(key)
        if kept is not None:
            found, seen, at, took = kept
            is_current = seen == version and version != 0 and not isinstance(found, QueryInterrupted)
            if is_current or time.monotonic() - at < took * REST_FACTOR:
                return _found(found)
        began = time.monotonic()
        if began < self._late.get(sql, 0):
            return _found(QueryInterrupted(sqlite3.OperationalError("interrupted"), sql, params))
        try:
            found = await ask()
        except QueryInterrupted as error:
            found = error
        now = time.monotonic()
        if isinstance(found, QueryInterrupted):
            self._late[sql] = now + (now - began) * LATE_FACTOR
            if len(self._late) > KEPT_FILTERED:
                self._late.clear()
        self._kept[key] = (found, version, now, now - began)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_FILTERED:
            self._kept.popitem(last=False)
        return _found(found)


def _found(found):
    if isinstance(found, QueryInterrupted):
        lacks_something()
        raise QueryInterrupted(found.e, found.sql, found.params)
    return found


def _count_one(conn, table, deadline):
    began = time.monotonic()
    conn.set_progress_handler(lambda: int(deadline is not None and time.monotonic() > deadline), STEPS_BETWEEN_LOOKS)
    try:
        number = conn.execute(f"select count(*) from [{table}]").fetchone()[0]
    except sqlite3.OperationalError as error:
        # Otherwise the table went away between two looks.
        number = INTERRUPTED if error.args == ("interrupted",) else None
    finally:
        conn.set_progress_handler(None, 0)
    return number, time.monotonic() - began
