"""Queries written for Stripe Sigma (Trino's SQL, Sigma's tables and columns), run on the mirror."""

from .errors import SigmaError
from .translate import translate

__all__ = ["SigmaError", "translate"]
