"""The text of an XML document, whatever it declares its charset to be."""

from __future__ import annotations

from lxml import etree

from kernel.errors import Invalid


def of_bytes(content: bytes) -> str:
    """Raises Invalid `connection.settings` for what is no XML, or declares entities."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Invalid("connection.settings", f"The document is no XML: {str(error)[:200]}") from None
    if b"<!DOCTYPE" in content or etree.ElementTree(root).docinfo.internalDTD is not None:
        raise Invalid("connection.settings", "The document has a DOCTYPE, and may declare entities; leave it out.")
    text: str = etree.tostring(root, encoding="unicode")
    return text


__all__ = ["of_bytes"]
