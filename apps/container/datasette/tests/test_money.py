"""Figures where money is easily lost or counted twice: each case is a few rows whose sum can be done in the head."""

import json

import pytest
from stripe_site.functions import discounted
from stripe_site.queries import QUERIES
from test_queries import NOW, ask

MAY = "2026-05-10 12:00:00"


@pytest.fixture
def put(writer):
    """Adds rows for one test."""
    added = []

    def insert(into, /, **row):
        values = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in row.values()]
        names = ", ".join(f'"{name}"' for name in row)
        writer.execute(f"insert into {into} ({names}) values ({', '.join('?' * len(row))})", values)
        writer.commit()
        added.append((into, row["id"]))

    yield insert
    for table, row_id in added:
        writer.execute(f"delete from {table} where id = ?", [row_id])
    writer.commit()


def only(rows, currency):
    return [row for row in rows if row["currency"] == currency]


def subscription(put, number, currency, *items, discounts=(), customer="cus_money"):
    """A running subscription of items (price, quantity); prices are made where they are dicts."""
    put("subscriptions", id=f"sub_m{number}", customer=customer, status="active", created=MAY, currency=currency, discounts=list(discounts))
    for index, (price, quantity) in enumerate(items):
        put("subscription_items", id=f"si_m{number}_{index}", subscription=f"sub_m{number}", price=price, quantity=quantity, created=MAY)


def price(put, price_id, currency, amount, interval="month", count=1, **more):
    put("prices", **{
        "id": price_id, "product": "prod_basic", "currency": currency, "unit_amount": amount, "type": "recurring",
        "recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"}, **more,
    })  # fmt: skip
    return price_id


def mrr_now(site, currency, **params):
    found = {}
    for name in ("mrr-now", "mrr-by-customer", "mrr-by-plan"):
        found[name] = sum(row["mrr"] or 0 for row in only(ask(site, name, **params), currency))
    assert all(value == pytest.approx(found["mrr-now"], abs=0.02) for value in found.values()), found
    return found["mrr-now"]


def test_an_amount_off_is_shared_by_the_items_in_proportion(site, put):
    """15.00 and 1.00, 4.00 off: 12.00 remain, however small one of the items is."""
    subscription(put, 1, "sek", (price(put, "price_m1", "sek", 1500), 1), (price(put, "price_m2", "sek", 100), 1), discounts=["di_m1"])
    put("coupons", id="co_m1", amount_off=400, currency="sek", duration="forever")
    put("discounts", id="di_m1", coupon="co_m1", subscription="sub_m1", customer="cus_money")
    assert mrr_now(site, "sek") == 12.0
    assert mrr_now(site, "sek", coupons="0") == 16.0


def test_an_amount_off_a_years_invoice_is_a_twelfth_a_month(site, put):
    subscription(put, 1, "sek", (price(put, "price_m1", "sek", 12000, "year"), 1), discounts=["di_m1"])
    put("coupons", id="co_m1", amount_off=2400, currency="sek", duration="forever")
    put("discounts", id="di_m1", coupon="co_m1", subscription="sub_m1", customer="cus_money")
    assert mrr_now(site, "sek") == 8.0


@pytest.mark.parametrize("order, left", [(["di_m1", "di_m2"], 40.0), (["di_m2", "di_m1"], 45.0)])
def test_several_discounts_are_taken_off_in_their_order(site, put, order, left):
    """100.00: half off, then 10.00 off; or 10.00 off, then half."""
    subscription(put, 1, "sek", (price(put, "price_m1", "sek", 10000), 1), discounts=order)
    put("coupons", id="co_m1", percent_off=50, duration="forever")
    put("coupons", id="co_m2", amount_off=1000, currency="sek", duration="forever")
    put("discounts", id="di_m1", coupon="co_m1", subscription="sub_m1", customer="cus_money")
    put("discounts", id="di_m2", coupon="co_m2", subscription="sub_m1", customer="cus_money")
    assert mrr_now(site, "sek") == left


