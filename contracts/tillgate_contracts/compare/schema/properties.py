"""Comparison of `properties` and `required`, with the fields that a direction does not carry left out."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.accepts import parts_for
from tillgate_contracts.compare.schema.change import EXACT, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.empty import is_ended
from tillgate_contracts.compare.schema.node import Node, describe
from tillgate_contracts.compare.schema.source import Parts, join


def compare_properties(comparison: NodeComparison) -> None:
    """Every property and every required name of either side."""
    old, new = comparison.old, comparison.new
    if old.restricts_objects or new.restricts_objects or old.discriminator or new.discriminator:
        _Properties(comparison).compare()


class _Properties:
    """The comparison of two sets of properties; `hidden` names the attribute of the fields that the direction omits."""

    def __init__(self, comparison: NodeComparison) -> None:
        self.comparison = comparison
        self.old, self.new = comparison.old, comparison.new
        self.direction = comparison.direction
        # readOnly and writeOnly have a meaning in requests and responses only, not in events.
        self.hidden = {"request": "read_only", "response": "write_only"}.get(comparison.direction.name, "")

    def compare(self) -> None:
        if self.new.is_free and not self.new.discriminator and self.old.types is not None:
            return  # everything is allowed now, which is said as one generalisation of the type
        names = dict.fromkeys([*self.old.properties, *self.new.properties, *self.old.required, *self.new.required])
        for name in names:
            mine, theirs = self.old.properties.get(name), self.new.properties.get(name)
            if mine is not None and theirs is not None:
                self._both(name, mine, theirs)
            elif theirs is not None:
                self._added(name, theirs)
            elif mine is not None:
                self._removed(name, mine)
            else:
                self._requirement(name)

    def _both(self, name: str, mine: Parts, theirs: Parts) -> None:
        required = (name in self.old.required, name in self.new.required)
        same = self.comparison.graph.sameness.same_parts(mine, theirs)
        if same and required[0] == required[1]:
            return
        before, after = self.comparison.graph.old.node(mine), self.comparison.graph.new.node(theirs)
        settings = self.comparison.settings
        if not lifecycle.is_judged(before.stability, settings) and lifecycle.level_of(after.stability) is not None:
            return
        gone = bool(self.hidden) and getattr(before, self.hidden), bool(self.hidden) and getattr(after, self.hidden)
        self._mutability(name, mine, theirs, required)
        if gone[0] and gone[1]:
            self._hidden_inside(name, mine, theirs, required)
            return
        if gone[0] != gone[1]:
            return
        if not same and is_ended(self.comparison, mine, theirs):
            strength = "required" if required[0] else "optional"
            kind = f"{strength}-property-removed{self._removal_stage(before)}"
            place = {**self._places(mine, theirs), "name": name}
            self.comparison.add(kind, NONE, describe(before), "nothing", **place)
        if required[0] != required[1]:
            self._required(name, mine, theirs, now=required[1])
        if not same:
            self.comparison.child(mine, theirs, direction=self.direction.of_property)

    def _mutability(self, name: str, mine: Parts, theirs: Parts, required: tuple[bool, bool]) -> None:
        before, after = self.comparison.graph.old.node(mine), self.comparison.graph.new.node(theirs)
        for attribute, word in (("read_only", "read-only"), ("write_only", "write-only")):
            was, now = getattr(before, attribute), getattr(after, attribute)
            if was == now or self.direction.name not in {"request", "response"}:
                continue
            hides = attribute == self.hidden
            strength = "required" if (required[1] if now is False else required[0]) else "optional"
            kind = f"{strength}-property-became-{word}" if now else f"{strength}-property-became-not-{word}"
            effect = NONE
            if hides and strength == "required":
                # A required field that the direction no longer carries is no longer demanded; one that it now carries
                # is.
                effect = WIDENS if now else NARROWS
            self.comparison.add(kind, effect, was, now, **self._places(mine, theirs), name=name)

    def _hidden_inside(self, name: str, mine: Parts, theirs: Parts, required: tuple[bool, bool]) -> None:
        """A field that this direction never carries: its change is a note only."""
        graph = self.comparison.graph
        key = graph.link(mine, theirs, self.direction.of_property)
        place = {**self._places(mine, theirs), "name": name}
        kinds = {change.kind for pair, *_ in (graph.walk(key) if key is not None else ()) for change in pair.changes}
        if required[0] != required[1] or graph.relation(key, EXACT) or kinds - {"annotation-changed"}:
            word = "read-only" if self.hidden == "read_only" else "write-only"
            before, after = graph.old.node(mine), graph.new.node(theirs)
            self.comparison.add(f"{word}-property-changed", NONE, describe(before), describe(after), **place)
        elif kinds:
            self.comparison.add("annotation-changed", NONE, **place, data={"words": [name]})

    def _places(self, mine: Parts, theirs: Parts) -> dict[str, str]:
        return {"old_pointer": mine[0].pointer, "new_pointer": theirs[0].pointer}

    def _required(self, name: str, mine: Parts, theirs: Parts, *, now: bool) -> None:
        after = self.comparison.graph.new.node(theirs)
        if now:
            kind = "property-became-required-with-default" if after.default is not None else "property-became-required"
            self.comparison.add(kind, NARROWS, False, True, **self._places(mine, theirs), name=name)
        else:
            self.comparison.add(
                "property-became-optional", WIDENS, True, False, **self._places(mine, theirs), name=name
            )

    def _added(self, name: str, theirs: Parts) -> None:
        after = self.comparison.graph.new.node(theirs)
        required, was_required = name in self.new.required, name in self.old.required
        if not lifecycle.is_judged(after.stability, self.comparison.settings):
            return
        absent = parts_for(self.old, name)
        place: dict[str, Any] = {"old_pointer": self.old.pointer, "new_pointer": theirs[0].pointer, "name": name}
        strength = "required" if required else "optional"
        if self.hidden and getattr(after, self.hidden):
            word = "read-only" if self.hidden == "read_only" else "write-only"
            self.comparison.add(f"{strength}-{word}-property-added", NONE, None, describe(after), **place)
            return
        if required and not was_required:
            kind = "required-property-added-with-default" if after.default is not None else "required-property-added"
            unproven = NONE if absent else WIDENS
            self.comparison.add(kind, NARROWS, None, describe(after), **place, unproven=unproven)
        elif was_required and not required:
            self.comparison.add("property-became-optional", WIDENS, True, False, **place)
        if after.never and not absent:
            self.comparison.add("property-forbidden", NARROWS, None, "nothing", **place)
            return
        closed = bool(absent) and self.comparison.graph.old.node(absent).never
        if closed:
            if not after.never:
                self.comparison.add("property-added-to-closed-object", WIDENS, None, describe(after), **place)
        elif absent:
            self.comparison.child(absent, theirs, direction=self.direction.of_property)
            if not required or was_required:
                self.comparison.add("optional-property-added", NONE, None, describe(after), **place)
        elif not required or was_required:
            effect = NONE if after.is_free else NARROWS
            self.comparison.add(
                "optional-property-added", effect, None, describe(after), **place, tolerated=True, unproven=WIDENS
            )
        elif not after.is_free:
            self.comparison.add(
                "required-property-added-schema", NARROWS, None, describe(after), **place, tolerated=True
            )

    def _removed(self, name: str, mine: Parts) -> None:
        before = self.comparison.graph.old.node(mine)
        required, still = name in self.old.required, name in self.new.required
        settings = self.comparison.settings
        if not lifecycle.is_judged(before.stability, settings):
            return
        end = _holder(self.new, mine[0].pointer, name) or None  # None: no schema is left
        place: dict[str, Any] = {"old_pointer": mine[0].pointer, "new_pointer": end, "name": name}
        strength = "required" if required and not still else "optional"
        if self.hidden and getattr(before, self.hidden):
            word = "read-only" if self.hidden == "read_only" else "write-only"
            self.comparison.add(f"{strength}-{word}-property-removed", NONE, describe(before), None, **place)
            return
        absent = parts_for(self.new, name)
        if before.never and not still:
            # `name: false` forbids the name; dropping it admits the name.
            if required:
                # What is required and forbidden at once was never accepted.
                self.comparison.add("property-became-optional", WIDENS, True, False, **place)
            if not (absent and self.comparison.graph.new.node(absent).never):
                self.comparison.add("forbidden-property-removed", WIDENS, describe(before), None, **place)
            return
        closed = bool(absent) and self.comparison.graph.new.node(absent).never
        if still and not required:
            self.comparison.add("property-became-required", NARROWS, False, True, **place)
        effect = WIDENS if required and not still else NONE
        stage = self._removal_stage(before)
        kind = f"{strength}-property-removed{stage}"
        if closed:
            self.comparison.add(
                f"{kind}-and-refused" if not stage else kind, effect | NARROWS, describe(before), None, **place
            )
        elif absent:
            key = self.comparison.child(mine, absent, direction=self.direction.of_property)
            if effect or self.comparison.graph.relation(key) or not self.comparison.settings.strict:
                self.comparison.add(kind, effect, describe(before), None, **place)
        else:
            self.comparison.add(kind, effect, describe(before), None, **place, unproven=NARROWS)
            if not before.is_free:
                self.comparison.add("property-schema-dropped", WIDENS, describe(before), None, **place, tolerated=True)

    def _removal_stage(self, before: Node) -> str:
        if self.comparison.settings.as_of is None or not before.deprecated:
            return ""
        mark = lifecycle.Mark(before.deprecated, before.sunset, before.stability)
        kind = lifecycle.removal(mark, self.comparison.settings).kind
        return {"removed-with-deprecation": "-with-deprecation", "removed-before-sunset": "-before-sunset"}.get(
            kind, ""
        )

    def _requirement(self, name: str) -> None:
        """A required name that no property describes is still demanded."""
        was, now = name in self.old.required, name in self.new.required
        if was == now:
            return
        place: dict[str, Any] = {"old_pointer": self.old.pointer, "new_pointer": self.new.pointer, "name": name}
        if now:
            self.comparison.add("property-became-required", NARROWS, False, True, **place)
        else:
            self.comparison.add("property-became-optional", WIDENS, True, False, **place)


def _holder(node: Node, pointer: str, name: str) -> str:
    """Where the schema that had a property stands now: the part at the same place, else the whole."""
    own = pointer.removesuffix(join("", "properties", name))
    return next((part.pointer for part in node.flat if part.pointer == own), node.pointer)
