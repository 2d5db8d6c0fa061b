"""The site that shows the mirrored Stripe account: plug-ins of Datasette, one module each; parts.py lists them."""
