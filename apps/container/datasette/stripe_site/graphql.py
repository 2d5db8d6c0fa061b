"""
datasette-graphql looks at the foreign keys of every table once for every table, full-text and hidden ones included: with
this mirror's tables 66,000 times, several seconds. Here each visible table is looked at once.
"""

from datasette import hookimpl
from datasette_graphql import utils
from sqlite_utils import Database

from .database import NAME
from .tables import MIRROR_TABLES

_theirs = utils.introspect_tables


def is_shown(name: str) -> bool:
    return not (name in MIRROR_TABLES or name.startswith(("search_index", "sqlite_")) or "_fts" in name)


def introspect_tables(conn, datasette, db_name):
    """What datasette-graphql's function of this name answers, for the tables that are shown."""
    if db_name != NAME:
        return _theirs(conn, datasette, db_name)
    db = Database(conn)
    tables = [name for name in db.table_names() if is_shown(name)]
    views = db.view_names()
    there = set(tables)
    keys = {name: [key for key in db[name].foreign_keys if key.other_table in there] for name in tables}
    back = {name: [] for name in tables}
    for found in keys.values():
        for key in found:
            back[key.other_table].append(key)
    table_namer = utils.Namer("t")
    metadata = {}
    for name in [*tables, *views]:
        columns = db[name].columns_dict
        column_namer = utils.Namer("c")
        is_view = name in views
        metadata[name] = utils.TableMetadata(
            columns=columns,
            foreign_keys=keys.get(name, []),
            fks_back=back.get(name, []),
            pks=[] if is_view else db[name].pks,
            supports_fts=not is_view and bool(db[name].detect_fts()),
            is_view=is_view,
            graphql_name=table_namer.name(name),
            graphql_columns={column: column_namer.name(column) for column in columns},
        )
    return metadata


@hookimpl
def startup():
    utils.introspect_tables = introspect_tables


@hookimpl
def asgi_wrapper(datasette):
    """An address without a query shows the editor to any client, not only to those that ask for text/html by name."""

    def wrap(app):
        async def with_editor(scope, receive, send):
            if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"].startswith("/graphql"):
                if b"query=" not in scope["query_string"]:
                    others = [(name, value) for name, value in scope["headers"] if name != b"accept"]
                    scope = {**scope, "headers": [*others, (b"accept", b"text/html")]}
            await app(scope, receive, send)

        return with_editor

    return wrap
