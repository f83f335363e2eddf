"""Values of simple types in one spelling, and the limits of a type, however its facets say them.

XML Schema 1.0, part 2: a facet limits values, not texts (4.3), so `maxExclusive 10` and `maxInclusive 9` of an integer
are one limit, `length 5` is `minLength 5` with `maxLength 5`, and the enumeration `01` of an integer is `1`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_WIDTHS = (("long", 64), ("int", 32), ("short", 16), ("byte", 8))
#: Built-in integers: least and largest value, None where there is none.
INTEGERS: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _WIDTHS},
    **{f"unsigned{name.title()}": (0, 2**bits - 1) for name, bits in _WIDTHS},
}
#: A limit: its place on the line of numbers, and the facet that says it.
Limit = tuple[tuple[Any, ...], str]
_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})")
_DOUBLE = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?|-?INF")
_PLURAL = ("NMTOKENS", "IDREFS", "ENTITIES")
_LENGTHS = ("length", "minLength", "maxLength")
_RANGE = ("minInclusive", "minExclusive", "maxInclusive", "maxExclusive")


def family(root: str) -> str:
    """Types whose values are compared with each other: one name for all that `decimal` holds, else the type's own,
    and `string` for all that a text is a value of as it stands."""
    name = root.removeprefix("xs:")
    if name in INTEGERS or name == "decimal":
        return "decimal"
    return name if name in ("boolean", "float", "double", "hexBinary", "base64Binary") else "string"


def white_space(root: str, facets: Mapping[str, Any]) -> str:
    """What happens to blanks before anything else: preserve, replace or collapse (part 2, 4.3.6)."""
    usual = {"xs:string": "preserve", "xs:anySimpleType": "preserve", "xs:normalizedString": "replace"}
    return str(facets.get("whiteSpace") or usual.get(root, "collapse"))


def value(root: str, facets: Mapping[str, Any], text: str) -> tuple[str, Any]:
    """The value that a text stands for; of a text that is none, the text."""
    treatment = white_space(root, facets)
    if treatment != "preserve":
        text = re.sub("[\t\n\r]", " ", text)
    if treatment == "collapse":
        text = re.sub(" +", " ", text).strip(" ")
    kind = family(root)
    if kind == "decimal" and _DECIMAL.fullmatch(text):
        return kind, Decimal(text)
    if kind == "boolean" and text in ("true", "false", "1", "0"):
        return kind, text in ("true", "1")
    if kind in ("float", "double") and _DOUBLE.fullmatch(text):
        return kind, _double(kind, text)
    if kind == "hexBinary":
        return kind, text.upper()
    return (kind, text.replace(" ", "")) if kind == "base64Binary" else ("string", text)


def _double(kind: str, text: str) -> str:
    number = float(text)
    if kind == "float":
        try:
            number = struct.unpack("f", struct.pack("f", number))[0]
        except OverflowError:
            return text
    return repr(number)  # 0 and -0 are two


class Limits:
    """Bounds and lengths of one type. `told` are the facets that they stand for; others are compared one by one."""

    def __init__(self, root: str, facets: Mapping[str, Any], *, plural: bool) -> None:
        self.root = root.removeprefix("xs:")
        self.told: set[str] = set()
        self.low: Limit | None = None
        self.high: Limit | None = None
        self.least: Limit | None = None
        self.most: Limit | None = None
        self._lengths(facets, least=1 if self.root in _PLURAL else 0, plural=plural)
        if plural:
            return
        if self.root in INTEGERS:
            self._integer(facets)
        elif self.root in ("decimal", "float", "double"):
            self._number(facets)

    def _lengths(self, facets: Mapping[str, Any], *, least: int, plural: bool) -> None:
        written = {name: str(facets[name]).strip() for name in _LENGTHS if name in facets}
        known = all(re.fullmatch("[0-9]{1,18}", text) for text in written.values())
        if not known or (not plural and self.root in ("QName", "NOTATION")):
            return
        self.told |= set(_LENGTHS)
        lower = [((int(text),), f"{name} {text}") for name, text in written.items() if name != "maxLength"]
        upper = [((int(text),), f"{name} {text}") for name, text in written.items() if name != "minLength"]
        self.least = max([((least,), f"minLength {least}"), *lower])
        self.most = min(upper, default=None)

    def _integer(self, facets: Mapping[str, Any]) -> None:
        written = {name: str(facets[name]).strip() for name in _RANGE if name in facets}
        digits = str(facets.get("totalDigits", "")).strip()
        if not all(map(_DECIMAL.fullmatch, written.values())) or (digits and not re.fullmatch("[0-9]{1,3}", digits)):
            return
        self.told |= {*_RANGE, "totalDigits", "fractionDigits"}
        low, high = INTEGERS[self.root]
        lower: list[Limit] = [] if low is None else [((low,), "")]
        upper: list[Limit] = [] if high is None else [((high,), "")]
        for name, text in written.items():
            number = Decimal(text)
            whole = int(number)
            under = whole - 1 if number < whole else whole
            over = under if number == under else under + 1
            place = {"minInclusive": over, "minExclusive": under + 1, "maxInclusive": under, "maxExclusive": over - 1}[
                name
            ]
            (lower if name.startswith("min") else upper).append(((place,), f"{name} {text}"))
        if digits:
            most = 10 ** int(digits) - 1
            lower.append(((-most,), f"totalDigits {digits}"))
            upper.append(((most,), f"totalDigits {digits}"))
        self.low, self.high = max(lower, default=None), min(upper, default=None)

    def _number(self, facets: Mapping[str, Any]) -> None:
        written = {name: str(facets[name]).strip() for name in _RANGE if name in facets}
        form = _DECIMAL if self.root == "decimal" else _DOUBLE
        if not all(map(form.fullmatch, written.values())):
            return
        self.told |= set(_RANGE)
        places = {
            name: ((Decimal(text), {"minExclusive": 1, "maxExclusive": -1}.get(name, 0)), f"{name} {text}")
            for name, text in written.items()
        }
        self.low = max((one for name, one in places.items() if name.startswith("min")), default=None)
        self.high = min((one for name, one in places.items() if name.startswith("max")), default=None)

    def admits(self, kind: str, one: Any) -> bool:
        """Whether a value lies between the bounds; True for what has none. Lengths are not looked at."""
        if kind != "decimal" or not isinstance(one, Decimal):
            return True
        here = (one, 0)
        return not (self.low and here < _point(self.low)) and not (self.high and here > _point(self.high))


def _point(limit: Limit) -> tuple[Any, int]:
    place = limit[0]
    return (Decimal(place[0]), place[1] if len(place) > 1 else 0)
