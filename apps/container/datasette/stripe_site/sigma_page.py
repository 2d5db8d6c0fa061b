"""`/-/sigma`: paste a query written for Sigma, see it translated, run it, take it along."""

from pathlib import Path
from urllib.parse import urlencode

from datasette import Response, hookimpl
from datasette.database import QueryInterrupted

from .database import NAME, mirror
from .queries import FOLDER, parse
from .sigma import SigmaError, translate
from .sigma.functions import register
from .sigma.shape import describe

TEMPLATES = Path(FOLDER).parent / "sigma_templates"
SHOWN = 200


def templates():
    """Examples in the manner of Sigma's own templates."""
    return [parse(file.stem, file.read_text(encoding="utf-8")) for file in sorted(TEMPLATES.glob("*.sql"))]


async def shape_of(db):
    """The mirror's tables, looked up again when they change."""
    version = await db.shape_version()
    known = getattr(db, "site_shape", None)
    if known is None or known[0] != version:
        known = (version, await db.execute_fn(describe))
        db.site_shape = known
    return known[1]


async def run(db, text: str):
    """(translation, results, error)"""
    try:
        translation = translate(text, await shape_of(db))
    except SigmaError as error:
        return None, None, str(error)
    try:
        return translation, await db.execute(translation.sql, truncate=True, log_sql_errors=False), None
    except QueryInterrupted:
        return translation, None, "The query took too long. A narrower time range (created >= date '…') uses the index on created."
    except Exception as error:  # SQLite's own words about a name or a function
        return translation, None, f"SQLite says: {error}"


async def sigma_page(request, datasette):
    db = mirror(datasette)
    text = request.args.get("sql") or ""
    translation = results = error = None
    if text.strip():
        translation, results, error = await run(db, text)
    if request.url_vars.get("format"):
        return Response.json(
            {
                "ok": error is None,
                "error": error,
                "sql": translation.sql if translation else None,
                "notes": list(translation.notes) if translation else [],
                "columns": results.columns if results else [],
                "rows": [dict(zip(results.columns, row)) for row in results.rows] if results else [],
            },
            status=200 if error is None else 400,
        )
    query = urlencode({"sql": translation.sql}) if translation else ""
    return Response.html(
        await datasette.render_template(
            "sigma.html",
            {
                "text": text,
                "translation": translation,
                "results": results,
                "error": error,
                "query": query,
                "shown": SHOWN,
                "examples": templates(),
                "database": NAME,
            },
            request=request,
        )
    )


@hookimpl
def register_routes():
    return [(r"^/-/sigma(\.(?P<format>json))?$", sigma_page)]


@hookimpl
def prepare_connection(conn, database):
    if database == NAME:
        register(conn)
