"""The site that shows the mirrored Stripe account: plug-ins of Datasette, one module each."""

from . import cells, database, menu, queries

PARTS = (database, cells, menu, queries)
