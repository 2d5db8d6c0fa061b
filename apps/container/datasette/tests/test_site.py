"""The site as a whole: every page answers, whatever state the mirror is in."""

import re
import sqlite3
import subprocess
import sys
import threading

import pytest
import schema
from conftest import SITE, Site
from datasette.utils import table_column_details

PAGES = """
/ /stripe /stripe/customers /stripe/customers/cus_000001 /stripe/charges /stripe/invoices?_facet=status /-/search
/-/search?q=customer /-/dashboards /-/metadata.json /-/now.json /stripe/charges.json /stripe/charges.csv
/stripe/charges.xlsx /stripe/charges.copyable /stripe?sql=select+1 /robots.txt /llms.txt /-/plugins.json
""".split()


@pytest.mark.parametrize("path", PAGES)
def test_page_answers(site, path):
    assert site.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/stripe", "/-/search?q=x", "/-/dashboards", "/-/now.json", "/stripe?sql=select+1"])
@pytest.mark.parametrize("state", ["missing", "no bytes", "no tables", "only the mirror's own tables"])
def test_page_answers_before_the_first_download(tmp_path, path, state):
    file = tmp_path / "stripe.sqlite"
    if state == "no bytes":
        file.touch()
    elif state != "missing":
        db = sqlite3.connect(file)
        db.execute("PRAGMA journal_mode = WAL")
        if state != "no tables":
            db.executescript(schema.MIRROR)
        db.commit()
        db.close()
    empty = Site(file)
    try:
        assert empty.get(path).status_code == 200
    finally:
        empty.close()


def eventually(check, seconds=20):
    """Asks again until the answer is true: what is noticed within a second on an idle machine may take longer here."""
    import time

    end = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < end, "did not become true in time"
        time.sleep(0.05)
    return answer


def test_notices_the_file_and_each_new_table(tmp_path):
    file = tmp_path / "stripe.sqlite"
    site = Site(file)
    try:
        assert site.get("/stripe/customers.json").status_code == 404
        db = sqlite3.connect(file)
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(schema.MIRROR)
        customers = next(table for table in schema.catalog() if table["table"] == "customers")
        schema.create_table(db, customers)
        db.commit()
        eventually(lambda: site.get("/stripe/customers.json").status_code == 200)
        eventually(lambda: "/stripe/customers" in site.html("/"))
        products = next(table for table in schema.catalog() if table["table"] == "products")
        schema.create_table(db, products)
        db.execute("insert into products (id, name) values ('prod_1', 'Late')")
        db.commit()
        eventually(lambda: site.get("/stripe/products.json?_shape=array").status_code == 200)
        eventually(lambda: "/stripe/products" in site.html("/"))
        eventually(lambda: "1 row" in site.html("/stripe/products"))
        db.execute("alter table products add column late_column text")
        db.commit()
        eventually(lambda: "late_column" in site.html("/stripe/products?_columns=all"))
        answer = site.post("/graphql/stripe", json={"query": "{ products { nodes { id late_column } } }"})
        assert answer.json()["data"]["products"]["nodes"] == [{"id": "prod_1", "late_column": None}]
        db.close()
    finally:
        site.close()


def test_opens_the_file_that_took_the_place_of_another(tmp_path):
    """The demo's file is moved aside when a real key comes."""
    file = tmp_path / "stripe.sqlite"
    for name, path in (("first", file), ("second", tmp_path / "other.sqlite")):
        db = sqlite3.connect(path)
        db.execute("create table customers (id text primary key not null, name text)")
        db.execute("insert into customers values (?, ?)", [f"cus_{name}", name])
        db.commit()
        db.close()
    site = Site(file)
    try:
        assert site.sql("select name from customers") == [{"name": "first"}]
        file.rename(tmp_path / "aside.sqlite")
        (tmp_path / "other.sqlite").rename(file)
        assert site.sql("select name from customers") == [{"name": "second"}]
    finally:
        site.close()


def test_reads_while_another_process_writes(site, writer):
    writer.execute("begin immediate")
    writer.execute("insert into products (id, name) values ('prod_unseen', 'x')")
    assert site.sql("select count(*) as n from products where id = 'prod_unseen'") == [{"n": 0}]
    writer.commit()
    assert site.sql("select count(*) as n from products where id = 'prod_unseen'") == [{"n": 1}]
    writer.execute("delete from products where id = 'prod_unseen'")
    writer.commit()


def test_a_table_list_while_full_text_tables_come_and_go(tmp_path):
    """SQLite loads a virtual table by several reads; between two of them the engine may have changed the schema."""
    file = tmp_path / "stripe.sqlite"
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    over = threading.Event()

    def engine():
        for n in range(1, 3000):
            if over.is_set():
                break
            db.execute("BEGIN")
            db.execute(f"create table t{n} (id text primary key not null, name text)")
            db.execute(f'create virtual table t{n}_fts using fts5(name, content="t{n}")')
            if n > 30:
                db.execute(f"drop table t{n - 30}_fts")
                db.execute(f"drop table t{n - 30}")
            db.execute("COMMIT")
        db.close()

    def columns(conn):
        return [table_column_details(conn, name) for (name,) in conn.execute("select name from sqlite_master").fetchall()]

    site = Site(file)
    thread = threading.Thread(target=engine)
    thread.start()
    try:
        for _ in range(600):
            site.run(site.datasette.databases["stripe"].execute_fn(columns))
    finally:
        over.set()
        thread.join()
        site.close()


