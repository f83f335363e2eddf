"""One line of the search over all rooms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """`kind` heads its group ("APIs"), `says` is the second line; `exact` when the text names this very thing (key, number, digest)."""

    kind: str
    title: str
    url: str
    says: str = ""
    digest: str = ""
    exact: bool = False
