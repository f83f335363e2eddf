"""What a rule of the comparison is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComparisonRule:
    """`level` is its default; `area` and `direction` are for reading and filtering; `why` is the reason for the level."""

    id: str
    level: str
    area: str
    direction: str
    title: str
    why: str
