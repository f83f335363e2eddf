"""POSLog XML as a stream of transactions: constant memory, no entities, no network, any namespace prefix.

Two dialects are read alike. 2.x (ARTS IXRetail): `RetailStoreID`, `WorkstationID`, `SequenceNumber`, `BusinessDayDate`
stand directly below `Transaction`. 6.0 (NRF ARTS): `BusinessUnit/UnitID`, flags as attributes, `TransactionID`
optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from runtime.connectors.legible_xml import IllegibleXml, LegibleXml

Element = etree._Element
ARTS = "http://www.nrf-arts.org/IXRetail/namespace/"


class NotPosLog(Exception):
    """The file is not well-formed XML, not POSLog, or tries something that POSLog never needs; the message says
    where."""


class NotXml(NotPosLog):
    """It is not even well-formed XML of a charset that is known."""


def transactions(source: LegibleXml) -> Iterator[Element]:
    """Each `Transaction` element, complete; it is emptied when the next one is asked for. Raises NotPosLog."""
    readable: Any = source
    events = etree.iterparse(
        readable,
        encoding="utf-8",  # whatever the file declares: what is read here is UTF-8
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root: Element | None = None
    found, depth = False, 0  # whether it is a POSLog; how many transactions the place is in
    try:
        for event, element in events:
            if root is None:
                root = element
                _check_doctype(element)
            if local(element) == "POSLog":
                found = True
            elif local(element) == "Transaction":
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 0:
                    found = True
                    yield element
            if event == "end" and depth == 0:
                _let_go(element)
    except etree.XMLSyntaxError as error:
        raise NotXml(f"line {error.lineno or 0}: {error.msg}") from None
    except (OSError, IllegibleXml) as error:
        raise NotXml(str(error)) from None
    if root is None:
        raise NotXml("it is empty")
    if not found:
        raise NotPosLog(f"the root element is {local(root)!r}, not 'POSLog', and there is no Transaction in it")


def _let_go(element: Element) -> None:
    """A transaction that was read, and those before it."""
    parent = element.getparent()
    element.clear()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _check_doctype(element: Element) -> None:
    docinfo: Any = element.getroottree().docinfo
    if docinfo.doctype:
        raise NotPosLog("the file has a document type declaration; POSLog needs none, and entities are not read")


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


def as_data(element: Element) -> Any:
    """A vendor element as plain data: text, or an object of attributes (`@name`) and children; repeated children are
    lists."""
    out: dict[str, Any] = {f"@{str(k).rpartition('}')[2]}": str(v) for k, v in element.attrib.items()}
    for inner in element:
        name = local(inner)
        if not name:
            continue
        value = as_data(inner)
        if name in out:
            out[name] = [*out[name], value] if isinstance(out[name], list) else [out[name], value]
        else:
            out[name] = value
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
        name, value = local(element), as_data(element)
        if name in out:
            out[name] = [*out[name], value] if isinstance(out[name], list) else [out[name], value]
        else:
            out[name] = value
    return out
