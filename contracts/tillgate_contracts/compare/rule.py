"""What a rule of the comparison is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComparisonRule:
    """`level` is the default; `area` and `direction` serve to filter; `why` is the reason of the level."""

    id: str
    level: str
    area: str
    direction: str
    title: str
    why: str
