"""Comparison of request bodies, and of the media types of every body."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.media import MediaType, includes, pair_up
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.encoding import compare_encoding
from tillgate_contracts.compare.openapi.view import HttpOperation
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.empty import is_empty
from tillgate_contracts.compare.schema.source import Part, join
from tillgate_contracts.compare.schema.values import as_mapping
from tillgate_contracts.compare.unread import LocatedObject


def compare_request(
    comparison: DocumentComparison,
    old: HttpOperation,
    new: HttpOperation,
    where: Where,
    *,
    reverse: bool,
    unread: tuple[bool, ...] = (False, False),
) -> None:
    """Request bodies: the caller sends (or, in a callback, the owner). `unread`: a body that is not there may be what
    was not read of the base, of the revision."""
    before = comparison.old.resolve(old.raw.get("requestBody"), join(old.pointer, "requestBody"))
    after = comparison.new.resolve(new.raw.get("requestBody"), join(new.pointer, "requestBody"))
    collector = comparison.collector
    if before is None and after is None:
        return
    places = join(old.pointer, "requestBody"), join(new.pointer, "requestBody")
    if comparison.old.leads_nowhere(old.raw.get("requestBody"), places[0]) or comparison.new.leads_nowhere(
        new.raw.get("requestBody"), places[1]
    ):
        return
    if (before is None and unread[0]) or (after is None and unread[1]):
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
    direction = Direction("response" if reverse else "request")
    _Contents(comparison, before, after, where, direction, reverse=reverse).compare()


def compare_contents(
    comparison: DocumentComparison,
    before: LocatedObject,
    after: LocatedObject,
    where: Where,
    direction: Direction,
    *,
    status: str = "",
    answered: bool = False,
) -> None:
    """The media types of a body on both sides, with their schemas. `answered`: by the subscriber of a callback."""
    contents = _Contents(comparison, before, after, where, direction, reverse=False, status=status)
    contents.answered = answered
    contents.compare()


class _Contents:
    """The media types of one body, before and after. `reverse`: the request body of a callback."""

    def __init__(
        self,
        comparison: DocumentComparison,
        before: LocatedObject,
        after: LocatedObject,
        where: Where,
        direction: Direction,
        *,
        reverse: bool,
        status: str = "",
    ) -> None:
        self.comparison = comparison
        self.old, self.new = as_mapping(before.raw.get("content")), as_mapping(after.raw.get("content"))
        self.places = join(before.pointer, "content"), join(after.pointer, "content")
        self.where = where
        self.direction = direction
        self.reverse, self.answered = reverse, False
        self.inbound = direction.name == "request"
        self.body = "request-body" if self.inbound else "response"
        self.at = f" of status {status}" if status else ""

    def compare(self) -> None:
        pairs, removed, added = pair_up(list(self.old), list(self.new))
        for left in removed:
            self._removed(left)
        for right in added:
            self._added(right)
        for left, right in pairs:
            self._both(left, right)
        for left in removed:
            cover = _stands_for(left, self.new)
            if cover is not None:
                self._schemas(left, cover, wire=left)
        for right in added:
            cover = _stands_for(right, self.old)
            if cover is not None:
                self._schemas(cover, right, wire=right)

    def _add(self, rule: str, message: str, left: str | None, right: str | None) -> None:
        self.comparison.collector.add(
            rule,
            message,
            where=self.where,
            old=left,
            new=right,
            base=None if left is None else join(self.places[0], left),
            revision=None if right is None else join(self.places[1], right),
        )

    def _removed(self, left: str) -> None:
        gone = MediaType.parse(left)
        if any(
            includes(other, gone) and other.profile in ("", gone.profile) for other in map(MediaType.parse, self.new)
        ):
            return
        rule = "callback-media-type-changed" if self.reverse else f"{self.body}-media-type-removed"
        self._add(rule, f"The media type {left}{self.at} was removed.", left, None)

    def _added(self, right: str) -> None:
        if self.reverse:
            rule = "callback-media-type-added"
        elif self.answered and not self.old:
            rule = "callback-answer-body-added"
        elif not self.old and not self.inbound:
            rule = "response-body-added"
        else:
            rule = f"{self.body}-media-type-added"
        self._add(rule, f"The media type {right}{self.at} was added.", None, right)

    def _both(self, left: str, right: str) -> None:
        one, other = MediaType.parse(left), MediaType.parse(right)
        if one.profile != other.profile:
            self._profile(left, right, one, other)
        if one.essence != other.essence and not self.reverse:
            wider, narrower = includes(other, one), includes(one, other)
            as_wider = wider if wider or narrower else not self.inbound  # of what is neither, nobody is prepared
            rule = f"{self.body}-media-type-name-{'generalized' if as_wider else 'specialized'}"
            nature = "wider" if wider else "narrower" if narrower else "another one"
            text = f"The media type {left}{self.at} became {right}, which is {nature}."
            self._add(rule, text, left, right)
        self._schemas(left, right, wire=left if includes(other, one) else right)

    def _schemas(self, left: str, right: str, *, wire: str) -> None:
        """What the bodies of two media types are. `wire`: the one of the two that says how they are written."""
        views, places = (
            (self.comparison.old, self.comparison.new),
            (join(self.places[0], left), join(self.places[1], right)),
        )
        found = [
            view.resolve(raw, at)
            for view, raw, at in zip(views, (self.old[left], self.new[right]), places, strict=True)
        ]
        if any(
            item is None and isinstance(raw, dict)
            for item, raw in zip(found, (self.old[left], self.new[right]), strict=True)
        ):
            return
        old, new = (item.raw if item is not None else {} for item in found)
        self.comparison.content_schema(
            right, old, new, self.places, self.direction, "body", self.where, old_media=left, wire=wire
        )
        if not self.inbound and self._is_ended(left, old, right, new):
            rule = "callback-media-type-changed" if self.reverse else f"{self.body}-media-type-removed"
            self._add(rule, f"No body fits the schema of {right}{self.at} any more.", left, right)
        if self.inbound or self.reverse:
            compare_encoding(self.comparison, (left, right), (old, new), places, self.where, reverse=self.reverse)

    def _is_ended(self, left: str, old: dict[str, Any], right: str, new: dict[str, Any]) -> bool:
        """True where some body fitted the schema of a media type, and none does any more."""
        graph, word = self.comparison.graph, "schema"
        if word not in new or graph.sameness.same(old.get(word, True), new[word]):
            return False
        before = graph.old.node((Part(old.get(word, True), join(self.places[0], left, word)),))
        after = graph.new.node((Part(new[word], join(self.places[1], right, word)),))
        return is_empty(graph.new, after) and not is_empty(graph.old, before)

    def _profile(self, left: str, right: str, one: MediaType, other: MediaType) -> None:
        """A profile promises more than its media type; who ignores it reads the same (RFC 6906 section 3)."""
        doubtful = bool(other.profile if self.inbound else one.profile)
        text = f"The media type {left}{self.at} became {right}, which differs in its profile alone."
        if doubtful:
            text += (
                f" Cannot tell automatically whether {'the receiver demands' if self.inbound else 'readers need'} it."
            )
        side = "request" if self.inbound else "response"
        self.comparison.collector.add(
            f"{side}-media-type-profile-changed",
            text,
            where=self.where,
            old=left,
            new=right,
            base=join(self.places[0], left),
            revision=join(self.places[1], right),
            level=None if doubtful else "info",
        )


def _stands_for(text: str, content: dict[str, Any]) -> str | None:
    """The nearest wildcard (`application/*` before `*/*`) that stands for a media type without an entry of its own
    (OpenAPI 3.1.1 section 4.8.14.1)."""
    media = MediaType.parse(text)
    wide = {name: MediaType.parse(name) for name in content}
    fitting = [name for name, other in wide.items() if other.subtype == "*" and includes(other, media)]
    return min(fitting, key=lambda name: wide[name].kind == "*", default=None)
