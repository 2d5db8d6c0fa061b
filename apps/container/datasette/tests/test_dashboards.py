"""Dashboards: every panel answers with every definition, figures are the queries' own, and everything links to rows."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from stripe_site import charts
from stripe_site.boards import BOARDS, SWITCHES
from stripe_site.charts import Mark
from stripe_site.queries import QUERIES

UNTIL = "until=2026-06-15+12:00:00"
SLUGS = [board.slug for board in BOARDS]


@pytest.mark.parametrize("slug", SLUGS)
def test_every_panel_answers(site, slug):
    panels = site.json(f"/-/dashboards/{slug}.json?{UNTIL}")["panels"]
    assert [p["title"] for p in panels if p["error"]] == []
    assert any(p["rows"] for p in panels)
    page = site.html(f"/-/dashboards/{slug}?{UNTIL}")
    assert "Not available" not in page and "too long" not in page


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("name", list(SWITCHES))
def test_every_definition_can_be_switched(site, slug, name):
    for value, _ in SWITCHES[name][1]:
        panels = site.json(f"/-/dashboards/{slug}.json?{UNTIL}&{name}={value}")["panels"]
        assert [p["error"] for p in panels if p["error"]] == []


@pytest.mark.parametrize("value", ["xyz", "0", "-5", "99999", "1;drop"])
def test_nonsense_in_the_address_is_no_error(site, value):
    for name in ("months", "tz", "currency", "trials"):
        assert site.get(f"/-/dashboards/mrr?{name}={value}").status_code == 200, name


@pytest.mark.parametrize("currency", ["usd", "eur", "jpy", "kwd"])
@pytest.mark.parametrize("slug", SLUGS)
def test_currencies_are_never_mixed(site, slug, currency):
    answer = site.json(f"/-/dashboards/{slug}.json?{UNTIL}&currency={currency}")
    for panel in answer["panels"]:
        assert {row["currency"] for row in panel["rows"] if "currency" in row} <= {currency}
    page = site.html(f"/-/dashboards/{slug}?{UNTIL}&currency={currency}")
    others = {"USD", "EUR", "JPY", "KWD"} - {currency.upper()}
    assert not any(f"\u00a0{other}" in page for other in others)


@pytest.mark.parametrize("asked, shown", [("", ""), ("12", ""), ("012", ""), ("24", "24"), ("23", "23"), ("\u00b2", ""), ("-5", "")])
def test_the_period_that_is_shown_is_the_one_that_is_selected(site, asked, shown):
    page = site.html(f"/-/dashboards/tax?months={asked}")
    choice = page.split('<select name="months">')[1].split("</select>")[0]
    assert re.findall(r'<option value="(\d*)" selected>', choice) == [shown]


def test_a_definition_changes_the_figure(site):
    def mrr(extra):
        panels = site.json(f"/-/dashboards/mrr.json?{UNTIL}&currency=usd{extra}")["panels"]
        return panels[0]["rows"][-1]["mrr"]

    assert mrr("&coupons=0") > mrr("")
    assert mrr("&past_due=0") < mrr("")


def test_every_figure_links_to_pages_that_answer(site):
    seen = 0
    for slug in SLUGS:
        page = site.html(f"/-/dashboards/{slug}?{UNTIL}")
        links = set(re.findall(r'href="(/stripe/[^"]+)"', page))
        assert links
        for link in sorted(links)[:25]:
            answer = site.get(link.replace("&amp;", "&"))
            assert answer.status_code == 200, link
            seen += 1
    assert seen > 60


def test_the_rows_behind_a_bar_add_up_to_it(site, account):
    page = site.html(f"/-/dashboards/payments?{UNTIL}&currency=eur")
    bars = re.findall(r'<a href="([^"]+)" aria-label="(\d{4}-\d\d), Succeeded: (\d+)"', page)
    assert len(bars) >= 10
    for href, _, count in bars:
        address = urlsplit(href.replace("&amp;", "&"))
        rows = site.json(f"{address.path}.json?{address.query}&_shape=array&_size=max")
        assert len(rows) == int(count)
        assert parse_qs(address.query)["currency"] == ["eur"]


def test_all_queries_of_dashboards_exist():
    for board in BOARDS:
        for panel in board.panels:
            assert panel.query in QUERIES
        for figure in board.figures:
            assert figure.query in QUERIES


@pytest.mark.parametrize("low, high", [(0, 1), (0, 0), (-5, 12), (0, 123456789), (0, 0.004), (-3, 0), (99, 101)])
def test_ticks_span_the_values(low, high):
    found = charts.ticks(low, high)
    assert found[0] <= low and found[-1] >= high
    assert 2 <= len(found) <= 9


def test_the_unit_stands_at_the_axis_and_a_series_keeps_its_colour():
    money = charts.columns(["2026-01"], [[Mark(1200, "x")]], "t", unit="USD", colours=[4])
    assert ">USD</text>" in money and ">1.25k</text>" in money and 'class="k4"' in money
    rate = charts.lines(["2026-01"], [[Mark(40, "x")]], "t", unit="%")
    assert ">40%</text>" in rate and 'class="unit"' not in rate


def test_a_chart_of_nothing_but_zeros_is_not_drawn(site):
    from stripe_site.boards import BY_SLUG
    from stripe_site.dashboards import draw

    (panel, *_) = BY_SLUG["tax"].panels
    arguments = {"months": "2", "tz": "", "until": "2026-06-15"}
    rows = [{"month": "2026-05", "currency": "usd", "tax": 0.0}, {"month": "2026-06", "currency": "usd", "tax": 0.0}]
    assert draw(panel, rows, arguments, "usd") is None
    assert "<svg" in draw(panel, [*rows[:1], {**rows[1], "tax": 5.0}], arguments, "usd")


def test_values_that_stripe_writes_with_underscores_are_words_in_a_panel(site):
    from stripe_site.dashboards import _cell

    assert _cell({"reason": "cancellation_requested"}, "reason") == "cancellation requested"
    assert _cell({"id": "cus_Abc123"}, "id") == "cus_Abc123"
    assert _cell({"n": 12345}, "n") == "12,345"
    assert _cell({"exp_year": 2027}, "exp_year") == "2027"


@pytest.mark.parametrize("currency, amount, text", [("usd", 3000, "30.00"), ("jpy", 3000, "3,000"), ("kwd", 3000, "3.000"), ("usd", -5, "\u22120.05")])
def test_amounts_in_the_smallest_unit_are_shown_in_whole_ones(currency, amount, text):
    from stripe_site.dashboards import _cell

    assert _cell({"amount_remaining": amount, "currency": currency}, "amount_remaining") == text


def test_the_dunning_queue_shows_what_is_owed(site, account):
    invoices = [i for i in account.rows["invoices"] if i["status"] == "open" and i["currency"] == "usd"]
    page = site.html("/-/dashboards/receivables?currency=usd").split("<h2>Dunning queue")[1].split("</section>")[0]
    owed = {f"{i['amount_remaining'] / 100:,.2f}" for i in invoices}
    assert invoices and all(f'<td class="number">{amount}</td>' in page for amount in owed)


def test_a_price_is_named_where_its_id_says_nothing(site):
    page = site.html("/-/dashboards/mrr?currency=usd").split("<h2>By product and price")[1].split("</section>")[0]
    assert "<td>29.00\u00a0USD / month</td>" in page
    assert "price_" not in page


def test_marks_are_escaped():
    svg = charts.columns(["a<b"], [[Mark(1, 'x"><script>', "/x?a=1&b=2")]], "t&t")
    assert "<script>" not in svg and "a&lt;b" in svg and "/x?a=1&amp;b=2" in svg


def test_the_start_page_shows_what_is_known_and_waits_for_nothing(site, monkeypatch):
    import asyncio
    import re

    from stripe_site import start

    def shown(page):
        return re.findall(r'<a class="figure" [^>]*href="([^"]+)">([^<]+)</a>', page)

    monkeypatch.setattr(start, "FIGURES_SECONDS", 60)
    found = shown(site.html("/"))
    # The account's last payments are months ago: what this month does not have is left out.
    assert {"/stripe/mrr-now"} <= {href.split("?")[0] for href, _ in found} <= {"/stripe/" + figure.query for figure in start.FIGURES}
    assert all(site.get(href.replace("&amp;", "&")).status_code == 200 for href, _ in found)

    async def never(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(start, "FIGURES_SECONDS", 0.01)
    monkeypatch.setattr(start, "currencies", never)
    assert shown(site.html("/")) == []


def test_queries_are_asked_once_while_the_data_stays(site):
    from stripe_site.dashboards import answers_of
    from stripe_site.database import mirror

    answers = answers_of(mirror(site.datasette))
    first = site.run(answers.of("payments-by-month", {"months": "7"}))
    assert site.run(answers.of("payments-by-month", {"months": "7"})) is first


def test_dashboards_before_the_tables_exist(tmp_path):
    from conftest import Site

    empty = Site(tmp_path / "none.sqlite")
    try:
        for slug in SLUGS:
            assert empty.get(f"/-/dashboards/{slug}").status_code == 200
    finally:
        empty.close()


def test_a_slow_answer_is_shown_as_it_was_while_it_is_computed_anew(site, monkeypatch):
    """On a big account MRR takes seconds and the data changes each second: nobody waits for it twice."""
    import asyncio

    from stripe_site import dashboards

    answers = dashboards.Answers(site.datasette.databases["stripe"])
    first = site.run(answers.of("payments-by-month", {"months": "9"}))
    (key,) = answers._kept
    rows, _, at, _ = answers._kept[key]
    answers._kept[key] = (rows, -1, at - 100, 3.0)
    assert site.run(answers.of("payments-by-month", {"months": "9"})) is first

    async def settled():
        await asyncio.gather(*answers._running.values())

    site.run(settled())
    assert answers._kept[key][0] is not first


def test_dashboards_are_computed_before_anybody_opens_them(file):
    """The watchdog's probe is enough; a visit then finds the answers that it would have asked for."""
    import time

    from conftest import Site

    site = Site(file)
    try:
        assert site.get("/-/versions.json").status_code == 200
        db = site.datasette.databases["stripe"]
        end = time.monotonic() + 60
        while not db.site_warm._task.done():
            assert time.monotonic() < end
            time.sleep(0.01)
        kept = dict(db.site_answers._kept)
        assert {key[0] for key in kept} >= {panel.query for board in BOARDS for panel in board.panels}
        assert site.get("/-/dashboards/mrr").status_code == 200
        found = [db.site_answers._kept[key] for key in kept if key[0] in ("mrr-movements", "mrr-by-plan")]
        assert found == [kept[key] for key in kept if key[0] in ("mrr-movements", "mrr-by-plan")]
    finally:
        site.close()


