"""The components of one schema set: types behind names, whole content of derived types, substitution groups."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

from tillgate_contracts.reading.pointers import escape

Tree = dict[str, Any]
_MAX_CHAIN = 64
_BUILT_IN = ("xs:", "{http://schemas.xmlsoap.org/soap/encoding/}")


class TypeRef(NamedTuple):
    """A type: its name ("" for one without), its place, and its declaration (None for a built-in or an unknown one)."""

    name: str
    pointer: str
    value: Tree | None

    @property
    def key(self) -> str:
        return self.pointer or self.name


class Components:
    """One side of a comparison."""

    def __init__(self, schemas: Tree) -> None:
        self.types: Tree = schemas.get("types", {})
        self.elements: Tree = schemas.get("elements", {})
        self.groups: Tree = schemas.get("groups", {})
        self.attributes: Tree = schemas.get("attributes", {})
        self.attribute_groups: Tree = schemas.get("attributeGroups", {})
        #: Steps that comparisons of content models have taken, which are bounded together.
        self.spent = [0]

    def type(self, written: Any, pointer: str) -> TypeRef:
        """A type as it stands in a declaration: a name, or the type itself at `pointer`."""
        if isinstance(written, dict):
            return TypeRef("", pointer, written)
        found = self.types.get(written)
        return TypeRef(written, f"/schemas/types/{escape(written)}" if found is not None else "", found)

    def known(self, ref: TypeRef) -> bool:
        return ref.value is not None or ref.name.startswith(_BUILT_IN)

    def element(self, item: Tree, pointer: str) -> tuple[Tree, str]:
        """An element of a content model with what its global declaration says, and the place of the declaration."""
        if "ref" not in item:
            return item, pointer
        found = self.elements.get(item["ref"])
        if found is None:
            space, _, name = item["ref"].rpartition("}")
            return {**item, "name": name, "ns": space.lstrip("{"), "type": "", "missing": True}, pointer
        occurs: Tree = {key: item[key] for key in ("min", "max") if key in item}
        return {**found, **occurs, "global": item["ref"]}, f"/schemas/elements/{escape(item['ref'])}"

    @cached_property
    def substitutes(self) -> dict[str, list[str]]:
        """Elements that may stand for a head, through any number of heads (3.3.6)."""
        direct: dict[str, list[str]] = {}
        for name, value in self.elements.items():
            for head in value.get("head", ()):
                direct.setdefault(head, []).append(name)
        return {head: _closure(direct, head) for head in direct}

    @cached_property
    def derived(self) -> dict[str, list[str]]:
        """Types that derive from a type, through any number of steps: those that xsi:type may name."""
        direct: dict[str, list[str]] = {}
        for name, value in self.types.items():
            base = value.get("base")
            if value["kind"] == "complex" and isinstance(base, str) and not base.startswith("xs:"):
                direct.setdefault(base, []).append(name)
        return {base: _closure(direct, base) for base in direct}

    def content(self, ref: TypeRef) -> tuple[list[tuple[Tree, str]], bool]:
        """Particles of a complex type in order, those of its bases first, and whether everything was found."""
        chain: list[tuple[Tree, str]] = []
        value, pointer, whole = ref.value, ref.pointer, True
        for _ in range(_MAX_CHAIN):
            if value is None:
                break
            if "content" in value:
                chain.insert(0, (value["content"], f"{pointer}/content"))
            base = value.get("base")
            if value.get("by") != "extension" or not isinstance(base, str) or base.startswith("xs:"):
                break
            pointer, value = f"/schemas/types/{escape(base)}", self.types.get(base)
            whole = whole and value is not None
        return chain, whole

    def group(self, item: Tree, pointer: str) -> tuple[Tree, str]:
        """The model behind a reference to a group, with the reference's own occurrence."""
        for _ in range(_MAX_CHAIN):
            if item.get("kind") != "group" or "ref" not in item:
                break
            found = self.groups.get(item["ref"], {"kind": "missing", "name": item["ref"]})
            model = found["items"][0] if found.get("kind") == "group" and found.get("items") else found
            occurs: Tree = {key: item[key] for key in ("min", "max") if key in item}
            pointer = f"/schemas/groups/{escape(item['ref'])}"
            item = {**model, **occurs} if model else {"kind": "sequence", "items": [], **occurs}
        return item, pointer

    def attributes_of(self, ref: TypeRef) -> tuple[dict[str, tuple[Tree, str]], Tree | None]:
        """Every attribute of a complex type by name, and the wildcard."""
        found: dict[str, tuple[Tree, str]] = {}
        wildcard: Tree | None = None
        value, pointer = ref.value, ref.pointer
        for _ in range(_MAX_CHAIN):
            if value is None:
                break
            todo, seen = [(value, pointer)], set()
            while todo:
                holder, place = todo.pop()
                wildcard = wildcard or holder.get("anyAttribute")
                for name, one in holder.get("attributes", {}).items():
                    found.setdefault(name, (self._attribute(one), f"{place}/attributes/{escape(name)}"))
                for name in holder.get("attributeGroups", ()):
                    if name in self.attribute_groups and name not in seen:
                        seen.add(name)
                        todo.append((self.attribute_groups[name], f"/schemas/attributeGroups/{escape(name)}"))
            base = value.get("base")
            if not isinstance(base, str):
                break
            pointer, value = f"/schemas/types/{escape(base)}", self.types.get(base)
        kept = {name: pair for name, pair in found.items() if pair[0].get("use") != "prohibited"}
        return kept, wildcard

    def _attribute(self, one: Tree) -> Tree:
        if "ref" not in one:
            return one
        known = self.attributes.get(one["ref"], {"type": "xs:anySimpleType"})
        return {**known, **one}


def _closure(direct: dict[str, list[str]], start: str) -> list[str]:
    found: list[str] = []
    todo = [start]
    while todo:
        for name in direct.get(todo.pop(), ()):
            if name not in found:
                found.append(name)
                todo.append(name)
    return sorted(found)
