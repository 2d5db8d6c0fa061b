"""Saved queries: all of them answer, use their indexes, and say what an independent count of the account says."""

import re
import sqlite3

import pytest
from stripe_site.queries import QUERIES


@pytest.mark.parametrize("name", list(QUERIES))
def test_answers_without_parameters(site, name):
    answer = site.get(f"/stripe/{name}.json?_shape=array")
    assert answer.status_code == 200, answer.text[:500]
    assert site.get(f"/stripe/{name}").status_code == 200


NOW = "2026-06-15 12:00:00"
DECIMALS = {"jpy": 0, "kwd": 3}


def whole(amount, currency):
    """An independent opinion on what an amount is in whole units."""
    return round(amount / 10 ** DECIMALS.get(currency, 2), 3)


def month(stamp):
    return stamp[:7]


def ask(site, name, **params):
    answer = site.get(f"/stripe/{name}.json", params={"_shape": "array", "until": NOW, **params})
    assert answer.status_code == 200, answer.text[:800]
    return answer.json()


def by(rows, *keys):
    found = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def table(account, name):
    return account.rows.get(name, [])


def months_of(count=12):
    index = 2026 * 12 + 5
    return [f"{i // 12}-{i % 12 + 1:02d}" for i in range(index - count + 1, index + 1)]


def test_payments_by_month(site, account):
    expected = {}
    for charge in table(account, "charges"):
        if month(charge["created"]) in months_of():
            entry = expected.setdefault((month(charge["created"]), charge["currency"]), [0, 0, 0])
            entry[0] += charge["status"] == "succeeded"
            entry[1] += charge["status"] == "failed"
            entry[2] += charge["amount_captured"]
    found = {
        (r["month"], r["currency"]): [r["succeeded"], r["failed"], r["taken"]] for r in ask(site, "payments-by-month")
    }
    assert found == {k: [s, f, whole(t, k[1])] for k, (s, f, t) in expected.items()}
    assert {currency for _, currency in found} == {"usd", "eur", "jpy", "kwd"}


def test_months_begin_in_the_time_zone_that_was_asked_for(site, writer):
    for number, created in enumerate(("2026-04-30 21:59:59", "2026-04-30 22:00:00", "2026-05-31 21:59:59", "2026-05-31 22:00:00")):
        writer.execute(
            "insert into charges (id, created, currency, status, amount, amount_captured, amount_refunded) values (?, ?, 'xpf', 'succeeded', 1, 1, 0)",
            [f"ch_zone{number}", created],
        )
    writer.commit()
    try:
        rows = ask(site, "payments-by-month", currency="xpf", tz="Europe/Berlin")
        assert [(r["month"], r["succeeded"], r["taken"]) for r in rows] == [("2026-04", 1, 1), ("2026-05", 2, 2), ("2026-06", 1, 1)]
        rows = ask(site, "payments-by-month", currency="xpf")
        assert [(r["month"], r["succeeded"]) for r in rows] == [("2026-04", 2), ("2026-05", 2)]
    finally:
        writer.execute("delete from charges where currency = 'xpf'")
        writer.commit()


def test_revenue_by_month_is_the_balances_net_without_payouts(site, account):
    expected = {}
    for row in table(account, "balance_transactions"):
        if month(row["created"]) in months_of() and row["type"] != "payout":
            key = (month(row["created"]), row["currency"])
            entry = expected.setdefault(key, dict.fromkeys(("payments", "refunds", "disputes", "net", "fees"), 0))
            kind = {"charge": "payments", "refund": "refunds", "dispute": "disputes"}.get(row["reporting_category"])
            if kind:
                entry[kind] += row["amount"]
            if row["reporting_category"] != "payout_failure":
                entry["net"] += row["net"]
                entry["fees"] -= row["fee"]
    rows = ask(site, "revenue-by-month")
    for row in rows:
        key = (row["month"], row["currency"])
        for name in ("payments", "refunds", "disputes", "fees"):
            assert (row[name] or 0) == whole(expected[key][name], key[1]), (key, name)
    assert {(r["month"], r["currency"]) for r in rows} <= set(expected)
    total = sum(whole(v["payments"], k[1]) for k, v in expected.items())
    assert sum(r["payments"] or 0 for r in rows) == pytest.approx(total)


