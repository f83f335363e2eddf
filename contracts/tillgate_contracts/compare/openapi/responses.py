"""Comparison of responses and their headers."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi.bodies import compare_contents
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.links import compare_links
from tillgate_contracts.compare.openapi.lists import COMMAS, list_of_one, may_hold_commas
from tillgate_contracts.compare.openapi.view import HttpOperation, OpenApiView
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.source import Part, Parts, join
from tillgate_contracts.compare.schema.values import has_type
from tillgate_contracts.compare.unread import LocatedObject

Pair = tuple[str, str]
#: Codes whose messages never have a body.
_BODILESS = frozenset({"204", "205", "304"})


def compare_responses(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool
) -> None:
    """Responses by status; ranges (`2XX`) and `default` cover the codes they stand for."""
    before, after = _statuses(old), _statuses(new)
    pairs, removed, added = _pair_statuses(before, after)
    places = join(old.pointer, "responses"), join(new.pointer, "responses")

    def say(rule: str, message: str, was: str | None, now: str | None) -> None:
        comparison.collector.add(
            rule,
            message,
            where=where,
            old=was,
            new=now,
            base=join(places[0], was) if was else places[0],
            revision=join(places[1], now) if now else places[1],
        )

    for verb, statuses in (("removed", removed), ("added", added)):
        for status in statuses:
            gone = verb == "removed"
            rule = f"callback-status-{verb}" if reverse else _rule(status, verb)
            text = f"The response status {status} was {verb}."
            say(rule, text, status if gone else None, None if gone else status)
    for left, right in pairs:
        if _is_wider(right, left):
            rule = "callback-status-added" if reverse else _rule(left, "added")
            say(rule, f"The response status {left} became {right}, which stands for more codes.", left, right)
        elif _is_wider(left, right):
            rule = "callback-status-removed" if reverse else "response-status-range-narrowed"
            say(rule, f"The response status {left} became {right}, which stands for fewer codes.", left, right)
    same = comparison.graph.sameness.same
    for left, right in [*pairs, *_stand_ins(before, after, removed, added)]:
        if same(before[left], after[right]):
            continue
        one = comparison.old.resolve(before[left], join(places[0], left))
        other = comparison.new.resolve(after[right], join(places[1], right))
        if one is None or other is None or same(one.raw, other.raw):
            continue
        direction = Direction("request" if reverse else "response")
        status = left if _is_wider(right, left) else right
        compare_contents(comparison, one, other, where, direction, status=status, answered=reverse)
        _Headers(comparison, one, other, where, reverse=reverse).compare()
        compare_links(comparison, one, other, where, status)


def _rule(status: str, verb: str) -> str:
    """A redirection is what callers follow, and no error (RFC 9110 section 15.4); 304 answers who asked whether
    anything changed, beside a success of its own."""
    awaited = status.startswith("2") or (status.startswith("3") and status != "304")
    return f"response-{'success' if awaited else 'non-success'}-status-{verb}"


def _is_wider(wide: str, narrow: str) -> bool:
    """True when a status stands for the codes of the other one and for more."""
    return wide != narrow and (wide == "default" or (wide.endswith("XX") and narrow.startswith(wide[0])))


def _pair_statuses(before: dict[str, Any], after: dict[str, Any]) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Which statuses are compared with each other, and which were removed and added.

    A range stands for the codes of its class that have no entry of their own, `default` for what nothing else names
    (OpenAPI 3.1.1 section 4.8.16.2).
    """
    pairs = [(status, status) for status in before if status in after]
    for status in before:
        cover = _cover(status, before, after) if status not in after else None
        if cover is not None:
            pairs.append((status, cover))
    for status in after:
        cover = _cover(status, after, before) if status not in before else None
        if cover is not None and (cover, status) not in pairs:
            pairs.append((cover, status))
    lefts, rights = {left for left, _ in pairs}, {right for _, right in pairs}
    return pairs, [status for status in before if status not in lefts], [s for s in after if s not in rights]


def _stand_ins(before: dict[str, Any], after: dict[str, Any], removed: list[str], added: list[str]) -> list[Pair]:
    """Statuses that came or went while what stands for their codes on the other side stays: both are compared, too."""
    return [
        *((status, cover) for status in removed if (cover := _stands_for(status, before, after)) is not None),
        *((cover, status) for status in added if (cover := _stands_for(status, after, before)) is not None),
    ]


def _stands_for(status: str, own: dict[str, Any], other: dict[str, Any]) -> str | None:
    """The entry of the other document that the codes of a status fall under; none where they never have a body
    (RFC 9110 sections 15.2, 15.3.5, 15.3.6 and 15.4.5) and none is written."""
    written = isinstance(own[status], dict) and ("content" in own[status] or "$ref" in own[status])
    if (status in _BODILESS or status.startswith("1")) and not written:
        return None
    wide = f"{status[0]}XX"
    return next((name for name in (wide, "default") if name != status and name in other), None)


def _statuses(operation: HttpOperation) -> dict[str, Any]:
    raw = operation.raw.get("responses")
    if not isinstance(raw, dict):
        return {}
    return {
        str(key).upper() if str(key) != "default" else "default": value
        for key, value in raw.items()
        if not str(key).startswith("x-")
    }


