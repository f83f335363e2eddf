"""Merging the object and array keywords of several parts."""

from __future__ import annotations

from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.patterns import matches
from tillgate_contracts.compare.schema.source import Part, join


class _Shape:
    """The object keywords of one part: what it says about a name depends on the names of the same part only."""

    def __init__(self, part: Part) -> None:
        raw, pointer = part.raw, part.pointer
        properties = raw.get("properties")
        patterns = raw.get("patternProperties")
        self.properties: dict[str, Part] = (
            {name: Part(value, join(pointer, "properties", name)) for name, value in properties.items()}
            if isinstance(properties, dict)
            else {}
        )
        self.patterns: dict[str, Part] = (
            {name: Part(value, join(pointer, "patternProperties", name)) for name, value in patterns.items()}
            if isinstance(patterns, dict)
            else {}
        )
        additional = raw.get("additionalProperties", True)
        self.additional = (
            None if additional is True or additional == {} else Part(additional, join(pointer, "additionalProperties"))
        )
        self.pointer = pointer

    @property
    def speaks(self) -> bool:
        return bool(self.properties or self.patterns or self.additional is not None)

    def about(self, name: str) -> list[Part]:
        found = [self.properties[name]] if name in self.properties else []
        found += [schema for pattern, schema in self.patterns.items() if matches(pattern, name)]
        if not found and self.additional is not None:
            found.append(self.additional)
        return found


def merge_objects(node: Node, parts: list[Part]) -> None:
    shapes = [shape for shape in map(_Shape, parts) if shape.speaks]
    if not shapes:
        return
    if len(shapes) == 1 and not shapes[0].patterns:
        shape = shapes[0]
        node.properties = {name: (part,) for name, part in shape.properties.items()}
        if shape.additional is not None:
            node.additional = (shape.additional,)
            node.additional_pointer = shape.pointer
        return
    names = {name: None for shape in shapes for name in shape.properties}
    for name in names:
        node.properties[name] = tuple(part for shape in shapes for part in shape.about(name))
    for pattern in {pattern: None for shape in shapes for pattern in shape.patterns}:
        found: list[Part] = []
        for shape in shapes:
            if pattern in shape.patterns:
                found.append(shape.patterns[pattern])
            elif shape.additional is not None:
                found.append(shape.additional)
        node.pattern_properties[pattern] = tuple(found)
    closing = [shape for shape in shapes if shape.additional is not None]
    if closing:
        node.additional = tuple(shape.additional for shape in closing if shape.additional is not None)
        node.additional_pointer = closing[0].pointer


def merge_arrays(node: Node, parts: list[Part]) -> None:
    shapes: list[tuple[list[Part], Part | None]] = []
    for raw, pointer, _ in parts:
        if "items" not in raw and "prefixItems" not in raw:
            continue
        items = raw.get("items", True)
        if isinstance(items, list):
            prefix = [Part(item, join(pointer, "items", index)) for index, item in enumerate(items)]
            rest, place = raw.get("additionalItems", True), join(pointer, "additionalItems")
        else:
            listed = raw.get("prefixItems")
            prefix = (
                [Part(item, join(pointer, "prefixItems", index)) for index, item in enumerate(listed)]
                if isinstance(listed, list)
                else []
            )
            rest, place = items, join(pointer, "items")
        shapes.append((prefix, None if rest is True or rest == {} else Part(rest, place)))
    if not shapes:
        return
    longest = max(len(prefix) for prefix, _ in shapes)
    node.prefix = tuple(
        tuple(found for prefix, rest in shapes if (found := prefix[index] if index < len(prefix) else rest) is not None)
        for index in range(longest)
    )
    rests = tuple(rest for _, rest in shapes if rest is not None)
    node.items = rests or None


def drop_unevaluated(node: Node, parts: list[Part]) -> None:
    """Where `items` or `additionalProperties` describe the rest (even with `true`), nothing stays unevaluated."""
    if node.tangled:
        return
    if any(isinstance(part.raw.get("items", []), dict | bool) or "additionalItems" in part.raw for part in parts):
        node.unevaluated_items = None
    if any("additionalProperties" in part.raw for part in parts):
        node.unevaluated_properties = None
