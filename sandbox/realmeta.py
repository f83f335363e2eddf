"""The vendor's own metadata, where it lies beside the data: the emulator then sends every published field, unset as the
vendor does.

OData V2 sends unset strings as "", dates as null, booleans as false and quantities as a decimal string of zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lxml import etree

from sandbox.edm import SERVICES, EntityType, Property, Service

EDM = "{http://schemas.microsoft.com/ado/2008/09/edm}"
WHERE = "specs/sap-s4hana/edmx"
FILES = {"API_PRODUCT_SRV": "API_PRODUCT_SRV.b.edmx"}


@dataclass
class Metadata:
    """Services with every published field, what an unset one is sent as, and the documents themselves."""

    services: dict[str, Service] = field(default_factory=lambda: dict(SERVICES))
    unset: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)


def load(data: Path | None) -> Metadata:
    """The services as we know them, extended by the real metadata documents below `data` where there are any."""
    made = Metadata()
    for name, file in FILES.items():
        path = data / WHERE / file if data else None
        if path is not None and path.is_file():
            _extend(made, name, path.read_bytes())
    return made


def _extend(made: Metadata, name: str, document: bytes) -> None:
    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
    published = {node.get("Name"): node for node in root.iter(f"{EDM}EntityType")}
    entities = []
    for entity in made.services[name].entities:
        node = published.get(entity.type_name)
        if node is None:
            entities.append(entity)
            continue
        more = tuple(_property(p) for p in node.findall(f"{EDM}Property") if p.get("Name") not in entity.by_name)
        entities.append(_with(entity, more))
        made.unset[name, entity.set] = {item.name: _unset(item.type) for item in more}
    made.services[name] = replace(made.services[name], entities=tuple(entities))
    made.documents[name] = document


def _with(entity: EntityType, more: tuple[Property, ...]) -> EntityType:
    return replace(entity, properties=(*entity.properties, *more))


def _property(node: Any) -> Property:
    length, scale = node.get("MaxLength"), node.get("Scale")
    return Property(
        node.get("Name"), node.get("Type"), int(length) if length else None, int(scale) if scale else None, "", False
    )


def _unset(kind: str) -> Any:
    return {"Edm.String": "", "Edm.Boolean": False, "Edm.Decimal": "0"}.get(kind)
