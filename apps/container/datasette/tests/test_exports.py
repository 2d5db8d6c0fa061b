"""What leaves the site: Excel, Atom, GraphQL, MCP, llms.txt."""

import io
import json
from datetime import datetime
from decimal import Decimal
from xml.etree import ElementTree

import openpyxl
import pytest

ATOM = "{http://www.w3.org/2005/Atom}"


def sheet(site, path):
    answer = site.get(path)
    assert answer.status_code == 200, answer.text[:300]
    assert answer.headers["content-type"].startswith("application/vnd.openxmlformats")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    rows = list(book.worksheets[0].iter_rows(values_only=False))
    names = [cell.value for cell in rows[0]]
    return names, [dict(zip(names, row)) for row in rows[1:]]


def test_excel_has_every_row_and_typed_cells(site, account):
    names, rows = sheet(site, "/stripe/charges.xlsx")
    charges = {c["id"]: c for c in account.rows["charges"]}
    assert {row["id"].value for row in rows} == set(charges)
    assert names.index("amount (money)") == names.index("amount") + 1
    for row in rows:
        charge = charges[row["id"].value]
        assert row["amount"].value == charge["amount"]
        places = {"jpy": 0, "kwd": 3}.get(charge["currency"], 2)
        assert Decimal(str(row["amount (money)"].value)) == Decimal(charge["amount"]).scaleb(-places)
        assert row["amount (money)"].number_format == "#,##0" + ("." + "0" * places if places else "")
        assert row["created"].value == datetime.fromisoformat(charge["created"])
        assert row["created"].is_date


def test_excel_of_a_filtered_table_and_of_queries(site, account):
    _, rows = sheet(site, "/stripe/charges.xlsx?status=failed&currency=usd")
    assert len(rows) == sum(c["status"] == "failed" and c["currency"] == "usd" for c in account.rows["charges"])
    _, rows = sheet(site, "/stripe/payments-by-month.xlsx?until=2026-06-15")
    assert isinstance(rows[0]["taken"].value, (int, float))
    _, rows = sheet(site, "/stripe.xlsx?sql=select+1234+as+amount,+'usd'+as+currency,+'2026-01-31'+as+day")
    assert rows[0]["amount (money)"].value == 12.34
    assert rows[0]["day"].value == datetime(2026, 1, 31)
    _, rows = sheet(site, "/stripe/customers/cus_000003.xlsx")
    assert len(rows) == 1
    _, rows = sheet(site, "/stripe/charges.xlsx?id=none")
    assert rows == []


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x.example")', "=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "=cmd|'/c calc'!A0"])
def test_text_is_never_a_formula(site, writer, text):
    writer.execute("insert into customers (id, name) values ('cus_formula', ?)", [text])
    writer.commit()
    try:
        for path in ("/stripe/customers.xlsx?id=cus_formula", "/stripe.xlsx?sql=select+name+from+customers+where+id='cus_formula'", "/stripe/customers/cus_formula.xlsx"):
            _, rows = sheet(site, path)
            assert rows[0]["name"].data_type in ("s", "inlineStr"), path
            assert rows[0]["name"].value == text
    finally:
        writer.execute("delete from customers where id = 'cus_formula'")
        writer.commit()


def test_long_numbers_and_control_characters_in_excel(site):
    _, rows = sheet(site, "/stripe.xlsx?sql=select+9007199254740993+as+n,+'a'||char(1)||'b'+as+t,+x'00'+as+b")
    assert rows[0]["n"].value == "9007199254740993"
    assert rows[0]["t"].value == "ab"
    assert rows[0]["b"].value == "<1 bytes>"


def test_csv_streams_all_rows(site, account):
    lines = site.get("/stripe/charges.csv?_stream=1&_col=amount").text.strip().splitlines()
    assert len(lines) == 1 + len(account.rows["charges"])


