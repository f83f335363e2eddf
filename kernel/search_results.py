"""What a room answers to the search over all rooms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One line of the search page: `kind` heads its group ("APIs"), `says` is the second line.

    `exact` when the text asked for is the key, number or digest of this very thing: the search then goes there at once.
    """

    kind: str
    title: str
    url: str
    says: str = ""
    digest: str = ""
    exact: bool = False
