"""Row pages: what the row says, what refers to it, its story, the way to Stripe's dashboard."""

from datasette import hookimpl
from datasette.utils import escape_sqlite, tilde_encode
from datasette.views.row import RowView

from .cells import label_of
from .database import NAME, mirror
from .search import Group, fact
from .search import describe as describe_hits
from .status import status_of
from .tables import TABLES
from .timeline import COUNTED, TABLES_WITH_TIMELINE, newest_ids, story

PREVIEWED = 5
PREVIEWED_TABLES = 8


async def foreign_key_tables(self, database, table, pk_values):
    """As Datasette's, with counts that stop at COUNTED."""
    if len(pk_values) != 1:
        return []
    db = self.ds.databases[database]
    incoming = (await db.get_all_foreign_keys()).get(table, {}).get("incoming", [])
    if not incoming:
        return []
    counts = ", ".join(
        f"(select count(*) from (select 1 from {escape_sqlite(key['other_table'])} "
        f"where {escape_sqlite(key['other_column'])} = :id limit {COUNTED + 1}))"
        for key in incoming
    )
    row = (await db.execute(f"select {counts}", {"id": pk_values[0]})).first()
    return [
        {
            **key,
            "count": count,
            "link": f"{self.ds.urls.table(database, key['other_table'])}?{key['other_column']}={tilde_encode(pk_values[0])}",
        }
        for key, count in zip(incoming, row)
    ]


@hookimpl
def startup():
    RowView.foreign_key_tables = foreign_key_tables


async def previews(db, references, row_id):
    """The newest rows of the tables that refer to the row."""
    found = []
    for reference in sorted(references, key=lambda r: -r["count"]):
        if not reference["count"] or len(found) == PREVIEWED_TABLES:
            continue
        table, column = reference["other_table"], reference["other_column"]
        newest = await newest_ids(db, table, column, row_id, PREVIEWED)
        group = Group(table, [{"id": hit, "label": None} for hit in newest])
        await describe_hits(db, group)
        found.append({**reference, "hits": group.hits, "more": reference["count"] > COUNTED})
    return found


@hookimpl
def extra_template_vars(datasette, database, table, view_name, request):
    if view_name != "row" or database != NAME or not table:
        return {}

    async def row_info(row, references):
        db = mirror(datasette)
        names = row.keys()
        if "id" not in names:
            return {}
        known = TABLES.get(table)
        status = await status_of(db)
        dashboard = None
        if known is not None and known.dashboard:
            dashboard = f"{status.dashboard}/{known.dashboard}/{row['id']}"
        first = ("id", *(known.columns if known else ()))

        def ordered(cells):
            """What the table shows first is first here too; the rest in its own order."""
            places = {name: number for number, name in enumerate(first)}
            return sorted(cells, key=lambda cell: places.get(cell["column"], len(places)))

        return {
            "ordered": ordered,
            "label": await label_of(db, table, row["id"]),
            "known": known,
            "dashboard": dashboard,
            "previews": await previews(db, references, row["id"]),
            "story": await story(db, table, row),
            "has_story": table in TABLES_WITH_TIMELINE,
        }

    return {"row_info": row_info, "fact": fact, "counted": COUNTED}