def interval_months(price):
    unit, count = price["recurring"]["interval"], price["recurring"]["interval_count"]
    return {"month": 1, "year": 12, "week": 12 / 52}[unit] * count


def item_mrr(account, subscription, coupons=True):
    items = [i for i in table(account, "subscription_items") if i["subscription"] == subscription["id"]]
    prices = {p["id"]: p for p in table(account, "prices")}
    for item in items:
        price = prices[item["price"]]
        if price["recurring"]["usage_type"] == "metered":
            continue
        monthly = price["unit_amount"] * (item["quantity"] or 1) / interval_months(price)
        if coupons:
            for discount in table(account, "discounts"):
                if discount["subscription"] == subscription["id"] and discount["coupon"] == "HALF":
                    monthly /= 2
        yield price["currency"], monthly


@pytest.mark.parametrize(
    "params, statuses, coupons",
    [
        ({}, ("active", "past_due"), True),
        ({"past_due": "0"}, ("active",), True),
        ({"trials": "1"}, ("active", "past_due", "trialing"), True),
        ({"coupons": "0"}, ("active", "past_due"), False),
    ],
)
def test_mrr_now(site, account, params, statuses, coupons):
    # TEN has run out for every subscription by the day that the test runs on.
    expected = {}
    for subscription in table(account, "subscriptions"):
        if subscription["status"] in statuses:
            for currency, monthly in item_mrr(account, subscription, coupons):
                expected[currency] = expected.get(currency, 0) + monthly
    rows = ask(site, "mrr-now", **params)
    assert {r["currency"]: r["mrr"] for r in rows} == {
        c: pytest.approx(whole(round(v), c), abs=0.011) for c, v in expected.items()
    }
    for other in ("mrr-by-plan", "mrr-by-customer"):
        sums = {}
        for row in ask(site, other, **params):
            sums[row["currency"]] = sums.get(row["currency"], 0) + row["mrr"]
        assert sums == {c: pytest.approx(whole(v, c), abs=0.5) for c, v in expected.items()}


def history(account, instants, coupons=True, past_due=True):
    """MRR by (month index, customer, currency), from the account's invoice lines."""
    prices = {p["id"]: p for p in table(account, "prices")}
    invoices = {i["id"]: i for i in table(account, "invoices")}
    subscriptions = {s["id"]: s for s in table(account, "subscriptions")}
    from datetime import datetime, timezone

    def stamp(seconds):
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")

    found = {}
    for line in table(account, "invoice_line_items"):
        invoice, price = invoices[line["invoice"]], prices[line["price"]]
        if not past_due and invoice["status"] == "open":
            continue
        amount = line["amount"] - (sum(d["amount"] for d in line["discount_amounts"]) if coupons else 0)
        begin, end = stamp(line["period_json"]["start"]), stamp(line["period_json"]["end"])
        ended = subscriptions[line["subscription"]]["ended_at"]
        end = min(end, ended) if ended else end
        for index, instant in enumerate(instants):
            if begin < instant <= end:
                key = (index, invoice["customer"], line["currency"])
                found[key] = found.get(key, 0) + amount / interval_months(price)
    # Who pays nothing is no subscriber yet.
    return {key: value for key, value in found.items() if value > 0}


def instants_of(count):
    ends = [f"{int(m[:4]) + (m[5:] == '12')}-{int(m[5:]) % 12 + 1:02d}-01 00:00:00" for m in months_of(count)]
    return [min(end, NOW) for end in ends]


