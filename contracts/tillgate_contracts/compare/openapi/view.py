"""Reading an OpenAPI tree for comparison: resolved references, merged parameters, effective servers and security."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from tillgate_contracts.compare.schema.source import Part, Parts, SchemaSource, join
from tillgate_contracts.compare.schema.values import as_list, as_mapping
from tillgate_contracts.compare.unread import LocatedObject, Resolver

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
#: Header parameters that OpenAPI says to ignore: content negotiation and security describe them.
IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
#: Fields of a path item that mean something beside a `$ref`.
_OWN = frozenset((*METHODS, "parameters", "servers", "additionalOperations"))
_VARIABLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One effective parameter. `location` is its `in`; `shared`: it is declared for the whole path."""

    raw: dict[str, Any]
    pointer: str
    name: str
    location: str
    shared: bool

    @property
    def required(self) -> bool:
        return self.location == "path" or self.raw.get("required") is True

    @property
    def style(self) -> str:
        written = self.raw.get("style")
        return str(written) if written else ("form" if self.location in {"query", "cookie"} else "simple")

    @property
    def explode(self) -> bool:
        written = self.raw.get("explode")
        return bool(written) if isinstance(written, bool) else self.style in {"form", "cookie"}

    @property
    def schema(self) -> Parts | None:
        return (Part(self.raw["schema"], join(self.pointer, "schema")),) if "schema" in self.raw else None


@dataclass(frozen=True, slots=True)
class HttpOperation:
    """One operation with what its path gives it. `shape` is the template with nameless variables."""

    method: str
    template: str
    raw: dict[str, Any]
    pointer: str
    path_item: dict[str, Any]
    path_pointer: str
    variables: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        return f"{self.method.upper()} {self.template}"


