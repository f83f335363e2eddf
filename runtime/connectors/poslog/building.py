"""Building a POSLog transaction out of what another form of file has."""

from __future__ import annotations

import copy
import re
from collections.abc import Container
from decimal import Decimal
from typing import Any

from lxml import etree

from runtime.connectors.poslog.reading import ARTS, Element, local

_PLAIN = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?\Z")


def new(name: str) -> Element:
    namespaces: Any = {None: ARTS}
    return etree.Element(f"{{{ARTS}}}{name}", nsmap=namespaces)


def add(parent: Element, name: str, content: str | None = None, **attributes: str | None) -> Element:
    """A child of the standard's namespace. Attributes without a value are left out."""
    made = etree.SubElement(parent, f"{{{ARTS}}}{name}")
    made.text = content
    for key, value in attributes.items():
        if value is not None:
            made.set(key, value)
    return made


def say(parent: Element, name: str, content: str | None) -> None:
    """A child, where there is something to say."""
    if content is not None:
        add(parent, name, content)


def keep(parent: Element, source: Element, read: Container[str], namespace: str) -> None:
    """What the other form has and POSLog has no word for, as a vendor's elements."""
    for one in source:
        if local(one) and local(one) not in read:
            copied = copy.deepcopy(one)
            copied.tag = f"{{{namespace}}}{local(one)}"
            copied.tail = None
            parent.append(copied)


def decimal_of(written: str | None) -> Decimal | None:
    """Of what is a plain decimal; what is none is the reader's to refuse."""
    return Decimal(written) if written is not None and _PLAIN.match(written) else None


def negative(written: str | None) -> bool:
    return written is not None and written.startswith("-")


def opposite(written: str | None) -> str | None:
    """With the other sign; zero and what is none as it is."""
    value = decimal_of(written)
    return written if not value else str(-value)


def below_zero(written: str | None) -> str | None:
    """With a minus sign."""
    return written if negative(written) else opposite(written)


__all__ = ["add", "below_zero", "decimal_of", "keep", "negative", "new", "opposite", "say"]
