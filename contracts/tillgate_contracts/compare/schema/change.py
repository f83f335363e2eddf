"""What the core finds: changes of the accepted set, without a level.

Who is hurt follows from the direction (`rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

NONE = 0
#: The revision refuses values that the base accepts.
NARROWS = 1
#: The revision accepts values that the base refuses.
WIDENS = 2
#: Both, or not provably one of them.
BOTH = 3

#: How much of a change counts. PLAIN: the content model decides. NAMED: properties that only one side names count too,
#: as one alternative must know what it takes over from another. EXACT: everything that differs counts.
PLAIN, NAMED, EXACT = 0, 1, 2


def flip(effect: int) -> int:
    """Effect seen through a negation: what narrows inside `not` widens outside."""
    return {NARROWS: WIDENS, WIDENS: NARROWS}.get(effect, effect)


class Direction(NamedTuple):
    """Which way a value travels, and whether it travels as text (path, query, header, cookie, forms), as XML (text,
    too) or as JSON. `form`: the value is a `multipart` body ("body"), whose fields are parts of their own ("part"):
    text, files, or JSON where a part is an object (OpenAPI 3.1.1 section 4.8.15)."""

    name: str
    text: bool = False
    xml: bool = False
    form: str = ""

    @property
    def of_property(self) -> Direction:
        """The same for the value of a property."""
        if self.form == "body":
            return self._replace(form="part")
        return Direction(self.name) if self.form == "part" else self

    @property
    def of_item(self) -> Direction:
        """The same for an item of a list; each item of a part is a part."""
        return self._replace(text=False, form="") if self.form == "body" else self

    @property
    def of_name(self) -> Direction:
        """The same for the name of a property, which is always text in the sense of JSON."""
        return Direction(self.name)

    @property
    def outward(self) -> bool:
        """True where the owner of the contract sends: such positions may only narrow."""
        return self.name in {"response", "event-send"}


@dataclass(slots=True)
class Change:
    """One difference. `kind` names it (see `rules.py`), pointers are into the two normal forms.

    `tolerated`: strictly an effect, but accepted by the tolerant content model. `undecided`: the core cannot tell; the
    reason is in `data["reason"]`. `inapplicable`: the keyword stands beside a type that it does not apply to, so the
    change is declared only. `unproven`: what an open object on the other side takes only because it ignores names that
    it does not know; it counts where one alternative is asked whether it takes the values of another. `refuted`:
    effects that are proven not to happen in the whole.
    """

    kind: str
    effect: int
    old: Any = None
    new: Any = None
    old_pointer: str | None = None
    new_pointer: str | None = None
    name: str = ""
    tolerated: bool = False
    undecided: bool = False
    inapplicable: bool = False
    unproven: int = NONE
    refuted: int = NONE
    data: dict[str, Any] = field(default_factory=dict)


PairKey = tuple[int, int, Direction]


class PairLink(NamedTuple):
    """Link to the comparison of two child schemas; `negated` below a `not`.

    `mask`: effects that the parent lets through. What the parent has proven not to happen as a whole is masked out.
    """

    target: PairKey
    negated: bool = False
    mask: int = BOTH


@dataclass(slots=True)
class NodePair:
    """Comparison of two nodes in one direction: its own changes and the comparisons below it."""

    key: PairKey
    changes: list[Change] = field(default_factory=list)
    links: list[PairLink] = field(default_factory=list)
