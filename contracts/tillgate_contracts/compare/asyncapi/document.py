"""Comparison of two AsyncAPI documents. The owner may only narrow what it sends, and only widen what it receives.

A message that no operation uses may do neither: its accepted values must stay the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tillgate_contracts.compare.asyncapi.view import (
    OPPOSITE,
    RECEIVE,
    SEND,
    Channel,
    ChannelOperation,
    EventMessage,
    EventView,
)
from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.media import MediaType
from tillgate_contracts.compare.openapi.view import shape_of
from tillgate_contracts.compare.payloads.report import compare_payloads, language, payload_level
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.graph import SchemaGraph
from tillgate_contracts.compare.schema.source import Part, Parts, join
from tillgate_contracts.compare.schema.values import as_mapping, signature
from tillgate_contracts.compare.unread import LocatedObject, tell_unread


class EventComparison:
    """Compares an old and a new AsyncAPI document."""

    def __init__(self, old: EventView, new: EventView, graph: SchemaGraph, collector: FindingCollector) -> None:
        self.old, self.new = old, new
        self.graph = graph
        self.collector = collector

    def run(self) -> None:
        pairs = self._channels()
        for before, after in pairs:
            self._operations(before, after)
        for name, message in self.old.loose.items():
            found = self.new.loose.get(name)
            if found is not None:
                for action in (SEND, RECEIVE):
                    self._message(
                        message, found, action, Where(f"message {name}", name, message.pointer, found.pointer)
                    )
        self._servers()
        tell_unread(self.collector, self.old, self.new)

    def _channels(self) -> list[tuple[Channel, Channel]]:
        pairs: list[tuple[Channel, Channel]] = []
        left, right = dict(self.old.channels), dict(self.new.channels)
        for test in (lambda one, other: one.id == other.id, lambda one, other: _shape(one) == _shape(other)):
            for key, before in list(left.items()):
                found = next((name for name, after in right.items() if test(before, after)), None)
                if found is not None:
                    pairs.append((before, right.pop(found)))
                    del left[key]
        for key, before in left.items():
            if key in self.new.unread_channels:
                continue
            where = Where(before.label, before.label, before.pointer, None)
            self.collector.add(
                "channel-removed", f"The channel {before.label} was removed.", where=where, old=before.label
            )
        for key, after in right.items():
            if key in self.old.unread_channels:
                continue
            where = Where(after.label, after.label, None, after.pointer)
            self.collector.add("channel-added", f"The channel {after.label} was added.", where=where, new=after.label)
        for before, after in pairs:
            self._channel(before, after)
        return pairs

    def _channel(self, before: Channel, after: Channel) -> None:
        where = Where(after.label, after.label, before.pointer, after.pointer)
        if _shape(before) != _shape(after):
            text = f"The address of channel {after.id} changed from {before.address} to {after.address}."
            self.collector.add("channel-address-changed", text, where=where, old=before.address, new=after.address)
        self._servers_of(before, after, where)
        old, new = as_mapping(before.raw.get("parameters")), as_mapping(after.raw.get("parameters"))
        for name, raw in old.items():
            one = self.old.resolve(raw, join(before.pointer, "parameters", name))
            other = self.new.resolve(new.get(name), join(after.pointer, "parameters", name))
            if one is None or other is None:
                continue
            left, right = _parameter(one), _parameter(other)
            for direction in (Direction("event-send", text=True), Direction("event-receive", text=True)):
                self.collector.use(self.graph.link(left, right, direction), "property", where)
        self._bindings(before.raw, after.raw, where)

    def _servers_of(self, before: Channel, after: Channel, where: Where) -> None:
        """Where a channel is. A server that comes to the document or goes from it is a finding of its own."""
        old, new = self.old.servers_of(before), self.new.servers_of(after)
        known = as_mapping(self.old.tree.get("servers")).keys() & as_mapping(self.new.tree.get("servers")).keys()
        for verb, mine, theirs in (("removed", old, new), ("added", new, old)):
            for name in mine:
                if name in known and name not in theirs:
                    gone = verb == "removed"
                    text = f"The channel {after.label} is {'no longer' if gone else 'now also'} on the server {name}."
                    self.collector.add(
                        f"channel-server-{verb}",
                        text,
                        where=where,
                        old=name if gone else None,
                        new=None if gone else name,
                    )

    def _operations(self, before: Channel, after: Channel) -> None:
        for action in (SEND, RECEIVE):
            one, other = self.old.operations.get((action, before.id)), self.new.operations.get((action, after.id))
            label = f"{action} {after.label}"
            if one is None and other is None:
                continue
            if one is None or other is None:
                self._operation_on_one_side(action, before, after, one, other)
                continue
            where = Where(label, after.label, one.pointer, other.pointer)
            unread = one.unread or other.unread
            self._messages(one.messages, other.messages, action, where, unread=unread)
            unread = one.unread_reply or other.unread_reply
            self._messages(one.reply, other.reply, OPPOSITE[action], where, unread=unread)
            if one.reply_to != other.reply_to and not unread:
                old, new = one.reply_to or "no address", other.reply_to or "no address"
                text = f"Replies to {label} go to {new} instead of {old}."
                level = None if one.reply_to else "info"
                self.collector.add(
                    "event-reply-changed", text, where=where, old=one.reply_to, new=other.reply_to, level=level
                )
            if action == SEND and not unread and not (one.reply or one.reply_to) and (other.reply or other.reply_to):
                self.collector.add("event-reply-demanded", f"Receivers of {label} have to answer now.", where=where)
            self._bindings(one.raw, other.raw, where)
            if self._is_secured_otherwise(one.raw, one.pointer, other.raw, other.pointer):
                self.collector.add("event-security-changed", f"The security of {label} changed.", where=where)

    def _operation_on_one_side(
        self, action: str, before: Channel, after: Channel, one: ChannelOperation | None, other: ChannelOperation | None
    ) -> None:
        opposite = OPPOSITE[action]
        if (other is None and self.new.unread_operations) or (one is None and self.old.unread_operations):
            return
        turned = (opposite, after.id) in self.new.operations and (opposite, before.id) not in self.old.operations
        label = f"{action} {after.label}"
        if one is not None:
            where = Where(label, after.label, one.pointer, after.pointer)
            if turned:
                text = f"The channel {after.label} changed its direction from {action} to {opposite}."
                self.collector.add("event-operation-direction-changed", text, where=where, old=action, new=opposite)
            else:
                self.collector.add(
                    "event-operation-removed", f"The operation {label} was removed.", where=where, old=action
                )
        elif (other is not None and (opposite, after.id) in self.new.operations) or (
            other is not None and (opposite, before.id) not in self.old.operations
        ):
            where = Where(label, after.label, before.pointer, other.pointer)
            self.collector.add("event-operation-added", f"The operation {label} was added.", where=where, new=action)

    def _messages(
        self, old: dict[str, EventMessage], new: dict[str, EventMessage], action: str, where: Where, *, unread: bool
    ) -> None:
        """The messages of one operation. `unread`: one was not read, and may be what seems to come or to go."""
        left, right = dict(old), dict(new)
        for name in [name for name in left if name in right]:
            before, after = left.pop(name), right.pop(name)
            if before.name != after.name and not (before.partial or after.partial):
                self._renamed(before, after, where)
            self._message(before, after, action, where)
        if unread:
            return
        if len(left) == len(right) == 1:
            # One message left on each side: a changed name, not one message gone and another one come.
            before, after = next(iter(left.values())), next(iter(right.values()))
            alone = len(old) == len(new) == 1
            if alone or not self._differ(before, after):
                anonymous = before.name.startswith("message") or after.name.startswith("message")
                if before.name != after.name and not anonymous:
                    self._renamed(before, after, where)
                self._message(before, after, action, where)
                return
        for name, before in left.items():
            rule = "event-message-removed" if action == RECEIVE else "event-message-no-longer-sent"
            verb = "accepted" if action == RECEIVE else "sent"
            self.collector.add(
                rule,
                f"The message {name} is no longer {verb}.",
                where=where,
                old=name,
                base=before.pointer,
                revision=where.new,
            )
        for name, after in right.items():
            rule = "event-message-added" if action == RECEIVE else "event-message-newly-sent"
            verb = "accepted" if action == RECEIVE else "sent"
            self.collector.add(
                rule,
                f"The message {name} is now {verb} too.",
                where=where,
                new=name,
                base=where.old,
                revision=after.pointer,
            )

    def _renamed(self, before: EventMessage, after: EventMessage, where: Where) -> None:
        text = f"The message {before.name} is now called {after.name}."
        place = where._replace(old=before.pointer, new=after.pointer)
        self.collector.add("event-message-renamed", text, where=place, old=before.name, new=after.name)

    def _is_secured_otherwise(self, old: Any, base: str, new: Any, revision: str) -> bool:
        return signature(self.old.security_of(old, base)) != signature(self.new.security_of(new, revision))

    def _speaks(self, name: str, old: dict[str, Any], new: dict[str, Any], places: dict[str, Any]) -> None:
        """The version of its protocol, and what may be put into its address."""
        before, after = (str(side.get("protocolVersion") or "") for side in (old, new))
        if before != after:
            said = [version or "one that is not said" for version in (after, before)]
            text = f"The version of its protocol that server {name} speaks is {said[0]} instead of {said[1]}."
            level = None if before and after else "warning"
            self.collector.add(
                "event-server-changed", text, old=before or None, new=after or None, level=level, **places
            )
        variables = [
            {
                key: _said(view.resolve(raw, join(place, "variables", key)))
                for key, raw in as_mapping(side.get("variables")).items()
            }
            for view, side, place in ((self.old, old, places["base"]), (self.new, new, places["revision"]))
        ]
        if signature(variables[0]) != signature(variables[1]):
            text = f"What may be put into the address of server {name} changed."
            self.collector.add("event-server-variables-changed", text, **places)

    def _differ(self, before: EventMessage, after: EventMessage) -> bool:
        if not (before.readable and after.readable):
            return signature(before.raw.get("payload")) != signature(after.raw.get("payload"))
        direction = Direction("event-send")
        return bool(self.graph.relation(self.graph.link(before.payload or (), after.payload or (), direction)))

    def _message(self, before: EventMessage, after: EventMessage, action: str, where: Where) -> None:
        direction = Direction("event-send" if action == SEND else "event-receive")
        places = {"base": before.pointer, "revision": after.pointer}
        add = self.collector.add
        if before.partial or after.partial:
            # What only one side says may stand in a trait that was not read; that is told by itself.
            before, after = _shared(before, after), _shared(after, before)
        if MediaType.parse(before.content_type) != MediaType.parse(after.content_type):
            text = f"The content type of {after.name} changed from {before.content_type} to {after.content_type}."
            add(
                "event-content-type-changed",
                text,
                where=where,
                old=before.content_type,
                new=after.content_type,
                **places,
            )
        self._payload(before, after, direction, where)
        old, new = before.raw.get("headers"), after.raw.get("headers")
        if old is not None and new is not None:
            left, right = (Part(old, join(before.pointer, "headers")),), (Part(new, join(after.pointer, "headers")),)
            self.collector.use(self.graph.link(left, right, direction), "property", where)
        elif old is not None or new is not None:
            dropped = new is None
            harmful = dropped == (action == SEND)
            text = f"The headers schema of {after.name} was {'dropped' if dropped else 'added'}."
            add("event-headers-schema-changed", text, where=where, level=None if harmful else "info", **places)
        self._correlation(before, after, where)
        self._bindings(before.raw, after.raw, where)

    def _payload(self, before: EventMessage, after: EventMessage, direction: Direction, where: Where) -> None:
        left, right = before.payload, after.payload
        add = self.collector.add
        places = {"base": join(before.pointer, "payload"), "revision": join(after.pointer, "payload")}
        if left is None and right is None:
            return
        if left is None or right is None:
            rule = "event-payload-schema-added" if left is None else "event-payload-schema-removed"
            harmful = (left is None) == (direction.name == "event-receive")
            text = f"The payload schema of {after.name} was {'added' if left is None else 'dropped'}."
            add(rule, text, where=where, level=None if harmful else "info", **places)
        elif before.readable and after.readable:
            self.collector.use(self.graph.link(left, right, direction), "payload", where)
        elif before.format.split(";")[0] != after.format.split(";")[0]:
            text = f"The payload of {after.name} is described in {after.format} instead of {before.format}."
            add("event-payload-format-changed", text, where=where, old=before.format, new=after.format, **places)
        elif not self._other_language(before, after, direction, where) and (
            before.format != after.format or signature(left[0].raw) != signature(right[0].raw)
        ):
            text = (
                f"The payload of {after.name} changed. "
                f"Payloads in {after.format} cannot be compared automatically; read the change yourself."
            )
            add("event-payload-undecided", text, where=where, **places)

    def _other_language(self, before: EventMessage, after: EventMessage, direction: Direction, where: Where) -> bool:
        """Compares payloads of Avro and Protobuf. False where that is not decided."""
        word = language(before.format)
        sides = []
        for view, message in ((self.old, before), (self.new, after)):
            part = (message.payload or (Part(None, ""),))[0]
            found = view.resolve(part.raw, part.pointer) if isinstance(part.raw, dict) else None
            sides.append(found or LocatedObject(part.raw, part.pointer))
        if not word or word != language(after.format):
            return False
        changes = compare_payloads(word, sides[0].raw, sides[1].raw, direction.name, after.name)
        for change in changes or ():
            self.collector.add(
                f"{direction.name}-{word}-{change.kind}",
                f"{after.name}: {change.text}",
                where=where,
                old=change.old,
                new=change.new,
                base=sides[0].pointer,
                revision=sides[1].pointer,
                level=payload_level(word, change.kind, direction.name),
            )
        return changes is not None

    def _correlation(self, before: EventMessage, after: EventMessage, where: Where) -> None:
        one = self.old.resolve(before.raw.get("correlationId"), before.pointer)
        other = self.new.resolve(after.raw.get("correlationId"), after.pointer)
        old, new = one and one.raw.get("location"), other and other.raw.get("location")
        if old != new:
            text = f"The correlation id of {after.name} is at {new or 'no place'} instead of {old or 'no place'}."
            self.collector.add(
                "event-correlation-changed",
                text,
                where=where,
                old=old,
                new=new,
                base=before.pointer,
                revision=after.pointer,
                level=None if old else "info",
            )

    def _bindings(self, old: dict[str, Any], new: dict[str, Any], where: Where) -> None:
        left = self.old.resolve(old.get("bindings"), join(where.old or "", "bindings"))
        right = self.new.resolve(new.get("bindings"), join(where.new or "", "bindings"))
        before, after = (left.raw if left else {}), (right.raw if right else {})
        for protocol in dict.fromkeys([*before, *after]):
            one, other = before.get(protocol), after.get(protocol)
            if signature(one) == signature(other):
                continue
            keys = [side.get("key") if isinstance(side, dict) else None for side in (one, other)]
            if signature(keys[0]) != signature(keys[1]) and self._key_differs(keys[0], keys[1]):
                text = f"The partition key of the {protocol} binding changed."
                self.collector.add("event-key-changed", text, where=where, old=keys[0], new=keys[1])
            rest = [
                {key: item for key, item in side.items() if key != "key"} if isinstance(side, dict) else side
                for side in (one, other)
            ]
            if signature(rest[0]) != signature(rest[1]):
                self.collector.add(
                    "event-binding-changed", f"The {protocol} binding changed.", where=where, old=rest[0], new=rest[1]
                )

    def _key_differs(self, old: Any, new: Any) -> bool:
        if old is None or new is None:
            return True
        return bool(self.graph.relation(self.graph.link((Part(old, ""),), (Part(new, ""),), Direction("event-send"))))

    def _servers(self) -> None:
        old, new = self.old.tree.get("servers"), self.new.tree.get("servers")
        old, new = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        for name, raw in old.items():
            one = self.old.resolve(raw, join("", "servers", name))
            other = self.new.resolve(new.get(name), join("", "servers", name))
            places: dict[str, Any] = {
                "base": join("", "servers", name),
                "revision": join("", "servers", name) if other else "/servers",
            }
            before, after = _address(one), _address(other)
            if before != after:
                text = (
                    f"The address of server {name} is {after} instead of {before}."
                    if after
                    else f"The server {name} was removed."
                )
                self.collector.add("event-server-changed", text, old=before, new=after or None, **places)
            elif one is not None and other is not None:
                if self._is_secured_otherwise(one.raw, one.pointer, other.raw, other.pointer):
                    self.collector.add("event-security-changed", f"The security of server {name} changed.", **places)
                self._speaks(name, one.raw, other.raw, places)
                where = Where("", "", *places.values())
                self._bindings(one.raw, other.raw, where)


def _said(variable: LocatedObject | None) -> Any:
    return None if variable is None else {key: variable.raw.get(key) for key in ("enum", "default")}


def _shared(message: EventMessage, other: EventMessage) -> EventMessage:
    """A message with what both messages say."""
    raw = {key: value for key, value in message.raw.items() if key in other.raw}
    content = message.content_type if "contentType" in raw else ""
    return replace(message, raw=raw, content_type=content)


def _shape(channel: Channel) -> str:
    return shape_of(channel.address) if channel.address is not None else f"?{channel.id}"


def _address(server: LocatedObject | None) -> str:
    """Protocol and address of a server as text; empty when there is none. AsyncAPI 2 has `url`, AsyncAPI 3 `host` and
    `pathname`."""
    if server is None:
        return ""
    raw = server.raw
    place = str(raw.get("url") or f"{raw.get('host', '')}{raw.get('pathname', '')}")
    place = place.split("://", 1)[-1].rstrip("/")
    return f"{raw.get('protocol', '')}://{place}"


def _parameter(place: LocatedObject) -> Parts:
    """The schema of a channel parameter. AsyncAPI 2 has a `schema`; in AsyncAPI 3 the parameter itself holds `enum` and
    `default`."""
    if isinstance(place.raw.get("schema"), dict | bool):
        return (Part(place.raw["schema"], join(place.pointer, "schema")),)
    return (Part(place.raw, place.pointer),)
