"""Trino's SQL with Sigma's names to SQLite's with the mirror's: parse, put tables in, put functions in, write."""

from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError, UnsupportedError

from .dialect import Writer, rewrite_functions
from .errors import SigmaError
from .names import expression, singular
from .shape import Shape
from .tables import APPROXIMATIONS, COLUMNS, MISSING_TABLES, VIEWS


@dataclass(frozen=True)
class Translation:
    sql: str
    #: What is not exactly as in Sigma.
    notes: "tuple[str, ...]"


def translate(text: str, shape: Shape) -> Translation:
    """
    Translates one query.

    Raises SigmaError with a line that can be shown, when it cannot be parsed, writes, or asks for what only Sigma has.
    """
    tree = _parse(text)
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", identifier.this.lower())
    notes: "list[str]" = []
    _put_tables_in(tree, shape, notes)
    tree = rewrite_functions(tree)
    try:
        return Translation(Writer(pretty=True).generate(tree), tuple(dict.fromkeys(notes)))
    except UnsupportedError as error:
        raise SigmaError(f"SQLite cannot do this: {error}") from error


def _parse(text: str) -> exp.Expression:
    try:
        trees = [tree for tree in sqlglot.parse(text.strip().rstrip(";"), read="trino") if tree is not None]
    except (ParseError, TokenError) as error:
        raise SigmaError(f"This is not SQL that Sigma would take: {_first_line(error)}") from error
    if len(trees) != 1:
        raise SigmaError("One query at a time, please." if trees else "There is no query.")
    if not isinstance(trees[0], (exp.Query, exp.Subquery)):
        raise SigmaError("Only queries (select …) can be run: the mirror is read only.")
    for unsupported, why in ((exp.GroupingSets, "grouping sets"), (exp.Cube, "cube"), (exp.Rollup, "rollup"), (exp.Lambda, "lambdas")):
        if trees[0].find(unsupported):
            raise SigmaError(f"SQLite has no {why}: write a union all of plain group bys, or aggregate in a join.")
    return trees[0]


def _first_line(error: Exception) -> str:
    return str(error).replace("\x1b[4m", "").replace("\x1b[0m", "").splitlines()[0]


def _put_tables_in(tree: exp.Expression, shape: Shape, notes: "list[str]") -> None:
    ctes = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    used = {column.name for column in tree.find_all(exp.Column)} | {d.name for d in tree.find_all(exp.Dot) if d.name}
    tables = [t for t in tree.find_all(exp.Table) if t.name and t.name.lower() not in ctes]
    # With one table, a column without a table's name in front can only be its own.
    alone = len(tables) == 1
    for table in tables:
        name = table.name.lower()
        alias = table.alias or table.name
        inner = _subquery(name, alone, used, _star(table), _qualified(tree, alias), shape, notes)
        inner.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
        table.replace(inner)


def _star(table: exp.Table) -> bool:
    select = table.find_ancestor(exp.Select)
    return select is not None and any(
        isinstance(e, exp.Star) or (isinstance(e, exp.Column) and isinstance(e.this, exp.Star)) for e in select.expressions
    )


def _qualified(tree: exp.Expression, alias: str) -> "set[str]":
    return {c.name for c in tree.find_all(exp.Column) if c.table and c.table.lower() == alias.lower()}


def _subquery(name, alone, used, star, qualified, shape: Shape, notes) -> exp.Subquery:
    """What stands in the place of a table of Sigma's: the columns that the query uses, under Sigma's names."""
    source, columns, json_columns = _source(name, shape)
    selected: "dict[str, str]" = {}
    for column in sorted(used | (set(COLUMNS.get(name, {})) & used)):
        try:
            sql = expression(name, column, columns, "t", json_columns)
        except SigmaError:
            if column in qualified or alone:
                raise
            continue
        if sql is None:
            if column in qualified and not isinstance(column, exp.Star) and column != "*":
                raise SigmaError(f"{name} has no column {column}, neither in Sigma's documentation nor in the mirror.")
            continue
        selected[column] = sql
        if (name, column) in APPROXIMATIONS and (column in qualified or column not in columns):
            notes.append(APPROXIMATIONS[(name, column)])
    if star:
        rest = [c for c in sorted(columns) if c not in selected]
        selected.update({c: f't."{c}"' for c in rest})
    if not selected:
        selected = {"id": "t.id"} if "id" in columns else {"one": "1"}
    deleted = name == "customers" and "deleted" in used
    listed = ", ".join(f'{sql} as "{column}"' for column, sql in selected.items())
    text = f"select {listed} from ({source}) as t" if source else f'select {listed} from "{name}" as t'
    if deleted:
        text += f" union all {_deleted(name, selected)}"
    return exp.Subquery(this=sqlglot.parse_one(text, read="sqlite"))