@pytest.mark.parametrize("of_subscription", [None, "sub_m1"])
def test_a_discount_of_one_item_is_taken_off_that_item(site, put, of_subscription):
    subscription(put, 1, "sek", (price(put, "price_m1", "sek", 1000), 1), (price(put, "price_m2", "sek", 3000), 1))
    put("coupons", id="co_m1", percent_off=50, duration="forever")
    put("discounts", id="di_m1", coupon="co_m1", subscription=of_subscription, subscription_item="si_m1_1", customer="cus_money")
    assert mrr_now(site, "sek") == 25.0


def test_a_coupon_for_one_product_is_taken_off_that_product(site, put):
    first, second = price(put, "price_m1", "sek", 1000), price(put, "price_m2", "sek", 3000, product="prod_team")
    subscription(put, 1, "sek", (first, 1), (second, 1), discounts=["di_m1"])
    put("coupons", id="co_m1", percent_off=50, duration="forever", applies_to={"products": ["prod_team"]})
    put("discounts", id="di_m1", coupon="co_m1", subscription="sub_m1", customer="cus_money")
    assert mrr_now(site, "sek") == 25.0


def test_a_customers_discount_counts_where_the_subscription_has_none(site, put):
    put("coupons", id="co_m1", percent_off=50, duration="forever")
    put("coupons", id="co_m2", percent_off=10, duration="forever")
    put("discounts", id="di_m1", coupon="co_m1", customer="cus_money")
    amount = price(put, "price_m1", "sek", 1000)
    subscription(put, 1, "sek", (amount, 1))
    subscription(put, 2, "sek", (amount, 1), discounts=["di_m2"])
    put("discounts", id="di_m2", coupon="co_m2", subscription="sub_m2", customer="cus_money")
    assert mrr_now(site, "sek") == 14.0


def test_a_price_in_several_currencies_counts_in_the_subscriptions(site, put):
    before = mrr_now(site, "usd")
    several = price(put, "price_m1", "usd", 1000, currency_options={"sek": {"unit_amount": 9900}})
    subscription(put, 1, "sek", (several, 2))
    assert mrr_now(site, "sek") == 198.0
    assert mrr_now(site, "usd") == before


def test_a_unit_amount_with_decimals_is_no_tiered_price(site, put):
    fraction = price(put, "price_m1", "sek", None, unit_amount_decimal="0.5")
    subscription(put, 1, "sek", (fraction, 3000))
    assert mrr_now(site, "sek") == 15.0


@pytest.mark.parametrize("how, packages", [("up", 3), ("down", 2)])
def test_packages_are_counted_as_stripe_does(site, put, how, packages):
    package = price(put, "price_m1", "sek", 1000, transform_quantity={"divide_by": 10, "round": how})
    subscription(put, 1, "sek", (package, 25))
    assert mrr_now(site, "sek") == packages * 10.0


def test_tiered_prices_are_said_to_be_left_out(site, put):
    subscription(put, 1, "sek", (price(put, "price_m1", "sek", None, billing_scheme="tiered"), 1), (price(put, "price_m2", "sek", 700), 1))
    (row,) = only(ask(site, "mrr-now"), "sek")
    assert (row["mrr"], row["items_left_out"], row["customers"]) == (7.0, 1, 1)


def test_who_pays_nothing_is_no_subscriber(site, put):
    free, paid = price(put, "price_m1", "sek", 0), price(put, "price_m2", "sek", 700)
    subscription(put, 1, "sek", (free, 1), customer="cus_free")
    subscription(put, 2, "sek", (free, 1), (paid, 1))
    (row,) = only(ask(site, "mrr-now"), "sek")
    assert (row["mrr"], row["items_left_out"], row["subscriptions"], row["customers"], row["per_customer"]) == (7.0, 0, 1, 1, 7.0)


def test_three_decimals_and_none(site, put):
    subscription(put, 1, "bhd", (price(put, "price_m1", "bhd", 1234), 1))
    subscription(put, 2, "krw", (price(put, "price_m2", "krw", 1234), 1))
    assert (mrr_now(site, "bhd"), mrr_now(site, "krw")) == (1.234, 1234)


