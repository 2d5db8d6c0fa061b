"""Money, times, references and JSON on the pages."""

import re

import pytest
from stripe_site.cells import json_cell
from stripe_site.money import decimals, format_money, to_decimal

NBSP = "\u00a0"


@pytest.mark.parametrize(
    "amount, currency, shown",
    [
        (123456, "usd", "1,234.56 USD"),
        (5, "usd", "0.05 USD"),
        (0, "eur", "0.00 EUR"),
        (-2900, "gbp", "\u221229.00 GBP"),
        (9000, "jpy", "9,000 JPY"),
        (9000, "JPY", "9,000 JPY"),
        (123456, "krw", "123,456 KRW"),
        (9500, "kwd", "9.500 KWD"),
        (10, "bhd", "0.010 BHD"),
        (50000, "isk", "500 ISK"),
        (50050, "isk", "500.50 ISK"),
        (12300, "huf", "123.00 HUF"),
        (9007199254740991, "usd", "90,071,992,547,409.91 USD"),
        ("0.5", "usd", "0.005 USD"),
        ("2900", "usd", "29.00 USD"),
        ("0.000000000001", "usd", "0.00000000000001 USD"),
    ],
)
def test_money(amount, currency, shown):
    assert format_money(amount, currency) == shown.replace(" ", NBSP)


