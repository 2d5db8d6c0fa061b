"""What the translator knows of the mirror: tables, their columns, which of them are JSON."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """Tables of the mirror. `describe` makes one of a connection."""

    columns: "dict[str, set[str]]"
    #: Columns that hold JSON objects, by table.
    json_columns: "dict[str, set[str]]" = field(default_factory=dict)


# JSON columns of all objects are known by name: the declared type is TEXT for them, too.
JSON_NAMES = frozenset(
    """
    address automatic_tax billing_details billing_thresholds cancellation_details custom_unit_amount customer_address
    customer_shipping evidence evidence_details invoice_settings last_payment_error outcome owner parent
    pause_collection payment payment_method_details payment_method_options payment_settings pending_invoice_item_interval
    pending_update presentment_details recurring restrictions shipping shipping_cost shipping_details
    status_transitions tax transfer_data transform_quantity trace_id trial_settings verification amount_details
    billing_mode card us_bank_account sepa_debit receiver redirect code_verification business_profile
    """.split()
)


def describe(conn) -> Shape:
    """Reads the tables of a mirror."""
    names = [row[0] for row in conn.execute("select name from sqlite_master where type in ('table', 'view') and name not like '%\\_fts%' escape '\\'")]
    columns = {}
    for name in names:
        columns[name] = {row[1] for row in conn.execute(f'pragma table_info("{name}")')}
    return Shape(columns, {name: found & JSON_NAMES for name, found in columns.items()})
