"""The site that shows the mirrored Stripe account: plug-ins of Datasette, one module each."""

from . import (
    agents,
    cells,
    dashboards,
    database,
    excel,
    feed,
    functions,
    page,
    queries,
    row_page,
    search,
    sigma_page,
    start,
    table_page,
)

PARTS = (
    database,
    functions,
    page,
    start,
    search,
    dashboards,
    sigma_page,
    table_page,
    row_page,
    cells,
    queries,
    excel,
    feed,
    agents,
)
