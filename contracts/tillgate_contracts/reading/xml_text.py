"""XML text to elements: without a document type, entities, the network or huge trees."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from tillgate_contracts.reading.limits import ReadingLimits, refusal

_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DECLARATION = re.compile(r"^\s*<\?xml.*?\?>", re.DOTALL)


def parse_xml(text: str, limits: ReadingLimits) -> Any:
    """The root element. Raises ContractError `contract.xml_syntax` or `contract.xml_dtd`."""
    start = _PROLOG.match(text)
    position = start.end() if start else 0
    if text[position : position + 3] == "<!D":
        line = text.count("\n", 0, position) + 1
        raise refusal(
            "contract.xml_dtd",
            f"Line {line} declares a document type. Contracts are read without one, because entities could read files "
            "or explode. Remove the declaration.",
            line=line,
        )
    body = _DECLARATION.sub(lambda found: "\n" * found.group().count("\n"), text, count=1)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(body.encode(), parser)
    except etree.XMLSyntaxError as error:
        where: int | None = error.lineno or None
        raise refusal("contract.xml_syntax", f"The XML is broken at line {where}: {error.msg}.", line=where) from None
    except ValueError as error:
        raise refusal("contract.xml_syntax", f"The XML cannot be read: {error}.") from None


def root_name(text: str) -> str:
    """The local name of the first element of a text, "" where there is none."""
    start = _PROLOG.match(text)
    found = re.match(r"<(?:[\w.-]+:)?([\w.-]+)", text[start.end() if start else 0 :][:300])
    return found.group(1) if found else ""
