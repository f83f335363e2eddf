"""Protobuf: what a change of a .proto text does to the bytes (guide of Protocol Buffers, Updating A Message Type)."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.payloads.kinds import PayloadChange
from tillgate_contracts.compare.payloads.proto_text import Tree, read_proto

#: Groups of types that one wire format carries; inside a group, wider types come later.
_GROUPS = (
    ("bool", "enum", "int32", "uint32", "int64", "uint64"),
    ("sint32", "sint64"),
    ("fixed32", "sfixed32"),
    ("fixed64", "sfixed64"),
    ("string", "bytes", "message"),
)  # one line a group would say no more
_WIDENED = {
    ("int32", "int64"),
    ("uint32", "uint64"),
    ("uint32", "int64"),
    ("sint32", "sint64"),
    ("string", "bytes"),
    ("bool", "int32"),
    ("bool", "int64"),
    ("bool", "uint32"),
    ("bool", "uint64"),
    ("enum", "int32"),
    ("enum", "int64"),
}
_SCALARS = frozenset(
    (
        *("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64"),
        *("sfixed32", "sfixed64", "bool", "string", "bytes"),
    )
)
_KNOWN = "google.protobuf."


def compare_protobuf(old: str, new: str, name: str) -> list[PayloadChange]:
    """Changes of the message that a payload is: the one that has the event's name, or the first of the text.

    Raises ProtoError when one of the texts cannot be read.
    """
    before, after = read_proto(old), read_proto(new)
    found = _Comparison(before, after)
    if before["syntax"] != after["syntax"]:
        found.add("syntax-changed", f"The syntax is {after['syntax']} instead of {before['syntax']}.")
    roots = [name if name in side["messages"] else side["first"] for side in (before, after)]
    full = [f"{side['package']}.{root}".lstrip(".") for side, root in zip((before, after), roots, strict=True)]
    if full[0] != full[1]:
        found.add("message-renamed", f"The message is called {full[1]} instead of {full[0]}.", full[0], full[1])
    found.message(roots[0], roots[1])
    found.rest("the file", before["rest"], after["rest"])
    if any(name not in side["messages"] for side in (before, after)):
        found.others()
    return found.changes


class _Comparison:
    def __init__(self, before: Tree, after: Tree) -> None:
        self.before, self.after = before, after
        self.changes: list[PayloadChange] = []
        self.done: set[tuple[str, str]] = set()

    def add(self, kind: str, text: str, old: Any = None, new: Any = None) -> None:
        change = PayloadChange(kind, text, old, new)
        if change not in self.changes:
            self.changes.append(change)

    def others(self) -> None:
        """Messages beside the first one, where no message has the event's name: one of them may be the payload."""
        reached = [{pair[side] for pair in self.done} for side in (0, 1)]
        left, right = (
            {key: value for key, value in side["messages"].items() if key not in met and "." not in key}
            for side, met in zip((self.before, self.after), reached, strict=True)
        )
        for name in sorted(left.keys() | right.keys()):
            if left.get(name) != right.get(name):
                text = f"No message has the event's name, and {name}, which may be the payload, changed: not compared."
                self.add("payload-unnamed", text)

    def rest(self, whole: str, old: Any, new: Any) -> None:
        """Options and extensions, which may change the bytes in ways that are not compared."""
        if (old or None) != (new or None):
            self.add("options-changed", f"Options or extensions of {whole} changed: what they do is not compared.")

    def message(self, one: str, other: str) -> None:
        todo = [(one, other)]
        while todo:
            pair = todo.pop()
            if pair in self.done:
                continue
            self.done.add(pair)
            if pair[0] in self.before["enums"] and pair[1] in self.after["enums"]:
                sides = self.before["enums"][pair[0]], self.after["enums"][pair[1]]
                self._enum(pair[1], *sides)
                self.rest(pair[1], sides[0]["rest"], sides[1]["rest"])
            elif pair[0] in self.before["messages"] and pair[1] in self.after["messages"]:
                sides = self.before["messages"][pair[0]], self.after["messages"][pair[1]]
                todo += self._fields(pair, *sides)
                self.rest(pair[1], sides[0]["rest"], sides[1]["rest"])

    def _fields(self, pair: tuple[str, str], old: Tree, new: Tree) -> list[tuple[str, str]]:
        name = pair[1]
        below: list[tuple[str, str]] = []
        before, after = old["fields"], new["fields"]
        names = {field["name"]: number for number, field in after.items()}
        moved = set()
        for number, field in before.items():
            if number in after:
                below += self._field(pair, number, field, after[number])
            elif field["name"] in names and names[field["name"]] not in before:
                moved.add(names[field["name"]])
                text = f"`{field['name']}` of {name} has the number {names[field['name']]} instead of {number}."
                self.add("field-number-changed", text, number, names[field["name"]])
            else:
                self._gone(name, number, field, new)
        for number, field in after.items():
            if number not in before and number not in moved:
                kind = "required-field-added" if field["label"] == "required" else "field-added"
                self.add(kind, f"`{field['name']}` of {name} was added with the number {number}.", None, number)
            if number not in before and (_reserved(old, number) or field["name"] in old["names"]):
                text = f"`{field['name']}` of {name} uses {number}, or a name, that was reserved."
                self.add("reserved-reused", text, None, number)
        self._oneofs(name, before, after)
        for first, last in old["numbers"]:
            if not (_reserved(new, first) and _reserved(new, last)) and first not in after:
                self.add("reserved-dropped", f"{name} no longer reserves {first} to {last}.", first)
        for word in old["names"]:
            if word not in new["names"] and word not in names:
                self.add("reserved-dropped", f"{name} no longer reserves the name {word}.", word)
        self._reserves(name, old, new)
        return below

    def _reserves(self, name: str, old: Tree, new: Tree) -> None:
        """What is reserved now; where a field went, this is told with it."""
        gone = {*old["fields"]} | {field["name"] for field in old["fields"].values()}
        for first, last in new["numbers"]:
            if not (_reserved(old, first) and _reserved(old, last)) and not (first == last and first in gone):
                span = str(first) if first == last else f"{first} to {last}"
                self.add("reserved-added", f"{name} now reserves {span}.", None, first)
        for word in new["names"]:
            if word not in old["names"] and word not in gone:
                self.add("reserved-added", f"{name} now reserves the name {word}.", None, word)

    def _gone(self, name: str, number: int, field: Tree, new: Tree) -> None:
        must = field["label"] == "required"
        kind = "required-field-removed" if must else "field-removed"
        if not must and not _reserved(new, number):
            kind = "field-removed-unreserved"
        text = f"`{field['name']}` of {name} was removed{'' if _reserved(new, number) else ', and its number is free'}."
        self.add(kind, text, number)

    def _field(self, pair: tuple[str, str], number: int, old: Tree, new: Tree) -> list[tuple[str, str]]:
        whole = f"`{new['name']}` of {pair[1]}"
        if old["name"] != new["name"]:
            text = f"The field {number} of {pair[1]} is called {new['name']} instead of {old['name']}."
            self.add("field-renamed", text, old["name"], new["name"])
        below = self._types(pair, whole, old, new)
        self.rest(whole, old.get("rest"), new.get("rest"))
        names = old.get("json_name"), new.get("json_name")
        if names[0] != names[1]:
            text = (
                f"{whole} is called {names[1] or 'by its own name'} in JSON instead of {names[0] or 'by its own name'}."
            )
            self.add("field-renamed", text, *names)
        self._labels(whole, old, new)
        if old.get("packed") != new.get("packed"):
            self.add("field-packed-changed", f"{whole} is packed otherwise.", old.get("packed"), new.get("packed"))
        if old.get("default") != new.get("default"):
            text = f"The default of {whole} changed."
            self.add("field-default-changed", text, old.get("default"), new.get("default"))
        return below

    def _types(self, pair: tuple[str, str], whole: str, old: Tree, new: Tree) -> list[tuple[str, str]]:
        if (old["type"] == "map") != (new["type"] == "map"):
            self.add("field-type-compatible", f"{whole} is {new['type']} instead of {old['type']}.")
            return []
        below: list[tuple[str, str]] = []
        for key in ("key", "value") if old["type"] == "map" else ("type",):
            one, other = (
                self._known(side, name, field[key])
                for side, name, field in ((self.before, pair[0], old), (self.after, pair[1], new))
            )
            if "unknown" in (one[0], other[0]):
                if old[key] != new[key] or not old[key].lstrip(".").startswith(_KNOWN):
                    self.add("unresolved", f"{whole} is of a type that the text does not define: {new[key]}.")
            elif one[0] == other[0] and one[0] in ("message", "enum"):
                below.append((one[1], other[1]))
                if one[1] != other[1]:
                    text = f"The type of {whole} is {other[1]} instead of {one[1]}; the bytes are the same."
                    self.add("type-moved", text, one[1], other[1])
            elif one[0] != other[0]:
                self._scalar(whole, one[0], other[0])
        return below

    def _scalar(self, whole: str, one: str, other: str) -> None:
        text = f"{whole} is {other} instead of {one}."
        if not any(one in group and other in group for group in _GROUPS):
            self.add("field-type-changed", text, one, other)
        elif (one, other) in _WIDENED:
            self.add("field-type-widened", text, one, other)
        elif (other, one) in _WIDENED:
            self.add("field-type-narrowed", text, one, other)
        elif {one, other} == {"string", "message"}:
            self.add("field-type-changed", text, one, other)
        else:
            self.add("field-type-compatible", text, one, other)

    def _known(self, side: Tree, scope: str, written: str) -> tuple[str, str]:
        """(scalar type, `message`, `enum` or `unknown`; full name), looked up from the inside out."""
        if written in _SCALARS:
            return written, ""
        name = written.lstrip(".")
        if side["package"] and name.startswith(f"{side['package']}."):
            name = name[len(side["package"]) + 1 :]
        parts = scope.split(".")
        for depth in range(len(parts), -1, -1):
            full = ".".join([*parts[:depth], name])
            if full in side["messages"]:
                return "message", full
            if full in side["enums"]:
                return "enum", full
        return "unknown", written

    def _labels(self, whole: str, old: Tree, new: Tree) -> None:
        one, other = old["label"], new["label"]
        if one == other:
            return
        if "repeated" in (one, other):
            plain = any(f["type"] in _SCALARS and f["type"] not in ("string", "bytes") for f in (old, new))
            kind = "numeric-repeated-changed" if plain else "field-repeated-changed"
            self.add(kind, f"{whole} is {other or 'single'} instead of {one or 'single'}.", one, other)
        elif "required" in (one, other):
            kind = "field-became-required" if other == "required" else "field-became-optional"
            self.add(kind, f"{whole} is {other or 'optional'} instead of {one or 'optional'}.", one, other)
        else:
            text = f"{whole} {'now tells' if other else 'no longer tells'} whether it was set."
            self.add("field-presence-changed", text, one, other)

    def _oneofs(self, name: str, before: Tree, after: Tree) -> None:
        entered: dict[str, list[str]] = {}
        held = {field["oneof"] for field in before.values() if "oneof" in field}
        for number, field in after.items():
            old = before.get(number)
            if old is None:
                continue
            one, other = old.get("oneof"), field.get("oneof")
            if one and not other:
                self.add("oneof-left", f"`{field['name']}` of {name} left the oneof {one}.", one)
            elif other and not one:
                entered.setdefault(other, []).append(field["name"])
        for oneof, fields in entered.items():
            risky = len(fields) > 1 or oneof in held
            kind = "oneof-entered-unsafe" if risky else "oneof-entered"
            self.add(kind, f"{', '.join(fields)} of {name} moved into the oneof {oneof}.", None, oneof)

    def _enum(self, name: str, old: Tree, new: Tree) -> None:
        before, after = old["values"], new["values"]
        numbers = set(after.values())
        for word, number in before.items():
            if word in after and after[word] != number:
                text = f"The value {word} of {name} is {after[word]} instead of {number}."
                self.add("enum-number-changed", text, number, after[word])
            elif word not in after and number in numbers:
                told = next(other for other, value in after.items() if value == number)
                self.add("enum-value-renamed", f"The value {number} of {name} is {told} instead of {word}.", word, told)
            elif word not in after:
                self.add("enum-value-removed", f"The value {word} of {name} was removed.", word)
        for word, number in after.items():
            if word not in before and number not in before.values():
                kind = "reserved-reused" if _reserved(old, number) or word in old["names"] else "enum-value-added"
                self.add(kind, f"The value {word} of {name} was added.", None, word)
        first = [next(iter(side.values()), None) for side in (before, after)]
        if first[0] != first[1]:
            self.add("enum-default-changed", f"The first value of {name} is {first[1]} instead of {first[0]}.")


def _reserved(side: Tree, number: int) -> bool:
    return any(first <= number <= last for first, last in side["numbers"])
