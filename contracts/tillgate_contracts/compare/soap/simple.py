"""Simple types of XML Schema: built-in types as sets of texts, facets, lists and unions (part 2 of the standard)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from tillgate_contracts.compare.soap.components import Components, TypeRef

#: Base of each built-in type. Integers are ranges, see _RANGES.
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
_WIDTHS = (("long", 64), ("int", 32), ("short", 16), ("byte", 8))
_RANGES: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _WIDTHS},
    **{f"unsigned{name.title()}": (0, 2**bits - 1) for name, bits in _WIDTHS},
}
_LOWER = ("length", "minLength", "minInclusive", "minExclusive")
_UPPER = ("length", "maxLength", "maxInclusive", "maxExclusive", "totalDigits", "fractionDigits")
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


def simple_of(components: Components, ref: TypeRef) -> Simple | None:
    """A simple type, or the text of a complex type with simple content; None where something is declared nowhere."""
    facets: dict[str, Any] = {}
    for _ in range(_MAX_CHAIN):
        if ref.value is None:
            return Simple(ref.name, facets, None, None) if ref.name.startswith("xs:") else None
        for name, value in ref.value.get("facets", {}).items():
            if name in ("pattern", "assertion"):
                facets[name] = sorted([*facets.get(name, []), " | ".join(value)])
            else:
                facets.setdefault(name, value)
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
    if one in _RANGES and two in _RANGES:
        low, high = _RANGES[one]
        least, most = _RANGES[two]
        return (least is None or (low is not None and low >= least)) and (
            most is None or (high is not None and high <= most)
        )
    if one in _RANGES:
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
    if old.root != new.root and old.variety == "atomic":
        told = f"is of type {new.root} instead of {old.root}"
        if is_within(old.root, new.root):
            yield "type-widened", told, old.root, new.root
        elif is_within(new.root, old.root):
            yield "type-narrowed", told, old.root, new.root
        else:
            yield "type-changed", told, old.root, new.root
    yield from _enumerations(old.facets.get("enumeration"), new.facets.get("enumeration"))
    for name in sorted((old.facets.keys() | new.facets.keys()) - {"enumeration"}):
        one, other = old.facets.get(name), new.facets.get(name)
        if one != other:
            yield from _facet(name, one, other)


def _enumerations(old: list[str] | None, new: list[str] | None) -> Iterator[Change]:
    if old is None and new is None:
        return
    if old is None:
        yield "enumeration-imposed", "is a closed list of values now", None, new
    elif new is None:
        yield "enumeration-dropped", "is no longer a closed list of values", old, None
    else:
        for value in old:
            if value not in new:
                yield "enumeration-value-removed", f"no longer allows the value {value}", value, None
        for value in new:
            if value not in old:
                yield "enumeration-value-added", f"also allows the value {value}", None, value


def _facet(name: str, old: Any, new: Any) -> Iterator[Change]:
    if name == "pattern" and isinstance(old, list) and isinstance(new, list):
        yield "facet-changed", "has another pattern", old, new
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
        if one == other:
            return "facet-changed"
    except (InvalidOperation, TypeError, ValueError):
        return "facet-changed"
    if name == "length":
        return "facet-changed" if one == other else "type-changed"
    if name in _LOWER:
        return "facet-loosened" if less else "facet-tightened"
    return ("facet-tightened" if less else "facet-loosened") if name in _UPPER else "facet-changed"


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _an(one: Simple) -> str:
    return {"list": "a list", "union": "a union"}.get(one.variety, f"a value of type {one.root}")
