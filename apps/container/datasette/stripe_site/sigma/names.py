"""How a column of Sigma's is found in the mirror: by name, by rule, or not at all."""

from ..columns import is_time
from .errors import SigmaError
from .tables import COLUMNS, JOINED, MISSING_COLUMNS

SINGULAR = {"subscription_schedules": "schedule", "invoiceitems": "invoice_item", "quotes": "quote"}


def singular(table: str) -> str:
    """`charges` -> `charge`: what a row of it is called in `…_metadata`."""
    return SINGULAR.get(table) or (table[:-3] + "y" if table.endswith("ies") else table.removesuffix("s"))


def expression(table: str, name: str, columns: "set[str]", alias: str, json_columns: "set[str]") -> "str | None":
    """SQL for the column, or None when Sigma has no such column as far as is known."""
    special = COLUMNS.get(table, {}).get(name)
    if special is not None:
        return special.replace("{t}", alias)
    if name in MISSING_COLUMNS.get(table, ()):
        raise SigmaError(f"{table}.{name} is not in Stripe's API, only in Sigma: leave it out.")
    if name in columns:
        return f"sigma_join({alias}.{name})" if name in JOINED else f'{alias}."{name}"'
    if name.endswith("_id") and name[:-3] in columns:
        return f'{alias}."{name[:-3]}"'
    if name == "batch_timestamp":
        return "(select substr(heartbeat_ts, 1, 19) from td_metadata limit 1)"
    return _inside_json(name, alias, json_columns)


def _inside_json(name: str, alias: str, json_columns: "set[str]") -> "str | None":
    """`shipping_address_city` -> shipping ->> '$.address.city': Sigma flattens hashes."""
    for column in sorted(json_columns, key=len, reverse=True):
        if not name.startswith(f"{column}_"):
            continue
        rest = name[len(column) + 1 :]
        path = rest
        for inner in ("address", "coupon", "details"):
            if rest.startswith(f"{inner}_"):
                path = f"{inner}.{rest[len(inner) + 1 :]}"
        if rest.endswith("_id") and column != "metadata":
            plain = path.removesuffix("_id")
            return f"coalesce({alias}.\"{column}\" ->> '$.{plain}', {alias}.\"{column}\" ->> '$.{path}')"
        value = f"{alias}.\"{column}\" ->> '$.{path}'"
        return f"datetime({value}, 'unixepoch')" if is_time(rest) or rest in ("due_by", "resumes_at") else value
    return None
