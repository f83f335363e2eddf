"""What the comparison of schemas depends on besides the two documents."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """`strict`: content model (False: a new property of an open object is tolerated). `declared`: also report keywords
    beside types that they do not apply to. `as_of`, `sunset_min_days_…`, `stability_threshold`: sunset and stability
    policy, see `lifecycle.py`.
    """

    strict: bool = False
    declared: bool = True
    as_of: dt.date | None = None
    sunset_min_days_beta: int = 0
    sunset_min_days_stable: int = 0
    stability_threshold: str = "beta"
