"""Registers the site's parts with Datasette. Each part is a module of the package beside this folder."""

import sys
from pathlib import Path

from datasette.plugins import pm

sys.path.insert(0, str(Path(__file__).parent.parent))

from stripe_site.parts import PARTS  # noqa: E402  (the path has to be there first)

for part in PARTS:
    if not pm.is_registered(part):
        pm.register(part, name=part.__name__)