def test_an_answer_is_not_renewed_oftener_than_it_is_cheap(site):
    import time

    from stripe_site.dashboards import Answers

    answers = Answers(site.datasette.databases["stripe"])

    def renewed(took, age, version):
        site.run(answers.renew("payments-by-month", {"months": "5"}, 0.2, 100))
        (key,) = answers._kept
        before = (answers._kept[key][0], version, time.monotonic() - age, took)
        answers._kept[key] = before
        site.run(answers.renew("payments-by-month", {"months": "5"}, 0.2, 100))
        return answers._kept[key] is not before

    current = site.json("/-/now.json")["data_version"]
    assert renewed(took=3.0, age=301, version=-1)
    assert not renewed(took=3.0, age=299, version=-1)
    assert not renewed(took=0.1, age=10_000, version=-1)
    assert not renewed(took=3.0, age=301, version=current)


def test_a_page_does_not_wait_for_what_takes_long(site, monkeypatch):
    """MRR of a big account takes seconds: the rest is shown at once, and JSON is always whole."""
    import threading

    from stripe_site import dashboards

    compute, go_on = dashboards._rows, threading.Event()

    def rows(conn, sql, params):
        if sql == QUERIES["mrr-movements"].sql:
            go_on.wait(60)
        return compute(conn, sql, params)

    monkeypatch.setattr(dashboards, "_rows", rows)
    monkeypatch.setattr(dashboards, "PAGE_SECONDS", 1.0)
    address = f"/-/dashboards/mrr?{UNTIL}&currency=usd&months=17"
    try:
        page = site.html(address)
    finally:
        go_on.set()
    assert re.findall(r'id="([a-z]+-\d)" data-pending', page) == ["figure-5", "panel-1", "panel-2", "panel-3"]
    assert page.count("Being computed") == 3 and '<noscript><meta http-equiv="refresh"' in page
    assert "29.00\u00a0USD / month" in page
    whole = site.json(address.replace("mrr?", "mrr.json?"))
    assert all(panel["rows"] for panel in whole["panels"])
    page = site.html(address)
    assert "data-pending" not in page and "noscript" not in page and page.count('class="chart"') == 3


def test_pages_are_read_while_answers_take_long(site, monkeypatch):
    """Dashboards that a big account computes for seconds leave threads for everybody else's pages."""
    import asyncio
    import threading

    from stripe_site import dashboards

    db = site.datasette.databases["stripe"]
    answers, go_on = dashboards.Answers(db), threading.Event()

    def rows(*_):
        go_on.wait(60)
        return []

    monkeypatch.setattr(dashboards, "_rows", rows)

    async def visit():
        asked = [asyncio.ensure_future(answers.of("payments-by-month", {"months": str(n)})) for n in range(1, 9)]
        try:
            await asyncio.sleep(0.2)
            return await asyncio.wait_for(db.execute("select 1"), 20)
        finally:
            go_on.set()
            assert await asyncio.gather(*asked) == [[]] * 8

    assert site.run(visit()).single_value() == 1
