"""The menu: what the container serves beside Datasette."""

from datasette import hookimpl

LINKS = (
    ("/", "Start"),
    ("/-/search", "Search everything"),
    ("/-/dashboards", "Dashboards"),
    ("/stripe", "Tables and SQL"),
    ("/-/sigma", "Sigma SQL"),
    ("/graphql/stripe", "GraphQL"),
    ("/tdog/progress", "Download"),
    ("/tdog/stripe.sqlite", "Snapshot (SQLite file)"),
    ("/tdog/cli_log.txt", "Sync log"),
    ("/tdog/health.json", "Health"),
    ("/tdog/sign-out", "Sign out"),
)


@hookimpl
def menu_links(datasette):
    return [{"href": path if path.startswith("/tdog/") else datasette.urls.path(path), "label": label} for path, label in LINKS]
