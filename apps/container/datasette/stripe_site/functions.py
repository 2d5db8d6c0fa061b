"""SQL functions of the site: amounts as money, months in the reader's time zone."""

import json
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from datasette import hookimpl

from .database import NAME
from .money import decimals, format_money

MOST_MONTHS = 240


def money(amount, currency):
    """`money(1234, 'usd')` -> 12.34: the amount in whole units, for people and spreadsheets. Sum before, not after."""
    if amount is None or not currency:
        return None
    places = decimals(currency)
    value = round(float(amount)) / 10**places
    return value if places else int(value)


def money_text(amount, currency):
    """`money_text(1234, 'usd')` -> '12.34 USD'."""
    if amount is None or not currency:
        return None
    return format_money(round(float(amount)), currency)


def discounted(amount, discounts, months):
    """
    `discounted(1000, '[[1, 10, null], [2, null, 300]]', 1)` -> 600.0: what is left of a monthly amount after discounts, each
    a place in the order, and a percentage or an amount that is taken off once in so many months. Never less than nothing.
    """
    if amount is None or discounts == "[]":
        return amount
    for _, percent, off in sorted(json.loads(discounts), key=lambda discount: discount[0] or 0):
        amount = amount * (100 - (percent or 0)) / 100 - (off or 0) / months
    return max(amount, 0)


def zone_of(name: str) -> "ZoneInfo":
    """The time zone of that name."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name} is not a time zone; write it like Europe/Berlin") from error


def _stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _now(until) -> datetime:
    if not until:
        return datetime.now(timezone.utc)
    moment = datetime.fromisoformat(str(until).replace(" ", "T"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def periods(unit: str, zone_name, count, until) -> "list[list[str]]":
    """[label, begin, finish, instant] of the last `count` months or days; times in UTC, `finish` excluded."""
    zone = zone_of(zone_name or "UTC")
    now = _now(until)
    number = min(max(int(count or 12), 1), MOST_MONTHS if unit == "month" else 3660)
    local = now.astimezone(zone)
    found = []
    for back in range(number - 1, -1, -1):
        if unit == "month":
            index = local.year * 12 + local.month - 1 - back
            begin = datetime(index // 12, index % 12 + 1, 1, tzinfo=zone)
            finish = datetime((index + 1) // 12, (index + 1) % 12 + 1, 1, tzinfo=zone)
            label = begin.strftime("%Y-%m")
        else:
            day = (local - timedelta(days=back)).date()
            begin = datetime(day.year, day.month, day.day, tzinfo=zone)
            after = day + timedelta(days=1)
            finish = datetime(after.year, after.month, after.day, tzinfo=zone)
            label = day.isoformat()
        found.append([label, _stamp(begin), _stamp(finish), _stamp(min(finish, now))])
    return found


@lru_cache(maxsize=64)
def _months_until(unit, zone, count, until, minute):
    del minute
    return json.dumps(periods(unit, zone, count, until))


def months(zone, count, until):
    """
    `months('Europe/Berlin', 12, '')` -> JSON list of [label, begin, finish, instant]. The begin of a month in a time
    zone, daylight saving included, as UTC: comparing with it uses the index on `created`. `instant` is the month's end,
    or now in the month that runs.
    """
    minute = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
    return _months_until("month", zone or "UTC", count or 12, until or "", minute)


def days(zone, count, until):
    """As months(), for days."""
    minute = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
    return _months_until("day", zone or "UTC", count or 30, until or "", minute)


@hookimpl
def prepare_connection(conn, database):
    if database != NAME:
        return
    for name, arguments, function in (
        ("money", 2, money),
        ("money_text", 2, money_text),
        ("discounted", 3, discounted),
        ("months", 3, months),
        ("days", 3, days),
    ):
        conn.create_function(name, arguments, function, deterministic=True)