def _cover(status: str, own: dict[str, Any], other: dict[str, Any]) -> str | None:
    """The wider status of the other document that covers this one: `4XX`, or a `default` that only it has."""
    if status == "default":
        return None
    wide = f"{status[0]}XX"
    if status != wide and wide in other:
        return wide
    if "default" in other and "default" not in own:
        return "default"
    return None


class _Headers:
    """The headers of one response, before and after. `reverse`: the subscriber of a callback sends them."""

    def __init__(
        self, comparison: DocumentComparison, one: LocatedObject, other: LocatedObject, where: Where, *, reverse: bool
    ) -> None:
        self.comparison = comparison
        self.one, self.other = one, other
        self.where = where
        self.reverse = reverse

    def compare(self) -> None:
        (old, unread_old), (new, unread_new) = (
            _header_map(self.comparison.old, self.one),
            _header_map(self.comparison.new, self.other),
        )
        for name, before in old.items():
            if name in new:
                self._both(name, before, new[name])
            elif name not in unread_new:
                self._removed(name, before)
        for name, after in new.items():
            if name not in old and name not in unread_old:
                self._added(name, after)

    def _removed(self, name: str, before: LocatedObject) -> None:
        required = before.raw.get("required") is True
        rule = f"{'required' if required else 'optional'}-response-header-removed"
        self.comparison.collector.add(
            "callback-header-changed" if self.reverse else rule,
            f"The response header `{name}` was removed.",
            where=self.where,
            old=name,
            base=before.pointer,
            revision=self.other.pointer,
        )

    def _added(self, name: str, after: LocatedObject) -> None:
        rule = "response-header-added"
        if self.reverse:
            required = after.raw.get("required") is True
            rule = "callback-header-required" if required else "callback-header-changed"
        self.comparison.collector.add(
            rule,
            f"The response header `{name}` was added.",
            where=self.where,
            new=name,
            base=self.one.pointer,
            revision=after.pointer,
        )

    def _both(self, name: str, before: LocatedObject, after: LocatedObject) -> None:
        collector, graph = self.comparison.collector, self.comparison.graph
        was, now = before.raw.get("required") is True, after.raw.get("required") is True
        if was != now:
            rule = "response-header-became-required" if now else "response-header-became-optional"
            if self.reverse:
                rule = "callback-header-required" if now else "callback-header-changed"
            text = f"The response header `{name}` is {'now' if now else 'no longer'} required."
            places = {"base": before.pointer, "revision": after.pointer}
            collector.add(rule, text, where=self.where, old=was, new=now, **places)
        exploded = [item.raw.get("explode") is True for item in (before, after)]
        if exploded[0] != exploded[1] and self._may_be_object(before, after):
            collector.add(
                "callback-header-explode-changed" if self.reverse else "response-header-explode-changed",
                f"The response header `{name}` changed explode from {exploded[0]} to {exploded[1]}.",
                where=self.where,
                old=exploded[0],
                new=exploded[1],
                base=before.pointer,
                revision=after.pointer,
            )
        direction = Direction("request" if self.reverse else "response", text=True)
        left, right = _schema(before), _schema(after)
        key = graph.link(left, right, direction) if left or right else None
        words = None if key is None else list_of_one(self.comparison, left, right, direction, splits=True)
        if words is not None:
            text = f"The response header `{name}` changed its type from {words[0]} to {words[1]}, written alike."
            doubtful = may_hold_commas(self.comparison, left, right, direction)
            collector.add(
                "response-header-type-compatible",
                text + COMMAS if doubtful else text,
                where=self.where,
                old=words[0],
                new=words[1],
                base=before.pointer,
                revision=after.pointer,
                level="warning" if doubtful else None,
            )
        else:
            collector.use(key, "parameter" if self.reverse else "header", self.where)

    def _may_be_object(self, before: LocatedObject, after: LocatedObject) -> bool:
        """Objects alone are written in another way when they are exploded (OpenAPI 3.1.1 section 4.8.12.4)."""
        graph = self.comparison.graph
        nodes = [
            builder.node(_schema(header))
            for builder, header in ((graph.old, before), (graph.new, after))
            if _schema(header)
        ]
        return any(has_type(node.types, "object") for node in nodes)


def _schema(header: LocatedObject) -> Parts:
    return (Part(header.raw["schema"], join(header.pointer, "schema")),) if "schema" in header.raw else ()


def _header_map(view: OpenApiView, place: LocatedObject) -> tuple[dict[str, LocatedObject], set[str]]:
    """Headers by their name in small letters, and the names of those that were not read."""
    raw = place.raw.get("headers")
    found: dict[str, LocatedObject] = {}
    unread: set[str] = set()
    for name, item in raw.items() if isinstance(raw, dict) else ():
        if str(name).lower() == "content-type":
            continue
        header = view.resolve(item, join(place.pointer, "headers", name))
        if header is not None:
            found[str(name).lower()] = header
        elif isinstance(item, dict):
            unread.add(str(name).lower())
    return found, unread
