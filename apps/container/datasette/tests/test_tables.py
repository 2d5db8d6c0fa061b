import pytest
from stripe_site.tables import GROUPS, TABLES, table_of_id


@pytest.mark.parametrize(
    "value, table",
    [
        ("cus_NffrFeUfNV2Hib", "customers"),
        ("ch_3OabcD", "charges"),
        ("py_1Abc", "charges"),
        ("sub_sched_1AbC", "subscription_schedules"),
        ("sub_1AbC", "subscriptions"),
        ("cs_test_a1B2", "checkout_sessions"),
        ("card_declined", None),
        ("in_transit", None),
        ("no_prefix_1", None),
        ("cus_", None),
        ("plain", None),
        ("", None),
    ],
)
def test_table_of_an_id(value, table):
    assert table_of_id(value) == table


def test_every_table_of_the_catalogue_has_its_place():
    import schema

    names = {table["table"] for table in schema.catalog()} - {"notification_events"}
    assert names | {"events"} == set(TABLES)
    assert {table.group for table in TABLES.values()} == set(GROUPS)


def test_main_columns_and_labels_are_columns_of_the_catalogue():
    import schema

    for table in schema.catalog():
        known = TABLES.get(table["table"])
        if known is None:
            continue
        columns = {column["name"] for column in table["columns"]} | set(schema.KEPT.get(known.name, {}))
        # A nested table's rows name their parent in a column that the object itself does not have.
        columns |= {(table.get("parent") or {}).get("table", "")[:-1], *[c.split(" ")[0] for c in table.get("pseudoColumns", [])]}
        assert [c for c in known.columns if c not in columns] == [], known.name
        assert known.label is None or known.label in columns, known.name


def test_a_filtered_page_does_not_wait_for_its_count(tmp_path):
    """Where no index helps, counting reads the whole table: the page shows its rows without a count, one's own SQL still counts."""
    import sqlite3

    from conftest import Site
    from stripe_site import database

    file = tmp_path / "big.sqlite"
    db = sqlite3.connect(file)
    db.execute("create table customers (id text primary key not null, name text, created text)")
    db.execute("with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) insert into customers select 'cus_' || i, 'x', null from n")
    db.commit()
    db.close()
    site = Site(file)
    limit, database.FILTERED_COUNT_MS = database.FILTERED_COUNT_MS, 60_000
    try:
        assert site.json("/stripe/customers.json?name=x&_size=1")["filtered_table_rows_count"] == 100_000
        database.FILTERED_COUNT_MS = 0.001
        assert site.json("/stripe/customers.json?name=x&_size=2")["filtered_table_rows_count"] == 100_000
        answer = site.json("/stripe/customers.json?name__not=y&_size=2")
        assert answer["filtered_table_rows_count"] is None and len(answer["rows"]) == 2
        page = site.get("/stripe/customers?name__not=y")
        assert (page.status_code, page.headers.get("cache-control")) == (200, "no-cache")
        assert site.sql("select count(*) as n from customers where name = 'x'") == [{"n": 100_000}]
    finally:
        database.FILTERED_COUNT_MS = limit
        site.close()


def test_the_count_of_a_filtered_page_is_kept_while_the_data_stays_the_same(tmp_path):
    import sqlite3
    import time

    from conftest import Site

    file = tmp_path / "counted.sqlite"
    db = sqlite3.connect(file)
    db.executescript(
        "create table customers (id text primary key not null, name text, created text); insert into customers values ('cus_1', 'x', null);"
        "create table td_metadata (data_version integer); insert into td_metadata values (1);"
    )
    site = Site(file)
    count = lambda: site.json("/stripe/customers.json?name=x")["filtered_table_rows_count"]  # noqa: E731
    try:
        assert count() == 1
        assert "cache-control" not in site.get("/stripe/customers?name=x").headers
        # Not as the engine writes, which raises the version in the same transaction: only so can one see what was counted.
        db.execute("insert into customers values ('cus_2', 'x', null)")
        db.commit()
        assert count() == 1
        db.execute("update td_metadata set data_version = 2")
        db.commit()
        deadline = time.monotonic() + 30
        while count() != 2:
            assert time.monotonic() < deadline
    finally:
        db.close()
        site.close()
