"""Comparison of parameters by location and name. How a value is written on the wire counts as much as its schema."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.lists import COMMAS, list_of_one, may_hold_commas
from tillgate_contracts.compare.openapi.view import Parameter
from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.values import has_type

Parameters = dict[tuple[str, str], Parameter]
_LIFECYCLE = {
    "deprecated": "request-parameter-deprecated",
    "deprecated-with-sunset": "request-parameter-deprecated",
    "deprecated-sunset-missing": "request-parameter-deprecated-sunset-missing",
    "deprecated-sunset-unreadable": "request-parameter-sunset-parse",
    "sunset-unreadable": "request-parameter-sunset-parse",
    "sunset-date-too-small": "request-parameter-sunset-date-too-small",
    "sunset-date-changed-too-small": "request-parameter-sunset-date-changed-too-small",
    "sunset-changed": "request-parameter-sunset-changed",
    "sunset-deleted": "request-parameter-sunset-deleted",
    "reactivated": "request-parameter-reactivated",
    "stability-decreased": "request-parameter-stability-decreased",
    "stability-increased": "request-parameter-stability-increased",
    "invalid-stability-level": "api-invalid-stability-level",
}
_REMOVALS = {
    "removed-without-deprecation": "request-parameter-removed",
    "removed-with-deprecation": "request-parameter-removed-with-deprecation",
    "removed-before-sunset": "request-parameter-removed-before-sunset",
    "sunset-unreadable": "request-parameter-sunset-parse",
}


def compare(
    comparison: DocumentComparison,
    old: Parameters,
    new: Parameters,
    where: Where,
    *,
    reverse: bool,
    unread: bool = False,
) -> None:
    """Parameters of one operation. `reverse`: a callback, where the owner of the contract is the caller. `unread`: some
    parameter was not read, and may be the one that seems to come or to go."""
    left = {key: item for key, item in old.items() if key not in new}
    right = {key: item for key, item in new.items() if key not in old}
    for key, before in list(left.items()):
        # A parameter that moved keeps its name: say so, instead of one removal and one addition.
        moved = next((other for other, after in right.items() if _is_moved(before, after)), None)
        if moved is not None and not reverse:
            after = right.pop(moved)
            del left[key]
            comparison.collector.add(
                "request-parameter-location-changed",
                f"Parameter `{before.name}` moved from {before.location} to {after.location}.",
                where=where,
                old=before.location,
                new=after.location,
                base=before.pointer,
                revision=after.pointer,
            )
    for before in left.values():
        _removed(comparison, before, where, reverse=reverse, unread=unread)
    for after in right.values():
        _added(comparison, after, where, reverse=reverse, unread=unread)
    for key, before in old.items():
        if key in new:
            _Both(comparison, before, new[key], where, reverse=reverse).compare()


def _is_moved(before: Parameter, after: Parameter) -> bool:
    """The same name at another place. Only names of headers ignore letter case (RFC 9110 section 5.1)."""
    if before.location == after.location:
        return False
    if "header" in (before.location, after.location):
        return before.name.lower() == after.name.lower()
    return before.name == after.name


def _removed(comparison: DocumentComparison, before: Parameter, where: Where, *, reverse: bool, unread: bool) -> None:
    text = f"The {before.location} parameter `{before.name}`"
    if reverse:
        rule = "callback-required-parameter-removed" if before.required else "callback-parameter-removed"
        level = "warning" if unread else None
        comparison.collector.add(rule, f"{text} is no longer sent.", where=where, base=before.pointer, level=level)
        return
    settings = comparison.graph.settings
    if not lifecycle.is_judged(before.raw.get("x-stability-level"), settings):
        return
    mark = lifecycle.Mark.of(before.raw)
    change = lifecycle.removal(mark, settings)
    schema = before.schema
    if change.kind == "removed-without-deprecation" and schema is not None:
        node = comparison.graph.old.node(schema)
        if not lifecycle.is_judged(node.stability, settings):
            return
    detail = f" (sunset {mark.sunset})" if mark.sunset is not None else ""
    comparison.collector.add(
        _REMOVALS[change.kind],
        f"{text} was removed{detail}.",
        where=where,
        old=before.name,
        base=before.pointer,
        hint="Deprecate it with a sunset first, and remove it after that date.",
    )


def _added(comparison: DocumentComparison, after: Parameter, where: Where, *, reverse: bool, unread: bool) -> None:
    text = f"The {after.location} parameter `{after.name}` was added"
    collector = comparison.collector
    if reverse:
        collector.add("callback-parameter-added", f"{text}.", where=where, revision=after.pointer)
        return
    if not lifecycle.is_judged(after.raw.get("x-stability-level"), comparison.graph.settings):
        return
    if after.location == "path":
        level = "warning" if unread else None
        place: dict[str, Any] = {"where": where, "new": after.name, "revision": after.pointer}
        collector.add("new-request-path-parameter", f"{text}.", level=level, **place)
        return
    strength = "required" if after.required else "optional"
    rule = f"new-{strength}-request-parameter"
    if after.shared:
        rule = f"new-{strength}-request-default-parameter-to-existing-path"
    level = "warning" if unread and after.required else None
    text = f"{text} and is {strength}."
    collector.add(rule, text, where=where, new=after.name, revision=after.pointer, level=level)


class _Both:
    """One parameter on both sides."""

    def __init__(
        self, comparison: DocumentComparison, old: Parameter, new: Parameter, where: Where, *, reverse: bool
    ) -> None:
        self.comparison = comparison
        self.old, self.new = old, new
        self.where = where
        self.reverse = reverse

    def add(self, rule: str, message: str, old: object = None, new: object = None, *, level: str | None = None) -> None:
        places = {"base": self.old.pointer, "revision": self.new.pointer}
        self.comparison.collector.add(rule, message, where=self.where, old=old, new=new, level=level, **places)

    def compare(self) -> None:
        old, new = self.old, self.new
        if old.raw is new.raw or (
            old.required == new.required and self.comparison.graph.sameness.same(old.raw, new.raw)
        ):
            return
        settings = self.comparison.graph.settings
        marks = lifecycle.Mark.of(old.raw), lifecycle.Mark.of(new.raw)
        if not self.reverse:
            if marks[0] != marks[1]:
                for change in lifecycle.transitions(*marks, settings):
                    text = f"Parameter `{new.name}`: {change.kind.replace('-', ' ')}"
                    self.add(
                        _LIFECYCLE[change.kind],
                        f"{text} ({change.old} became {change.new})." if change.new or change.old else f"{text}.",
                        change.old,
                        change.new,
                    )
            if (
                not lifecycle.is_judged(marks[0].stability, settings)
                and lifecycle.level_of(marks[0].stability) is not None
            ):
                return
        self._required()
        self._wire()
        self._schema()

    def _required(self) -> None:
        if self.old.required == self.new.required:
            return
        now = self.new.required
        if self.reverse:
            rule = "callback-parameter-became-required" if now else "callback-parameter-became-optional"
        else:
            rule = "request-parameter-became-required" if now else "request-parameter-became-optional"
        self.add(
            rule,
            f"The {self.new.location} parameter `{self.new.name}` is {'now' if now else 'no longer'} required.",
            self.old.required,
            now,
        )

    def _wire(self) -> None:
        old, new = self.old, self.new
        name = f"Parameter `{new.name}`"
        if old.style != new.style:
            self.add(
                "request-parameter-style-changed",
                f"{name} is written in style {new.style} instead of {old.style}.",
                old.style,
                new.style,
            )
        if old.explode != new.explode and self._is_compound():
            self.add(
                "request-parameter-explode-changed",
                f"{name} changed explode from {old.explode} to {new.explode}.",
                old.explode,
                new.explode,
            )
        if bool(old.raw.get("allowReserved")) != bool(new.raw.get("allowReserved")):
            self.add(
                "request-parameter-allow-reserved-changed",
                f"{name} changed allowReserved.",
                old.raw.get("allowReserved"),
                new.raw.get("allowReserved"),
            )
        before, after = bool(old.raw.get("allowEmptyValue")), bool(new.raw.get("allowEmptyValue"))
        if before != after:
            verb = "removed" if before else "added"
            self.add(
                f"request-parameter-allow-empty-{verb}",
                f"{name} {'no longer' if before else 'now'} allows an empty value.",
                before,
                after,
            )

    def _is_compound(self) -> bool:
        """explode only matters for arrays and objects; in `simple`, arrays are written alike with and without it
        (OpenAPI 3.1.1 section 4.8.12.4)."""
        lists = self.old.style != "simple" or self.new.style != "simple"
        for parameter, builder in ((self.old, self.comparison.graph.old), (self.new, self.comparison.graph.new)):
            if parameter.schema is None:
                continue
            types = builder.node(parameter.schema).types
            if (lists and has_type(types, "array")) or has_type(types, "object"):
                return True
        return False

    def _schema(self) -> None:
        old, new = self.old, self.new
        contents = [item.raw.get("content") for item in (old, new)]
        if isinstance(contents[0], dict) or isinstance(contents[1], dict):
            self._content(contents[0], contents[1])
            return
        if old.schema is None and new.schema is None:
            return
        direction = Direction("response" if self.reverse else "request", text=True)
        key = self.comparison.graph.link(old.schema or (), new.schema or (), direction)
        if key is None:
            return
        if new.style in {"form", "simple"} and new.style == old.style and self._became_list(direction):
            return
        place = "header" if self.reverse else "parameter"
        self.comparison.collector.use(
            key,
            place,
            self.where,
            header=new.location == "header",
            skip_defaults=old.raw.get("required") is True and new.raw.get("required") is True,
        )

    def _became_list(self, direction: Direction) -> bool:
        """A single value and a list of one are written alike: `?id=7`."""
        old, new = self.old, self.new
        splits = new.style == "simple" or not new.explode
        sides = old.schema or (), new.schema or ()
        text = list_of_one(self.comparison, *sides, direction, splits=splits)
        if text is None:
            return False
        verb = "narrowed" if self.reverse else "widened"
        message = f"Parameter `{new.name}` {verb} its type from {text[0]} to {text[1]}; a single value is written as "
        doubtful = splits and may_hold_commas(self.comparison, *sides, direction)
        message += f"before.{COMMAS}" if doubtful else "before."
        self.add("request-parameter-type-generalized", message, *text, level="warning" if doubtful else None)
        return True

    def _content(self, old: object, new: object) -> None:
        name = f"Parameter `{self.new.name}`"
        if not isinstance(old, dict) or not isinstance(new, dict):
            self.add("request-parameter-serialization-changed", f"{name} changed between schema and content.")
            return
        if sorted(old) != sorted(new):
            self.add(
                "request-parameter-serialization-changed", f"{name} changed its media type.", sorted(old), sorted(new)
            )
            return
        direction = Direction("response" if self.reverse else "request")
        for media in old:
            self.comparison.content_schema(
                media,
                old[media],
                new[media],
                (f"{self.old.pointer}/content", f"{self.new.pointer}/content"),
                direction,
                "parameter",
                self.where,
            )
