"""What other standards say inside a WSDL: policies and their like as text, actions of WS-Addressing, MIME parts."""

from __future__ import annotations

from typing import Any

from lxml import etree

#: WS-Addressing 1.0: WSDL Binding (wsaw), Metadata (wsam), and the submission of 2004.
_ACTION = (
    "{http://www.w3.org/2007/05/addressing/metadata}Action",
    "{http://www.w3.org/2006/05/addressing/wsdl}Action",
    "{http://schemas.xmlsoap.org/ws/2004/08/addressing}Action",
)
_READ = frozenset((*_ACTION, "{http://www.w3.org/ns/wsdl/soap}action"))
MIME = "http://schemas.xmlsoap.org/wsdl/mime/"


def extension(node: Any) -> str:
    """What another standard says here (policies, addressing): kept as text, compared as text."""
    return str(etree.tostring(node, method="c14n", exclusive=True, with_tail=False).decode().strip())


def extensions_of(node: Any, known: frozenset[str]) -> list[str]:
    """The elements of other standards directly below an element, as sorted text. `known`: namespaces that are read."""
    return sorted(extension(child) for child in node if isinstance(child.tag, str) and space_of(child) not in known)


def attributes_of(node: Any) -> list[str]:
    """Attributes of other standards on an element, as sorted text: what WSDL 2.0 says there of SOAP and HTTP (WSDL 2.0
    Adjuncts sections 5 and 6). The action of a message is read by itself."""
    return sorted(
        f"{key}={value}"
        for key, value in node.attrib.items()
        if str(key).startswith("{") and not str(key).startswith("{http://www.w3.org/2001/") and key not in _READ
    )


def written_otherwise(node: Any, name: str) -> list[str]:
    """How a header or a fault of SOAP is written, where it is not literally so (WSDL 1.1 sections 3.6 and 3.7)."""
    said = [
        f"{key}={value}"
        for key in ("use", "encodingStyle", "namespace")
        if (value := node.get(key)) and (key, value) != ("use", "literal")
    ]
    return [f"{str(node.tag).rpartition('}')[2]} {name}: {' '.join(said)}"] if said else []


def space_of(node: Any) -> str:
    """The namespace of an element."""
    tag = str(node.tag)
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def action_of(node: Any) -> str | None:
    """The action of WS-Addressing that an input, output or fault of a port type names."""
    return next((str(node.get(name)) for name in _ACTION if node.get(name) is not None), None)


def mime_parts(node: Any) -> list[str]:
    """The MIME parts of a bound message (WSDL 1.1 section 5): the body of SOAP, or a part with its content types."""
    found = []
    for holder in node:
        if not isinstance(holder.tag, str) or space_of(holder) != MIME:
            continue
        name = holder.tag.rpartition("}")[2]
        for part in holder if name == "multipartRelated" else [holder]:
            inside = part if name == "multipartRelated" else [part]
            kinds = sorted(_mime(child) for child in inside if isinstance(child.tag, str))
            found.append(f"{name}: {' or '.join(kinds) or 'nothing'}")
    return found


def _mime(node: Any) -> str:
    if space_of(node) != MIME:
        return str(node.tag).rpartition("}")[2]
    return " ".join(
        [str(node.tag).rpartition("}")[2], *(f"{key}={value}" for key, value in sorted(node.attrib.items()))]
    )