@pytest.mark.parametrize("params", [{}, {"coupons": "0"}, {"past_due": "0"}])
def test_mrr_movements(site, account, params):
    count = 18
    mrr = history(account, instants_of(count), params.get("coupons") != "0", params.get("past_due") != "0")
    ever = {}
    for invoice in table(account, "invoices"):
        if invoice["amount_paid"] > 0:
            key = (invoice["customer"], invoice["currency"])
            ever[key] = min(ever.get(key, "9"), invoice["created"])
    instants = instants_of(count)
    expected = {}
    pairs = {(customer, currency) for _, customer, currency in mrr}
    for index in range(1, count):
        for customer, currency in pairs:
            before, after = mrr.get((index - 1, customer, currency), 0), mrr.get((index, customer, currency), 0)
            entry = expected.setdefault((months_of(count)[index], currency), dict.fromkeys("new expansion reactivation contraction churn mrr customers".split(), 0))
            entry["mrr"] += after
            entry["customers"] += after > 0
            if not before and after:
                kind = "reactivation" if ever.get((customer, currency), "9") < instants[index - 1] else "new"
            elif before and not after:
                kind = "churn"
            else:
                kind = "expansion" if after > before else "contraction"
            entry[kind] += after - before
    rows = ask(site, "mrr-movements", months=str(count), **params)
    assert len(rows) == (count - 1) * 4
    for row in rows:
        wanted = expected[(row["month"], row["currency"])]
        for name in ("new", "expansion", "reactivation", "contraction", "churn", "mrr"):
            assert row[name] == pytest.approx(whole(wanted[name], row["currency"]), abs=0.011), (row, name)
        assert row["customers"] == wanted["customers"]
        moved = sum(row[k] for k in ("new", "expansion", "reactivation", "contraction", "churn"))
        assert row["mrr_before"] + moved == pytest.approx(row["mrr"], abs=0.06)
    assert any(row["churn"] for row in rows) and any(row["new"] for row in rows)


def test_rows_behind_the_movements_sum_up_to_them(site):
    movements = by(ask(site, "mrr-movements"), "month", "currency")
    for kind in ("new", "churn"):
        sums = {}
        for row in ask(site, "mrr-movement-rows", kind=kind):
            key = (row["month"], row["currency"])
            sums[key] = sums.get(key, 0) + row["change"]
        for key, rows in movements.items():
            assert rows[0][kind] == pytest.approx(sums.get(key, 0), abs=0.1)


def test_an_upgrade_in_the_middle_of_a_period_is_an_expansion_at_once(site, writer):
    """Stripe's proration lines: half a month of the old price back, half a month of the new one."""
    begin, middle, end = 1777593600, 1778889600, 1780272000  # 2026-05-01, 2026-05-16, 2026-06-01
    writer.execute("insert into subscriptions (id, customer, status, created) values ('sub_up', 'cus_up', 'active', '2026-05-01 00:00:00')")
    for number, (created, amount, start, proration) in enumerate(
        [("2026-05-01 00:00:00", 1000, begin, 0), ("2026-05-16 00:00:00", -516, middle, 1), ("2026-05-16 00:00:00", 1548, middle, 1)]
    ):
        writer.execute(
            "insert into invoices (id, customer, subscription, status, created, currency, amount_paid) values (?, 'cus_up', 'sub_up', 'paid', ?, 'sek', 1)",
            [f"in_up{number}", created],
        )
        writer.execute(
            "insert into invoice_line_items (id, invoice, subscription, amount, currency, quantity, price, proration, period_json) "
            "values (?, ?, 'sub_up', ?, 'sek', 1, 'price_basic_month', ?, ?)",
            [f"il_up{number}", f"in_up{number}", amount, proration, f'{{"start":{start},"end":{end}}}'],
        )
    writer.commit()
    try:
        rows = ask(site, "mrr-movements", currency="sek", until="2026-05-20 00:00:00", months="2")
        assert rows[-1]["mrr"] == pytest.approx(30.0, abs=0.02)
        rows = ask(site, "mrr-movements", currency="sek", until="2026-05-10 00:00:00", months="2")
        assert rows[-1]["mrr"] == 10.0
    finally:
        for name in ("subscriptions", "invoices", "invoice_line_items"):
            writer.execute(f"delete from {name} where id like '%_up%'")
        writer.commit()


