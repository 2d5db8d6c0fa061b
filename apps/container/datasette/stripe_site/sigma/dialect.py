"""Trino's functions, dates and intervals as SQLite's, by way of the functions in functions.py."""

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite

from ..columns import is_time
from ..functions import zone_of
from .errors import SigmaError

DATE = {exp.DataType.Type.DATE}
STAMP = {
    exp.DataType.Type.TIMESTAMP,
    exp.DataType.Type.TIMESTAMPTZ,
    exp.DataType.Type.TIMESTAMPLTZ,
    exp.DataType.Type.TIMESTAMPNTZ,
    exp.DataType.Type.DATETIME,
}
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def call(name: str, *arguments) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[a for a in arguments if a is not None])


def word(node) -> exp.Literal:
    """A unit as text: MONTH -> 'month'."""
    return exp.Literal.string((node.name if isinstance(node, exp.Expression) else str(node)).lower())


def zoned(moment, zone) -> exp.Anonymous:
    """`at time zone`; of a name that is written out, a mistake is told before the query runs."""
    if isinstance(zone, exp.Literal):
        try:
            zone_of(zone.name)
        except ValueError as error:
            raise SigmaError(f"{error}.") from error
    return call("sigma_zone", moment, zone)


class Writer(SQLite.Generator):
    """SQLite's, except that casts to a decimal number keep the fraction."""

    def __init__(self, **options):
        super().__init__(dialect="sqlite", identify=False, **options)


# Trino's function -> SQL function here; the arguments are listed in the order that it wants them.
SIMPLE = {
    exp.TimestampTrunc: lambda e: call("sigma_trunc", word(e.args["unit"]), e.this),
    exp.DateTrunc: lambda e: call("sigma_trunc", word(e.args["unit"]), e.this),
    exp.DateAdd: lambda e: call("sigma_add", word(e.args["unit"]), e.expression, e.this),
    exp.DateSub: lambda e: call("sigma_add", word(e.args["unit"]), exp.Neg(this=exp.Paren(this=e.expression)), e.this),
    exp.DateDiff: lambda e: call("sigma_diff", word(e.args["unit"]), e.expression, e.this),
    exp.TimeToStr: lambda e: call("sigma_format", e.this, e.args["format"]),
    exp.StrToTime: lambda e: call("sigma_parse", e.this, e.args["format"]),
    exp.AtTimeZone: lambda e: zoned(e.this, e.args["zone"]),
    exp.Extract: lambda e: call("sigma_part", word(e.this), e.expression),
    exp.UnixToTime: lambda e: call("sigma_from_unix", e.this),
    exp.TimeToUnix: lambda e: call("sigma_to_unix", e.this),
    exp.FromISO8601Date: lambda e: call("sigma_day", e.this),
    exp.LastDay: lambda e: call("sigma_last_day", e.this),
    exp.CurrentDate: lambda e: call("date", exp.Literal.string("now")),
    exp.CurrentTimestamp: lambda e: call("datetime", exp.Literal.string("now")),
    exp.Localtimestamp: lambda e: call("datetime", exp.Literal.string("now")),
    exp.Date: lambda e: call("sigma_day", e.this),
    exp.TsOrDsToDate: lambda e: call("sigma_day", e.this),
    exp.SplitPart: lambda e: call("sigma_split_part", e.this, e.args["delimiter"], e.args["part_index"]),
    exp.RegexpLike: lambda e: call("sigma_regexp", e.this, e.expression),
    exp.RegexpExtract: lambda e: call("sigma_regexp_extract", e.this, e.expression, e.args.get("group") or exp.Literal.number(0)),
    exp.RegexpReplace: lambda e: call("sigma_regexp_replace", e.this, e.expression, e.args.get("replacement") or exp.Literal.string("")),
    exp.ApproxDistinct: lambda e: exp.Count(this=exp.Distinct(expressions=[e.this])),
    exp.ApproxQuantile: lambda e: call("sigma_percentile", e.this, e.args["quantile"]),
    exp.AnyValue: lambda e: exp.Max(this=e.this),
    exp.ArgMax: lambda e: call("sigma_max_by", e.this, e.expression),
    exp.ArgMin: lambda e: call("sigma_min_by", e.this, e.expression),
    exp.LogicalOr: lambda e: exp.Max(this=e.this),
    exp.LogicalAnd: lambda e: exp.Min(this=e.this),
    exp.Stddev: lambda e: call("sigma_stddev", e.this),
    exp.StddevSamp: lambda e: call("sigma_stddev", e.this),
    exp.CountIf: lambda e: exp.Count(this=call("nullif", exp.Paren(this=e.this), exp.Literal.number(0))),
    exp.Pad: lambda e: call("sigma_pad", e.this, e.expression, e.args.get("fill_pattern") or exp.Literal.string(" "), exp.Literal.number(1 if e.args.get("is_left") else 0)),
    exp.ArrayAgg: lambda e: call("json_group_array", e.this),
    exp.ArraySize: lambda e: call("json_array_length", e.this),
    exp.StrPosition: lambda e: call("instr", e.this, e.args["substr"]),
    exp.Greatest: lambda e: call("max", e.this, *e.expressions),
    exp.Least: lambda e: call("min", e.this, *e.expressions),
    exp.Try: lambda e: e.this,
    exp.If: lambda e: exp.Case(ifs=[exp.If(this=e.this, true=e.args["true"])], default=e.args.get("false")) if not isinstance(e.parent, exp.Case) else e,
    **{
        kind: (lambda e, unit=unit: call("sigma_part", exp.Literal.string(unit), e.this))
        for kind, unit in (
            (exp.Year, "year"), (exp.Quarter, "quarter"), (exp.Month, "month"), (exp.WeekOfYear, "week"), (exp.Week, "week"), (exp.Day, "day"),
            (exp.DayOfMonth, "day"), (exp.DayOfWeekIso, "day_of_week"), (exp.DayOfWeek, "day_of_week"), (exp.DayOfYear, "day_of_year"),
            (exp.Hour, "hour"), (exp.Minute, "minute"), (exp.Second, "second"),
        )
    },
}  # fmt: skip

