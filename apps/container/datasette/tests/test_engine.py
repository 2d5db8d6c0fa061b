"""The site on files that the real engine has written: a synthetic account, and recorded timelines."""

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import Site, build_search_index
from engine import download, emulator, objects
from stripe_site.boards import BOARDS
from stripe_site.queries import QUERIES

DECIMALS = {"jpy": 0, "krw": 0, "kwd": 3}


def whole(amount, currency):
    return round(amount / 10 ** DECIMALS.get(currency, 2), 3)


class Mirrored:
    def __init__(self, site, address, key):
        self.site, self._address, self._key, self._lists = site, address, key, {}

    def list(self, path):
        """What the emulator itself says, straight from its lists."""
        if path not in self._lists:
            self._lists[path] = objects(self._address, self._key, path)
        return self._lists[path]

    def ask(self, name, **params):
        answer = self.site.get(f"/stripe/{name}.json", params={"_shape": "array", **params})
        assert answer.status_code == 200, answer.text[:500]
        return answer.json()


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    file = tmp_path_factory.mktemp("engine") / "stripe.sqlite"
    with emulator("--synthetic", "40", "--seed", "11") as (address, key):
        download(address, key, file)
        build_search_index(file)
        site = Site(file)
        yield Mirrored(site, address, key)
        site.close()


def everything_answers(site):
    for name in QUERIES:
        assert site.get(f"/stripe/{name}.json?_shape=array").status_code == 200, name
    for board in BOARDS:
        panels = site.json(f"/-/dashboards/{board.slug}.json?months=240")["panels"]
        assert [(p["title"], p["error"]) for p in panels if p["error"]] == []


