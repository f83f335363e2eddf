"""Comparison of two OpenAPI documents, operation by operation."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.openapi import access, bodies, parameters
from tillgate_contracts.compare.openapi.media import is_json
from tillgate_contracts.compare.openapi.view import METHODS, HttpOperation, LocatedObject, OpenApiView, shape_of
from tillgate_contracts.compare.report import FindingCollector, Where
from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.schema.source import Part, join
from tillgate_contracts.compare.schema.values import as_list, as_mapping

_LIFECYCLE = {
    "deprecated": "endpoint-deprecated",
    "deprecated-with-sunset": "endpoint-deprecated-with-sunset",
    "deprecated-sunset-missing": "api-deprecated-sunset-missing",
    "deprecated-sunset-unreadable": "api-deprecated-sunset-parse",
    "sunset-unreadable": "api-path-sunset-parse",
    "sunset-date-too-small": "api-sunset-date-too-small",
    "sunset-date-changed-too-small": "api-sunset-date-changed-too-small",
    "sunset-changed": "api-sunset-date-changed",
    "sunset-deleted": "sunset-deleted",
    "reactivated": "endpoint-reactivated",
    "stability-decreased": "api-stability-decreased",
    "stability-increased": "api-stability-increased",
    "invalid-stability-level": "api-invalid-stability-level",
}
_ANNOTATIONS = ("summary", "description", "externalDocs")


class DocumentComparison:
    """State of one comparison: both views, the schema graph and the report."""

    def __init__(self, old: OpenApiView, new: OpenApiView, graph: SchemaGraph, report: FindingCollector) -> None:
        self.old, self.new = old, new
        self.graph = graph
        self.report = report
        self.used_schemes: set[str] = set()

    def run(self) -> None:
        self._paths()
        self._webhooks()
        access.compare_schemes(self)
        access.compare_servers(
            self, self.old.tree.get("servers"), self.new.tree.get("servers"), "/servers", "/servers", None
        )

    def _paths(self) -> None:
        old, new = self._by_shape(self.old), self._by_shape(self.new)
        for shape, (template, item) in old.items():
            found = new.get(shape)
            if found is None:
                for operation in self.old.operations(template, item):
                    self._removed(operation, whole_path=True)
                continue
            self._path(template, item, *found)
        for shape, (template, item) in new.items():
            if shape not in old:
                for operation in self.new.operations(template, item):
                    self._added(operation)

    def _by_shape(self, view: OpenApiView) -> dict[str, tuple[str, LocatedObject]]:
        found: dict[str, tuple[str, LocatedObject]] = {}
        for template, item in view.path_items("paths").items():
            shape = shape_of(template)
            known = found.get(shape)
            if known is not None:
                pointer = join("", "paths", template)
                self.report.say(
                    "api-path-ambiguous",
                    f"The paths {known[0]} and {template} have the same shape.",
                    base=pointer if view is self.old else None,
                    revision=pointer if view is self.new else None,
                )
                continue
            found[shape] = (template, item)
        return found

    def _path(self, template: str, item: LocatedObject, other: str, place: LocatedObject) -> None:
        if template != other:
            self.report.say(
                "api-path-parameter-renamed",
                f"The path {template} is now written {other}; on the wire nothing changed.",
                where=Where("", other, item.pointer, place.pointer),
                old=template,
                new=other,
            )
        before = {operation.method: operation for operation in self.old.operations(template, item)}
        after = {operation.method: operation for operation in self.new.operations(other, place)}
        for method, operation in before.items():
            found = after.get(method)
            if found is None:
                self._removed(operation, whole_path=not after)
            else:
                self.operation(operation, found, reverse=False)
        for method, operation in after.items():
            if method not in before:
                self._added(operation)

    def _removed(self, operation: HttpOperation, *, whole_path: bool) -> None:
        settings = self.graph.settings
        mark = lifecycle.Mark.of(operation.raw)
        where = Where(operation.label, operation.template, operation.pointer, None)
        if lifecycle.level_of(mark.stability) is None:
            self._say_event(lifecycle.LifecycleChange("invalid-stability-level", mark.stability), where)
            return
        if not lifecycle.is_judged(mark.stability, settings):
            return
        event = lifecycle.removal(mark, settings)
        subject = "path" if whole_path else "operation"
        prefix = "api-path" if whole_path else "api"
        rule = "api-path-sunset-parse" if event.kind == "sunset-unreadable" else f"{prefix}-{event.kind}"
        words = {
            "removed-without-deprecation": "was removed without having been deprecated",
            "removed-with-deprecation": "was removed after its deprecation",
            "removed-before-sunset": f"was removed before its sunset {event.old}",
            "sunset-unreadable": f"was removed, and its sunset {event.old!r} is not a date",
        }
        hint = "Deprecate it with a sunset first, and remove it after that date."
        self.report.say(
            rule, f"The {subject} {operation.label} {words[event.kind]}.", where=where, old=event.old, hint=hint
        )

    def _added(self, operation: HttpOperation) -> None:
        where = Where(operation.label, operation.template, None, operation.pointer)
        level = operation.raw.get("x-stability-level")
        if lifecycle.level_of(level) is None:
            self._say_event(lifecycle.LifecycleChange("invalid-stability-level", None, level), where)
        elif lifecycle.is_judged(level, self.graph.settings):
            self.report.say("endpoint-added", f"The operation {operation.label} was added.", where=where)

    def _say_event(self, event: lifecycle.LifecycleChange, where: Where) -> None:
        text = f"{where.label or where.path}: {event.kind.replace('-', ' ')}"
        if event.old is not None or event.new is not None:
            text += f" ({event.old} became {event.new})"
        self.report.say(_LIFECYCLE[event.kind], f"{text}.", where=where, old=event.old, new=event.new)

    def operation(self, old: HttpOperation, new: HttpOperation, *, reverse: bool, label: str = "") -> None:
        """One operation on both sides. `reverse`: a callback or webhook, where the flow turns round."""
        settings = self.graph.settings
        where = Where(label or old.label, old.template, old.pointer, new.pointer)
        marks = lifecycle.Mark.of(old.raw), lifecycle.Mark.of(new.raw)
        if marks[0] != marks[1] or lifecycle.level_of(marks[1].stability) is None:
            for event in lifecycle.transitions(*marks, settings):
                self._say_event(event, where)
        if not lifecycle.is_judged(marks[0].stability, settings) and lifecycle.level_of(marks[1].stability) is not None:
            return
        self._security_and_servers(old, new, where)
        if self.graph.sameness.same(old.raw, new.raw) and self.graph.sameness.same(
            old.path_item.get("parameters"), new.path_item.get("parameters")
        ):
            return
        self._words(old, new, where)
        parameters.compare(self, self.old.parameters(old), self.new.parameters(new), where, reverse=reverse)
        bodies.compare_request(self, old, new, where, reverse=reverse)
        bodies.compare_responses(self, old, new, where, reverse=reverse)
        self._callbacks(old, new, where, reverse=reverse)

    def _security_and_servers(self, old: HttpOperation, new: HttpOperation, where: Where) -> None:
        access.compare_security(self, old, new, where)
        for left, right, base, revision, place in (
            (old.path_item, new.path_item, old.path_pointer, new.path_pointer, Where("", new.template)),
            (old.raw, new.raw, old.pointer, new.pointer, where),
        ):
            if "servers" in left or "servers" in right:
                access.compare_servers(
                    self,
                    left.get("servers", self.old.tree.get("servers")),
                    right.get("servers", self.new.tree.get("servers")),
                    join(base, "servers"),
                    join(revision, "servers"),
                    place,
                )

    def _words(self, old: HttpOperation, new: HttpOperation, where: Where) -> None:
        before, after = old.raw.get("operationId"), new.raw.get("operationId")
        if before != after:
            if before:
                text = f"The operationId {before} was {'renamed to ' + str(after) if after else 'removed'}."
                self.report.say("api-operation-id-removed", text, where=where, old=before, new=after)
            else:
                self.report.say("api-operation-id-added", f"The operationId {after} was added.", where=where, new=after)
        tags = [list(map(str, as_list(side.raw.get("tags")))) for side in (old, new)]
        for verb, mine, theirs in (("removed", *tags), ("added", *reversed(tags))):
            for tag in mine:
                if tag not in theirs:
                    self.report.say(
                        f"api-tag-{verb}",
                        f"The tag {tag} was {verb}.",
                        where=where,
                        old=tag if verb == "removed" else None,
                        new=tag if verb == "added" else None,
                    )
        changed = [
            name
            for name in dict.fromkeys([*old.raw, *new.raw])
            if (name in _ANNOTATIONS or (str(name).startswith("x-") and name not in {"x-sunset", "x-stability-level"}))
            and old.raw.get(name) != new.raw.get(name)
        ]
        if changed:
            self.report.say(
                "annotation-changed", f"{where.label} changed words without force: {', '.join(changed)}.", where=where
            )

    def content_schema(
        self,
        media: str,
        old: Any,
        new: Any,
        places: tuple[str, str],
        direction: str,
        place: str,
        where: Where,
        *,
        old_media: str | None = None,
    ) -> None:
        """The schema of one media type on both sides. `places`: pointers of the two `content` objects."""
        old, new = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        base, revision = join(places[0], old_media or media), join(places[1], media)
        word = "schema"
        if "schema" not in old and "schema" not in new and ("itemSchema" in old or "itemSchema" in new):
            word = "itemSchema"
        if word in old and word in new:
            left, right = (Part(old[word], join(base, word)),), (Part(new[word], join(revision, word)),)
            flow = Direction(direction, text=not is_json(media))
            self.report.use(self.graph.link(left, right, flow), place, where)
        elif (word in old) != (word in new):
            gone = word in old
            free = (
                self.graph.old.node((Part(old[word], ""),)).is_free
                if gone
                else self.graph.new.node((Part(new[word], ""),)).is_free
            )
            if free or place != "body":
                return
            rule = f"{'request' if direction == 'request' else 'response'}-body-media-type-schema-{'removed' if gone else 'added'}"
            self.report.say(
                rule,
                f"The schema of the {media} body was {'dropped' if gone else 'added'}.",
                where=where,
                base=base,
                revision=revision,
            )

    def _callbacks(self, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool) -> None:
        left, right = as_mapping(old.raw.get("callbacks")), as_mapping(new.raw.get("callbacks"))
        for name, raw in left.items():
            before = self.old.resolve(raw, join(old.pointer, "callbacks", name))
            after = self.new.resolve(right.get(name), join(new.pointer, "callbacks", name))
            if before is None:
                continue
            if after is None:
                self.report.say(
                    "callback-removed", f"The callback {name} was removed.", where=where, old=name, base=before.pointer
                )
                continue
            self._callback(name, before, after, where, reverse=reverse)
        for name in right:
            if name not in left:
                pointer = join(new.pointer, "callbacks", name)
                self.report.say(
                    "callback-added", f"The callback {name} was added.", where=where, new=name, revision=pointer
                )

    def _callback(self, name: str, before: LocatedObject, after: LocatedObject, where: Where, *, reverse: bool) -> None:
        old = {key: value for key, value in before.raw.items() if isinstance(value, dict) and not key.startswith("x-")}
        new = {key: value for key, value in after.raw.items() if isinstance(value, dict) and not key.startswith("x-")}
        for expression, raw in old.items():
            pointer = join(before.pointer, expression)
            one = self.old.resolve(raw, pointer)
            other = self.new.resolve(new.get(expression), join(after.pointer, expression))
            if one is not None and other is not None:
                self._reversed_item(one, other, f"{where.label} callback {name}", where.path, reverse=not reverse)
            elif one is not None:
                text = f"The callback {name} no longer calls {expression}."
                self.report.say(
                    "callback-removed", text, where=where, old=expression, base=pointer, revision=after.pointer
                )
        for expression in new:
            if expression not in old:
                pointer = join(after.pointer, expression)
                self.report.say(
                    "callback-added",
                    f"The callback {name} also calls {expression}.",
                    where=where,
                    new=expression,
                    revision=pointer,
                )

    def _reversed_item(self, one: LocatedObject, other: LocatedObject, label: str, path: str, *, reverse: bool) -> None:
        before = {operation.method: operation for operation in self.old.operations(path, one)}
        after = {operation.method: operation for operation in self.new.operations(path, other)}
        for method, operation in before.items():
            text = f"{label} {method.upper()}"
            found = after.get(method)
            if found is None:
                place = Where(label, path, operation.pointer, other.pointer)
                self.report.say("callback-removed", f"{text} was removed.", where=place)
            else:
                self.operation(operation, found, reverse=reverse, label=text)

    def _webhooks(self) -> None:
        word = {view: "webhooks" if "webhooks" in view.tree else "x-webhooks" for view in (self.old, self.new)}
        old, new = self.old.path_items(word[self.old]), self.new.path_items(word[self.new])
        for name, item in old.items():
            found = new.get(name)
            if found is None:
                methods = [method for method in METHODS if method in item.raw]
                where = Where(f"webhook {name}", name, item.pointer, None)
                self.report.say(
                    "webhook-removed", f"The webhook {name} ({', '.join(methods)}) was removed.", where=where, old=name
                )
            else:
                self._reversed_item(item, found, f"webhook {name}", name, reverse=True)
        for name, item in new.items():
            if name not in old:
                where = Where(f"webhook {name}", name, None, item.pointer)
                self.report.say("webhook-added", f"The webhook {name} was added.", where=where, new=name)