BY_NAME = {
    "at_timezone": lambda a: zoned(*a),
    "with_timezone": lambda a: a[0],
    "format_datetime": lambda a: call("sigma_format_joda", *a),
    "last_day_of_month": lambda a: call("sigma_last_day", *a),
    "to_milliseconds": lambda a: a[0],
    "from_iso8601_timestamp": lambda a: call("sigma_stamp", *a),
    "every": lambda a: exp.Min(this=a[0]),
    "to_date": lambda a: call("sigma_day", a[0]),
}
ALLOWED = frozenset(
    "coalesce nullif date datetime total abs round instr max min json_group_array json_array_length typeof length lower upper trim ltrim rtrim "
    "replace substr printf json_extract strftime unicode hex random ceil floor ln log10 log2 exp power sqrt mod sign ifnull iif julianday unixepoch "
    "json_each group_concat row_number rank dense_rank ntile lag lead first_value last_value nth_value percent_rank cume_dist money money_text".split()
)


def rewrite_functions(tree: exp.Expression) -> exp.Expression:
    """Everything of Trino's that SQLite writes in another way, or has not."""
    _load_time(tree)
    _sources(tree)
    kinds = _alias_kinds(tree)
    for node in list(tree.walk()):
        if isinstance(node, COMPARISONS):
            _compare(node, ("this", "expression"), kinds)
        elif isinstance(node, exp.Between):
            _compare(node, ("this", "low", "high"), kinds)
    # From the leaves up: what stands inside a function is rewritten before the function.
    for node in reversed(list(tree.walk())):
        written = _rewrite(node)
        if written is not node:
            if node is tree:
                tree = written
            else:
                node.replace(written)
    return tree


def _load_time(tree: exp.Expression) -> None:
    for column in list(tree.find_all(exp.Column)):
        if column.name.lower() == "data_load_time" and not column.table:
            column.replace(exp.maybe_parse("(select substr(heartbeat_ts, 1, 19) from td_metadata limit 1)", dialect="sqlite"))