@pytest.mark.parametrize("currency", "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
def test_zero_decimal_currencies(currency):
    assert decimals(currency) == 0
    assert to_decimal(1, currency) == 1


def test_amount_is_shown_in_the_rows_currency_beside_the_stored_number(site, account):
    charge = next(row for row in account.rows["charges"] if row["currency"] == "kwd")
    page = site.html(f"/stripe/charges/{charge['id']}")
    shown = f"{charge['amount'] / 1000:.3f}{NBSP}KWD"
    assert f'<span class="money">{shown}</span>' in page
    assert re.search(rf'class="raw"[^>]*>{charge["amount"]}<', page)


def test_prices_unit_amount_as_decimal_text(site):
    assert f'<span class="money">3,000{NBSP}JPY</span>' in site.html("/stripe/prices/price_japan_month")


def test_counts_are_no_money(site):
    """attempt_count, quantity and the like stand beside amounts."""
    page = site.html("/stripe/invoices?_col=attempt_count&_col=currency&_size=3")
    assert "money" not in page.split("<tbody>")[1].split("</tbody>")[0]


def test_an_amount_in_a_query_is_money_when_its_currency_stands_in_the_row(site):
    page = site.html("/stripe?sql=select+1234+as+amount,+'usd'+as+currency")
    assert f"12.34{NBSP}USD" in page
    assert "money" not in site.html("/stripe?sql=select+1234+as+amount").split("<tbody>")[1].split("</tbody>")[0]


def test_money_of_a_currency_without_decimals_in_a_query(site):
    """money() makes an integer of it: read as easily as the others."""
    page = site.html("/stripe?sql=select+money(-12345,+'jpy')+as+mrr,+'jpy'+as+currency,+1234+as+other")
    assert '<span class="money">\u221212,345</span>' in page and '<span class="money">1,234</span>' in page
    assert "money" not in site.html("/stripe?sql=select+2026+as+year,+'usd'+as+currency").split("<tbody>")[1].split("</tbody>")[0]


@pytest.mark.parametrize("status, mood", [("paid", "good"), ("past_due", "bad"), ("open", "wait"), ("draft", "plain"), ("<b>", "plain")])
def test_a_status_has_a_mark_beside_its_word(site, status, mood):
    page = site.get("/stripe", params={"sql": "select :s as status", "s": status}).text
    assert f'<span class="state {mood}">{status.replace("<", "&lt;").replace(">", "&gt;")}</span>' in page


def test_what_a_table_shows_first_is_first_on_a_rows_page(site):
    page = site.html("/stripe/customers/cus_000000")
    places = [page.index(f"<dt>{name}</dt>") for name in ("id", "created", "name", "email", "currency", "livemode")]
    assert places == sorted(places)


def test_numbers_of_a_query_are_aligned(site):
    page = site.html("/stripe?sql=select+'a'+as+word,+1.5+as+number")
    assert '<th scope="col">word</th><th scope="col" class="number">number</th>' in page
    assert '<td data-column="number" class="number">1.5</td>' in page


def test_references_link_to_the_row_with_a_label(site, account):
    charge = next(row for row in account.rows["charges"] if row["customer"] == "cus_000000")
    for page in (site.html(f"/stripe/charges/{charge['id']}"), site.html("/stripe/charges?customer=cus_000000")):
        assert '<a href="/stripe/customers/cus_000000">José Álvarez</a> <small class="id">cus_000000</small>' in page


def test_text_from_customers_is_escaped(site):
    for path in ("/stripe/customers?_size=max", "/stripe/customers/cus_000005", "/-/search?q=bold", "/stripe/charges?customer=cus_000005"):
        page = site.html(path)
        assert "<b>Bold</b>" not in page, path
        assert "&lt;b&gt;Bold&lt;/b&gt;" in page, path


def test_reference_to_a_row_that_is_not_there_is_still_a_link(site, writer):
    writer.execute("insert into charges (id, amount, currency, customer) values ('ch_orphan', 100, 'usd', 'cus_gone')")
    writer.commit()
    try:
        assert 'href="/stripe/customers/cus_gone">cus_gone</a>' in site.html("/stripe/charges/ch_orphan")
    finally:
        writer.execute("delete from charges where id = 'ch_orphan'")
        writer.commit()


def test_ids_of_varying_kind_link_by_their_prefix(site, account):
    row = next(row for row in account.rows["balance_transactions"] if row["source"].startswith("re_"))
    assert f'href="/stripe/refunds/{row["source"]}"' in site.html(f"/stripe/balance_transactions/{row['id']}")


def test_times_carry_their_zone_for_the_script(site):
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</time>', site.html("/stripe/charges"))


@pytest.mark.parametrize(
    "text, summary",
    [('{"a": 1}', "a"), ('{"a":1,"b":2,"c":3,"d":4}', "a, b, c …"), ('["x","y"]', "x, y"), ('[{"a":1}]', "1 item"), ("[1,2]", "2 items")],
)
def test_json_is_folded(text, summary):
    assert f"<summary>{summary}</summary>" in json_cell(text)


@pytest.mark.parametrize("text", ["[not json", "{", "[1"])
def test_what_only_looks_like_json_is_left_alone(text):
    assert json_cell(text) is None


def test_row_page_has_story_and_references(site, account):
    subscription = next(row for row in account.rows["subscriptions"] if row["customer"] == "cus_000000")
    page = site.html("/stripe/customers/cus_000000")
    assert "customer.created" in page and "customer.subscription.created" in page and "invoice.paid" in page
    assert f'href="/stripe/subscriptions/{subscription["id"]}"' in page
    invoices = [row for row in account.rows["invoices"] if row["customer"] == "cus_000000"]
    assert f"{len(invoices)} invoices</a>" in page
    assert "https://dashboard.stripe.com/acct_demo1/test/customers/cus_000000" in page



def test_counts_of_references_stop_when_nobody_reads_on(site, writer):
    writer.execute("insert into customers (id, name) values ('cus_busy', 'Busy')")
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10050)"
    writer.execute(f"insert into charges (id, customer, amount, currency) {numbers} select 'ch_busy_' || i, 'cus_busy', 1, 'usd' from n")
    writer.commit()
    try:
        assert "10,000+ charges" in site.html("/stripe/customers/cus_busy")
    finally:
        writer.execute("delete from charges where customer = 'cus_busy'")
        writer.execute("delete from customers where id = 'cus_busy'")
        writer.commit()


def test_flags_are_words_beside_the_stored_number(site):
    page = site.html("/stripe/customers/cus_000000")
    assert 'yes <small class="raw">1</small>' in page  # delinquent
    assert 'test <small class="raw">0</small>' in page  # livemode
    assert '<small class="raw">' not in site.html("/stripe?sql=select+1+as+paid").split("<tbody>")[1]
