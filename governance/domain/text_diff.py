"""Two texts side by side or below each other, with a few lines around each difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

MAX_LINES = 12_000
Op = Literal["same", "del", "add", "hunk"]


@dataclass(frozen=True, slots=True)
class UnifiedLine:
    """One line of a unified reading. Numbers are 1-based; None where the side has no such line."""

    op: Op
    old: int | None
    new: int | None
    text: str

    @property
    def sign(self) -> str:
        return {"del": "−", "add": "+"}.get(self.op, " ")


@dataclass(frozen=True, slots=True)
class SideBySideLine:
    """One line of a side-by-side reading; an op is "", "del", "add" or "none" (no line there)."""

    old: int | None
    old_text: str
    old_op: str
    new: int | None
    new_text: str
    new_op: str
    hunk: bool = False


def _groups(old: list[str], new: list[str], around: int) -> Iterable[list[tuple[str, int, int, int, int]]]:
    if len(old) > MAX_LINES or len(new) > MAX_LINES:
        raise ValueError(f"the texts have more than {MAX_LINES} lines")
    return SequenceMatcher(None, old, new, autojunk=len(old) > 2000).get_grouped_opcodes(around)


def unified(old_text: str, new_text: str, *, around: int = 3) -> list[UnifiedLine]:
    """Rows of a unified difference, a hunk row before each group. Raises ValueError for texts that are too long."""
    old, new = old_text.splitlines(), new_text.splitlines()
    rows: list[UnifiedLine] = []
    for group in _groups(old, new, around):
        rows.append(UnifiedLine("hunk", None, None, f"line {group[0][3] + 1}"))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                rows += [
                    UnifiedLine("same", i + 1, j + 1, old[i]) for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
                ]
            else:
                rows += [UnifiedLine("del", i + 1, None, old[i]) for i in range(i1, i2)]
                rows += [UnifiedLine("add", None, j + 1, new[j]) for j in range(j1, j2)]
    return rows


def sides(old_text: str, new_text: str, *, around: int = 3) -> list[SideBySideLine]:
    """The same as pairs of lines."""
    old, new = old_text.splitlines(), new_text.splitlines()
    pairs: list[SideBySideLine] = []
    for group in _groups(old, new, around):
        pairs.append(SideBySideLine(None, f"line {group[0][3] + 1}", "", None, "", "", True))
        for tag, i1, i2, j1, j2 in group:
            for i, j in zip_longest(range(i1, i2), range(j1, j2)):
                same = tag == "equal"
                pairs.append(
                    SideBySideLine(
                        None if i is None else i + 1,
                        "" if i is None else old[i],
                        "" if same else "none" if i is None else "del",
                        None if j is None else j + 1,
                        "" if j is None else new[j],
                        "" if same else "none" if j is None else "add",
                    )
                )
    return pairs
