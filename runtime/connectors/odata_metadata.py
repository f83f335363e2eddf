"""What the metadata of an OData service (EDMX, V2 and V4) have to read and to write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from runtime.connectors.protocols import Refused, Resource

_DEPTH = 32
_SAP = "{http://www.sap.com/Protocols/SAPData}"
_TIMES = ("Edm.DateTimeOffset", "Edm.DateTime", "Edm.Date")
_CHANGED = re.compile("chang|modif|updat|rowversion|versionnumber", re.IGNORECASE)
_MADE = re.compile("creat", re.IGNORECASE)


def resources(body: bytes) -> list[Resource]:
    """Entity sets of an EDMX document, with their keys, fields and change fields, inherited ones included. Entities and
    external references are not resolved."""
    try:
        root = etree.fromstring(
            body, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        )
    except etree.XMLSyntaxError as error:
        raise Refused("odata.metadata", f"$metadata is not XML: {error.msg}") from None
    types = {node.get("Name", ""): node for node in root.iter("{*}EntityType")}
    refused = _not_insertable(root)
    found = []
    for entity_set in root.iter("{*}EntitySet"):
        node, name = types.get(_local(entity_set.get("EntityType", ""))), entity_set.get("Name", "")
        if node is None:
            continue
        line = list(_line(node, types))
        keys = [ref.get("Name", "") for one in line for ref in one.iterfind("{*}Key/{*}PropertyRef")]
        fields = {p.get("Name", ""): p.get("Type", "") for one in reversed(line) for p in one.iterfind("{*}Property")}
        creatable = entity_set.get(f"{_SAP}creatable", "true") != "false" and name not in refused
        found.append(Resource(name, keys, fields, creatable, change_fields(fields)))
    return found


def change_fields(fields: Mapping[str, str]) -> list[str]:
    """Fields that may move when a row changes, by type and name: `LastChangeDateTime`, `modifiedAt`, a row version."""
    found = [
        name
        for name, kind in fields.items()
        if _CHANGED.search(name) and not _MADE.search(name) and (kind in _TIMES or kind == "Edm.Int64")
    ]
    return sorted(found, key=lambda name: (*_TIMES, "Edm.Int64").index(fields[name]))


def _line(node: Any, types: Mapping[str, Any]) -> Iterator[Any]:
    """A type and those it is derived from."""
    for _ in range(_DEPTH):
        yield node
        node = types.get(_local(node.get("BaseType", "")))
        if node is None:
            return


def _not_insertable(root: Any) -> set[str]:
    """Sets that take no new entity by the Capabilities vocabulary, inside of the set or beside it."""
    found = set()
    for annotation in root.iter("{*}Annotation"):
        if not annotation.get("Term", "").endswith("InsertRestrictions"):
            continue
        values = annotation.iterfind("{*}Record/{*}PropertyValue")
        if any(one.get("Property") == "Insertable" and one.get("Bool") == "false" for one in values):
            holder = annotation.getparent()
            found.add(holder.get("Name") or holder.get("Target", "").rpartition("/")[2])
    return found


def _local(name: str) -> str:
    return name.rpartition(".")[2]
