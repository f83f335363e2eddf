"""Comparison of the object keywords of two nodes: properties, requirements, maps and conditional requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.accepts import parts_for
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.node import Node, is_plain
from tillgate_contracts.compare.schema.scalars import compare_least, compare_most, describe
from tillgate_contracts.compare.schema.source import Parts

if TYPE_CHECKING:
    from tillgate_contracts.compare.schema.diff import Meeting


def compare(meeting: Meeting, *, active: bool) -> None:
    old, new = meeting.old, meeting.new
    idle = not active
    if idle and (old.types != new.types or not meeting.settings.declared):
        return
    compare_least(meeting, "min-properties", "minProperties", old.min_properties, new.min_properties, idle=idle)
    compare_most(meeting, "max-properties", "maxProperties", old.max_properties, new.max_properties, idle=idle)
    if not (old.restricts_objects or new.restricts_objects or old.discriminator or new.discriminator):
        return
    _Properties(meeting, idle=idle).compare()
    if idle:
        return
    _compare_additional(meeting)
    _compare_pattern_properties(meeting)
    _compare_names(meeting)
    _compare_dependent_required(meeting)
    _compare_dependent_schemas(meeting)
    _compare_unevaluated(meeting)


class _Properties:
    """Named properties and `required`, with the fields that a direction does not carry left out."""

    def __init__(self, meeting: Meeting, *, idle: bool) -> None:
        self.meeting = meeting
        self.old, self.new = meeting.old, meeting.new
        self.idle = idle
        self.flow = meeting.flow
        # Asynchronous messages know no readOnly: it is a word of the request-response world.
        self.hidden = {"request": "read_only", "response": "write_only"}.get(meeting.flow.direction, "")

    def compare(self) -> None:
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
        same = self.meeting.diff.sameness.same_parts(mine, theirs)
        if same and required[0] == required[1]:
            return
        before, after = self.meeting.diff.old.node(mine), self.meeting.diff.new.node(theirs)
        settings = self.meeting.settings
        if not lifecycle.is_judged(before.stability, settings) and lifecycle.level_of(after.stability) is not None:
            return
        gone = bool(self.hidden) and getattr(before, self.hidden), bool(self.hidden) and getattr(after, self.hidden)
        self._mutability(name, mine, theirs, required)
        if gone[0] and gone[1]:
            self._hidden_inside(name, mine, theirs, required)
            return
        if gone[0] != gone[1]:
            return
        if required[0] != required[1]:
            self._required(name, mine, theirs, now=required[1])
        if not same:
            self.meeting.child(mine, theirs)

    def _mutability(self, name: str, mine: Parts, theirs: Parts, required: tuple[bool, bool]) -> None:
        before, after = self.meeting.diff.old.node(mine), self.meeting.diff.new.node(theirs)
        for attribute, word in (("read_only", "read-only"), ("write_only", "write-only")):
            was, now = getattr(before, attribute), getattr(after, attribute)
            if was == now or self.flow.direction not in {"request", "response"}:
                continue
            hides = attribute == self.hidden
            strength = "required" if (required[1] if now is False else required[0]) else "optional"
            kind = f"{strength}-property-became-{word}" if now else f"{strength}-property-became-not-{word}"
            effect = NONE
            if hides and strength == "required":
                # Leaving the direction lifts a demand; entering it imposes one.
                effect = WIDENS if now else NARROWS
            self.meeting.add(kind, effect, was, now, **self._places(mine, theirs), name=name)

    def _hidden_inside(self, name: str, mine: Parts, theirs: Parts, required: tuple[bool, bool]) -> None:
        """A field that this direction never carries: its change is worth a note, and no more."""
        word = "read-only" if self.hidden == "read_only" else "write-only"
        if required[0] != required[1] or self.meeting.diff.link(mine, theirs, self.flow) is not None:
            before, after = self.meeting.diff.old.node(mine), self.meeting.diff.new.node(theirs)
            kind = f"{word}-property-changed"
            self.meeting.add(kind, NONE, describe(before), describe(after), **self._places(mine, theirs), name=name)

    def _places(self, mine: Parts, theirs: Parts) -> dict[str, str]:
        return {"old_pointer": mine[0].pointer, "new_pointer": theirs[0].pointer}

    def _required(self, name: str, mine: Parts, theirs: Parts, *, now: bool) -> None:
        after = self.meeting.diff.new.node(theirs)
        if now:
            kind = "property-became-required-with-default" if after.default is not None else "property-became-required"
            self.meeting.add(kind, NARROWS, False, True, **self._places(mine, theirs), name=name, idle=self.idle)
        else:
            self.meeting.add(
                "property-became-optional", WIDENS, True, False, **self._places(mine, theirs), name=name, idle=self.idle
            )

    def _added(self, name: str, theirs: Parts) -> None:
        after = self.meeting.diff.new.node(theirs)
        required, was_required = name in self.new.required, name in self.old.required
        if not lifecycle.is_judged(after.stability, self.meeting.settings):
            return
        absent = parts_for(self.old, name)
        place: dict[str, Any] = {
            "old_pointer": self.old.pointer,
            "new_pointer": theirs[0].pointer,
            "name": name,
            "idle": self.idle,
        }
        strength = "required" if required else "optional"
        if self.hidden and getattr(after, self.hidden):
            word = "read-only" if self.hidden == "read_only" else "write-only"
            self.meeting.add(f"{strength}-{word}-property-added", NONE, None, describe(after), **place)
            return
        if required and not was_required:
            kind = "required-property-added-with-default" if after.default is not None else "required-property-added"
            self.meeting.add(kind, NARROWS, None, describe(after), **place)
        elif was_required and not required:
            self.meeting.add("property-became-optional", WIDENS, True, False, **place)
        if after.never and not absent:
            self.meeting.add("property-forbidden", NARROWS, None, "nothing", **place)
            return
        closed = bool(absent) and self.meeting.diff.old.node(absent).never
        if closed:
            if not after.never:
                self.meeting.add("property-added-to-closed-object", WIDENS, None, describe(after), **place)
        elif absent:
            self.meeting.child(absent, theirs)
            if not required or was_required:
                self.meeting.add("optional-property-added", NONE, None, describe(after), **place)
        elif not required or was_required:
            effect = NONE if after.is_free else NARROWS
            self.meeting.add("optional-property-added", effect, None, describe(after), **place, tolerated=True)
        elif not after.is_free:
            self.meeting.add("required-property-added-schema", NARROWS, None, describe(after), **place, tolerated=True)

    def _removed(self, name: str, mine: Parts) -> None:
        before = self.meeting.diff.old.node(mine)
        required, still = name in self.old.required, name in self.new.required
        settings = self.meeting.settings
        if not lifecycle.is_judged(before.stability, settings):
            return
        place: dict[str, Any] = {
            "old_pointer": mine[0].pointer,
            "new_pointer": self.new.pointer,
            "name": name,
            "idle": self.idle,
        }
        strength = "required" if required and not still else "optional"
        if self.hidden and getattr(before, self.hidden):
            word = "read-only" if self.hidden == "read_only" else "write-only"
            self.meeting.add(f"{strength}-{word}-property-removed", NONE, describe(before), None, **place)
            return
        absent = parts_for(self.new, name)
        if before.never and not still:
            # `name: false` forbids the name; dropping it admits the name.
            if not (absent and self.meeting.diff.new.node(absent).never):
                self.meeting.add("forbidden-property-removed", WIDENS, describe(before), None, **place)
            return
        closed = bool(absent) and self.meeting.diff.new.node(absent).never
        if still and not required:
            self.meeting.add("property-became-required", NARROWS, False, True, **place)
        effect = WIDENS if required and not still else NONE
        stage = self._removal_stage(before)
        kind = f"{strength}-property-removed{stage}"
        if closed:
            self.meeting.add(
                f"{kind}-and-refused" if not stage else kind, effect | NARROWS, describe(before), None, **place
            )
        elif absent:
            key = self.meeting.child(mine, absent)
            if effect or self.meeting.diff.relation(key) or not self.meeting.settings.strict:
                self.meeting.add(kind, effect, describe(before), None, **place)
        else:
            self.meeting.add(kind, effect, describe(before), None, **place)
            if not before.is_free:
                self.meeting.add("property-schema-dropped", WIDENS, describe(before), None, **place, tolerated=True)

    def _removal_stage(self, before: Node) -> str:
        if self.meeting.settings.as_of is None or not before.deprecated:
            return ""
        mark = lifecycle.Mark(before.deprecated, before.sunset, before.stability)
        kind = lifecycle.removal(mark, self.meeting.settings).kind
        return {"removed-with-deprecation": "-with-deprecation", "removed-before-sunset": "-before-sunset"}.get(
            kind, ""
        )

    def _requirement(self, name: str) -> None:
        """A required name that no property describes is still a demand."""
        was, now = name in self.old.required, name in self.new.required
        if was == now:
            return
        place: dict[str, Any] = {
            "old_pointer": self.old.pointer,
            "new_pointer": self.new.pointer,
            "name": name,
            "idle": self.idle,
        }
        if now:
            self.meeting.add("property-became-required", NARROWS, False, True, **place)
        else:
            self.meeting.add("property-became-optional", WIDENS, True, False, **place)


def _compare_additional(meeting: Meeting) -> None:
    old, new = _tail(meeting.old), _tail(meeting.new)
    if meeting.old.additional is None and meeting.new.additional is None:
        if old is not None and new is not None:
            meeting.child(old, new)
        return
    places = {
        "old_pointer": meeting.old.additional_pointer or meeting.old.pointer,
        "new_pointer": meeting.new.additional_pointer or meeting.new.pointer,
    }
    closed_old = old is not None and meeting.diff.old.node(old).never
    closed_new = new is not None and meeting.diff.new.node(new).never
    if closed_old and closed_new:
        return
    if closed_new:
        meeting.add("additional-properties-closed", NARROWS, True, False, **places)
    elif closed_old:
        meeting.add("additional-properties-opened", WIDENS, False, True, **places)
    else:
        key = meeting.diff.link(old or (), new or (), meeting.flow)
        if old is not None and new is not None:
            meeting.child(old, new)
        elif meeting.diff.relation(key):
            kind, effect = (
                ("additional-properties-restricted", NARROWS)
                if old is None
                else ("additional-properties-freed", WIDENS)
            )
            meeting.add(kind, effect, None, None, **places)


def _tail(node: Node) -> Parts | None:
    """What holds for names that nothing else speaks of (None: anything)."""
    if node.additional is not None:
        return node.additional
    return node.unevaluated_properties if is_plain(node) else None


def _compare_pattern_properties(meeting: Meeting) -> None:
    old, new = meeting.old.pattern_properties, meeting.new.pattern_properties
    for pattern in dict.fromkeys([*old, *new]):
        mine, theirs = old.get(pattern), new.get(pattern)
        if mine is not None and theirs is not None:
            meeting.child(mine, theirs)
            continue
        rest = _tail(meeting.old if mine is None else meeting.new)
        # Where only additionalProperties speaks for these names, it decides; where nothing speaks, they are open. Other
        # patterns of that side may speak for some of them as well, and then either may happen.
        if mine is None and theirs is not None:
            key = meeting.diff.link(rest or (), theirs, meeting.flow)
            effect = meeting.diff.relation(key)
            if not rest:
                effect = NARROWS if effect else NONE
            elif effect:
                effect = BOTH if old else effect
            meeting.add("pattern-property-added", effect, None, pattern, "patternProperties")
        elif mine is not None:
            key = meeting.diff.link(mine, rest or (), meeting.flow)
            effect = meeting.diff.relation(key)
            if not rest:
                effect = WIDENS if effect else NONE
            elif effect:
                effect = BOTH if new else effect
            meeting.add("pattern-property-removed", effect, pattern, None, "patternProperties")


def _compare_names(meeting: Meeting) -> None:
    old, new = meeting.old.names, meeting.new.names
    if old is not None and new is not None:
        meeting.child(old, new)
    elif new is not None and not meeting.diff.new.node(new).is_free:
        meeting.add("property-names-added", NARROWS, keyword="propertyNames")
    elif old is not None and not meeting.diff.old.node(old).is_free:
        meeting.add("property-names-removed", WIDENS, keyword="propertyNames")


def _needs(node: Node, name: str) -> frozenset[str]:
    return frozenset(item for item in node.dependent_required.get(name, frozenset()) if item not in node.required)


def _compare_dependent_required(meeting: Meeting) -> None:
    old, new = meeting.old.dependent_required, meeting.new.dependent_required
    word = "dependentRequired" if "dependentRequired" in {**meeting.old.where, **meeting.new.where} else "dependencies"
    for name in dict.fromkeys([*old, *new]):
        # What is required anyway is no condition any more; what was required anyway is no new one.
        before, after = old.get(name, frozenset()), new.get(name, frozenset())
        if before == after:
            continue
        effect = NARROWS if after - before - meeting.old.required.keys() else NONE
        effect |= WIDENS if before - after - meeting.new.required.keys() else NONE
        verb = "added" if not before else "removed" if not after else "changed"
        meeting.add(
            f"dependent-required-{verb}", effect, sorted(before) or None, sorted(after) or None, word, name=name
        )


def _compare_dependent_schemas(meeting: Meeting) -> None:
    old, new = meeting.old.dependent_schemas, meeting.new.dependent_schemas
    word = "dependentSchemas" if "dependentSchemas" in {**meeting.old.where, **meeting.new.where} else "dependencies"
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new:
            meeting.child(old[name], new[name])
        elif name in new and not meeting.diff.new.node(new[name]).is_free:
            meeting.add("dependent-schema-added", NARROWS, None, name, word, name=name)
        elif name in old and not meeting.diff.old.node(old[name]).is_free:
            meeting.add("dependent-schema-removed", WIDENS, name, None, word, name=name)


def _compare_unevaluated(meeting: Meeting) -> None:
    old, new = meeting.old.unevaluated_properties, meeting.new.unevaluated_properties
    if old is not None and new is not None:
        if not (is_plain(meeting.old) and is_plain(meeting.new)):
            meeting.child(old, new)
    elif new is not None and (meeting.old.additional is None or meeting.new.tangled):
        meeting.add("unevaluated-properties-added", NARROWS, keyword="unevaluatedProperties")
    elif old is not None and (meeting.new.additional is None or meeting.old.tangled):
        meeting.add("unevaluated-properties-removed", WIDENS, keyword="unevaluatedProperties")