class OpenApiView(Resolver):
    """One OpenAPI tree."""

    def __init__(self, tree: dict[str, Any], source: SchemaSource) -> None:
        super().__init__(source)
        self.tree = tree
        self._merged: dict[str, dict[str, Any]] = {}

    def path_items(self, where: str) -> dict[str, LocatedObject]:
        """Path items (or webhooks) by key. Of paths alone some keys are extensions: webhooks are a map, whose names are
        free (OpenAPI 3.1.1 section 4.8.1)."""
        found: dict[str, LocatedObject] = {}
        items = self.tree.get(where)
        if isinstance(items, dict):
            for key, raw in items.items():
                if isinstance(raw, dict) and (where != "paths" or not str(key).startswith("x-")):
                    place = self.path_item(raw, join("", where, key))
                    if place is not None:
                        found[str(key)] = place
        return found

    def unread_items(self, where: str) -> set[str]:
        """Keys of path items (or webhooks) that are references behind which nothing was read."""
        return {
            str(key)
            for key, raw in as_mapping(self.tree.get(where)).items()
            if self.leads_nowhere(raw, join("", where, key))
        }

    def path_item(self, raw: Any, pointer: str) -> LocatedObject | None:
        """A path item; fields beside its `$ref` are its own, as OpenAPI 3.1 allows."""
        place = self.resolve(raw, pointer)
        own = {key: value for key, value in raw.items() if key in _OWN} if isinstance(raw, dict) else {}
        if place is None or "$ref" not in raw or not own:
            return place
        merged = self._merged.get(pointer)
        if merged is None:
            merged = self._merged[pointer] = {**place.raw, **own}
        return LocatedObject(merged, pointer)

    def operations(self, template: str, item: LocatedObject) -> Iterator[HttpOperation]:
        variables = variables_of(template)
        for method in METHODS:
            raw = item.raw.get(method)
            if isinstance(raw, dict):
                yield HttpOperation(
                    method, template, raw, join(item.pointer, method), item.raw, item.pointer, variables
                )
        extra = item.raw.get("additionalOperations")
        if isinstance(extra, dict):
            for method, raw in extra.items():
                if isinstance(raw, dict):
                    pointer = join(item.pointer, "additionalOperations", method)
                    yield HttpOperation(str(method), template, raw, pointer, item.raw, item.pointer, variables)

    def parameters(self, operation: HttpOperation) -> tuple[dict[tuple[str, str], Parameter], bool]:
        """Effective parameters by (location, name): those of the operation win over those of the path. Also whether
        one of them was not read, so that its name is unknown."""
        found: dict[tuple[str, str], Parameter] = {}
        unread = False
        for raw, pointer, shared in (
            (operation.path_item.get("parameters"), join(operation.path_pointer, "parameters"), True),
            (operation.raw.get("parameters"), join(operation.pointer, "parameters"), False),
        ):
            for index, item in enumerate(raw if isinstance(raw, list) else ()):
                place = self.resolve(item, join(pointer, index))
                if place is None:
                    unread = unread or isinstance(item, dict)
                    continue
                name, location = str(place.raw.get("name", "")), str(place.raw.get("in", ""))
                if location == "header" and name.lower() in IGNORED_HEADERS:
                    continue
                key = (location, name.lower() if location == "header" else name)
                if location == "path" and name in operation.variables:
                    key = (location, f"{{{operation.variables.index(name)}}}")
                found[key] = Parameter(place.raw, place.pointer, name, location, shared)
        _place_strangers(found, operation.variables)
        return found, unread

    def security(self, operation: HttpOperation) -> list[dict[str, frozenset[str]]]:
        """Effective alternatives (OR of ANDs); an empty dictionary is anonymous access."""
        raw = operation.raw.get("security", self.tree.get("security"))
        if not isinstance(raw, list) or not raw:
            return [{}]
        return [
            {str(name): frozenset(str(scope) for scope in as_list(scopes)) for name, scopes in entry.items()}
            for entry in raw
            if isinstance(entry, dict)
        ] or [{}]

    def security_schemes(self) -> dict[str, LocatedObject]:
        components = self.tree.get("components")
        schemes = components.get("securitySchemes") if isinstance(components, dict) else None
        found: dict[str, LocatedObject] = {}
        for name, raw in as_mapping(schemes).items():
            place = self.resolve(raw, join("", "components", "securitySchemes", name))
            if place is not None:
                found[str(name)] = place
        return found

    def has_unread_schemes(self) -> bool:
        """Whether some security scheme is a reference behind which nothing was read."""
        schemes = as_mapping(as_mapping(self.tree.get("components")).get("securitySchemes"))
        return len(self.security_schemes()) < len(schemes)

    def url(self, text: Any) -> str:
        """A URL as it is asked; a relative one is resolved against the first server (OpenAPI 3.1.1 section 4.7)."""
        if not isinstance(text, str) or not text:
            return ""
        servers = as_list(self.tree.get("servers"))
        base = servers[0].get("url") if servers and isinstance(servers[0], dict) else ""
        if not isinstance(base, str) or "{" in base:
            return text
        try:
            return urljoin(base, text)
        except ValueError:
            return text


def _place_strangers(found: dict[tuple[str, str], Parameter], variables: tuple[str, ...]) -> None:
    """Path parameters whose names the template does not have take the places that no parameter has, where there are as
    many of these: the template was renamed and its list was not."""
    free = [place for place in (("path", f"{{{index}}}") for index in range(len(variables))) if place not in found]
    strangers = [key for key, item in found.items() if item.location == "path" and item.name not in variables]
    if len(free) == len(strangers):
        for key, place in zip(strangers, free, strict=True):
            found[place] = found.pop(key)


def variables_of(template: str) -> tuple[str, ...]:
    """The names of a template's variables, in their order."""
    return tuple(_VARIABLE.findall(template))


def shape_of(template: str) -> str:
    """Template with nameless variables: `/a/{id}` and `/a/{key}` have one shape, `/a/` and `/a` do not."""
    return _VARIABLE.sub("{}", template)
