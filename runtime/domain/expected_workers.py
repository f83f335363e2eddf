"""How many workers of which kind there should be, as a setting says it."""

from __future__ import annotations

import re

KINDS = {"delivery": "work", "collectors": "collect"}


def of(given: str) -> dict[str, int]:
    """EXPECTED_WORKERS: `delivery=1 collectors=3`, added up over all machines, by the kind of a worker; empty says
    nothing. Raises ValueError."""
    found: dict[str, int] = {}
    for part in given.replace(",", " ").split():
        stated = re.fullmatch(r"(\w+)=(\d{1,4})", part)
        if stated is None or stated[1] not in KINDS:
            raise ValueError(part)
        found[KINDS[stated[1]]] = int(stated[2])
    return found
