"""Every part that is registered with Datasette. Of two that answer the same call, the later one is asked first."""

from . import (
    agents,
    cells,
    dashboards,
    database,
    excel,
    facts,
    feed,
    functions,
    page,
    queries,
    regexp,
    row_page,
    search,
    sigma_page,
    start,
    table_page,
)

PARTS = (
    database,
    facts,
    functions,
    page,
    start,
    search,
    dashboards,
    sigma_page,
    table_page,
    regexp,
    row_page,
    cells,
    queries,
    excel,
    feed,
    agents,
)