def month(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m")


def test_everything_answers(mirrored):
    everything_answers(mirrored.site)


def test_every_table_and_row_page_answers(mirrored):
    site = mirrored.site
    for table in site.json("/stripe.json")["tables"]:
        if table["hidden"] or table["name"].endswith("_fts"):
            continue
        assert site.get(f"/stripe/{table['name']}").status_code == 200, table["name"]
        rows = site.json(f"/stripe/{table['name']}.json?_shape=array&_size=1")
        if rows and "id" in rows[0]:
            assert site.get(f"/stripe/{table['name']}/{rows[0]['id']}").status_code == 200, table["name"]


def test_payments_are_the_emulators(mirrored):
    expected = {}
    for charge in mirrored.list("/v1/charges"):
        entry = expected.setdefault((month(charge["created"]), charge["currency"]), [0, 0])
        entry[0] += charge["status"] == "succeeded"
        entry[1] += charge["amount_captured"] if charge["status"] == "succeeded" else 0
    found = {(r["month"], r["currency"]): [r["succeeded"], r["taken"]] for r in mirrored.ask("payments-by-month", months="60")}
    assert found == {k: [n, whole(a, k[1])] for k, (n, a) in expected.items()}


def test_balance_is_the_emulators(mirrored):
    expected = {}
    for row in mirrored.list("/v1/balance_transactions"):
        key = (month(row["created"]), row["currency"], row["reporting_category"])
        expected[key] = expected.get(key, 0) + row["net"]
    found = {(r["month"], r["currency"], r["reporting_category"]): r["net"] for r in mirrored.ask("balance-by-month", months="60")}
    assert found == {k: whole(v, k[1]) for k, v in expected.items()}


def test_mrr_is_the_emulators(mirrored):
    """Computed from subscriptions, their items and prices, before discounts, as Stripe's objects say."""
    expected, customers = {}, {}
    for subscription in mirrored.list("/v1/subscriptions?status=all"):
        if subscription["status"] not in ("active", "past_due"):
            continue
        for item in subscription["items"]["data"]:
            price = item["price"]
            if price["recurring"]["usage_type"] != "licensed" or price["unit_amount"] is None:
                continue
            months = {"month": 1, "year": 12, "week": 12 / 52}[price["recurring"]["interval"]] * price["recurring"]["interval_count"]
            currency = price["currency"]
            expected[currency] = expected.get(currency, 0) + price["unit_amount"] * item.get("quantity", 1) / months
            customers.setdefault(currency, set()).add(subscription["customer"])
    rows = mirrored.ask("mrr-now", coupons="0")
    assert {r["currency"]: r["mrr"] for r in rows} == {c: pytest.approx(whole(v, c), abs=0.02) for c, v in expected.items()}
    assert {r["currency"]: r["customers"] for r in rows} == {c: len(ids) for c, ids in customers.items()}


def test_history_of_mrr_ends_near_mrr_now(mirrored):
    """Two ways to the same figure: the newest invoices' lines, and the subscriptions as they are (the same but for days between)."""
    now = {r["currency"]: r["mrr"] for r in mirrored.ask("mrr-now")}
    last = {r["currency"]: r["mrr"] for r in mirrored.ask("mrr-movements", months="2")}
    for currency, mrr in now.items():
        assert last[currency] == pytest.approx(mrr, rel=0.1)


def test_invoices_tax_and_refunds_are_the_emulators(mirrored):
    tax, total = {}, {}
    for invoice in mirrored.list("/v1/invoices"):
        if invoice["status"] in ("paid", "open", "uncollectible"):
            key = (month(invoice["created"]), invoice["currency"])
            tax[key] = tax.get(key, 0) + sum(t["amount"] for t in invoice["total_taxes"] or [])
            total[key] = total.get(key, 0) + invoice["total"]
    rows = mirrored.ask("tax-by-month", months="60")
    assert {(r["month"], r["currency"]): r["tax"] for r in rows} == {k: whole(v, k[1]) for k, v in tax.items()}
    assert {(r["month"], r["currency"]): r["total"] for r in rows} == {k: whole(v, k[1]) for k, v in total.items()}
    refunded = {}
    for refund in mirrored.list("/v1/refunds"):
        if refund["status"] not in ("failed", "canceled"):
            key = (month(refund["created"]), refund["currency"])
            refunded[key] = refunded.get(key, 0) + refund["amount"]
    found = {(r["month"], r["currency"]): r["refunded"] for r in mirrored.ask("refunds-by-month", months="60") if r["refunds"]}
    assert found == {k: whole(v, k[1]) for k, v in refunded.items()}


def test_payouts_add_up(mirrored):
    paid = {}
    for payout in mirrored.list("/v1/payouts"):
        if payout["status"] not in ("failed", "canceled"):
            key = (month(payout["created"]), payout["currency"])
            paid[key] = paid.get(key, 0) + payout["amount"]
    found = {(r["month"], r["currency"]): r["paid_out"] for r in mirrored.ask("payouts-by-month", months="60") if r["paid_out"]}
    assert found == {k: whole(v, k[1]) for k, v in paid.items()}


def test_queries_use_their_indexes_on_the_engines_file(mirrored):
    from test_queries import test_no_big_table_is_read_without_an_index as check

    for name in QUERIES:
        check(mirrored.site, name)


TIMELINES = Path(os.environ["TIMELINES_DIR"]) if os.environ.get("TIMELINES_DIR") else None
NAMES = sorted(p.name for p in TIMELINES.iterdir() if (p / "meta.json").exists()) if TIMELINES and TIMELINES.is_dir() else []


@pytest.mark.skipif(not NAMES, reason="TIMELINES_DIR names no folder of recorded timelines")
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_everything_answers_on_a_recorded_timeline(name, tmp_path):
    file = tmp_path / "stripe.sqlite"
    with emulator("--timeline", str(TIMELINES / name)) as (address, key):
        download(address, key, file, "--api-version", "2020-08-27")
    site = Site(file)
    try:
        everything_answers(site)
        for path in ("/", "/stripe", "/stripe/customers", "/stripe/charges", "/-/search?q=a"):
            assert site.get(path).status_code == 200
    finally:
        site.close()
