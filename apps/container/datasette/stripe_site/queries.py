"""Saved queries: one .sql file each in ../queries, with its title and description in comments at the top."""

import re
from dataclasses import dataclass
from pathlib import Path

from datasette import hookimpl

from .database import NAME

FOLDER = Path(__file__).parent.parent / "queries"
HEAD = re.compile(r"^-- (\w+): (.*)$")


@dataclass(frozen=True)
class SavedQuery:
    """One question and its SQL."""

    name: str
    title: str
    description: str
    group: str
    sql: str
    #: Named parameters of the SQL and the values they have when nobody gives one.
    params: "dict[str, str]"


def parse(name: str, text: str) -> SavedQuery:
    """`-- title: …`, `-- group: …`, `-- description: …` and `-- param: name = default`, then the SQL."""
    head: "dict[str, str]" = {}
    params: "dict[str, str]" = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = HEAD.match(line)
        if not match:
            lines = lines[number:]
            break
        key, value = match.groups()
        if key == "param":
            param, _, default = value.partition("=")
            params[param.strip()] = default.strip()
        else:
            head[key] = f"{head[key]} {value}" if key in head else value
    return SavedQuery(
        name, head["title"], head.get("description", ""), head.get("group", "Other"), "\n".join(lines).strip(), params
    )


def load(folder: Path = FOLDER) -> "dict[str, SavedQuery]":
    """All saved queries by name, in the order of their groups."""
    found = [parse(file.stem, file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.sql"))]
    return {query.name: query for query in sorted(found, key=lambda query: (query.group, query.title))}


QUERIES = load()


@hookimpl
def extra_template_vars(request, view_name):
    """The saved query of a query page, for the defaults of its parameters."""
    if view_name not in ("query", "table", "database") or request is None:
        return {}
    return {"saved_query": QUERIES.get(request.path.rsplit("/", 1)[-1].split(".")[0])}


@hookimpl
def canned_queries(database):
    if database != NAME:
        return None
    return {
        query.name: {
            "title": query.title,
            "description": query.description,
            "sql": query.sql,
            # Datasette leaves a parameter empty when it is not given: the SQL puts the default in its place.
            "params": list(query.params),
        }
        for query in QUERIES.values()
    }
