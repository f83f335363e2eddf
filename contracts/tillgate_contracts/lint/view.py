"""A contract as lint rules read it: operations with their parameters and media types, properties, messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tillgate_contracts.lint.jsonpath import PathTree
from tillgate_contracts.reading import METHODS, Document, escape, follow, fragment_tokens, join
from tillgate_contracts.reading.walk import located


@dataclass(frozen=True, slots=True)
class Placed:
    """A value with its pointer; behind a reference, the pointer is that of the target."""

    pointer: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation with what applies to it. `label` is `GET /orders`."""

    method: str
    path: str
    pointer: str
    value: dict[str, Any]
    parameters: tuple[Placed, ...]
    webhook: bool

    @property
    def label(self) -> str:
        return f"{self.method.upper()} {self.path}"

    def parameter_names(self, *places: str) -> list[str]:
        return [str(item.value.get("name", "")) for item in self.parameters if item.value.get("in") in places]


@dataclass(frozen=True, slots=True)
class Property:
    """One declared property. `value` is the schema behind references, `owner` the object schema that declares it."""

    name: str
    pointer: str
    value: dict[str, Any]
    owner: dict[str, Any]

    def types(self) -> set[str]:
        """JSON types without null; empty when any is allowed."""
        declared = self.value.get("type")
        found = {declared} if isinstance(declared, str) else {item for item in declared or [] if isinstance(item, str)}
        return found - {"null"}


class LintView:
    """The document and its context: `tier` 0 to 3, `layer`, `data_class`; each may be None for unknown."""

    def __init__(self, document: Document, *, tier: int | None, layer: str | None, data_class: str | None) -> None:
        self.document = document
        self.tree = document.tree
        self.tier = tier
        self.layer = layer
        self.data_class = data_class
        self._places: dict[bool, PathTree] = {}

    def places(self, follow: bool) -> PathTree:
        """The document as paths of rule files walk through it, with references followed or as they are written."""
        if follow not in self._places:
            self._places[follow] = PathTree(self.tree, follow=follow)
        return self._places[follow]

    def follow(self, value: Any, pointer: str) -> Placed:
        """The object behind a reference chain and its pointer; an empty object when there is none."""
        for _ in range(32):
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
                break
            tokens = fragment_tokens(value["$ref"])
            pointer = join(tokens) if tokens is not None else pointer
            value = follow(self.tree, {"$ref": value["$ref"]})
        return Placed(pointer, value if isinstance(value, dict) else {})

    @cached_property
    def info(self) -> dict[str, Any]:
        found = self.tree.get("info")
        return found if isinstance(found, dict) else {}

    @cached_property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """HTTP operations, webhooks included."""
        return tuple(self._endpoints())

    def _endpoints(self) -> Iterator[Endpoint]:
        for place in ("paths", "webhooks"):
            for path, item in _map(self.tree.get(place)).items():
                placed = self.follow(item, f"/{place}/{escape(path)}")
                shared = self._parameters(placed.value, placed.pointer)
                for method in METHODS:
                    operation = placed.value.get(method)
                    if not isinstance(operation, dict):
                        continue
                    pointer = f"{placed.pointer}/{method}"
                    own = self._parameters(operation, pointer)
                    named = {(item.value.get("name"), item.value.get("in")) for item in own}
                    inherited = [item for item in shared if (item.value.get("name"), item.value.get("in")) not in named]
                    yield Endpoint(method, path, pointer, operation, (*own, *inherited), place == "webhooks")

    def _parameters(self, holder: dict[str, Any], pointer: str) -> list[Placed]:
        declared = holder.get("parameters")
        return [
            self.follow(item, f"{pointer}/parameters/{number}")
            for number, item in enumerate(declared if isinstance(declared, list) else [])
        ]

    def responses(self, endpoint: Endpoint) -> Iterator[tuple[str, Placed]]:
        """Status code (or range, or default) and response."""
        for code, value in _map(endpoint.value.get("responses")).items():
            if not code.startswith("x-"):
                yield code, self.follow(value, f"{endpoint.pointer}/responses/{escape(code)}")

    def body(self, endpoint: Endpoint) -> Placed | None:
        """The request body, if there is one."""
        if not isinstance(endpoint.value.get("requestBody"), dict):
            return None
        return self.follow(endpoint.value["requestBody"], f"{endpoint.pointer}/requestBody")

    def media(self, placed: Placed) -> Iterator[tuple[str, Placed]]:
        """Media type name and media type object of a body or a response."""
        for name, value in _map(placed.value.get("content")).items():
            yield name.partition(";")[0].strip().lower(), self.follow(value, f"{placed.pointer}/content/{escape(name)}")

    def schema(self, holder: Placed) -> Placed:
        """The schema of a media type, parameter or header, behind references and single allOf wraps."""
        found = self.follow(holder.value.get("schema"), f"{holder.pointer}/schema")
        parts = found.value.get("allOf")
        if isinstance(parts, list) and len(parts) == 1 and "properties" not in found.value:
            return self.follow(parts[0], f"{found.pointer}/allOf/0")
        return found

    @cached_property
    def properties(self) -> tuple[Property, ...]:
        """Every property that any schema of the document declares, once."""
        found = []
        for tokens, owner in located(self.tree):
            declared = owner.get("properties")
            if type(declared) is not dict:
                continue
            for name, value in declared.items():
                if isinstance(value, dict):
                    pointer = join((*tokens, "properties", name))
                    found.append(Property(name, pointer, self.follow(value, pointer).value, owner))
        return tuple(found)

    @cached_property
    def response_components(self) -> frozenset[str]:
        """Pointers of the schemas that responses reach, references followed."""
        reached: set[str] = set()
        stack: list[Any] = []
        for endpoint in self.endpoints:
            for _code, response in self.responses(endpoint):
                stack += [media.value.get("schema") for _name, media in self.media(response)]
                reached.add(response.pointer)
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                ref = value.get("$ref")
                if isinstance(ref, str):
                    pointer = join(fragment_tokens(ref) or [])
                    if pointer in reached:
                        continue
                    reached.add(pointer)
                    stack.append(follow(self.tree, value))
                stack += [item for key, item in value.items() if key not in ("example", "examples", "default", "enum")]
            elif isinstance(value, list):
                stack += value
        return frozenset(reached)

    def in_response(self, pointer: str) -> bool:
        """Whether responses reach a place in the document."""
        while pointer:
            if pointer in self.response_components:
                return True
            pointer = pointer.rpartition("/")[0]
        return False


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