def test_what_was_paid_for_three_years_is_still_revenue_in_the_third(site, put):
    start, end = 1717243200, 1811851200  # 2024-06-01 12:00, 2027-06-01 12:00
    long = price(put, "price_m1", "sek", 36000, "year", 3)
    put("subscriptions", id="sub_m1", customer="cus_money", status="active", created="2024-06-01 12:00:00", currency="sek")
    put("invoices", id="in_m1", customer="cus_money", subscription="sub_m1", status="paid", created="2024-06-01 12:00:00", currency="sek", amount_paid=36000)
    put("invoice_line_items", id="il_m1", invoice="in_m1", subscription="sub_m1", amount=36000, currency="sek", quantity=1, price=long,
        proration=0, period_json={"start": start, "end": end})  # fmt: skip
    assert [row["mrr"] for row in ask(site, "mrr-movements", currency="sek", months="3")] == [10.0, 10.0]


def test_largest_customers_of_every_currency_are_shown(site, put):
    """A list that is cut must not be cut by currency."""
    for index in range(130):
        put("charges", id=f"ch_m{index}", customer=f"cus_m{index}", status="succeeded", created=MAY, currency="aed", amount=500, amount_captured=500, amount_refunded=0)
    everybody = ask(site, "top-customers")
    assert len(only(everybody, "aed")) == 100
    for currency in ("usd", "eur", "jpy", "kwd"):
        assert only(everybody, currency) == ask(site, "top-customers", currency=currency)


def test_refunds_in_a_month_without_payments_are_counted(site, put):
    put("refunds", id="re_m1", amount=700, currency="sek", created=MAY, status="succeeded")
    put("refunds", id="re_m2", amount=300, currency="sek", created=MAY, status="failed")
    (row,) = only(ask(site, "refunds-by-month"), "sek")
    assert (row["month"], row["refunds"], row["refunded"], row["taken"], row["refunded_percent"]) == ("2026-05", 1, 7.0, 0, None)


def test_a_dispute_of_a_part_counts_with_that_part(site, put):
    put("charges", id="ch_m1", status="succeeded", created=MAY, currency="sek", amount=1000, amount_captured=1000, amount_refunded=0, disputed=1)
    put("disputes", id="dp_m1", charge="ch_m1", amount=400, currency="sek", status="lost", created=MAY)
    put("disputes", id="dp_m2", charge="ch_m1", amount=100, currency="sek", status="warning_closed", created=MAY)
    (row,) = only(ask(site, "disputes-by-month"), "sek")
    assert (row["disputed"], row["disputed_amount"]) == (1, 5.0)
    by_reason = only(ask(site, "disputes-by-reason", since="2026-01-01"), "sek")
    assert [(r["lost"], r["undecided"], r["came_to_nothing"]) for r in by_reason] == [(1, 0, 1)]


def test_payouts_on_their_way_are_not_money_that_comes(site, put):
    put("balance_transactions", id="txn_m1", currency="sek", status="pending", available_on=MAY, created=MAY, type="charge", reporting_category="charge", amount=1000, fee=30, net=970)
    put("balance_transactions", id="txn_m2", currency="sek", status="pending", available_on=MAY, created=MAY, type="payout", reporting_category="payout", amount=-600, fee=0, net=-600)
    assert [(r["transactions"], r["net"]) for r in only(ask(site, "balance-pending"), "sek")] == [(1, 9.7)]


def test_revenue_adds_up_whatever_moves_the_balance(site, put):
    """A bounced bank debit is no payment, a reserve and a loan no revenue, a gift to an account of ours is something else."""
    for number, (category, amount, fee) in enumerate(
        [("charge", 5000, 100), ("charge_failure", -2000, 0), ("refund", -500, 0), ("fee", -70, 0), ("other_adjustment", 40, 0),
         ("risk_reserved_funds", -900, 0), ("financing_payout", 10000, 0), ("payout", -3000, 0)]
    ):  # fmt: skip
        put("balance_transactions", id=f"txn_m{number}", currency="sek", created=MAY, type="adjustment", reporting_category=category, amount=amount, fee=fee, net=amount - fee)
    (row,) = only(ask(site, "revenue-by-month"), "sek")
    assert {k: row[k] for k in ("payments", "refunds", "disputes", "fees", "other", "net")} == {
        "payments": 30.0, "refunds": -5.0, "disputes": 0, "fees": -1.7, "other": 0.4, "net": 23.7,
    }  # fmt: skip
    (fees,) = only(ask(site, "fees-by-month"), "sek")
    assert (fees["fees_on_transactions"], fees["fees_billed"], fees["percent_of_payments"]) == (1.0, 0.7, pytest.approx(5.67))


