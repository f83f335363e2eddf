"""Reading the elements of a POSLog, with any namespace prefix.

Two versions are read alike. 2.x (ARTS IXRetail): `RetailStoreID`, `WorkstationID`, `SequenceNumber`, `BusinessDayDate`
stand directly below `Transaction`. 6.0 (NRF ARTS): `BusinessUnit/UnitID`, flags as attributes, `TransactionID`
optional.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from kernel.card_data import MaskedCards, masked_text

Element = etree._Element
ARTS = "http://www.nrf-arts.org/IXRetail/namespace/"


class NotPosLog(Exception):
    """The file is not well-formed XML, not POSLog, or tries something that POSLog never needs; the message says
    where, without card numbers."""

    def __init__(self, said: str) -> None:
        super().__init__(masked_text(said, MaskedCards()))


class NotXml(NotPosLog):
    """It is not even well-formed XML of a charset that is known."""


class TooDeep(NotXml):
    """A parser stopped where it is nested too deeply."""


def local(element: Any) -> str:
    """The name without its namespace; comments and the like have none."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def standard(element: Any) -> bool:
    """Whether the element is of POSLog itself and not a vendor's addition."""
    tag = element.tag
    return isinstance(tag, str) and (tag.startswith(f"{{{ARTS}}}") or not tag.startswith("{"))


def child(element: Element, *path: str) -> Element | None:
    """The first child of the given local names, step by step, in whatever namespace."""
    found: Element | None = element
    for name in path:
        found = next((c for c in found if local(c) == name), None) if found is not None else None
    return found


def text(element: Element | None, *path: str) -> str | None:
    """Trimmed text at a path, None when there is none."""
    found = child(element, *path) if element is not None and path else element
    if found is None or found.text is None:
        return None
    return found.text.strip() or None


def attribute(element: Element, name: str) -> str | None:
    """An attribute by local name, the vendor's prefix or not."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None


_CODE = re.compile(r"[A-Z]{3}\Z")


def currency_at(element: Element) -> str | None:
    """The currency that an element states of itself, by an attribute in large or small letters."""
    for key, value in element.attrib.items():
        name, said = str(key).rpartition("}")[2].lower(), str(value).strip()
        if said and (name in ("currency", "currencycode") or (name == "currencyid" and _CODE.match(said))):
            return said
    return None


def currency_in(element: Element) -> str | None:
    """The currency that an element states, of itself or by an element in it."""
    for one in element:
        if local(one).lower() in ("currency", "currencycode") and (said := text(one)) and _CODE.match(said):
            return said
    return currency_at(element)


def as_data(element: Element) -> Any:
    """A vendor element as plain data: text, or an object of attributes (`@name`) and children; repeated children are
    lists."""
    out: dict[str, Any] = {f"@{str(k).rpartition('}')[2]}": str(v) for k, v in element.attrib.items()}
    for inner in element:
        name = local(inner)
        if not name:
            continue
        value = as_data(inner)
        _put(out, name, value)
    content = (element.text or "").strip()
    if not out:
        return content
    if content:
        out["#text"] = content
    return out


def extensions(elements: list[Element]) -> dict[str, Any]:
    """Elements as data under their names; of a name that stands several times a list."""
    out: dict[str, Any] = {}
    for element in elements:
        _put(out, local(element), as_data(element))
    return out


def _put(out: dict[str, Any], name: str, value: Any) -> None:
    """Of a name that stands several times a list; no value is one itself."""
    if isinstance(held := out.get(name), list):
        held.append(value)
    else:
        out[name] = [held, value] if name in out else value
