"""Dashboards as they open first are computed before anybody asks, so that a big account's visitors need not wait for them."""

import asyncio
import os
import time

from datasette import hookimpl

from .boards import BOARDS
from .dashboards import answers_of, currencies, default_arguments
from .database import mirror

# Looked at this often at most, when requests come (the watchdog's, if nobody's).
LOOK_SECONDS = 30.0
# Part of the time that may be spent on it: an answer that takes 5 s is computed anew every 8 minutes, if the data has changed.
REST_FACTOR = 100
# What is computed as quickly as this need not be at hand.
QUICK_SECONDS = 0.2


class Warm:
    """Keeps the dashboards of one database at hand."""

    def __init__(self, db):
        self._db = db
        self._looked = -LOOK_SECONDS
        self._task: "asyncio.Task | None" = None

    def look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS or (self._task is not None and not self._task.done()):
            return
        self._looked = now
        self._task = asyncio.ensure_future(self.renew())

    async def renew(self) -> None:
        """One after the other: visitors have the other threads."""
        answers = answers_of(self._db)
        known = await currencies(self._db)
        for board in BOARDS:
            arguments = default_arguments(board, known)
            for panel in board.panels:
                try:
                    await answers.renew(panel.query, {**arguments, **panel.params}, QUICK_SECONDS, REST_FACTOR)
                except Exception:  # noqa: S112  (a table that is not there yet: who opens the dashboard is told)
                    continue


@hookimpl
def asgi_wrapper(datasette):
    def wrap(app):
        # Of several processes one does; it is the one that is asked for dashboards.
        if os.environ.get("SITE_AHEAD") == "0":
            return app

        async def looked(scope, receive, send):
            await app(scope, receive, send)
            if scope["type"] == "http":
                db = mirror(datasette)
                if not hasattr(db, "site_warm"):
                    db.site_warm = Warm(db)
                db.site_warm.look()

        return looked

    return wrap
