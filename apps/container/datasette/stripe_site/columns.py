"""What a column holds, judged by its name: amounts, times, ids. Stripe names them the same in all objects."""

# Integers in the smallest unit of the row's currency.
MONEY = frozenset(
    """
    amount amount_capturable amount_captured amount_discount amount_due amount_fees amount_off amount_overpaid
    amount_paid amount_paid_off_stripe amount_received amount_refunded amount_remaining amount_requested amount_reversed
    amount_shipping amount_subtotal amount_tax amount_total application_fee_amount balance discount_amount ending_balance
    fee merchant_amount net net_amount out_of_band_amount post_payment_amount post_payment_credit_notes_amount
    pre_payment_amount pre_payment_credit_notes_amount starting_balance subtotal subtotal_excluding_tax tax total
    total_excluding_tax transfer_data_amount unit_amount unit_amount_decimal unit_amount_excluding_tax unit_cost
    """.split()
)

# Where the currency of an amount stands, when it is not the row's `currency`.
CURRENCY_COLUMN = {"merchant_amount": "merchant_currency"}

# Columns of these names are JSON or something else than an amount in a few tables.
NOT_MONEY = frozenset({("payment_records", "amount"), ("application_fee_refunds", "fee"), ("customers", "tax")})

# Times that do not end in _at or _on.
TIMES = frozenset(
    """
    active_from arrival_date available_on billing_cycle_anchor cancel_at created current_period_end
    current_period_start date date_ts due_date end end_time finished_ts frozen_time heartbeat_ts insert_ts
    next_payment_attempt period_end period_start redeem_by start start_date start_time start_ts end_ts
    status_transitions started_ts transacted_at trial_end trial_start update_ts updated updated_ts deleted_ts
    """.split()
)


def is_money(table: "str | None", column: str) -> bool:
    return column in MONEY and (table, column) not in NOT_MONEY


def is_time(column: str) -> bool:
    return column in TIMES or column.endswith(("_at", "_ts"))


def currency_column(column: str) -> str:
    return CURRENCY_COLUMN.get(column, "currency")
