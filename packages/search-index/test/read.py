"""Reads an indexed database as Datasette does: with Python's own SQLite, read only."""
import json
import sqlite3
import sys

sys.stdout.reconfigure(encoding="utf-8")
file, mode, *arguments = sys.argv[1:]
if mode == "write":
    conn = sqlite3.connect(file)
    conn.execute("INSERT INTO customers (id, name) VALUES ('cus_python', 'Guido van Rossum')")
    conn.execute("UPDATE customers SET name = 'Renamed in Python' WHERE id = ?", arguments)
    conn.execute(
        "INSERT INTO customers (id, name) VALUES ('cus_python', 'Barry Warsaw')"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name"
    )
    conn.commit()
    for table in ("customers", "payment_methods"):
        conn.execute(f"INSERT INTO {table}_fts ({table}_fts, rank) VALUES ('integrity-check', 1)")
    conn.rollback()
    print(json.dumps(sqlite3.sqlite_version))
elif mode == "vacuum":
    conn = sqlite3.connect(file)
    conn.execute("VACUUM")
    conn.execute("INSERT INTO customers_fts (customers_fts, rank) VALUES ('integrity-check', 1)")
    print(json.dumps("ok"))
else:
    conn = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    if mode == "detect":
        # The statement of datasette.utils.detect_fts_sql, with the table's name filled in.
        sql = """select name from sqlite_master where rootpage = 0 and (
            sql like '%VIRTUAL TABLE%USING FTS%content="{table}"%'
            or sql like '%VIRTUAL TABLE%USING FTS%content=[{table}]%'
            or (tbl_name = "{table}" and sql like '%VIRTUAL TABLE%USING FTS%'))"""
        rows = conn.execute(sql.format(table=arguments[0])).fetchall()
    else:
        sql = conn.execute("SELECT value FROM search_index_meta WHERE name = 'everything'").fetchone()[0]
        rows = conn.execute(sql, {"q": arguments[0], "limit": 5}).fetchall()
    print(json.dumps(rows))
