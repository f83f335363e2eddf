"""docs/reference/time-limits.md lists every role with the limits that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from kernel.postgresql.sessions import LIMITS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "time-limits.md"


def shown(seconds: float) -> str:
    return f"{seconds:g} s" if seconds else "–"


def test_the_page_of_time_limits_says_what_the_code_says():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.M)
    written = {role: tuple(cell.strip() for cell in cells) for role, *cells in rows}
    assert written == {
        role: tuple(map(shown, (limits.statement, limits.lock, limits.idle, limits.transaction)))
        for role, limits in LIMITS.items()
    }
