"""The built-in dashboards: which saved query each panel shows, and how. No SQL stands here: it is the queries' own."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from .charts import Series
from .functions import periods

MONTH_ARGUMENTS = ("months", "tz", "until", "currency")
MRR_ARGUMENTS = ("trials", "metered", "coupons", "past_due", "currency")
HISTORY_ARGUMENTS = (*MONTH_ARGUMENTS, *MRR_ARGUMENTS, "annual", "cancel")


@dataclass(frozen=True)
class Panel:
    """One chart or table."""

    title: str
    query: str
    hint: str = ""
    #: columns, lines, table or cohorts.
    kind: str = "table"
    label: str = "month"
    series: "tuple[Series, ...]" = ()
    #: The unit of the series: 'money', '%' or ''.
    unit: str = "money"
    #: `(row, column, arguments) -> address` of the rows behind a mark; None: the query's own page.
    rows: "object" = None
    wide: bool = False
    #: Rows of a table.
    limit: int = 12
    params: "dict[str, str]" = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One number: a column of the first row that fits the currency (`last`: of the row of the month that runs)."""

    label: str
    query: str
    column: str
    unit: str = "money"
    last: bool = False


@dataclass(frozen=True)
class Board:
    slug: str
    title: str
    description: str
    panels: "tuple[Panel, ...]"
    figures: "tuple[Figure, ...]" = ()
    #: Switches beside period, time zone and currency.
    switches: "tuple[str, ...]" = ()


# Definitions on which tools differ: (name, question, (value, meaning) of each answer, the first being the default).
SWITCHES = {
    "trials": ("Trials", (("", "do not count"), ("1", "count at full price"))),
    "metered": ("Metered prices", (("", "do not count"), ("1", "count"))),
    "coupons": ("Discounts", (("", "taken off"), ("0", "not taken off"))),
    "past_due": ("Past due", (("", "counts"), ("0", "does not count"))),
    "annual": ("Yearly prices", (("", "a twelfth each month"), ("billed", "whole, when billed"))),
    "cancel": ("Cancelled", (("", "leaves when it ends"), ("now", "leaves when cancelled"))),
}


def _month_rows(table: str, **fixed):
    """Rows of a table in the month and currency of a mark."""

    def address(row, column, arguments):
        found = {label: (begin, finish) for label, begin, finish, _ in _months(arguments)}
        begin, finish = found[row["month"]]
        filters = {"created__gte": begin, "created__lt": finish}
        if "currency" in row:
            filters["currency"] = row["currency"]
        more = fixed.get(column, fixed.get("every", {}))
        return f"/stripe/{table}?{urlencode({**filters, **more})}"

    return address


def _months(arguments):
    return periods("month", arguments.get("tz"), arguments.get("months"), arguments.get("until"))


def _movement_rows(row, column, arguments):
    kept = {k: v for k, v in arguments.items() if v and k in HISTORY_ARGUMENTS}
    kind = column if column in ("new", "expansion", "reactivation", "contraction", "churn") else ""
    return f"/stripe/mrr-movement-rows?{urlencode({**kept, 'month': row['month'], 'kind': kind})}"


MOVEMENTS = (
    Series("new", "New"),
    Series("expansion", "Expansion"),
    Series("reactivation", "Reactivation", colour=5),
    Series("contraction", "Contraction", colour=3),
    Series("churn", "Churn", colour=4),
)
DEFINITIONS = tuple(SWITCHES)

