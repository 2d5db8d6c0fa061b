"""Queries as Stripe documents them for Sigma, run on the mirror."""

import re

import pytest
from stripe_site.sigma.functions import add, diff, part, sequence, trunc
from stripe_site.sigma_page import templates


def run(site, sql):
    answer = site.get("/-/sigma.json", params={"sql": sql})
    body = answer.json()
    assert answer.status_code == 200, f"{body['error']}\n{body['sql']}"
    return body["rows"]


def error(site, sql):
    answer = site.get("/-/sigma.json", params={"sql": sql})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


@pytest.mark.parametrize("template", templates(), ids=lambda t: t.name)
def test_template_runs(site, template):
    run(site, template.sql)
    page = site.get("/-/sigma", params={"sql": template.sql})
    assert page.status_code == 200 and "message-error" not in page.text


def total(account, table, column, **where):
    return sum(r[column] for r in account.rows[table] if all(r.get(k) == v for k, v in where.items()))


# Queries in the manner of Stripe's documentation, each beside the figure that the account says.
FIGURES = {
    "plain sum": ("select sum(amount) as x from charges where currency = 'usd' and paid = true", lambda a: total(a, "charges", "amount", currency="usd", paid=1)),
    "boolean without comparison": ("select count(*) as x from charges where refunded", lambda a: sum(r["refunded"] for r in a.rows["charges"])),
    "not boolean": ("select count(*) as x from charges where not paid", lambda a: sum(not r["paid"] for r in a.rows["charges"])),
    "reference with _id": ("select count(*) as x from charges where customer_id = 'cus_000000'", lambda a: sum(r["customer"] == "cus_000000" for r in a.rows["charges"])),
    "qualified by the table's name": ("select count(charges.id) as x from charges where charges.customer_id is not null", lambda a: len(a.rows["charges"])),
    "upper case": ("SELECT COUNT(*) AS X FROM CHARGES C WHERE C.STATUS = 'failed'", lambda a: sum(r["status"] == "failed" for r in a.rows["charges"])),
    "card brand as Sigma writes it": ("select count(*) as x from charges where card_brand = 'Visa'", lambda a: len(a.rows["charges"])),
    "flattened card": ("select count(*) as x from charges where card_last4 = '4242' and card_funding = 'credit'", lambda a: len(a.rows["charges"])),
    "join": (
        "select count(*) as x from charges c join customers cu on cu.id = c.customer_id where cu.email = 'person1@example.com'",
        lambda a: sum(r["customer"] == "cus_000001" for r in a.rows["charges"]),
    ),
    "count_if": ("select count_if(status = 'failed') as x from charges", lambda a: sum(r["status"] == "failed" for r in a.rows["charges"])),
    "filter": ("select count(*) filter (where paid) as x from charges", lambda a: sum(r["paid"] for r in a.rows["charges"])),
    "approx_distinct": ("select approx_distinct(customer_id) as x from charges", lambda a: len({r["customer"] for r in a.rows["charges"]})),
    "between timestamps": (
        "select count(*) as x from charges where created between timestamp '2026-01-01 00:00:00' and timestamp '2026-03-31 23:59:59'",
        lambda a: sum("2026-01-01" <= r["created"] < "2026-04-01" for r in a.rows["charges"]),
    ),
    "date minus interval": (
        "select count(*) as x from charges where created >= date '2026-04-01' - interval '1' month and created < date '2026-04-01'",
        lambda a: sum(r["created"].startswith("2026-03") for r in a.rows["charges"]),
    ),
    "date_add": (
        "select count(*) as x from charges where created < date_add('month', -3, date '2026-06-01')",
        lambda a: sum(r["created"] < "2026-03-01" for r in a.rows["charges"]),
    ),
    "data_load_time": (
        "select count(*) as x from charges where created > data_load_time - interval '30' day",
        lambda a: sum(r["created"] > "2026-05-16 12:00:00" for r in a.rows["charges"]),
    ),
    "date_trunc compared with a date": (
        "select count(*) as x from charges where date_trunc('month', created) = date '2026-05-01'",
        lambda a: sum(r["created"].startswith("2026-05") for r in a.rows["charges"]),
    ),
    "cast as date": ("select count(*) as x from charges where cast(created as date) < date '2026-01-01'", lambda a: sum(r["created"] < "2026-01-01" for r in a.rows["charges"])),
    "extract and year()": (
        "select count(*) as x from charges where extract(month from created) = 2 and year(created) = 2026",
        lambda a: sum(r["created"].startswith("2026-02") for r in a.rows["charges"]),
    ),
    "date_format": ("select count(*) as x from charges where date_format(created, '%Y-%m') = '2026-02'", lambda a: sum(r["created"].startswith("2026-02") for r in a.rows["charges"])),
    "at time zone": (
        "select count(*) as x from charges where date_trunc('month', created at time zone 'America/Los_Angeles') = timestamp '2026-05-01 00:00:00'",
        lambda a: sum("2026-05-01 07:00:00" <= r["created"] < "2026-06-01 07:00:00" for r in a.rows["charges"]),
    ),
    "every day by sequence and unnest": (
        "with days as (select day from unnest(sequence(date '2026-05-01', date '2026-05-31', interval '1' day)) as t(day)) "
        "select sum(n) as x from (select days.day, count(c.id) as n from days left join charges c on date_trunc('day', c.created) = days.day group by 1) as s",
        lambda a: sum(r["created"].startswith("2026-05") for r in a.rows["charges"]),
    ),
    "days of two kinds in a join": (
        "with a as (select date_trunc('day', created) as day, count(*) as n from charges group by 1), "
        "b as (select day from unnest(sequence(date '2026-05-01', date '2026-05-31', interval '1' day)) as t(day)) "
        "select sum(a.n) as x from b join a on a.day = b.day",
        lambda a: sum(r["created"].startswith("2026-05") for r in a.rows["charges"]),
    ),
    "numbers by sequence": ("select sum(n) as x from unnest(sequence(1, 10)) as t(n)", lambda a: 55),
    "values with named columns": ("select sum(b) as x from (values (1, 10), (2, 20)) as t(a, b) where a > 1", lambda a: 20),
    "subquery with named columns": ("select sum(q) as x from (select 3, 4) as t(p, q)", lambda a: 4),
    "window": (
        "select max(running) as x from (select sum(amount) over (order by created, id) as running from charges where currency = 'eur') as s",
        lambda a: total(a, "charges", "amount", currency="eur"),
    ),
    "metadata": ("select count(*) as x from customers_metadata where key = 'plan_code'", lambda a: len(a.rows["customers"])),
    "metadata pivot": (
        "select max(value) filter (where key = 'plan_code') as x from customers_metadata where customer_id = 'cus_000007'",
        lambda a: "P7",
    ),
    "fee details": ("select sum(amount) as x from balance_transaction_fee_details where currency = 'usd'", lambda a: total(a, "balance_transactions", "fee", currency="usd")),
    "plans": ("select count(*) as x from plans where interval = 'month' and currency = 'usd'", lambda a: 2),
    "price columns": ("select count(*) as x from prices where recurring_interval = 'year' and product_id = 'prod_basic'", lambda a: 1),
    "transfers are payouts": ("select sum(amount) as x from transfers where currency = 'usd' and automatic", lambda a: total(a, "payouts", "amount", currency="usd")),
    "automatic_transfer_id": (
        "select count(distinct automatic_transfer_id) as x from balance_transactions bt join transfers t on t.id = bt.automatic_transfer_id",
        lambda a: len(a.rows["payouts"]),
    ),
    "invoice's charge": ("select count(*) as x from invoices i join charges c on c.id = i.charge_id where i.paid", lambda a: sum(r["paid"] for r in a.rows["invoices"])),
    "invoice line source": (
        "select count(*) as x from invoice_line_items where source_type = 'subscription' and source_id like 'sub_%' and subscription is null",
        lambda a: len(a.rows["invoice_line_items"]),
    ),
    "status_transitions as a time": (
        "select count(*) as x from invoices where status_transitions_paid_at >= date '2026-06-01'",
        lambda a: sum(r["paid"] and r["created"] >= "2026-06-01" for r in a.rows["invoices"]),
    ),
    "subscription's price": ("select count(*) as x from subscriptions s join prices p on p.id = s.price_id where p.currency = 'jpy'", lambda a: sum(r["currency"] == "jpy" for r in a.rows["subscriptions"])),
    "coupon of a subscription": ("select count(*) as x from subscriptions where discount_coupon_id = 'HALF'", lambda a: sum(r["coupon"] == "HALF" for r in a.rows["discounts"])),
    "dispute of a charge": ("select count(*) as x from charges where dispute_id is not null", lambda a: len(a.rows["disputes"])),
    "evidence's due time": ("select count(*) as x from disputes where evidence_details_due_by > timestamp '2026-06-20 00:00:00'", lambda a: len(a.rows["disputes"])),
    "date_diff": ("select date_diff('month', date '2026-01-31', date '2026-03-30') as x", lambda a: 1),
    "split_part and regexp_like": ("select count(*) as x from customers where split_part(email, '@', 2) = 'example.com' and regexp_like(email, '^person\\d+@')", lambda a: len(a.rows["customers"])),
    "if, try_cast, concat": ("select if(try_cast('5' as bigint) = 5, concat('a', 'b', 'c'), 'no') as x", lambda a: "abc"),
    "max_by": ("select max_by(id, created) as x from charges where currency = 'kwd'", lambda a: max((r["created"], r["id"]) for r in a.rows["charges"] if r["currency"] == "kwd")[1]),
    "array_join(array_agg)": ("select length(array_join(array_agg(id), ',')) as x from products", lambda a: len(",".join(p["id"] for p in a.rows["products"]))),
    "integer and decimal division": ("select 5 / 2 + 5 / 2.0 as x", lambda a: 4.5),
    "union and limit": ("select count(*) as x from (select id from charges union all select id from refunds) as u", lambda a: len(a.rows["charges"]) + len(a.rows["refunds"])),
    "summarised transactions": ("select sum(net) as x from summarized_balance_transactions where currency = 'usd'", lambda a: total(a, "balance_transactions", "net", currency="usd")),
    "fetch first": ("select count(*) as x from (select id from charges order by created fetch first 7 rows only) as s", lambda a: 7),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FIGURES))
