"""The site that shows the mirrored Stripe account: plug-ins of Datasette, one module each."""

from . import cells, database, page, queries, start, table_page

PARTS = (database, page, start, table_page, cells, queries)
