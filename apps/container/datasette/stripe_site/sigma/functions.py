"""Trino's functions that SQLite lacks. Timestamps are text, `YYYY-MM-DD HH:MM:SS` in UTC; dates `YYYY-MM-DD`."""

import calendar
import json
import math
import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOST_STEPS = 100_000


def _parse(value):
    """A date or datetime of a text, or None."""
    if value is None:
        return None
    text = str(value).strip().replace("T", " ").removesuffix("Z").removesuffix(" UTC")
    if len(text) == 10:
        return date.fromisoformat(text)
    return datetime.fromisoformat(text[:26])


def _text(value) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat()


def _moment(value) -> "datetime | None":
    parsed = _parse(value)
    if parsed is None or isinstance(parsed, datetime):
        return parsed
    return datetime(parsed.year, parsed.month, parsed.day)


def _days_in(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def add(unit, number, value):
    """date_add: months and years keep the day where they can, as Trino does (31 January + 1 month = 28 February)."""
    parsed = _parse(value)
    if parsed is None or number is None:
        return None
    unit, number = unit.lower().rstrip("s"), int(number)
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    if months:
        index = parsed.year * 12 + parsed.month - 1 + number * months
        year, month = index // 12, index % 12 + 1
        return _text(parsed.replace(year=year, month=month, day=min(parsed.day, _days_in(year, month))))
    days = {"day": 1, "week": 7}.get(unit)
    if days:
        return _text(parsed + timedelta(days=number * days))
    seconds = {"hour": 3600, "minute": 60, "second": 1, "millisecond": 0.001}[unit]
    return _text(_moment(value) + timedelta(seconds=number * seconds))


def diff(unit, begin, end):
    """date_diff: whole units from begin to end."""
    a, b = _moment(begin), _moment(end)
    if a is None or b is None:
        return None
    unit = unit.lower().rstrip("s")
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    if months:
        sign = 1 if b >= a else -1
        a, b = min(a, b), max(a, b)
        count = (b.year - a.year) * 12 + b.month - a.month
        if _moment(add("month", count, _text(a))) > b:
            count -= 1
        return sign * (count // months)
    seconds = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1, "millisecond": 0.001}[unit]
    return int((b - a).total_seconds() / seconds)


def trunc(unit, value):
    """date_trunc: a date stays a date, a timestamp a timestamp."""
    parsed = _parse(value)
    if parsed is None:
        return None
    unit = unit.lower()
    if isinstance(parsed, datetime):
        parsed = parsed.replace(microsecond=0)
        if unit == "second":
            return _text(parsed)
        parsed = parsed.replace(second=0)
        if unit == "minute":
            return _text(parsed)
        parsed = parsed.replace(minute=0)
        if unit == "hour":
            return _text(parsed)
        parsed = parsed.replace(hour=0)
    if unit == "week":
        return _text(parsed - timedelta(days=parsed.weekday()))
    if unit == "month":
        parsed = parsed.replace(day=1)
    elif unit == "quarter":
        parsed = parsed.replace(month=(parsed.month - 1) // 3 * 3 + 1, day=1)
    elif unit == "year":
        parsed = parsed.replace(month=1, day=1)
    return _text(parsed)


def part(unit, value):
    """extract: year, quarter, month, week, day, day_of_week (Monday is 1), day_of_year, hour, minute, second."""
    m = _moment(value)
    if m is None:
        return None
    return {
        "year": m.year, "quarter": (m.month - 1) // 3 + 1, "month": m.month, "week": m.isocalendar()[1], "day": m.day,
        "day_of_month": m.day, "day_of_week": m.isoweekday(), "dow": m.isoweekday(), "doy": m.timetuple().tm_yday,
        "day_of_year": m.timetuple().tm_yday, "hour": m.hour, "minute": m.minute, "second": m.second,
        "year_of_week": m.isocalendar()[0],
    }[unit.lower()]  # fmt: skip


def format_date(value, pattern):
    """date_format, with Python's codes (the translator has made them of MySQL's)."""
    m = _moment(value)
    return None if m is None else m.strftime(pattern)


JODA = (
    ("yyyy", "%Y"), ("YYYY", "%Y"), ("yy", "%y"), ("MMMM", "%B"), ("MMM", "%b"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"),
    ("hh", "%I"), ("mm", "%M"), ("ss", "%S"), ("EEEE", "%A"), ("EEE", "%a"), ("a", "%p"),
)  # fmt: skip


def format_joda(value, pattern):
    """format_datetime, with Joda's letters."""
    codes = re.compile("|".join(code for code, _ in JODA))
    return format_date(value, codes.sub(lambda found: dict(JODA)[found.group()], pattern))


def parse_date(text, pattern):
    return None if text is None else _text(datetime.strptime(text, pattern))


def stamp(value):
    """Whatever time it is, as a timestamp: what a date is compared as."""
    if value is None:
        return None
    m = _moment(value)
    return _text(m)


def day(value):
    m = _parse(value)
    return None if m is None else m.isoformat()[:10]


def zone(value, name):
    """at time zone: the wall clock there, so that truncating and formatting use that zone's days."""
    m = _moment(value)
    if m is None:
        return None
    try:
        there = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name} is not a time zone") from error
    return _text(m.replace(tzinfo=timezone.utc).astimezone(there).replace(tzinfo=None))


def from_unix(value):
    return None if value is None else _text(datetime.fromtimestamp(float(value), timezone.utc).replace(tzinfo=None))


def to_unix(value):
    m = _moment(value)
    return None if m is None else m.replace(tzinfo=timezone.utc).timestamp()


def last_day(value):
    m = _parse(value)
    return None if m is None else date(m.year, m.month, _days_in(m.year, m.month)).isoformat()


def sequence(start, stop, number, unit):
    """sequence(start, stop, step) as a JSON list; unit '' for whole numbers."""
    if start is None or stop is None:
        return None
    found = []
    if not unit:
        step = int(number) if number is not None else (1 if stop >= start else -1)
        found = list(range(int(start), int(stop) + (1 if step > 0 else -1), step))[:MOST_STEPS]
        return json.dumps(found)
    number = int(number)
    at, end, index = _text(_parse(start)), _moment(stop), 0
    while (_moment(at) <= end if number > 0 else _moment(at) >= end) and len(found) < MOST_STEPS:
        found.append(at)
        index += 1
        at = add(unit, number * index, start)
    return json.dumps(found)


def split_part(text, delimiter, index):
    parts = None if text is None else str(text).split(delimiter)
    return parts[index - 1] if parts and 1 <= index <= len(parts) else None


def pad(text, size, fill, left):
    if text is None:
        return None
    text, size = str(text), int(size)
    missing = (fill * size)[: max(0, size - len(text))]
    return (missing + text if left else text + missing)[:size]


def regexp(text, pattern):
    return None if text is None else int(re.search(pattern, str(text)) is not None)


def regexp_extract(text, pattern, group):
    found = None if text is None else re.search(pattern, str(text))
    return found.group(int(group or 0)) if found else None


def regexp_replace(text, pattern, replacement):
    return None if text is None else re.sub(pattern, re.sub(r"\$(\d)", r"\\\1", replacement or ""), str(text))


def card_brand(name):
    """Sigma writes brands as people do."""
    known = {
        "visa": "Visa", "mastercard": "MasterCard", "amex": "American Express", "discover": "Discover", "jcb": "JCB",
        "diners": "Diners Club", "unionpay": "UnionPay",
    }  # fmt: skip
    return known.get(name, name)


def join_list(text):
    """A JSON list of texts as Sigma has it: separated by commas."""
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return text
    return ",".join(str(item) for item in value) if isinstance(value, list) else text


class _By:
    """max_by and min_by."""

    def __init__(self):
        self.value = self.key = None

    def finalize(self):
        return self.value


class MaxBy(_By):
    def step(self, value, key):
        if key is not None and (self.key is None or key > self.key):
            self.value, self.key = value, key


class MinBy(_By):
    def step(self, value, key):
        if key is not None and (self.key is None or key < self.key):
            self.value, self.key = value, key


class Percentile:
    """approx_percentile, exact."""

    def __init__(self):
        self.values, self.share = [], 0.5

    def step(self, value, share):
        self.share = share
        if value is not None:
            self.values.append(value)

    def finalize(self):
        if not self.values:
            return None
        self.values.sort()
        return self.values[min(len(self.values) - 1, math.ceil(self.share * len(self.values)) - 1 if self.share else 0)]


class Deviation:
    """stddev (of a sample)."""

    def __init__(self):
        self.values = []

    def step(self, value):
        if value is not None:
            self.values.append(value)

    def finalize(self):
        if len(self.values) < 2:
            return None
        mean = sum(self.values) / len(self.values)
        return math.sqrt(sum((v - mean) ** 2 for v in self.values) / (len(self.values) - 1))


FUNCTIONS = {
    "sigma_add": (3, add), "sigma_diff": (3, diff), "sigma_trunc": (2, trunc), "sigma_part": (2, part),
    "sigma_format": (2, format_date), "sigma_format_joda": (2, format_joda), "sigma_parse": (2, parse_date),
    "sigma_stamp": (1, stamp), "sigma_day": (1, day), "sigma_zone": (2, zone), "sigma_from_unix": (1, from_unix),
    "sigma_to_unix": (1, to_unix), "sigma_last_day": (1, last_day), "sigma_sequence": (4, sequence),
    "sigma_split_part": (3, split_part), "sigma_pad": (4, pad), "sigma_regexp": (2, regexp),
    "sigma_regexp_extract": (3, regexp_extract), "sigma_regexp_replace": (3, regexp_replace),
    "sigma_card_brand": (1, card_brand), "sigma_join": (1, join_list),
}  # fmt: skip
AGGREGATES = {"sigma_max_by": (2, MaxBy), "sigma_min_by": (2, MinBy), "sigma_percentile": (2, Percentile), "sigma_stddev": (1, Deviation)}


def register(conn) -> None:
    """Makes the functions known to a connection."""
    for name, (arguments, function) in FUNCTIONS.items():
        conn.create_function(name, arguments, function, deterministic=True)
    for name, (arguments, aggregate) in AGGREGATES.items():
        conn.create_aggregate(name, arguments, aggregate)
