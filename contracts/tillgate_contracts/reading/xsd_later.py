"""What XML Schema 1.1 adds to 1.0, and what neither version knows: it is not read, so it is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from lxml import etree

XS = "{http://www.w3.org/2001/XMLSchema}"
#: Elements that are read, those of a documentation and the facet `assertion`, which is compared as text, among them.
_READ = frozenset(
    (
        *("all", "annotation", "any", "anyAttribute", "assertion", "attribute", "attributeGroup", "choice"),
        *("complexContent", "complexType", "element", "enumeration", "extension", "field", "fractionDigits", "group"),
        *("key", "keyref", "length", "list", "maxExclusive", "maxInclusive", "maxLength", "minExclusive"),
        *("minInclusive", "minLength", "notation", "pattern", "restriction", "schema", "selector", "sequence"),
        *("simpleContent", "simpleType", "totalDigits", "union", "unique", "whiteSpace"),
        *("import", "include", "redefine", "override"),
    )
)
#: Attributes of version 1.1 that change what a document may hold.
_ATTRIBUTES = ("notNamespace", "notQName", "inheritable", "defaultAttributesApply")
_OF_SCHEMA = ("defaultAttributes", "xpathDefaultNamespace")


def unread_parts(component: Any) -> str:
    """What a global component holds that is not read, in words, with a digest of it; "" where there is nothing."""
    return _said(_inside(component))


def unread_defaults(root: Any) -> str:
    """The same for what a schema says of all its components."""
    open_content = [child for child in root if child.tag == f"{XS}defaultOpenContent"]
    return _said([*_attributes(root, _OF_SCHEMA), *((_name(child), _text(child)) for child in open_content)])


def _said(found: Any) -> str:
    parts = sorted(set(found))
    if not parts:
        return ""
    names = ", ".join(dict.fromkeys(name for name, _ in parts))
    content = hashlib.sha256("\n".join(text for _, text in parts).encode()).hexdigest()[:12]
    return f"{names} (content {content}) is not of XML Schema 1.0 and is not read: what it asks for is not known."


def _inside(node: Any) -> Iterator[tuple[str, str]]:
    """Name and text of each part below a component that is not read, outside of documentation."""
    stack = [node]
    while stack:
        one = stack.pop()
        if not isinstance(one.tag, str) or not one.tag.startswith(XS) or one.tag == f"{XS}annotation":
            continue
        if _name(one) not in _READ:
            yield _name(one), _text(one)
            continue
        yield from _attributes(one, _ATTRIBUTES)
        stack.extend(one)


def _attributes(node: Any, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        if node.get(name) is not None:
            yield name, f"{name}={node.get(name)}"


def _name(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _text(node: Any) -> str:
    plain = etree.tostring(node, with_tail=False, encoding="unicode")
    return str(etree.canonicalize(plain, strip_text=True, rewrite_prefixes=True))
