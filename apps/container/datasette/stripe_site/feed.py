"""`/-/events.atom`: the newest events for a feed reader; `?type=charge.failed` or `?type=invoice` narrows it down."""

from xml.sax.saxutils import escape, quoteattr

from datasette import Response, hookimpl
from datasette.utils import tilde_encode

from .database import mirror
from .page import origin
from .status import status_of
from .tables import table_of_id
from .timeline import describe

ENTRIES = 50


def _stamp(text: str) -> str:
    return text[:19].replace(" ", "T") + "Z"


async def feed(request, datasette):
    db = mirror(datasette)
    status = await status_of(db)
    here = origin(request)
    kind = request.args.get("type") or ""
    rows = []
    if await db.table_exists("events"):
        # The index on created gives the newest; of them, those of the kind. A rare kind is looked for among the last 5,000.
        inner = "select * from events order by created desc limit 5000" if kind else "select * from events"
        narrowed = "where type = :type or substr(type, 1, length(:type) + 1) = :type || '.'" if kind else ""
        sql = (
            "select id, object_id, type, created, previous_attributes, payload "
            f"from ({inner}) {narrowed} order by created desc limit {ENTRIES}"
        )
        rows = [describe(row, "") for row in await db.execute(sql, {"type": kind})]
    updated = _stamp(rows[0]["created"]) if rows else "1970-01-01T00:00:00Z"
    title = f"{status.account_name or 'Stripe'}: {kind or 'all'} events"
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>{escape(title)}</title><id>{escape(here)}/-/events.atom</id><updated>{updated}</updated>",
        f"<link rel=\"self\" href={quoteattr(f'{here}/-/events.atom')}/><link href={quoteattr(here + '/')}/>",
    ]
    for row in rows:
        table = table_of_id(row["object_id"] or "")
        href = f"{here}/stripe/{table}/{tilde_encode(row['object_id'])}" if table else f"{here}/stripe/events/{row['id']}"
        text = "\n".join(filter(None, [row["text"], *row["changes"], row["object_id"]]))
        parts.append(
            f"<entry><title>{escape(row['type'])}{escape(': ' + row['text']) if row['text'] else ''}</title>"
            f"<id>{escape(here)}/stripe/events/{escape(row['id'])}</id><updated>{_stamp(row['created'])}</updated>"
            f"<author><name>{escape(status.account_name or 'Stripe')}</name></author>"
            f"<link href={quoteattr(href)}/><content type=\"text\">{escape(text)}</content></entry>"
        )
    parts.append("</feed>")
    return Response("\n".join(parts), content_type="application/atom+xml; charset=utf-8")


@hookimpl
def register_routes():
    return [(r"^/-/events\.atom$", feed)]
