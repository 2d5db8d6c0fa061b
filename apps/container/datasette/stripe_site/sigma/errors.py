class SigmaError(ValueError):
    """A query that cannot be run here; the message says why, and what can be done instead."""