def test_atom_feed(site, account):
    answer = site.get("/-/events.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(answer.content)
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 50
    newest = max(e["created"] for e in account.rows["events"])
    assert entries[0].find(f"{ATOM}updated").text == newest.replace(" ", "T") + "Z"
    ids = [e.find(f"{ATOM}id").text for e in entries]
    assert len(set(ids)) == 50
    for entry in entries:
        assert entry.find(f"{ATOM}title").text and entry.find(f"{ATOM}link").get("href").startswith("http://localhost/stripe/")
    only = ElementTree.fromstring(site.get("/-/events.atom?type=invoice").content)
    titles = [e.find(f"{ATOM}title").text for e in only.findall(f"{ATOM}entry")]
    assert titles and all(t.startswith("invoice.") for t in titles)


def test_atom_feed_escapes(site, writer):
    writer.execute(
        "insert into events (id, object_id, object, type, created, payload) values ('evt_x', 'cus_x1', 'customer', 'customer.updated', '2027-01-01 00:00:00', ?)",
        [json.dumps({"data": {"object": {"status": "<&\">"}}})],
    )
    writer.commit()
    try:
        assert "<&\">" in ElementTree.fromstring(site.get("/-/events.atom").content).find(f"{ATOM}entry/{ATOM}title").text
    finally:
        writer.execute("delete from events where id = 'evt_x'")
        writer.commit()


def test_graphql(site, account):
    query = '{ charges(filter: {status: {eq: "failed"}}, first: 5) { totalCount nodes { id amount currency customer { id name } } } }'
    data = site.post("/graphql/stripe", json={"query": query}).json()
    assert "errors" not in data
    assert data["data"]["charges"]["totalCount"] == sum(c["status"] == "failed" for c in account.rows["charges"])
    assert data["data"]["charges"]["nodes"][0]["customer"]["id"].startswith("cus_")


def test_graphql_without_a_query_shows_the_editor(site):
    page = site.get("/graphql/stripe", headers={"accept": "*/*"})
    assert page.status_code == 200 and "GraphiQL" in page.text
    data = site.get("/graphql/stripe", params={"query": "{ products { totalCount } }"}).json()
    assert data["data"]["products"]["totalCount"] > 0


def test_llms_txt(site):
    text = site.get("/llms.txt").text
    assert "smallest unit" in text and "http://localhost/stripe.json?sql=" in text
    assert "/stripe/mrr-movements.json" in text and "charges" in text
    assert site.get("/stripe/charges.md").status_code == 200


class Mcp:
    """A client of the streamable HTTP transport, as agents have one."""

    def __init__(self, server):
        self.server, self.number, self.session = server, 0, None
        self.call("initialize", {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})

    def call(self, method, params=None):
        self.number += 1
        headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        if self.session:
            headers["mcp-session-id"] = self.session
        body = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params or {}}
        answer = self.server.post("/-/mcp", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        self.session = answer.headers.get("mcp-session-id", self.session)
        text = answer.text
        if text.startswith(("event:", "data:")):
            text = next(line[5:] for line in text.splitlines() if line.startswith("data:"))
        found = json.loads(text)
        assert "error" not in found, found
        return found["result"]

    def tool(self, tool, /, **arguments):
        result = self.call("tools/call", {"name": tool, "arguments": arguments})
        text = "\n".join(part["text"] for part in result["content"])
        return result.get("isError", False), text


@pytest.fixture
def mcp(server):
    return Mcp(server)


def test_mcp_tools_know_the_schema(mcp, account):
    names = {tool["name"] for tool in mcp.call("tools/list")["tools"]}
    assert {"execute_sql", "stripe_overview", "stripe_describe_table", "stripe_search", "stripe_run_saved_query"} <= names
    failed, text = mcp.tool("stripe_overview")
    assert not failed and "acct_demo1" in text and "smallest unit" in text
    failed, text = mcp.tool("stripe_describe_table", table="charges")
    assert "amount: amount in the smallest unit of currency" in text
    assert "customer: id, refers to customers.id" in text and "refunds.charge" in text
    failed, text = mcp.tool("stripe_search", text="alvarez")
    assert "cus_000000" in text
    failed, text = mcp.tool("stripe_run_saved_query", name="payments-by-month", parameters={"currency": "kwd", "until": "2026-06-15"})
    assert not failed and "kwd" in text and "usd" not in text
    failed, text = mcp.tool("stripe_translate_sigma", sql="select card_brand from charges")
    assert "payment_method_details" in text
    failed, text = mcp.tool("execute_sql", database="stripe", sql="select count(*) as n from charges")
    assert str(len(account.rows["charges"])) in text


def test_mcp_says_what_is_wrong(mcp):
    assert "no table nowhere" in mcp.tool("stripe_describe_table", table="nowhere")[1]
    assert "no saved query x" in mcp.tool("stripe_run_saved_query", name="x")[1]
    assert mcp.tool("stripe_translate_sigma", sql="select * from radar_rules")[0]
    assert mcp.tool("execute_sql", database="stripe", sql="delete from charges")[0]


def test_search_as_json(site):
    found = site.json("/-/search.json?q=alvarez")
    assert found["groups"][0]["table"] == "customers"
    assert [hit["id"] for hit in found["groups"][0]["hits"]] == ["cus_000000"]


def test_search_puts_the_customer_first_and_names_it_at_payments(site, account, writer):
    charge = account.rows["charges"][0]
    writer.execute("update charges set description = 'Álvarez, by phone' where id = ?", [charge["id"]])
    writer.commit()
    groups = site.json("/-/search.json?q=alvarez")["groups"]
    writer.execute("update charges set description = ? where id = ?", [charge["description"], charge["id"]])
    writer.commit()
    assert [group["table"] for group in groups] == ["customers", "charges"]
    (hit,) = groups[1]["hits"]
    customers = {customer["id"]: customer for customer in account.rows["customers"]}
    assert hit["facts"]["customer"] == customers[charge["customer"]]["name"]


@pytest.mark.parametrize(
    "text, table",
    [
        ("cus_000007", "customers"), ("us_00000", "customers"), ("person7@example.com", "customers"), ("erson7@", "customers"),
        ("alvarez", "customers"), ("Álvarez", "customers"), ("muller", "customers"), ("P13", "customers"), ("4242", "charges"),
        ("Half price", "coupons"), ("o'brien", "customers"),
    ],
)  # fmt: skip
def test_search_finds(site, text, table):
    found = site.get("/-/search.json", params={"q": text}).json()
    assert table in [group["table"] for group in found["groups"]]


@pytest.mark.parametrize("text", ['"', "''", "a AND", "NEAR(", "*", "%", "col:x", "\\", "(", "-", "a" * 5000, "日本", "\x00"])
def test_search_survives_anything(site, text):
    assert site.get("/-/search", params={"q": text}).status_code == 200


def test_an_invoice_is_found_by_its_number(site, account):
    number = account.rows["invoices"][3]["number"]
    assert number in site.get("/-/search", params={"q": number}).text
