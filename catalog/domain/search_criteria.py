"""What a browse page shows, as a value: words, chosen facets, order, page. The address of the page holds all of it
as its query string."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlencode

FACETS: Final[tuple[str, ...]] = ("domain", "state", "layer", "style", "tier", "data", "system", "team")
SORTS: Final[dict[str, str]] = {"best": "Best match", "used": "Most used", "newest": "Newest", "name": "Name"}
MAX_WORDS: Final = 12
MAX_CHOSEN: Final = 40
PAGE_SIZE: Final = 25
NONE: Final = "none"
"""The facet value that stands for "not stated"."""
CODES: Final[dict[str, tuple[str, ...]]] = {
    "layer": ("", "experience", "process", "system"),
    "style": ("", "rest", "odata", "soap", "graphql", "event", "file"),
    "tier": ("", "0", "1", "2", "3"),
    "data": ("", "public", "internal", "personal", "cardholder"),
}
"""Values of the short facets in the order of their codes in `ApiFacets`; the code is the place, from 0, which is "not
stated"."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """`chosen` holds the facets with at least one value; values of one facet are alternatives, facets are conjoined."""

    q: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = ""
    page: int = 1

    @property
    def order(self) -> str:
        return self.sort or ("best" if self.q else "name")

    @property
    def filtered(self) -> int:
        return sum(len(values) for values in self.chosen.values())

    def query(self, *, page: int | None = None) -> str:
        """The query string, always in the same order, without what is default."""
        pairs: list[tuple[str, str]] = [("q", self.q)] if self.q else []
        pairs += [(name, value) for name in FACETS for value in self.chosen.get(name, ())]
        pairs += [("sort", self.sort)] if self.sort else []
        number = self.page if page is None else page
        pairs += [("page", str(number))] if number > 1 else []
        return urlencode(pairs)

    def without(self, facet: str, value: str) -> Criteria:
        left = {name: tuple(v for v in values if (name, v) != (facet, value)) for name, values in self.chosen.items()}
        return replace(self, chosen={name: values for name, values in left.items() if values}, page=1)

    def sorted_by(self, sort: str) -> Criteria:
        return replace(self, sort="" if sort == replace(self, sort="").order else sort, page=1)

    def cleared(self) -> Criteria:
        return replace(self, chosen={}, page=1)


def read_criteria(get: Mapping[str, str], getlist: Mapping[str, Iterable[str]]) -> Criteria:
    """Read a query string. What makes no sense is left out: an unknown order, a page that is no number, a NUL
    character, an endless list."""
    q = " ".join(get.get("q", "").replace("\x00", " ").split())[:200]
    chosen: dict[str, tuple[str, ...]] = {}
    for name in FACETS:
        values = tuple(dict.fromkeys(v for v in getlist.get(name, ()) if v and len(v) <= 60 and "\x00" not in v))[
            :MAX_CHOSEN
        ]
        if values:
            chosen[name] = values
    sort = get.get("sort", "")
    number = get.get("page", "1")
    page = int(number) if number.isascii() and number.isdecimal() and len(number) <= 5 else 1
    return Criteria(q, chosen, sort if sort in SORTS else "", max(1, page))
