"""How large a record of an XML file may be before it is judged, and the beginning of one that is larger."""

from __future__ import annotations

from typing import Any

from lxml import etree

from runtime.connectors.rawjson import Beginning

MOST_PARTS = 200_000  # elements and attributes of one record
MOST_TEXT = 4 * 1024 * 1024  # characters of one record
SHOWN = 200_000  # characters of one that is too large
_LAST_LINE = 65_535  # the parser knows no line behind it


class XmlSize:
    """What a record has so far."""

    def __init__(self) -> None:
        self.parts = self.text = 0
        self.large = False

    def add(self, element: Any) -> bool:
        """Counts an element at its end; answers whether the record is too large by now."""
        attributes = element.attrib
        self.parts += 1 + len(attributes)
        self.text += len(element.text or "") + len(element.tail or "")
        if attributes:
            self.text += sum(map(len, attributes.values()))
        self.large = self.parts > MOST_PARTS or self.text > MOST_TEXT
        return self.large

    def reason(self, element: Any, advice: str = "") -> Beginning:
        """Why the record is not read, with the line where it begins, as far as that is known."""
        line = element.sourceline or 0
        place = f"at line {line} begins more" if 0 < line < _LAST_LINE else "it has more"
        return Beginning(f"{place} than {MOST_PARTS} parts or {MOST_TEXT} characters{advice}")


def beginning(element: Any) -> bytes:
    """Of an element of which what came behind the bounds was let go."""
    return etree.tostring(element, encoding="unicode", with_tail=False)[:SHOWN].encode()


__all__ = ["SHOWN", "XmlSize", "beginning"]