def test_what_a_proration_line_was_rounded_by_is_no_movement(site, writer):
    """Three days of a month are charged in whole cents: ten times them is not quite the price."""
    begin, upgrade, end, last = 1777593600, 1780012800, 1780272000, 1782864000  # 2026-05-01, 2026-05-29, 2026-06-01, 2026-07-01
    for price, amount in (("price_round_old", 1000), ("price_round_new", 2999)):
        writer.execute(
            "insert into prices (id, currency, unit_amount, recurring) values (?, 'sek', ?, ?)",
            [price, amount, '{"interval":"month","interval_count":1,"usage_type":"licensed"}'],
        )
    writer.execute("insert into subscriptions (id, customer, status, created) values ('sub_round', 'cus_round', 'active', '2026-05-01 00:00:00')")
    lines = [
        ("2026-05-01 00:00:00", "price_round_old", 1000, begin, end, 0),
        ("2026-05-29 00:00:00", "price_round_old", -97, upgrade, end, 1),
        ("2026-05-29 00:00:00", "price_round_new", 290, upgrade, end, 1),
        ("2026-06-01 00:00:00", "price_round_new", 2999, end, last, 0),
    ]
    for number, (created, price, amount, start, finish, proration) in enumerate(lines):
        writer.execute(
            "insert into invoices (id, customer, subscription, status, created, currency, amount_paid) values (?, 'cus_round', 'sub_round', 'paid', ?, 'sek', 1)",
            [f"in_round{number}", created],
        )
        writer.execute(
            "insert into invoice_line_items (id, invoice, subscription, amount, currency, quantity, price, proration, period_json) "
            "values (?, ?, 'sub_round', ?, 'sek', 1, ?, ?, ?)",
            [f"il_round{number}", f"in_round{number}", amount, price, proration, f'{{"start":{start},"end":{finish}}}'],
        )
    writer.commit()
    try:
        may, june = ask(site, "mrr-movements", currency="sek", until="2026-06-20 00:00:00", months="3")
        assert (may["mrr"], june["mrr"]) == (29.99, 29.99)
        assert (june["expansion"], june["contraction"]) == (0, 0)
    finally:
        for name in ("subscriptions", "invoices", "invoice_line_items", "prices"):
            writer.execute(f"delete from {name} where id like '%_round%'")
        writer.commit()


def test_retention_cohorts(site, account):
    count = 12
    mrr = history(account, instants_of(count))
    first = {}
    for index, customer, currency in sorted(mrr):
        first.setdefault((customer, currency), index)
    expected = {}
    for index, customer, currency in mrr:
        cohort = first[(customer, currency)]
        if cohort > 0:
            key = (months_of(count)[cohort], currency, index - cohort)
            expected[key] = expected.get(key, 0) + 1
    rows = ask(site, "retention-cohorts")
    assert {(r["cohort"], r["currency"], r["months_later"]): r["customers"] for r in rows} == expected
    assert all(r["customers_percent"] == 100 for r in rows if r["months_later"] == 0)


def test_subscribers_by_month(site, account):
    instants = instants_of(12)
    for row, instant in zip(ask(site, "subscribers-by-month"), instants):
        running = [s for s in table(account, "subscriptions") if s["created"] < instant and not (s["ended_at"] and s["ended_at"] < instant)]
        assert row["running"] == len(running)
        assert row["ended"] == sum(month(s["ended_at"] or "") == row["month"] for s in table(account, "subscriptions"))


