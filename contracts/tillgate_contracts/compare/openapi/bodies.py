"""Comparison of request bodies, responses and response headers."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.media import MediaType, includes, pair_up
from tillgate_contracts.compare.openapi.view import HttpOperation, LocatedObject
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.source import Part, join


def compare_request(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool
) -> None:
    """Request bodies: the caller sends (or, in a callback, the owner)."""
    before = comparison.old.resolve(old.raw.get("requestBody"), join(old.pointer, "requestBody"))
    after = comparison.new.resolve(new.raw.get("requestBody"), join(new.pointer, "requestBody"))
    collector = comparison.collector
    if before is None and after is None:
        return
    if before is None or after is None:
        place = after or before
        required = place is not None and place.raw.get("required") is True
        if reverse:
            rule = "callback-body-added" if before is None else "callback-body-removed"
        elif before is None:
            rule = "request-body-added-required" if required else "request-body-added-optional"
        else:
            rule = "request-body-removed"
        verb = "was added" if before is None else "was removed"
        collector.add(
            rule,
            f"The request body {verb}.",
            where=where,
            base=None if before is None else before.pointer,
            revision=None if after is None else after.pointer,
        )
        return
    was, now = before.raw.get("required") is True, after.raw.get("required") is True
    if was != now:
        rule = f"{'callback' if reverse else 'request'}-body-became-{'required' if now else 'optional'}"
        collector.add(
            rule,
            f"The request body is {'now' if now else 'no longer'} required.",
            where=where,
            old=was,
            new=now,
            base=before.pointer,
            revision=after.pointer,
        )
    if comparison.graph.sameness.same(before.raw, after.raw):
        return
    _contents(comparison, before, after, where, Direction("response" if reverse else "request"), reverse=reverse)


def _contents(
    comparison: DocumentComparison,
    before: LocatedObject,
    after: LocatedObject,
    where: Where,
    direction: Direction,
    *,
    reverse: bool,
    status: str = "",
) -> None:
    old, new = before.raw.get("content"), after.raw.get("content")
    old, new = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
    pairs, removed, added = pair_up(list(old), list(new))
    inbound = direction.name == "request"
    collector = comparison.collector
    at = f" of status {status}" if status else ""

    def add(rule: str, message: str, left: str | None, right: str | None) -> None:
        collector.add(
            rule,
            message,
            where=where,
            old=left,
            new=right,
            base=None if left is None else join(before.pointer, "content", left),
            revision=None if right is None else join(after.pointer, "content", right),
        )

    body = "request-body" if inbound else "response"
    for left in removed:
        if any(includes(MediaType.parse(other), MediaType.parse(left)) for other in new):
            continue
        rule = "callback-media-type-changed" if reverse else f"{body}-media-type-removed"
        add(rule, f"The media type {left}{at} was removed.", left, None)
    for right in added:
        if reverse:
            rule = "callback-media-type-added"
        elif not old and not inbound:
            rule = "response-body-added"
        else:
            rule = f"{body}-media-type-added"
        add(rule, f"The media type {right}{at} was added.", None, right)
    for left, right in pairs:
        one, other = MediaType.parse(left), MediaType.parse(right)
        if one != other and not reverse:
            wider = includes(other, one)
            add(
                f"{body}-media-type-name-{'generalized' if wider else 'specialized'}",
                f"The media type {left}{at} became {right}, which is {'wider' if wider else 'narrower'}.",
                left,
                right,
            )
        comparison.content_schema(
            right,
            old[left],
            new[right],
            (join(before.pointer, "content"), join(after.pointer, "content")),
            direction,
            "body",
            where,
            old_media=left,
        )
        if inbound or reverse:
            _encoding(
                comparison,
                old[left],
                new[right],
                join(before.pointer, "content", left),
                join(after.pointer, "content", right),
                where,
            )


def _encoding(comparison: DocumentComparison, old: Any, new: Any, base: str, revision: str, where: Where) -> None:
    """How the fields of a form or multipart body are written."""
    before = old.get("encoding") if isinstance(old, dict) else None
    after = new.get("encoding") if isinstance(new, dict) else None
    names = {**(before if isinstance(before, dict) else {}), **(after if isinstance(after, dict) else {})}
    for name in names:
        sides = [side.get(name, {}) if isinstance(side, dict) else {} for side in (before, after)]
        wire = [
            {
                key: side.get(key)
                for key in ("contentType", "style", "explode", "allowReserved")
                if isinstance(side, dict) and key in side
            }
            for side in sides
        ]
        if wire[0] != wire[1]:
            comparison.collector.add(
                "request-body-encoding-changed",
                f"The field `{name}` is encoded differently.",
                where=where,
                old=wire[0] or None,
                new=wire[1] or None,
                base=base,
                revision=revision,
            )


def compare_responses(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool
) -> None:
    """Responses by status; ranges (`2XX`) and `default` cover the codes they stand for."""
    before, after = _statuses(old), _statuses(new)
    collector = comparison.collector
    pairs: list[tuple[str, str]] = [(status, status) for status in before if status in after]
    for status in [status for status in before if status not in after]:
        cover = _cover(status, before, after)
        if cover is not None:
            pairs.append((status, cover))
            continue
        rule = f"response-{'success' if _is_success(status) else 'non-success'}-status-removed"
        collector.add(
            "callback-status-removed" if reverse else rule,
            f"The response status {status} was removed.",
            where=where,
            old=status,
            base=join(old.pointer, "responses", status),
            revision=join(new.pointer, "responses"),
        )
    for status in [status for status in after if status not in before]:
        cover = _cover(status, after, before)
        if cover is not None:
            if (cover, status) not in pairs:
                pairs.append((cover, status))
            continue
        if status in {right for _, right in pairs}:
            continue
        rule = f"response-{'success' if _is_success(status) else 'non-success'}-status-added"
        collector.add(
            "callback-status-added" if reverse else rule,
            f"The response status {status} was added.",
            where=where,
            new=status,
            base=join(old.pointer, "responses"),
            revision=join(new.pointer, "responses", status),
        )
    for left, right in pairs:
        if comparison.graph.sameness.same(before[left], after[right]):
            continue
        one = comparison.old.resolve(before[left], join(old.pointer, "responses", left))
        other = comparison.new.resolve(after[right], join(new.pointer, "responses", right))
        if one is None or other is None or comparison.graph.sameness.same(one.raw, other.raw):
            continue
        _contents(
            comparison, one, other, where, Direction("request" if reverse else "response"), reverse=False, status=right
        )
        _headers(comparison, one, other, where, reverse=reverse)


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
    """The wider status on the other side that stands for this one, if it is not merely an old companion."""
    if status == "default":
        return None
    wide = f"{status[0]}XX"
    if status != wide and wide in other:
        return wide
    if "default" in other and "default" not in own:
        return "default"
    return None


def _is_success(status: str) -> bool:
    return status.startswith("2")


def _headers(
    comparison: DocumentComparison, one: LocatedObject, other: LocatedObject, where: Where, *, reverse: bool
) -> None:
    old, new = _header_map(comparison.old, one), _header_map(comparison.new, other)
    collector = comparison.collector
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            required = before.raw.get("required") is True
            rule = f"{'required' if required else 'optional'}-response-header-removed"
            rule = "callback-header-changed" if reverse else rule
            collector.add(
                rule,
                f"The response header `{name}` was removed.",
                where=where,
                old=name,
                base=before.pointer,
                revision=other.pointer,
            )
            continue
        was, now = before.raw.get("required") is True, after.raw.get("required") is True
        if was != now:
            rule = "response-header-became-required" if now else "response-header-became-optional"
            if reverse:
                rule = "callback-header-required" if now else "callback-header-changed"
            text = f"The response header `{name}` is {'now' if now else 'no longer'} required."
            collector.add(rule, text, where=where, old=was, new=now, base=before.pointer, revision=after.pointer)
        direction = Direction("request" if reverse else "response", text=True)
        left = (Part(before.raw["schema"], join(before.pointer, "schema")),) if "schema" in before.raw else ()
        right = (Part(after.raw["schema"], join(after.pointer, "schema")),) if "schema" in after.raw else ()
        if left or right:
            collector.use(comparison.graph.link(left, right, direction), "parameter" if reverse else "header", where)
    for name, after in new.items():
        if name not in old:
            required = after.raw.get("required") is True
            rule = (
                ("callback-header-required" if required else "callback-header-changed")
                if reverse
                else "response-header-added"
            )
            collector.add(
                rule,
                f"The response header `{name}` was added.",
                where=where,
                new=name,
                base=one.pointer,
                revision=after.pointer,
            )


def _header_map(view: Any, place: LocatedObject) -> dict[str, LocatedObject]:
    raw = place.raw.get("headers")
    found: dict[str, LocatedObject] = {}
    for name, item in raw.items() if isinstance(raw, dict) else ():
        if str(name).lower() == "content-type":
            continue
        header = view.resolve(item, join(place.pointer, "headers", name))
        if header is not None:
            found[str(name).lower()] = header
    return found
