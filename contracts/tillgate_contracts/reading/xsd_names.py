"""Names in schemas that nothing declares: each is listed once, with the first place that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.reading.pointers import escape

Tree = dict[str, Any]
#: The simple types that XML Schema brings (1.0 part 2, section 3; 1.1 adds the last four).
_BUILT_IN = frozenset(
    "xs:" + name
    for name in (
        *("anyType", "anySimpleType", "string", "boolean", "decimal", "float", "double", "duration", "dateTime"),
        *("time", "date", "gYearMonth", "gYear", "gMonthDay", "gDay", "gMonth", "hexBinary", "base64Binary"),
        *("anyURI", "QName", "NOTATION", "normalizedString", "token", "language", "NMTOKEN", "NMTOKENS", "Name"),
        *("NCName", "ID", "IDREF", "IDREFS", "ENTITY", "ENTITIES", "integer", "nonPositiveInteger"),
        *("negativeInteger", "long", "int", "short", "byte", "nonNegativeInteger", "unsignedLong", "unsignedInt"),
        *("unsignedShort", "unsignedByte", "positiveInteger"),
        *("anyAtomicType", "yearMonthDuration", "dayTimeDuration", "dateTimeStamp"),
    )
)
#: Namespaces that their standards fix: what stands in them does not change.
_FIXED = (
    "{http://schemas.xmlsoap.org/soap/",
    "{http://www.w3.org/",
    "{http://schemas.xmlsoap.org/ws",
    "{http://docs.oasis-open.org/ws",
)


def undeclared(schemas: Tree) -> Iterator[tuple[str, str, str]]:
    """Kind of component, name and pointer of the first use of each name that nothing declares."""
    told: set[tuple[str, str]] = set()
    for section, items in schemas.items():
        for name, value in items.items():
            stack: list[tuple[Any, str]] = [(value, f"/schemas/{section}/{escape(name)}")]
            while stack:
                one, place = stack.pop()
                for kind, used in _names(one):
                    if (kind, used) not in told and not _is_known(schemas, kind, used):
                        told.add((kind, used))
                        yield kind, used, place
                stack += _below(one, place)


def _names(one: Tree) -> Iterator[tuple[str, str]]:
    """The names that a component or a part of one refers to."""
    for key in ("type", "base", "list"):
        if isinstance(one.get(key), str) and one[key]:
            yield "types", one[key]
    yield from (("types", member) for member in one.get("union", ()) if isinstance(member, str))
    if isinstance(one.get("ref"), str):
        kind = {"element": "elements", "group": "groups"}.get(one.get("kind", ""), "attributes")
        yield kind, one["ref"]
    yield from (("attributeGroups", name) for name in one.get("attributeGroups", ()))
    yield from (("elements", head) for head in one.get("head", ()))


def _below(one: Tree, place: str) -> Iterator[tuple[Tree, str]]:
    for key in ("type", "base", "list", "content"):
        if isinstance(one.get(key), dict):
            yield one[key], f"{place}/{key}"
    for key in ("items", "union"):
        for number, item in enumerate(one.get(key, ())):
            if isinstance(item, dict):
                yield item, f"{place}/{key}/{number}"
    attributes = one.get("attributes")
    for name, item in attributes.items() if isinstance(attributes, dict) else ():
        yield item, f"{place}/attributes/{escape(name)}"


def _is_known(schemas: Tree, kind: str, name: str) -> bool:
    if name.startswith("xs:"):
        return name in _BUILT_IN
    return name in schemas.get(kind, {}) or name.startswith(_FIXED)
