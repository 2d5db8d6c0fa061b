"""The menu: what the container serves beside Datasette."""

LINKS = (
    ("/", "Start"),
    ("/-/search", "Search everything"),
    ("/-/dashboards", "Dashboards"),
    ("/stripe", "Tables and SQL"),
    ("/-/sigma", "Sigma SQL"),
    ("/graphql/stripe", "GraphQL"),
    ("/tdog/links", "Share links"),
    ("/tdog/progress", "Download"),
    ("/tdog/stripe.sqlite", "Snapshot (SQLite file)"),
    ("/tdog/cli_log.txt", "Sync log"),
    ("/tdog/health.json", "Health"),
    ("/tdog/sign-out", "Sign out"),
)

