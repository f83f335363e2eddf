"""OData metadata (CSDL V2 and V4) as plain records: elements with their places, and a document of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class EdmxElement:
    """One CSDL element. Attributes of SAP and of the metadata namespace have the prefix `sap:` or `m:`."""

    kind: str
    attributes: dict[str, str]
    line: int
    path: str
    children: list[EdmxElement] = field(default_factory=list)
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    @property
    def name(self) -> str:
        return self.attributes.get("Name", "")

    def all(self, *kinds: str) -> Iterator[EdmxElement]:
        return (child for child in self.children if child.kind in kinds)

    def first(self, kind: str) -> EdmxElement | None:
        return next(self.all(kind), None)

    def flag(self, name: str, default: bool) -> bool:
        value = self.attributes.get(name)
        return default if value is None else value.strip().lower() == "true"


@dataclass(slots=True)
class EdmxModel:
    """A CSDL document. Names are qualified by namespace; an alias counts as its namespace."""

    version: str
    schemas: list[EdmxElement]
    namespaces: dict[str, str]
    types: dict[str, EdmxElement] = field(default_factory=dict)
    associations: dict[str, EdmxElement] = field(default_factory=dict)
    callables: dict[str, list[EdmxElement]] = field(default_factory=dict)
    annotations: dict[str, list[EdmxElement]] = field(default_factory=dict)
    containers: list[EdmxElement] = field(default_factory=list)

    def qualified(self, name: str) -> str:
        """A name with its alias replaced by the namespace."""
        space, _, local = name.rpartition(".")
        return f"{self.namespaces.get(space, space)}.{local}" if space else name