def _sources(tree: exp.Expression) -> None:
    """unnest(sequence(…)), values and subqueries whose columns are named at the alias."""
    for unnest in list(tree.find_all(exp.Unnest)):
        unnest.replace(_unnest(unnest))
    for source in [*tree.find_all(exp.Values), *tree.find_all(exp.Subquery)]:
        alias = source.args.get("alias")
        names = list(alias.columns) if alias is not None else []
        if isinstance(source, exp.Values) and isinstance(source.parent, (exp.From, exp.Join, exp.Subquery)):
            rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in source.expressions]
            select = None
            for row in rows:
                one = exp.Select(expressions=[exp.alias_(v, n.name) if names else v for v, n in zip(row, names or row)])
                select = one if select is None else exp.Union(this=select, expression=one, distinct=False)
            source.replace(exp.Subquery(this=select, alias=exp.TableAlias(this=alias.this) if alias is not None else None))
        elif names and isinstance(source, exp.Subquery):
            first = source.find(exp.Select)
            first.set("expressions", [exp.alias_(e.unalias(), n.name) for e, n in zip(first.expressions, names)])
            alias.set("columns", None)


def _unnest(unnest: exp.Unnest) -> exp.Expression:
    if len(unnest.expressions) != 1:
        raise SigmaError("unnest of several lists at once has no counterpart in SQLite: use one unnest each.")
    value = unnest.expressions[0]
    alias = unnest.args.get("alias")
    names = [c.name for c in alias.columns] if alias is not None else []
    column = names[0] if names else "value"
    if isinstance(value, exp.Array):
        value = call("json_array", *value.expressions)
    select = exp.select(exp.alias_(exp.column("value", "e"), column))
    offset = unnest.args.get("offset")
    if offset:
        name = offset.name if isinstance(offset, exp.Expression) else (names[1] if len(names) > 1 else "ordinality")
        select = select.select(exp.alias_(exp.Add(this=exp.column("key", "e"), expression=exp.Literal.number(1)), name))
    select = select.from_(exp.Table(this=call("json_each", value), alias=exp.TableAlias(this=exp.to_identifier("e"))))
    return exp.Subquery(this=select, alias=exp.TableAlias(this=alias.this) if alias is not None and alias.this else None)


def _kind(node, kinds) -> "str | None":
    """'date', 'stamp', 'time' (one of them), or None."""
    if isinstance(node, (exp.Paren, exp.Max, exp.Min, exp.AnyValue, exp.Coalesce)):
        return _kind(node.this, kinds)
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return "date" if node.to.this in DATE else "stamp" if node.to.this in STAMP else None
    if isinstance(node, (exp.CurrentDate, exp.Date, exp.TsOrDsToDate, exp.LastDay, exp.FromISO8601Date)):
        return "date"
    if isinstance(node, (exp.CurrentTimestamp, exp.UnixToTime, exp.AtTimeZone, exp.StrToTime, exp.Localtimestamp)):
        return "stamp"
    if isinstance(node, (exp.TimestampTrunc, exp.DateTrunc, exp.DateAdd, exp.DateSub)):
        return _kind(node.this, kinds) or "time"
    if isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.expression, exp.Interval):
        return _kind(node.this, kinds) or "time"
    if isinstance(node, exp.GenerateSeries):
        return _kind(node.args["start"], kinds)
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and "heartbeat_ts" in node.sql():
        return "stamp"
    if isinstance(node, exp.Column):
        return kinds.get(node.name) or ("stamp" if is_time(node.name) else None)
    return None


def _alias_kinds(tree) -> "dict[str, str]":
    """Times behind names that the query itself gives; the same name for a date here and a timestamp there is 'time'."""
    kinds: "dict[str, str]" = {}
    for _ in range(3):  # a name may stand for a name that stands for a time
        found: "dict[str, set]" = {}
        for alias in tree.find_all(exp.Alias):
            value = alias.this
            source = alias.find_ancestor(exp.Select)
            each = source.args["from_"].this if source is not None and source.args.get("from_") is not None else None
            if isinstance(value, exp.Column) and value.name == "value" and isinstance(each, exp.Table) and isinstance(each.this, exp.Anonymous) and each.this.expressions:
                kind = _kind(each.this.expressions[0], kinds)
            else:
                kind = _kind(value, kinds)
            if kind is not None and alias.alias not in ("created", "date"):
                found.setdefault(alias.alias, set()).add(kind)
        kinds = {name: next(iter(k)) if len(k) == 1 else "time" for name, k in found.items()}
    return kinds


