"""What the mirror says of itself: whose account, which mode, how current."""

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone

# Several parts of a page ask; the file is asked once in this time.
FRESH_SECONDS = 0.5


@dataclass(frozen=True)
class Status:
    """One look at td_metadata. Everything is None while the engine has not written it."""

    account_id: "str | None" = None
    account_name: "str | None" = None
    #: True: test mode or a sandbox. False: live.
    is_test: "bool | None" = None
    #: When the engine last heard from Stripe, UTC.
    heartbeat: "datetime | None" = None
    data_version: int = 0

    @property
    def mode(self) -> "str | None":
        return None if self.is_test is None else "test" if self.is_test else "live"

    @property
    def is_demo(self) -> bool:
        return os.environ.get("SITE_DEMO") == "1" or (self.account_id or "").startswith("acct_demo")

    @property
    def dashboard(self) -> str:
        """Base of the account's pages in Stripe's dashboard."""
        account = f"/{self.account_id}" if self.account_id else ""
        return f"https://dashboard.stripe.com{account}{'/test' if self.is_test else ''}"


def parse_time(text: "str | None") -> "datetime | None":
    """A time as the mirror writes it: UTC, with or without milliseconds."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace(" ", "T").rstrip("Z")).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def account_name(account: dict) -> "str | None":
    """What the account's owner calls it."""
    dashboard = (account.get("settings") or {}).get("dashboard") or {}
    profile = account.get("business_profile") or {}
    return dashboard.get("display_name") or profile.get("name") or account.get("email") or account.get("id")


def read_status(conn) -> Status:
    """Reads the newest row of td_metadata, whatever columns this engine's version of it has."""
    if not conn.execute("select 1 from sqlite_master where type = 'table' and name = 'td_metadata'").fetchone():
        return Status()
    cursor = conn.execute("select * from td_metadata limit 1")
    row = cursor.fetchone()
    if row is None:
        return Status()
    values = dict(zip([column[0] for column in cursor.description], row))
    try:
        account = json.loads(values.get("stripe_account") or "{}")
    except ValueError:
        account = {}
    is_test = values.get("stripe_is_test")
    return Status(
        account_id=values.get("stripe_account_id"),
        account_name=account_name(account) or values.get("stripe_account_id"),
        is_test=None if is_test is None else bool(is_test),
        heartbeat=parse_time(values.get("heartbeat_ts")),
        data_version=values.get("data_version") or 0,
    )


async def status_of(db) -> Status:
    """The mirror's status, at most FRESH_SECONDS old."""
    known = getattr(db, "site_status", None)
    now = time.monotonic()
    if known is None or now - known[0] > FRESH_SECONDS:
        known = (now, await db.execute_fn(read_status))
        db.site_status = known
    return known[1]
