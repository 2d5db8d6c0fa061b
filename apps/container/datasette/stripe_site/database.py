"""The mirrored file as Datasette's database `stripe`: read only, and allowed not to exist yet."""

import asyncio
import logging
import os
import re
import sqlite3
import threading
import time
from pathlib import Path

from datasette import hookimpl
from datasette.database import Database, Results

from .counts import Counts, FilteredCounts
from .tables import MIRROR_TABLES

# The count that Datasette asks for on an unfiltered table page.
WHOLE_TABLE_COUNT = re.compile(r"^select count\(\*\) from \[?(\w+)\]? $")

# The count of a filtered table page. On a million rows it can take seconds where no index helps, and the page has 50 rows to show.
FILTERED_COUNT = re.compile(r"^select count\(\*\) from \S+ where ")
FILTERED_COUNT_MS = 150

NAME = "stripe"
FILE_VARIABLE = "MIRROR_FILE"

# How long the shape of the database may be taken from memory; a new table is noticed within this time.
SHAPE_SECONDS = 0.5

# Reads are faster through the page cache than by read() calls; SQLite maps no more than this.
MMAP_BYTES = 0x7FFF0000


class MirrorDatabase(Database):
    """
    Opens the file read only. While the engine has not made it, answers as an empty database; when it appears, or is
    replaced by another file (a demo's, moved aside for a real account's), every thread opens the new one.
    """

    def __init__(self, ds, path):
        super().__init__(ds, path=path, is_mutable=True)
        self._threads = threading.local()
        self._shape = {}
        self._shape_version = None
        self._shape_checked = 0.0
        self.counts = Counts(self)
        self.filtered_counts = FilteredCounts(self)

    async def shape_version(self):
        """Changes whenever a table, an index or the whole file does; looked up at most every SHAPE_SECONDS."""
        now = time.monotonic()
        if self._shape_version is None or now - self._shape_checked > SHAPE_SECONDS:
            number = await self.execute_fn(lambda conn: conn.execute("PRAGMA schema_version").fetchone()[0])
            version = (self._identity(), number)
            if version != self._shape_version:
                self._shape = {}
                self._shape_version = version
            self._shape_checked = now
        return self._shape_version

    def _identity(self):
        try:
            stat = os.stat(self.path)
        except FileNotFoundError:
            return None
        # A file of no bytes is one that the engine has opened but not written: SQLite reads it as an empty database.
        return (stat.st_dev, stat.st_ino)

    def connect(self, write=False):
        if write:
            raise sqlite3.OperationalError("The mirror is read only")
        if self._identity() is None:
            return sqlite3.connect(":memory:", check_same_thread=False)
        conn = super().connect()
        conn.execute(f"PRAGMA mmap_size = {MMAP_BYTES}")
        conn.execute("PRAGMA query_only = 1")
        # A checkpoint that restarts the log holds readers for milliseconds.
        conn.execute("PRAGMA busy_timeout = 2000")
        return conn

    async def foreign_keys_for_table(self, table):
        """Without those to tables that are not there (yet): Datasette would look for labels in them."""
        await self.shape_version()
        key = ("foreign_keys_for_table", table)
        shape = self._shape
        if key not in shape:
            keys = await super().foreign_keys_for_table(table)
            there = set(await self.table_names())
            shape[key] = [k for k in keys if k["other_table"] in there]
        return shape[key].copy()

    async def hidden_table_names(self):
        """Full-text tables and the mirror's own."""
        await self.shape_version()
        shape = self._shape
        if "hidden" not in shape:
            names = await self.table_names()
            # sqlite_sequence is SQLite's own.
            own = [name for name in names if name in MIRROR_TABLES or name == "sqlite_sequence"]
            shape["hidden"] = [*await super().hidden_table_names(), *own]
        return shape["hidden"].copy()

    @property
    def size(self):
        try:
            return Path(self.path).stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def mtime_ns(self):
        try:
            return Path(self.path).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    async def execute(self, sql, params=None, **options):
        match = WHOLE_TABLE_COUNT.match(sql)
        if match:
            # Counting a table of a million rows for each page view costs more than the page.
            table = match.group(1)
            count = (await self.counts.of([table]))[table]
            if count is not None:
                return Results([(count,)], False, (("count(*)",),))
        if not options and FILTERED_COUNT.match(sql):
            # A visitor's own SQL comes with options and has its time. Datasette shows a page whose count was interrupted without it.
            ask = super().execute
            return await self.filtered_counts.of(sql, params, lambda: ask(sql, params, custom_time_limit=FILTERED_COUNT_MS))
        return await super().execute(sql, params, **options)

    async def execute_fn(self, fn):
        return await asyncio.get_running_loop().run_in_executor(self.ds.executor, self._run, fn)

    def _run(self, fn):
        identity = self._identity()
        conn = getattr(self._threads, "conn", None)
        if conn is None or identity != self._threads.identity:
            if conn is not None:
                conn.close()
            conn = self.connect()
            self.ds._prepare_connection(conn, self.name)
            self._threads.conn = conn
            self._threads.identity = identity
        # One snapshot for all that it reads: else a full-text table that the engine makes meanwhile is seen half
        # ("vtable constructor failed").
        conn.execute("BEGIN")
        try:
            return fn(conn)
        finally:
            conn.rollback()


def _from_memory(name):
    """Datasette asks for a table's columns, keys and indexes many times a page: a thread switch and a query each."""
    inherited = getattr(Database, name)

    async def method(self, *args):
        await self.shape_version()
        key = (name, args)
        shape = self._shape
        if key not in shape:
            shape[key] = await inherited(self, *args)
        value = shape[key]
        return value.copy() if isinstance(value, list) else value

    method.__name__ = name
    method.__doc__ = inherited.__doc__
    return method


for _name in (
    "fts_table get_all_foreign_keys get_table_definition primary_keys "
    "table_column_details table_columns table_exists table_names view_names"
).split():
    setattr(MirrorDatabase, _name, _from_memory(_name))


def mirror(datasette) -> MirrorDatabase:
    """The mirrored database of this Datasette."""
    return datasette.databases[NAME]


@hookimpl
def prepare_connection(conn, database):
    if database == NAME:
        # Datasette's decoder is a Python function called per cell; the engine writes valid UTF-8 only.
        conn.text_factory = str


@hookimpl(tryfirst=True)
def startup(datasette):
    file = os.environ.get(FILE_VARIABLE) or (datasette.plugin_config("stripe-site") or {}).get("file")
    if not file:
        raise SystemExit(f"{FILE_VARIABLE} is not set: it names the SQLite file to serve")
    # The proxy logs each access, with who it was; the probes of the health checks would be most of these lines.
    # (A filter, as uvicorn enables its loggers again when it starts.)
    logging.getLogger("uvicorn.access").addFilter(lambda record: False)
    datasette.add_database(MirrorDatabase(datasette, os.path.abspath(file)), name=NAME)
    # Datasette adds it when it is started without a file; it would only invite SQL over nothing.
    if "_memory" in datasette.databases:
        datasette.remove_database("_memory")