BOARDS = (
    Board(
        "mrr",
        "MRR and movements",
        "Recurring revenue, why it changes, where it comes from",
        figures=(
            Figure("MRR now", "mrr-now", "mrr"),
            Figure("ARR now", "mrr-now", "arr"),
            Figure("Subscribers", "mrr-now", "customers", ""),
            Figure("Per subscriber", "mrr-now", "per_customer"),
            Figure("Churn this month", "mrr-movements", "mrr_churn_percent", "%", last=True),
        ),
        panels=(
            Panel("MRR", "mrr-movements", "At the end of each month, from the lines of invoices", "lines",
                  series=(Series("mrr", "MRR"),), rows=_movement_rows),
            Panel("Movements", "mrr-movements", "Why it changed, judged by customer", "columns", series=MOVEMENTS, rows=_movement_rows),
            Panel("Net retention", "mrr-movements", "What is left of last month's MRR, expansion included", "lines",
                  series=(Series("net_retention_percent", "Net retention"),), unit="%", rows=_movement_rows),
            Panel("By product and price", "mrr-by-plan", "As it is now"),
            Panel("Largest customers", "mrr-by-customer", "As it is now"),
        ),
        switches=DEFINITIONS,
    ),
    Board(
        "subscribers",
        "Subscribers, churn and cohorts",
        "Who comes, who stays, who leaves and why; trials",
        figures=(
            Figure("Subscribers", "mrr-movements", "customers", "", last=True),
            Figure("New this month", "mrr-movements", "new_customers", "", last=True),
            Figure("Lost this month", "mrr-movements", "lost_customers", "", last=True),
            Figure("Trials converted this month", "trial-conversion", "percent", "%", last=True),
        ),
        panels=(
            Panel("Running subscriptions", "subscribers-by-month", "At the end of each month, every currency", "lines",
                  series=(Series("running", "Running"),), unit=""),
            Panel("Begun and ended", "subscribers-by-month", "Subscriptions, every currency", "columns",
                  series=(Series("began", "Begun"), Series("ended", "Ended", -1, colour=4)), unit=""),
            Panel("Customer churn", "mrr-movements", "Paying customers lost, of those a month before", "lines",
                  series=(Series("customer_churn_percent", "Customers"), Series("mrr_churn_percent", "MRR")), unit="%", rows=_movement_rows),
            Panel("Trial conversion", "trial-conversion", "Trials that ended, and those that paid", "columns",
                  series=(Series("converted", "Paid"), Series("not_converted", "Did not pay", colour=4)), unit=""),
            Panel("Retention", "retention-cohorts", "Customers still paying, so many months after they first paid", "cohorts", wide=True),
            Panel("Why they left", "cancellation-reasons", "Last 12 months"),
            Panel("Cancellations to come", "cancellations-scheduled", "They still run"),
        ),
        switches=DEFINITIONS,
    ),
    Board(
        "revenue",
        "Revenue",
        "Payments, refunds, fees and what is left; products and customers",
        figures=(
            Figure("Net this month", "revenue-by-month", "net", last=True),
            Figure("Payments this month", "revenue-by-month", "payments", last=True),
            Figure("Refunded this month", "refunds-by-month", "refunded", last=True),
        ),
        panels=(
            Panel("Revenue", "revenue-by-month", "Movements of the balance in its currency; payouts left out", "columns",
                  series=(Series("payments", "Payments"), Series("refunds", "Refunds", colour=3), Series("disputes", "Disputes", colour=4), Series("fees", "Fees", colour=6)),
                  rows=_month_rows("balance_transactions", payments={"reporting_category": "charge"}, refunds={"reporting_category": "refund"},
                                   disputes={"reporting_category": "dispute"})),
            Panel("Invoiced and one-off", "revenue-new-and-returning", "Successful charges with and without an invoice", "columns",
                  series=(Series("invoiced", "Invoiced"), Series("one_off", "One-off")),
                  rows=_month_rows("charges", invoiced={"status": "succeeded", "invoice__notnull": "1"}, one_off={"status": "succeeded", "invoice__isnull": "1"})),
            Panel("Last 30 days", "revenue-by-day", "Successful charges by day", "columns", label="day", series=(Series("taken", "Taken"),), wide=True),
            Panel("By product", "revenue-by-product", "Lines of paid invoices, net of discounts, without tax"),
            Panel("Top customers", "top-customers", "Refunds taken off"),
            Panel("By country", "revenue-by-country", "Country of the card; last 3 months", params={"months": "3"}),
            Panel("By payment method", "revenue-by-payment-method", "Last 3 months", params={"months": "3"}),
        ),
    ),
    Board(
        "payments",
        "Failed payments, refunds, disputes",
        "Success rate, recovery, refunds and disputes against what was taken",
        figures=(
            Figure("Success rate this month", "payments-by-month", "success_percent", "%", last=True),
            Figure("Recovered this month", "recovery-by-month", "percent", "%", last=True),
            Figure("Refunded this month", "refunds-by-month", "refunded_percent", "%", last=True),
            Figure("Disputed this month", "disputes-by-month", "percent", "%", last=True),
        ),
        panels=(
            Panel("Charges", "payments-by-month", "Succeeded and failed", "columns",
                  series=(Series("succeeded", "Succeeded"), Series("failed", "Failed", colour=4)), unit="",
                  rows=_month_rows("charges", succeeded={"status": "succeeded"}, failed={"status": "failed"})),
            Panel("Success rate", "payments-by-month", "Of all charges", "lines", series=(Series("success_percent", "Succeeded"),), unit="%",
                  rows=_month_rows("charges", every={"status": "failed"})),
            Panel("Recovery", "recovery-by-month", "Payments that failed first, and those of them paid in the end", "columns",
                  series=(Series("amount_recovered", "Recovered"), Series("amount_lost", "Not paid (yet)", colour=4)),
                  rows=_month_rows("charges", every={"status": "failed"})),
            Panel("Refund rate", "refunds-by-month", "Refunds against what was taken in the month", "lines",
                  series=(Series("refunded_percent", "Refunded"),), unit="%", rows=_month_rows("refunds")),
            Panel("Dispute rate", "disputes-by-month", "Disputed charges, by the month of the charge", "lines",
                  series=(Series("percent", "Disputed"),), unit="%", rows=_month_rows("charges", every={"disputed": "1"})),
            Panel("Why payments failed", "failures-by-reason", "Last 3 months", params={"months": "3"}),
            Panel("Disputes to answer", "disputes-open", "Those due first on top"),
            Panel("Disputes by reason", "disputes-by-reason", "Last 12 months"),
        ),
    ),
    Board(
        "receivables",
        "Receivables and dunning",
        "Who owes what since when, whom to write to",
        panels=(
            Panel("Ageing receivables", "receivables-ageing", "Open invoices by how long they are overdue"),
            Panel("Invoices", "invoices-by-month", "By the month they were made, and what became of them", "columns",
                  series=(Series("paid", "Paid"), Series("open", "Open", colour=3), Series("uncollectible", "Uncollectible", colour=4), Series("void", "Void", colour=6)),
                  rows=_month_rows("invoices", paid={"status": "paid"}, open={"status": "open"}, uncollectible={"status": "uncollectible"}, void={"status": "void"})),
            Panel("Dunning queue", "dunning-queue", "Open invoices whose payment failed or is overdue", wide=True, limit=25),
            Panel("Delinquent customers", "customers-delinquent", "Their last invoice could not be charged"),
            Panel("Cards that expire soon", "cards-expiring", "Of customers with a running subscription"),
        ),
    ),
    Board(
        "balance",
        "Balance, payouts and fees",
        "What is on the account, on its way and at the bank",
        panels=(
            Panel("Balance now", "balance-now", "As Stripe last said"),
            Panel("On its way", "balance-pending", "Pending transactions by the day they become available"),
            Panel("Payouts", "payouts-by-month", "Paid out and failed", "columns", series=(Series("paid_out", "Paid out"), Series("failed", "Failed", colour=4)),
                  rows=_month_rows("payouts")),
            Panel("Fees", "fees-by-month", "Part of the payments that Stripe keeps", "lines",
                  series=(Series("percent_of_payments", "Fees"),), unit="%", rows=_month_rows("balance_transactions")),
            Panel("Payout reconciliation", "payout-reconciliation", "Each payout beside what became available since the one before", wide=True),
            Panel("Movements by category", "balance-by-month", "As in Stripe's balance summary", wide=True, limit=40),
        ),
    ),
    Board(
        "tax",
        "Tax",
        "Tax on invoices by month, country and rate",
        panels=(
            Panel("Tax", "tax-by-month", "On invoices that are not void, by the month they were made", "columns", series=(Series("tax", "Tax"),),
                  rows=_month_rows("invoices")),
            Panel("Tax by month", "tax-by-month", "The same as a table"),
            Panel("By country and rate", "tax-by-country", "Paid invoices", wide=True, limit=60),
        ),
    ),
)  # fmt: skip
BY_SLUG = {board.slug: board for board in BOARDS}