def test_every_row_of_revenue_adds_up(site):
    for row in ask(site, "revenue-by-month"):
        parts = sum(row[name] for name in ("payments", "refunds", "disputes", "fees", "other"))
        assert parts == pytest.approx(row["net"], abs=1e-6)


def test_invoices_paid_in_part_are_not_lost(site, put):
    """Of 100.00 open 30.00 are paid; of 50.00 written off 20.00; a void one; a paid one of which 25.00 came from credit."""
    for number, (status, total, remaining) in enumerate([("open", 10000, 7000), ("uncollectible", 5000, 3000), ("void", 1100, 1100), ("paid", 4000, 0)]):
        put("invoices", id=f"in_m{number}", status=status, currency="sek", created=MAY, total=total, amount_remaining=remaining, amount_paid=1500)
    (row,) = only(ask(site, "invoices-by-month"), "sek")
    assert {k: row[k] for k in ("invoiced", "paid", "open", "uncollectible", "void")} == {
        "invoiced": 201.0, "paid": 90.0, "open": 70.0, "uncollectible": 30.0, "void": 11.0,
    }  # fmt: skip


def test_revenue_by_product_is_without_taxes_of_both_kinds(site, put):
    put("invoices", id="in_m1", status="paid", currency="sek", created=MAY, total=2400, amount_paid=2400)
    put("prices", id="price_m1", product="prod_money", currency="sek", unit_amount=1200)
    for number, behaviour in enumerate(("inclusive", "exclusive")):
        put("invoice_line_items", id=f"il_m{number}", invoice="in_m1", amount=1200, currency="sek", quantity=1, price="price_m1",
            discount_amounts=[{"amount": 100}, {"amount": 50}], taxes=[{"amount": 200, "tax_behavior": behaviour}])  # fmt: skip
    rows = only(ask(site, "revenue-by-product"), "sek")
    assert [(r["product"], r["lines"], r["revenue"]) for r in rows] == [("prod_money", 2, 19.0)]


def test_payouts_of_a_day_in_two_currencies_are_compared_each_with_its_own(site, put):
    for currency, amount in (("sek", 900), ("nok", 400)):
        put("payouts", id=f"po_{currency}", automatic=1, currency=currency, amount=amount, status="paid", created="2026-06-01 00:00:00")
        put("balance_transactions", id=f"txn_{currency}", currency=currency, type="charge", available_on="2026-05-30 00:00:00", created=MAY, amount=amount, fee=0, net=amount)
    rows = ask(site, "payout-reconciliation", since="2026-05-01")
    for currency, amount in (("sek", 9.0), ("nok", 4.0)):
        (row,) = only(rows, currency)
        assert (row["transactions"], row["became_available"], row["difference"]) == (1, amount, 0)


def test_a_month_without_rows_is_not_told_with_another_months_figure(site):
    """The data ends in June 2026; a board of August has nothing to say of "this month"."""
    page = site.html("/-/dashboards/revenue?until=2026-08-10+12:00:00&currency=usd")
    assert page.count('class="figure"') == 3
    assert page.count(">–</a>") == 3


def test_a_list_that_is_cut_says_so(site, put):
    query = next(q for q in QUERIES.values() if q.name == "customers-delinquent")
    assert query.limit == 1000 and query.description.endswith("At most 1,000 rows.")
    assert "The list is cut" not in site.html("/stripe/customers-delinquent")
    for number in range(501):
        put("td_deleted", id=f"cus_m{number}", table="customers", deleted_ts=NOW, object="{}")
    assert "The list is cut at 500 rows" in site.html("/stripe/deleted-objects")


@pytest.mark.parametrize(
    "amount, discounts, months, left",
    [
        (1000, [], 1, 1000),
        (1000, [[2, None, 300], [1, 10, None]], 1, 600),
        (1000, [[0, 100, None]], 1, 0),
        (1000, [[0, None, 5000]], 1, 0),
        (1000, [[0, None, 1200]], 12, 900),
        (None, [[0, 10, None]], 1, None),
    ],
)
def test_discounted(amount, discounts, months, left):
    assert discounted(amount, json.dumps(discounts), months) == left