def test_query_of_sigmas_kind(site, account, name):
    sql, expected = FIGURES[name]
    rows = run(site, sql)
    assert len(rows) == 1
    (value,) = rows[0].values()
    assert value == pytest.approx(expected(account)) if isinstance(value, float) else value == expected(account)


def test_deleted_customers_are_rows_with_deleted_true(site, writer):
    writer.execute(
        "insert into td_deleted values ('customers', 'cus_deleted', '2026-06-01 00:00:00', ?)",
        ['{"id":"cus_deleted","email":"gone@example.com","created":1700000000,"object":"customer"}'],
    )
    writer.commit()
    try:
        rows = run(site, "select id, email, deleted, created from customers where deleted = true")
        assert rows == [{"id": "cus_deleted", "email": "gone@example.com", "deleted": 1, "created": "2023-11-14 22:13:20"}]
        assert run(site, "select count(*) as n from customers where not deleted") == run(site, "select count(*) as n from customers")
    finally:
        writer.execute("delete from td_deleted where id = 'cus_deleted'")
        writer.commit()


@pytest.mark.parametrize(
    "sql, words",
    [
        ("select * from subscription_item_change_events", "mrr-movements"),
        ("select * from radar_rules", "does not hand out"),
        ("select * from connected_account_charges", "mirrors of their own"),
        ("select * from nowhere", "no table nowhere"),
        ("select c.order_id from charges c", "charges.order_id is not in Stripe's API"),
        ("select tax_percent from subscriptions", "subscriptions.tax_percent is not in Stripe's API"),
        ("select c.colour from charges c", "no column colour"),
        ("delete from charges", "Only queries"),
        ("select 1; select 2", "One query at a time"),
        ("", "no query"),
        ("select from where", "not SQL"),
        ("select currency, count(*) from charges group by grouping sets ((currency), ())", "no grouping sets"),
        ("select map_agg(id, amount) from charges", "no counterpart"),
        ("select transform(array[1], x -> x + 1)", "lambdas"),
        ("select * from price_tiers where nonsense(upto) = 1", "nonsense()"),
        ("select date_trunc('day', created at time zone 'Mars/Base') from charges", "Mars/Base is not a time zone; write it like Europe/Berlin"),
    ],
)
def test_what_cannot_be_done_is_said(site, sql, words):
    if not sql:
        assert "Examples" in site.html("/-/sigma")
        return
    message = error(site, sql)
    assert words in message
    assert len(message.splitlines()) == 1 or "Tables:" in message


