"""Simple types of XML Schema: built-in types as sets of texts, facets, lists and unions (part 2 of the standard)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from tillgate_contracts.compare.soap.components import Components, TypeRef
from tillgate_contracts.compare.soap.values import INTEGERS, Limit, Limits, family, value, white_space

#: Base of each built-in type. Integers are ranges, see values.INTEGERS.
_BASES = {
    "normalizedString": "string",
    "token": "normalizedString",
    "language": "token",
    "NMTOKEN": "token",
    "Name": "token",
    "NCName": "Name",
    "ID": "NCName",
    "IDREF": "NCName",
    "ENTITY": "NCName",
    "integer": "decimal",
    "decimal": "string",
    "float": "double",
    "double": "string",
    "boolean": "string",
    "anyURI": "string",
    "dateTimeStamp": "dateTime",
    **dict.fromkeys(
        (
            *("dateTime", "date", "time", "duration", "gYear", "gYearMonth", "gMonth", "gMonthDay", "gDay"),
            *("base64Binary", "hexBinary", "QName", "NOTATION", "NMTOKENS", "IDREFS", "ENTITIES"),
        ),
        "string",
    ),
    "string": "anySimpleType",
    "anyAtomicType": "anySimpleType",
    "anySimpleType": "anyType",
}
_LOWER = ("minInclusive", "minExclusive")
_UPPER = ("maxInclusive", "maxExclusive", "totalDigits", "fractionDigits")
Change = tuple[str, str, Any, Any]
_MAX_CHAIN = 64


class Simple:
    """A simple type with everything that its chain of bases says: built-in root, facets, item or members."""

    def __init__(self, root: str, facets: dict[str, Any], item: TypeRef | None, members: list[TypeRef] | None) -> None:
        self.root = root
        self.facets = facets
        self.item = item
        self.members = members

    @property
    def variety(self) -> str:
        return "list" if self.item is not None else "union" if self.members is not None else "atomic"

    @property
    def limits(self) -> Limits:
        return Limits(self.root, self.facets, plural=self.variety == "list")

    def value(self, text: str) -> tuple[str, Any]:
        """The value that a text stands for, with the kind of values that it is compared with."""
        return value(self.root, self.facets, text) if self.variety == "atomic" else ("list", " ".join(text.split()))


def simple_of(components: Components, ref: TypeRef) -> Simple | None:
    """A simple type, or the text of a complex type with simple content; None where something is declared nowhere."""
    facets: dict[str, Any] = {}
    for _ in range(_MAX_CHAIN):
        if ref.value is None:
            return Simple(ref.name, facets, None, None) if ref.name.startswith("xs:") else None
        for name, said in ref.value.get("facets", {}).items():
            if name in ("pattern", "assertion"):
                facets[name] = sorted({*facets.get(name, []), " | ".join(sorted(said))})
            else:
                facets.setdefault(name, said)
        if "list" in ref.value:
            return Simple("list", facets, components.type(ref.value["list"], f"{ref.pointer}/base"), None)
        if "union" in ref.value:
            members = [components.type(one, f"{ref.pointer}/base") for one in ref.value["union"]]
            return Simple("union", facets, None, members)
        ref = components.type(ref.value.get("base", "xs:anySimpleType"), f"{ref.pointer}/base")
    return None


def is_within(name: str, other: str) -> bool:
    """Whether every text of one built-in type is one of the other."""
    one, two = name.removeprefix("xs:"), other.removeprefix("xs:")
    if one in INTEGERS and two in INTEGERS:
        low, high = INTEGERS[one]
        least, most = INTEGERS[two]
        return (least is None or (low is not None and low >= least)) and (
            most is None or (high is not None and high <= most)
        )
    if one in INTEGERS:
        one = "integer"
    seen = 0
    while one != two and one in _BASES and seen < 20:
        if one in ("decimal", "integer") and two in ("double", "float"):
            return True
        one, seen = _BASES[one], seen + 1
    return one == two or two == "anyType"


def compare_simple(old: Simple, new: Simple) -> Iterator[Change]:
    """Changes of two simple types: (kind, what, old, new). Lists and unions are compared by the caller."""
    if old.variety != new.variety:
        yield "variety-changed", f"is {_an(new)} instead of {_an(old)}", old.root, new.root
        return
    limits = old.limits, new.limits
    integers = old.variety == "atomic" and all({"minInclusive", "totalDigits"} <= one.told for one in limits)
    if old.root != new.root and old.variety == "atomic":
        yield from _integers(old, new, *limits) if integers else _roots(old, new)
    listed = old.facets.get("enumeration"), new.facets.get("enumeration")
    if listed != (None, None):
        yield from _enumerations(old, new, *limits)
    skipped = {"enumeration", "whiteSpace"}
    if old.variety == "union" or old.root == new.root == "xs:anySimpleType":
        skipped.discard("whiteSpace")
    else:
        yield from _white_space(old, new)
    if all(one.told >= set(_LOWER) for one in limits):
        skipped |= limits[0].told & limits[1].told
        bounded = any(name in one.facets for one in (old, new) for name in (*_LOWER, *_UPPER))
        if bounded and None in listed and not (integers and old.root != new.root):
            yield from _limits((limits[0].low, limits[1].low), (limits[0].high, limits[1].high))
    if all("length" in one.told for one in limits):
        skipped |= {"length", "minLength", "maxLength"}
        yield from _limits((limits[0].least, limits[1].least), (limits[0].most, limits[1].most))
    for name in sorted((old.facets.keys() | new.facets.keys()) - skipped):
        one, other = old.facets.get(name), new.facets.get(name)
        if one != other:
            yield from _facet(name, one, other)


def values_of(
    old: Components, new: Components, pair: tuple[TypeRef, TypeRef]
) -> Callable[[str | None, str | None], bool]:
    """Whether two texts are one value of a pair of types, as `1` and `true` of a boolean are."""

    def same(one: str | None, other: str | None) -> bool:
        if one is None or other is None or one == other:
            return one == other
        before, after = simple_of(old, pair[0]), simple_of(new, pair[1])
        if before is None or after is None or not before.variety == after.variety == "atomic":
            return False
        return before.value(one) == after.value(other)

    return same


def _roots(old: Simple, new: Simple) -> Iterator[Change]:
    told = f"is of type {new.root} instead of {old.root}"
    if is_within(old.root, new.root):
        yield "type-widened", told, old.root, new.root
    elif is_within(new.root, old.root):
        yield "type-narrowed", told, old.root, new.root
    else:
        yield "type-changed", told, old.root, new.root


def _integers(old: Simple, new: Simple, one: Limits, other: Limits) -> Iterator[Change]:
    """Integers of two types are what lies between their bounds. Unsigned ones have no sign in 1.0 (part 2, 3.3.21)."""
    ends = [(side.low[0][0] if side.low else None, side.high[0][0] if side.high else None) for side in (one, other)]
    signs = [not side.root.startswith("unsigned") for side in (one, other)]
    wider = _between(ends[0], ends[1]) and signs[0] <= signs[1]
    narrower = _between(ends[1], ends[0]) and signs[1] <= signs[0]
    if wider and narrower:
        return
    kind = "type-widened" if wider else "type-narrowed" if narrower else "type-changed"
    shown = [_range(side.root, end, bool(side.facets)) for side, end in zip((old, new), ends, strict=True)]
    yield kind, f"is of type {shown[1]} instead of {shown[0]}", shown[0], shown[1]


def _between(inner: tuple[int | None, int | None], outer: tuple[int | None, int | None]) -> bool:
    (low, high), (least, most) = inner, outer
    return (least is None or (low is not None and low >= least)) and (
        most is None or (high is not None and high <= most)
    )


def _range(root: str, ends: tuple[int | None, int | None], limited: bool) -> str:
    low, high = ends
    told = f" from {low}" * (low is not None) + f" to {high}" * (high is not None)
    return root + told if limited else root


def _enumerations(old: Simple, new: Simple, one: Limits, other: Limits) -> Iterator[Change]:
    left, right = old.facets.get("enumeration"), new.facets.get("enumeration")
    if left is None:
        yield "enumeration-imposed", "is a closed list of values now", None, right
        return
    if right is None:
        yield "enumeration-dropped", "is no longer a closed list of values", left, None
        return
    if old.variety == "atomic" and family(old.root) != family(new.root):
        yield "facet-changed", "lists values of another type", left, right
        return
    before = {key: text for text in left if one.admits(*(key := old.value(text)))}
    after = {key: text for text in right if other.admits(*(key := new.value(text)))}
    for key, text in before.items():
        if key not in after:
            yield "enumeration-value-removed", f"no longer allows the value {text}", text, None
    for key, text in after.items():
        if key not in before:
            yield "enumeration-value-added", f"also allows the value {text}", None, text


def _white_space(old: Simple, new: Simple) -> Iterator[Change]:
    """Blanks that go before a text is looked at change which texts its other facets let pass, and no more."""
    one, other = (
        white_space(side.root, side.facets) if side.variety == "atomic" else "collapse" for side in (old, new)
    )
    looked = any(name in side.facets for side in (old, new) for name in ("enumeration", "pattern", "assertion")) or any(
        "ength" in name for side in (old, new) for name in side.facets
    )
    if one != other and (looked or old.root == new.root):
        yield "facet-changed", f"has whiteSpace {other} instead of {one}", one, other


def _limits(low: tuple[Limit | None, Limit | None], high: tuple[Limit | None, Limit | None]) -> Iterator[Change]:
    if all(low) and low == high and low[0] != low[1]:
        shown = [side[1] for side in low if side]
        yield "type-changed", f"has {shown[1]} instead of {shown[0].partition(' ')[2]}", shown[0], shown[1]
        return
    found: list[Change] = []
    for (one, other), is_low in ((low, True), (high, False)):
        place, spot = one and one[0], other and other[0]
        if place == spot:
            continue
        less = spot is None if place is None or spot is None else (spot < place) == is_low
        kind = "facet-loosened" if less else "facet-tightened"
        shown = [side[1] if side else "" for side in (one, other)]
        names = [text.partition(" ")[0] for text in shown]
        told = f"has {shown[1]} instead of {shown[0].removeprefix(f'{names[1]} ')}"
        if not shown[0] or shown[0] == "minLength 0":
            told = f"has the facet {shown[1]}"
        elif not shown[1] or shown[1] == "minLength 0":
            told = f"no longer has the facet {shown[0]}"
        change = (kind, told, shown[0] or None, shown[1] or None)
        if change not in found:
            found.append(change)
    yield from found


def _facet(name: str, old: Any, new: Any) -> Iterator[Change]:
    if name == "pattern" and isinstance(old, list) and isinstance(new, list):
        kind = "facet-tightened" if set(old) < set(new) else "facet-loosened" if set(new) < set(old) else ""
        yield kind or "facet-changed", "has another pattern", old, new
    elif old is None:
        kind = "facet-changed" if name in ("whiteSpace", "assertion") else "facet-tightened"
        yield kind, f"has the facet {name} {_shown(new)}", None, new
    elif new is None:
        kind = "facet-changed" if name in ("whiteSpace", "assertion") else "facet-loosened"
        yield kind, f"no longer has the facet {name} {_shown(old)}", old, None
    else:
        yield _bound(name, old, new), f"has {name} {_shown(new)} instead of {_shown(old)}", old, new


def _bound(name: str, old: Any, new: Any) -> str:
    try:
        one, other = Decimal(old), Decimal(new)
        less = other < one
    except (InvalidOperation, TypeError, ValueError):
        return "facet-changed"
    if one == other:
        return "facet-changed"
    if name == "length":
        return "type-changed"
    if name in (*_LOWER, "minLength"):
        return "facet-loosened" if less else "facet-tightened"
    return ("facet-tightened" if less else "facet-loosened") if name in (*_UPPER, "maxLength") else "facet-changed"


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _an(one: Simple) -> str:
    return {"list": "a list", "union": "a union"}.get(one.variety, f"a value of type {one.root}")