@pytest.mark.parametrize("sql", ["delete from charges", "attach 'x.db' as x", "select 1; drop table charges", "pragma user_version = 3"])
def test_nothing_can_be_written(site, sql):
    assert site.get("/stripe.json", params={"sql": sql}).status_code == 400
    assert site.post("/stripe.json", data={"sql": sql}).status_code in (400, 403, 405)


def test_is_served_under_the_name_stripe_whatever_the_file_is_called(site):
    assert [db["name"] for db in site.json("/-/databases.json")] == ["stripe"]


def test_refuses_to_start_without_a_file():
    code = (
        "import asyncio, sys; sys.path.insert(0, '.')\n"
        "from datasette.app import Datasette\nfrom pathlib import Path\n"
        f"asyncio.run(Datasette(config_dir=Path({str(SITE)!r})).invoke_startup())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={"PATH": ""})
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "MIRROR_FILE is not set: it names the SQLite file to serve"


def test_generated_files_are_current():
    done = subprocess.run([sys.executable, SITE / "generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_inline_script_of_our_own(site):
    """So that a strict Content-Security-Policy is possible; plug-ins' own are named here."""
    for path in ("/", "/-/search?q=customer", "/stripe/customers", "/stripe/customers/cus_000001", "/-/dashboards"):
        inline = [s for s in re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", site.html(path), re.S) if s.strip()]
        assert inline == [], path
        assert " onclick=" not in site.html(path)


def test_a_query_that_takes_too_long_is_told_what_helps(site):
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select '<b>', max(i) from n"
    answer = site.get("/stripe", params={"sql": endless, "_timelimit": "50"})
    assert answer.status_code == 400
    assert "This query took too long" in answer.text and "created" in answer.text
    assert "select '<b>'" not in answer.text.replace("&#39;", "'").replace("&lt;", "[lt]")
    assert "explain+query+plan+with+recursive" in answer.text
    assert "sql_time_limit_ms" not in answer.text


@pytest.mark.parametrize("path", ["/stripe.json", "/stripe.csv"])
def test_a_program_is_told_in_a_line_that_its_query_took_too_long(site, path):
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    answer = site.get(path, params={"sql": endless, "_timelimit": "50"})
    assert answer.status_code == 400
    assert "took too long" in answer.text and "<" not in answer.text


@pytest.mark.parametrize("path, advice", [("/stripe/nowhere", "mirror-progress"), ("/stripe/customers/cus_nobody", "deleted-objects")])
def test_what_is_not_found_says_where_to_look(site, path, advice):
    answer = site.get(path)
    assert answer.status_code == 404
    assert f'href="/stripe/{advice}"' in answer.text and 'href="/-/search"' in answer.text


@pytest.mark.parametrize("path", ["/stripe/charges?status=failed&_sort=amount", "/stripe?sql=select+1", "/stripe/customers/cus_000000"])
def test_a_page_offers_to_be_shared_as_it_is(site, path):
    from urllib.parse import quote_plus

    assert f'href="/tdog/links?path={quote_plus(path)}"' in site.html(path)


def test_tables_and_queries_have_the_groups_of_the_start_page(site):
    page = site.html("/stripe")
    assert page.index("<h3>Payments</h3>") < page.index('href="/stripe/charges"') < page.index("<h3>Balances</h3>")
    assert "sqlite_sequence" not in page
    assert page.index("<h3>MRR</h3>") < page.index('href="/stripe/mrr-now"')


def test_weight_that_the_site_adds_to_a_page():
    assert sum((SITE / "static" / name).stat().st_size for name in ("site.css", "site.js", "paths.js")) < 60_000


def test_absolute_addresses_are_those_of_the_client_behind_the_proxy(site, server):
    """On a Unix socket there is no client address, and the proxy's headers count."""
    headers = {"x-forwarded-proto": "https", "x-forwarded-host": "stripe.example.com"}
    assert "https://stripe.example.com/stripe/customers.json" in server.get("/", headers=headers).text
    answer = server.get("/stripe/charges.json?_size=1", headers=headers).json()
    assert answer["next_url"].startswith("https://stripe.example.com/stripe/charges.json?")
    assert "http://localhost/stripe/customers.json" in site.html("/")


def test_scripts_are_those_of_the_typescript(tmp_path):
    tsc = SITE.parents[2] / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([tsc, "-p", SITE / "browser", "--outDir", tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    for made in tmp_path.glob("*.js"):
        assert made.read_text() == (SITE / "static" / made.name).read_text(), f"{made.name}: run npx tsc -p apps/container/datasette/browser"


@pytest.mark.parametrize("sql, expected", [("regexp('^a+$', 'aaa')", 1), ("regexp('b', 'aaa')", 0), ("regexp_match('([0-9]+)', 'x42')", "42"), ("regexp('(', 'a')", None)])
def test_regular_expressions_in_sql(site, sql, expected):
    """By datasette-rure, or by our own where that has no wheel."""
    import re

    from stripe_site import regexp

    own = {(name, arguments): function for name, arguments, function in regexp.functions(re)}
    name, arguments = sql[: sql.index("(")], eval(sql[sql.index("(") :])  # noqa: S307  (this file's own text)
    assert own[(name, 2)](*arguments) == expected
    if name == "regexp":
        assert site.sql(f"select {sql} as x") == [{"x": expected}]
