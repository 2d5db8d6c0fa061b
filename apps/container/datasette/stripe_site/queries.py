"""Saved queries: one .sql file each in ../queries, with its title and description in comments at the top."""

import re
from dataclasses import dataclass
from pathlib import Path

from datasette import hookimpl

from .database import NAME

FOLDER = Path(__file__).parent.parent / "queries"
HEAD = re.compile(r"^-- (\w+): (.*)$")
# A part of the SQL that several queries share: it stands once in queries/shared and is shown whole in each of them.
INCLUDE = re.compile(r"^-- include: ([\w-]+)$", re.MULTILINE)
LIMIT = re.compile(r"\blimit (\d+)$")


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
    #: Rows at which a list is cut, None if it has all.
    limit: "int | None" = None


def parse(name: str, text: str) -> SavedQuery:
    """`-- title: …`, `-- group: …`, `-- description: …` and `-- param: name = default`, then the SQL."""
    head: "dict[str, str]" = {}
    params: "dict[str, str]" = {}
    lines = text.strip().splitlines()
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
    sql = INCLUDE.sub(lambda part: shared(part.group(1)), "\n".join(lines).strip())
    cut = LIMIT.search(sql)
    limit = int(cut.group(1)) if cut else None
    description = head.get("description", "") + (f" At most {limit:,} rows." if limit else "")
    return SavedQuery(name, head["title"], description.strip(), head.get("group", "Other"), sql, params, limit)


def shared(name: str) -> str:
    """A part of the SQL of several queries."""
    return (FOLDER / "shared" / f"{name}.sql").read_text(encoding="utf-8").strip()


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