def _deleted(name: str, selected: "dict[str, str]") -> str:
    """Sigma keeps deleted customers as rows; here their last state is in td_deleted."""
    fields = []
    for column in selected:
        if column == "deleted":
            fields.append('1 as "deleted"')
        elif column == "id":
            fields.append('d.id as "id"')
        else:
            plain = column.removesuffix("_id")
            value = f"coalesce(d.object ->> '$.{column}', d.object ->> '$.{plain}')"
            if column == "created":
                value = "case when typeof(d.object ->> '$.created') = 'integer' then datetime(d.object ->> '$.created', 'unixepoch') else d.object ->> '$.created' end"
            fields.append(f'{value} as "{column}"')
    return f"select {', '.join(fields)} from td_deleted as d where d.\"table\" = '{name}'"


def _source(name: str, shape: Shape):
    """(SQL of a view or None for a table, its columns, those that are JSON)."""
    if name.startswith("connected_account_"):
        raise SigmaError(f"{name}: connected accounts have mirrors of their own; ask theirs for {name.removeprefix('connected_account_')}.")
    if name in MISSING_TABLES:
        raise SigmaError(f"{name} is not in Stripe's API: {MISSING_TABLES[name]}.")
    if name in VIEWS:
        return _view(name, shape)
    if name in shape.columns:
        return None, shape.columns[name], shape.json_columns.get(name, set())
    base = _metadata_of(name, shape)
    if base is not None:
        sql = f'select o.id as {singular(base)}_id, m.key as "key", m.value as value from "{base}" o, json_each(o.metadata) m'
        return sql, {f"{singular(base)}_id", "key", "value"}, set()
    if name == "payment_method_details":
        columns = shape.columns.get("charges", set())
        return "select id as charge_id, payment_method_details, created from charges", {"charge_id", "created"} & {"charge_id", *columns}, {"payment_method_details"}
    raise SigmaError(f"There is no table {name} in Stripe's API that the mirror has. Tables: {', '.join(sorted(_known(shape)))}.")


def _known(shape: Shape) -> "set[str]":
    return {n for n in shape.columns if not n.startswith(("td_", "sqlite_", "search_index"))} | set(VIEWS)


def _metadata_of(name: str, shape: Shape) -> "str | None":
    if not name.endswith("_metadata"):
        return None
    base = name.removesuffix("_metadata")
    aliases = {"quote": "quotes", "billing_credit_grant": "billing_credit_grants", "invoice_items": "invoiceitems", "transfers": "payouts"}
    base = aliases.get(base, base)
    return base if "metadata" in shape.columns.get(base, ()) else None


def _view(name: str, shape: Shape):
    sql = VIEWS[name]
    if name == "transfers" and "transfers" in shape.columns:
        sql += """ union all select id, amount, amount_reversed, null, created, currency, description, 'paid', null, 'stripe_account', null, null,
  created, destination, balance_transaction, null, source_type, reversed, transfer_group, source_transaction from transfers"""
    tree = sqlglot.parse_one(sql, read="sqlite")
    first = tree.find(exp.Select)
    base = first.find(exp.Table).name
    if base not in shape.columns:
        raise SigmaError(f"{name} needs the table {base}, which is not mirrored: start the mirror with TDOG_TABLES=all.")
    if first.is_star:
        return sql, shape.columns[base], shape.json_columns.get(base, set())
    return sql, {e.alias_or_name for e in first.expressions}, set()
