"""What the rows of an OData service look like for what was asked of it: of a contract's schema, the properties that
`$select` names, and the navigations that `$expand` names.

A contract describes everything that a service has. A row has what was asked for, and of every other navigation a link
in V2 (`__deferred`), or nothing in V4 (OData V2 JSON format §7, OData JSON 4.01 §8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]
ROOT = "-as-read"  # a component that no type can be called: names begin with a letter
_DEPTH = 32
_LINK: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {"__deferred": {"type": "object", "properties": {"uri": {"type": "string"}}}},
}


class AskedFor(NamedTuple):
    """`select` and `expand` as they are sent; no `select` is everything. `also`: properties that are selected beside
    them (key, change field)."""

    select: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class _Parts:
    """What is asked of one entity: names, and what is asked of the navigations among them."""

    def __init__(self) -> None:
        self.select: set[str] = set()
        self.expand: dict[str, _Parts] = {}

    def inner(self, name: str) -> _Parts:
        return self.expand.setdefault(name, _Parts())


def as_read(tree: Schema, schema: Schema, asked: AskedFor) -> dict[str, Any]:
    """The schema of a row, made of the schema of its entity in the normal form of the metadata (`tree`)."""
    old = tree.get("x-edmx", {}).get("version") == "2"
    return _Reading(tree, old=old).entity(schema, _parts(asked, old=old), 0)


def tree_as_read(tree: Schema, schema: Schema, asked: AskedFor) -> dict[str, Any]:
    """The whole contract with that schema as the component `ROOT`."""
    components = dict(tree.get("components") or {})
    components["schemas"] = {**(components.get("schemas") or {}), ROOT: as_read(tree, schema, asked)}
    return {**tree, "components": components}


def made_by_server(tree: Schema, schema: Schema, member: str) -> bool:
    """Whether a required member (a dotted path) of what is created is part of a key: the service makes it where the
    sender does not (its own number, the number of the order in a line of the order)."""
    here: Any = schema
    *way, last = (step.removesuffix("[]") for step in member.split("."))
    for name in way:
        inner = _resolved(tree, here).get("properties", {}).get(name)
        here = _target(inner) if isinstance(inner, Mapping) else None
        if here is None:
            return False
    return last in _keys(tree, here)


def _keys(tree: Schema, schema: Any) -> set[str]:
    """The key of the type that a schema of what is created stands for, inherited ones included."""
    found: set[str] = set()
    schemas = tree.get("components", {}).get("schemas", {})
    names = [name for name, one in schemas.items() if one is _resolved(tree, schema)]
    for name in names:
        read = schemas.get(name.removesuffix("-create"), {})
        found.update(one.partition("=")[0] for one in read.get("x-odata-key", ()))
        for part in read.get("allOf", ()):
            found.update(_resolved(tree, part).get("x-odata-key", ()))
    return found


class _Reading:
    def __init__(self, tree: Schema, *, old: bool) -> None:
        self.tree, self.old = tree, old

    def entity(self, schema: Any, asked: _Parts, depth: int) -> dict[str, Any]:
        made = dict(_resolved(self.tree, schema))
        if depth > _DEPTH:
            return made
        if "allOf" in made:
            made["allOf"] = [self.entity(part, asked, depth + 1) for part in made["allOf"]]
        if isinstance(made.get("properties"), Mapping):
            found = {name: self._member(name, one, asked, depth) for name, one in made["properties"].items()}
            made["properties"] = {name: one for name, one in found.items() if one is not None}
            made["required"] = [name for name in made.get("required", ()) if name in made["properties"]]
            if not made["required"]:
                del made["required"]
        return made

    def _member(self, name: str, schema: Any, asked: _Parts, depth: int) -> Any:
        """The schema of a member; None where it was not asked for."""
        selected = not asked.select or name in asked.select or "*" in asked.select
        if not isinstance(schema, Mapping) or "x-odata-multiplicity" not in schema:
            return schema if selected else None
        if name in asked.expand and (selected or not self.old):
            return self._expanded(schema, asked.expand[name], depth)
        return _LINK if self.old and selected else None

    def _expanded(self, schema: Schema, asked: _Parts, depth: int) -> Any:
        target = _target(schema)
        if target is None or not _resolved(self.tree, target):
            return schema
        inner = self.entity(target, asked, depth + 1)
        if schema["x-odata-multiplicity"] == "*":
            rows = {"type": "array", "items": inner}
            return {"type": "object", "properties": {"results": rows}, "required": ["results"]} if self.old else rows
        if schema["x-odata-multiplicity"] == "1":
            return inner
        if inner.get("type") == "object":
            return {**inner, "type": ["object", "null"]}
        return {"anyOf": [inner, {"type": "null"}]}


def _parts(asked: AskedFor, *, old: bool) -> _Parts:
    root = _Parts()
    for path in asked.expand:
        _expand(root, path)
    for path in asked.select:
        _select(root, path)
    if root.select:
        root.select.update(name for name in asked.also if "/" not in name)
        # The reader selects what it expands, for V2 leaves out what is expanded and not selected.
        root.select.update(root.expand if old else ())
    return root


def _select(parts: _Parts, path: str) -> None:
    *way, last = [step.strip() for step in path.split("/")]
    for step in way:
        parts.select.add(step)
        if step not in parts.expand:
            return  # a part of a complex property, which is judged as a whole
        parts = parts.expand[step]
    if last:
        parts.select.add(last)


def _expand(parts: _Parts, text: str) -> None:
    """`to_Item/to_Text` (V2), `Items($select=Number;$expand=Product)` (V4)."""
    path, bracket, options = text.strip().partition("(")
    for step in path.split("/"):
        if step.strip() and not step.startswith("$"):
            parts = parts.inner(step.strip())
    for option in _split(options[: options.rfind(")")] if bracket else "", ";"):
        name, _, value = option.strip().partition("=")
        for one in _split(value, ","):
            if name == "$select":
                _select(parts, one)
            elif name == "$expand":
                _expand(parts, one)


def split_options(text: str) -> list[str]:
    """The parts of `$select` or `$expand` as it is sent."""
    return _split(text, ",")


def _split(text: str, sign: str) -> list[str]:
    """Parts between signs that stand outside of brackets; blank ones are left out."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == sign and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [one.strip() for one in found if one.strip()]


def _target(schema: Schema) -> Any:
    """The schema of the entity that a navigation leads to."""
    rows = schema.get("properties", {}).get("results", schema)
    if "items" in rows:
        return rows["items"]
    for word in ("anyOf", "allOf"):
        for one in schema.get(word, ()):
            if "$ref" in one:
                return one
    return schema if "$ref" in schema else None


def _resolved(tree: Schema, schema: Any) -> Schema:
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            return schema if isinstance(schema, Mapping) else {}
        found: Any = tree
        for step in _steps(str(schema["$ref"])):
            found = found.get(step) if isinstance(found, Mapping) else None
        schema = found
    return {}


def _steps(reference: str) -> Iterable[str]:
    return (step.replace("~1", "/").replace("~0", "~") for step in reference.removeprefix("#/").split("/"))


__all__ = ["ROOT", "AskedFor", "as_read", "made_by_server", "split_options", "tree_as_read"]