def test_approximations_are_said(site):
    answer = site.json("/-/sigma.json?sql=select+automatic_transfer_id+from+balance_transactions+limit+1")
    assert "first automatic payout" in answer["notes"][0]


def test_a_time_range_uses_the_index(site):
    answer = site.json("/-/sigma.json?sql=select+sum(amount)+from+charges+where+created+%3E%3D+date+'2026-01-01'")

    def plan(conn):
        return " ".join(row[3] for row in conn.execute("explain query plan " + answer["sql"]))

    found = site.run(site.datasette.databases["stripe"].execute_fn(plan))
    assert re.search(r"SEARCH charges|SEARCH t .*INDEX \S*charges", found), found


def test_the_page_escapes_and_keeps_the_query(site):
    page = site.html("/-/sigma?sql=select+'%3Cb%3E'+as+x")
    assert "<b>" not in page.split("</header>")[1].replace("<b>", "", 0) or "&lt;b&gt;" in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize(
    "unit, number, value, expected",
    [
        ("month", 1, "2026-01-31", "2026-02-28"),
        ("month", -1, "2024-03-31 10:00:00", "2024-02-29 10:00:00"),
        ("year", 1, "2024-02-29", "2025-02-28"),
        ("quarter", 1, "2025-12-15", "2026-03-15"),
        ("week", 2, "2026-01-01", "2026-01-15"),
        ("hour", 30, "2026-01-01", "2026-01-02 06:00:00"),
    ],
)
def test_adding_to_dates(unit, number, value, expected):
    assert add(unit, number, value) == expected


def test_dates():
    assert diff("day", "2026-01-01", "2026-01-31 23:00:00") == 30
    assert diff("month", "2026-03-30", "2026-01-31") == -1
    assert diff("year", "2024-06-01", "2026-05-31") == 1
    assert trunc("week", "2026-11-22") == "2026-11-16"
    assert trunc("quarter", "2026-11-22 10:11:12") == "2026-10-01 00:00:00"
    assert part("day_of_week", "2026-11-22") == 7
    assert sequence("2026-01-31", "2026-04-30", 1, "month") == '["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]'
    assert sequence(3, 1, None, "") == "[3, 2, 1]"