def _compare(node, names, kinds) -> None:
    """A date and a timestamp are compared as timestamps; a bare timestamp column is left as it is, for its index."""
    sides = [node.args[name] for name in names]
    found = [_kind(side, kinds) for side in sides]
    if not any(found) or all(kind == "stamp" for kind in found) or all(kind == "date" for kind in found):
        return
    for name, side, kind in zip(names, sides, found):
        if kind == "stamp" or isinstance(side, exp.Null):
            continue
        node.set(name, call("sigma_stamp", side.copy()))


def _rewrite(node):
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return _cast(node)
    if isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.expression, exp.Interval):
        return _shift(node)
    if isinstance(node, exp.GenerateSeries):
        return _sequence(node)
    if isinstance(node, exp.ArrayToString):
        values = node.this
        inner = values.this if isinstance(values, exp.ArrayAgg) else values.expressions[0] if isinstance(values, exp.Anonymous) and values.this == "json_group_array" else None
        if inner is None:
            raise SigmaError("array_join works on array_agg(…) only: SQLite has no arrays.")
        return call("group_concat", inner, node.expression)
    if isinstance(node, exp.GroupConcat):
        values = node.this.this if isinstance(node.this, exp.Order) else node.this
        return call("group_concat", values, node.args.get("separator") or exp.Literal.string(","))
    if isinstance(node, exp.Concat):
        joined = node.expressions[0]
        for value in node.expressions[1:]:
            joined = exp.DPipe(this=joined, expression=value)
        return exp.Paren(this=joined)
    if isinstance(node, (exp.Map, exp.VarMap, exp.MapFromEntries)):
        raise SigmaError("SQLite has no maps: use max(value) filter (where key = '…') for each key.")
    if isinstance(node, exp.Fetch):
        return exp.Limit(expression=node.args["count"])
    if isinstance(node, exp.Anonymous):
        return _anonymous(node)
    rule = SIMPLE.get(type(node))
    return rule(node) if rule else node


def _cast(node):
    kind = node.to.this
    if kind in DATE:
        return exp.Literal.string(node.this.name) if _is_text(node.this) else call("sigma_day", node.this)
    if kind in STAMP:
        return call("sigma_stamp", node.this)
    sqlite = {"VARCHAR": "TEXT", "CHAR": "TEXT", "TEXT": "TEXT", "DOUBLE": "REAL", "FLOAT": "REAL", "DECIMAL": "REAL", "BOOLEAN": "INTEGER"}
    name = sqlite.get(kind.name, "INTEGER" if "INT" in kind.name else None)
    if name is None:
        raise SigmaError(f"A cast to {kind.name.lower()} has no counterpart in SQLite.")
    return exp.Cast(this=node.this, to=exp.DataType.build(name, dialect="sqlite"))


def _is_text(node) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _shift(node):
    interval = node.expression
    number = exp.Literal.number(interval.this.name) if _is_text(interval.this) else interval.this
    if isinstance(node, exp.Sub):
        number = exp.Neg(this=number)
    return call("sigma_add", word(interval.args["unit"]), number, node.this)


def _sequence(node):
    step = node.args.get("step")
    if isinstance(step, exp.Interval):
        return call("sigma_sequence", node.args["start"], node.args["end"], exp.Literal.number(step.this.name), word(step.args["unit"]))
    return call("sigma_sequence", node.args["start"], node.args["end"], step or exp.Null(), exp.Literal.string(""))


def _anonymous(node):
    name = node.name.lower()
    if name in BY_NAME:
        return BY_NAME[name](node.expressions)
    if name in ALLOWED or name.startswith("sigma_") or name in ("json_array",):
        return node
    raise SigmaError(f"{name}() has no counterpart here. What the mirror knows: SQLite's functions and Trino's for dates and texts.")
