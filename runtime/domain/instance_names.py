"""Names of stores (`instances`): they become part of addresses, so none may lead anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NONE = re.compile(r"[/\\#?%&=<>\x00-\x1f\x7f-\x9f\u2028\u2029]")
SAID = (
    "the name of a store becomes part of addresses: no blanks around it, no control character, none of "
    "/ \\ # ? % & = < >, and not `..`"
)


def problems(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(place, what is wrong)."""
    for place, name in enumerate(names):
        if name in (".", "..") or _NONE.search(name) or name != name.strip():
            yield place, SAID