def test_trial_conversion(site, account):
    expected = {}
    for s in table(account, "subscriptions"):
        if s["trial_end"] and s["trial_end"] <= NOW and month(s["trial_end"]) in months_of():
            paid = any(i["subscription"] == s["id"] and i["amount_paid"] > 0 for i in table(account, "invoices"))
            entry = expected.setdefault(month(s["trial_end"]), [0, 0])
            entry[0] += 1
            entry[1] += paid
    assert {r["month"]: [r["trials"], r["converted"]] for r in ask(site, "trial-conversion")} == expected


def test_recovery(site, account):
    paid = {c["payment_intent"] for c in table(account, "charges") if c["status"] == "succeeded"}
    expected = {}
    for charge in table(account, "charges"):
        if charge["status"] == "failed" and month(charge["created"]) in months_of():
            entry = expected.setdefault((month(charge["created"]), charge["currency"]), [0, 0, 0])
            entry[0] += 1
            entry[1] += charge["payment_intent"] in paid
            entry[2] += charge["amount"] * (charge["payment_intent"] in paid)
    rows = ask(site, "recovery-by-month")
    assert {(r["month"], r["currency"]): [r["failed_payments"], r["recovered"], r["amount_recovered"]] for r in rows} == {
        k: [f, n, whole(a, k[1])] for k, (f, n, a) in expected.items()
    }


def test_dunning_queue_and_receivables(site, account):
    owing = [i for i in table(account, "invoices") if i["status"] == "open"]
    assert owing
    assert {r["id"] for r in ask(site, "dunning-queue")} == {i["id"] for i in owing}
    assert all(r["last_failure"] == "card_declined" for r in ask(site, "dunning-queue"))
    sums = {}
    for row in ask(site, "receivables-ageing"):
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["owed"]
    expected = {}
    for invoice in owing:
        expected[invoice["currency"]] = expected.get(invoice["currency"], 0) + invoice["amount_remaining"]
    assert sums == {c: pytest.approx(whole(a, c)) for c, a in expected.items()}


@pytest.mark.parametrize(
    "due, attempts, age",
    [
        (None, 0, "not due"),
        ("+1 day", 0, "not due"),
        ("-1 day", 0, "1 to 30 days"),
        ("-45 day", 0, "31 to 60 days"),
        ("-75 day", 2, "61 to 90 days"),
        ("-100 day", 1, "over 90 days"),
    ],
)
def test_age_of_a_receivable(site, writer, due, attempts, age):
    writer.execute(
        "insert into invoices (id, status, currency, amount_remaining, attempt_count, created, due_date) "
        "values ('in_age', 'open', 'nok', 100, ?, datetime('now', '-1 hour'), case when ? is null then null else datetime('now', ?) end)",
        [attempts, due, due],
    )
    writer.commit()
    try:
        assert [r["age"] for r in ask(site, "receivables-ageing") if r["currency"] == "nok"] == [age]
    finally:
        writer.execute("delete from invoices where id = 'in_age'")
        writer.commit()


def test_refunds_and_disputes(site, account):
    refunds = {}
    for refund in table(account, "refunds"):
        key = (month(refund["created"]), refund["currency"])
        refunds[key] = refunds.get(key, 0) + refund["amount"]
    for row in ask(site, "refunds-by-month"):
        assert row["refunded"] == whole(refunds.get((row["month"], row["currency"]), 0), row["currency"])
    disputed = {}
    for charge in table(account, "charges"):
        key = (month(charge["created"]), charge["currency"])
        disputed[key] = disputed.get(key, 0) + bool(charge["disputed"])
    for row in ask(site, "disputes-by-month"):
        assert row["disputed"] == disputed[(row["month"], row["currency"])]
    waiting = [d for d in table(account, "disputes") if d["status"] == "needs_response"]
    assert len(ask(site, "disputes-open")) == len(waiting)


