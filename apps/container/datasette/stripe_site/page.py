"""What every page of the site shares: the account in its head, absolute addresses behind the proxy."""

import json
import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from datasette import Response, hookimpl
from datasette.database import QueryInterrupted
from datasette.utils import tilde_encode
from datasette.views.base import DatasetteError
from markupsafe import Markup, escape

from .database import mirror
from .menu import LINKS
from .status import Status, status_of

STATIC = Path(__file__).parent.parent / "static"


def static_hash(name: str) -> str:
    """Changes with the file: browsers may keep the old one for as long as they like."""
    file = STATIC / name
    return sha256(file.read_bytes()).hexdigest()[:8] if file.exists() else "0"


HASHES = {name: static_hash(name) for name in ("site.css", "site.js")}


def status_json(status: Status) -> dict:
    """What the script on the page needs to say how current the site is."""
    return {
        "account": status.account_id,
        "name": status.account_name,
        "mode": status.mode,
        "demo": status.is_demo,
        "heartbeat": status.heartbeat.isoformat() if status.heartbeat else None,
        "data_version": status.data_version,
    }


def share(request) -> str:
    """Where the owner makes a link that opens the page of this request to others, and nothing else."""
    query = f"?{request.query_string}" if request.query_string else ""
    return f"/tdog/links?{urlencode({'path': request.path + query})}"


def stopped_sql(error) -> "Markup | str":
    """The SQL in the page that Datasette writes about a query that took too long."""
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", str(error), re.S)
    return Markup(found.group(1)) if found and isinstance(error, Markup) else ""


STOPPED = "The query took too long and was stopped. A narrower range of `created`, or fewer columns, takes less time."


@hookimpl
def handle_exception(datasette, request, exception):
    """A query that hits the time limit is no fault of the server's (Datasette's CSV export says 500), and programs read no HTML."""
    late = isinstance(exception, QueryInterrupted)
    if not late and not (isinstance(exception, DatasetteError) and exception.title == "SQL Interrupted"):
        return None

    async def answer():
        path = request.path
        if path.endswith(".json"):
            return Response.json({"ok": False, "error": STOPPED, "status": 400, "title": "SQL Interrupted"}, status=400)
        if path.endswith(".csv"):
            return Response.text(STOPPED + "\n", status=400)
        error = Markup(exception.message if not late else f"<textarea>{escape(exception.sql)}</textarea>")
        info = {"ok": False, "error": error, "status": 400, "title": "SQL Interrupted"}
        return Response.html(await datasette.render_template("error.html", info, request=request), status=400)

    return answer


def origin(request) -> str:
    """Scheme and host under which the reader sees the site."""
    return f"{request.scheme}://{request.host}"


@hookimpl
def prepare_jinja2_environment(env, datasette):
    async def site():
        status = await status_of(mirror(datasette))
        return {
            "status": status,
            "json": json.dumps(status_json(status)),
            "links": LINKS,
            "hrefs": {path for path, _ in LINKS},
            "hashes": HASHES,
        }

    env.filters["tilde"] = tilde_encode
    env.filters["stopped_sql"] = stopped_sql
    env.globals["share"] = share
    # A global, not a variable of each page: Datasette renders its error page without any.
    env.globals["site"] = site


@hookimpl(trylast=True)
def asgi_wrapper(datasette):
    """Behind the proxy's socket, scheme and host are those that the proxy's client used."""

    def wrap(app):
        async def forwarded(scope, receive, send):
            # A Unix socket has no client address: only the proxy can reach it, so its headers are to be believed.
            if scope["type"] == "http" and not scope.get("client"):
                scope = _as_seen_by_client(scope)
            await app(scope, receive, send)

        return forwarded

    return wrap


def _as_seen_by_client(scope: dict) -> dict:
    headers = dict(scope["headers"])
    scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[0].strip()
    host = headers.get(b"x-forwarded-host")
    changed = dict(scope)
    if scheme in ("http", "https"):
        changed["scheme"] = scheme
    if host:
        changed["headers"] = [(k, v) for k, v in scope["headers"] if k != b"host"] + [(b"host", host)]
    return changed
