"""datasette-rure's SQL functions where it has no wheel (arm64): by RE2, which takes linear time, too."""

import json
from functools import lru_cache

from datasette import hookimpl

try:
    import rure  # noqa: F401  (datasette-rure is there, then)

    re2 = None
except ImportError:
    try:
        import re2
    except ImportError:
        re2 = None


def functions(engine):
    """(name, number of arguments, function) over a module like re."""
    compiled = lru_cache(maxsize=128)(engine.compile)

    def regexp(pattern, text):
        try:
            return int(compiled(pattern).search(text) is not None)
        except Exception:  # as datasette-rure: a pattern or a value that is none gives NULL
            return None

    def regexp_match(pattern, text, index=1):
        try:
            return compiled(pattern).search(text).group(index)
        except Exception:
            return None

    def regexp_matches(pattern, text):
        try:
            return json.dumps([found.groupdict() for found in compiled(pattern).finditer(text)])
        except Exception:
            return None

    return (
        ("regexp", 2, regexp),
        ("regexp_match", 2, regexp_match),
        ("regexp_match", 3, regexp_match),
        ("regexp_matches", 2, regexp_matches),
    )


@hookimpl
def prepare_connection(conn):
    if re2 is not None:
        for name, arguments, function in functions(re2):
            conn.create_function(name, arguments, function, deterministic=True)