def test_tax(site, account):
    expected = {}
    for invoice in table(account, "invoices"):
        if month(invoice["created"]) in months_of():
            key = (month(invoice["created"]), invoice["currency"])
            expected[key] = expected.get(key, 0) + invoice["tax"]
    assert {(r["month"], r["currency"]): r["tax"] for r in ask(site, "tax-by-month")} == {
        k: whole(v, k[1]) for k, v in expected.items()
    }
    assert sum(expected.values()) > 0


def test_payout_reconciliation_finds_no_difference(site, account):
    rows = ask(site, "payout-reconciliation", since="2020-01-01")
    assert len(rows) == len(table(account, "payouts"))
    assert [r for r in rows if r["difference"]] == []
    payout = rows[0]
    lines = ask(site, "payout-transactions", payout=payout["id"])
    assert len(lines) == payout["transactions"]
    assert whole(sum(line["net"] for line in lines), payout["currency"]) == payout["paid_out"]


def test_top_customers(site, account):
    paid = {}
    for charge in table(account, "charges"):
        if charge["status"] == "succeeded" and month(charge["created"]) in months_of():
            key = (charge["customer"], charge["currency"])
            paid[key] = paid.get(key, 0) + charge["amount_captured"] - charge["amount_refunded"]
    rows = ask(site, "top-customers", currency="eur")
    assert {r["currency"] for r in rows} == {"eur"}
    assert [r["paid"] for r in rows] == sorted([whole(v, "eur") for (_, c), v in paid.items() if c == "eur"], reverse=True)


def test_customer_360(site, account):
    facts = {r["fact"]: r["value"] for r in ask(site, "customer-360", customer="person0@example.com")}
    charges = [c for c in table(account, "charges") if c["customer"] == "cus_000000"]
    paid = sum(c["amount_captured"] - c["amount_refunded"] for c in charges if c["status"] == "succeeded")
    assert facts["customer"] == "José Álvarez <person0@example.com>"
    assert facts["paid in usd"] == f"{paid / 100:,.2f}\u00a0USD"
    assert facts["failed payments"] == sum(c["status"] == "failed" for c in charges)


def test_no_query_mixes_currencies(site, account):
    """Every query that adds up money says the currency in each row."""
    for name, query in QUERIES.items():
        if re.search(r"money\(\s*(coalesce\()?-?sum|sum\(\w+\.?amount", query.sql) and name != "customer-360":
            rows = ask(site, name)
            assert all("currency" in row for row in rows), name
            assert "group by" in query.sql


# Tables that grow with the account; anything else may be read whole.
BIG = "charges payment_intents balance_transactions invoices invoice_line_items invoice_payments events refunds".split()


@pytest.mark.parametrize("name", list(QUERIES))
def test_no_big_table_is_read_without_an_index(site, name):
    sql = QUERIES[name].sql
    params = {p: "" for p in set(re.findall(r"(?<!:):([a-z_]+)\b", sql))}

    def plan(conn):
        return [row[3] for row in conn.execute("explain query plan " + sql, params)]

    aliases = {a: t for t in BIG for a in [t, *re.findall(rf"\b{t} (?:as )?([a-z]\w*)\b", sql)]}
    for line in site.run(site.datasette.databases["stripe"].execute_fn(plan)):
        match = re.match(r"SCAN (\w+)( USING)?", line)
        assert not (match and match.group(1) in aliases and not match.group(2)), f"{line}\n{sql}"
        # Nearly every charge has succeeded: whose charge it is tells more than that.
        match = re.match(r"SEARCH (\w+) USING .*INDEX \w+ \(status=\?\)", line)
        assert not (match and aliases.get(match.group(1)) == "charges"), f"{line}\n{sql}"
        # No index that SQLite makes for one query and forgets, nor a filter that it reads a whole table for.
        match = re.match(r"(?:SEARCH|BLOOM FILTER ON) (\w+)\b(?! USING (?!AUTOMATIC))", line)
        assert not (match and match.group(1) in aliases), f"{line}\n{sql}"
