"""Comparison of AsyncAPI documents, 2 and 3: the direction of a message follows from who sends it.

Version 2 speaks from the consumer's side (`publish`: the consumer sends, the owner receives), version 3 from the owner's.
Both are read into the same view, so that a move from 2 to 3 compares as well. What the owner sends may only narrow, what it
receives may only widen, and a message without an operation must hold both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from catalog.contracts.compare.openapi.view import Place, shape_of
from catalog.contracts.compare.report import Report, Where
from catalog.contracts.compare.schema.change import Flow
from catalog.contracts.compare.schema.diff import SchemaDiff
from catalog.contracts.compare.schema.source import Part, Parts, SchemaSource, join
from catalog.contracts.compare.schema.values import signature

SEND, RECEIVE = "send", "receive"
_OPPOSITE = {SEND: RECEIVE, RECEIVE: SEND}
_FROM_CONSUMER = {"publish": RECEIVE, "subscribe": SEND}
#: Payload languages that the schema core reads.
_JSON_FORMATS = (
    "application/vnd.aai.asyncapi",
    "application/schema+json",
    "application/schema+yaml",
    "application/vnd.oai.openapi",
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as sent or received: its own fields over those of its traits."""

    name: str
    raw: dict[str, Any]
    pointer: str
    content_type: str

    @property
    def format(self) -> str:
        payload = self.raw.get("payload")
        written = payload.get("schemaFormat") if self.wrapped and isinstance(payload, dict) else self.raw.get("schemaFormat")
        return str(written or "application/vnd.aai.asyncapi").lower()

    @property
    def wrapped(self) -> bool:
        """Version 3 may wrap the payload together with its format."""
        payload = self.raw.get("payload")
        return isinstance(payload, dict) and "schemaFormat" in payload and "schema" in payload

    @property
    def payload(self) -> Parts | None:
        if "payload" not in self.raw:
            return None
        if self.wrapped:
            return (Part(self.raw["payload"]["schema"], join(self.pointer, "payload", "schema")),)
        return (Part(self.raw["payload"], join(self.pointer, "payload")),)

    @property
    def readable(self) -> bool:
        return self.format.startswith(_JSON_FORMATS)


@dataclass(slots=True)
class Channel:
    """One channel: id, address (None: unknown until runtime) and messages by name."""

    id: str
    address: str | None
    raw: dict[str, Any]
    pointer: str
    messages: dict[str, Message] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.address or self.id


@dataclass(slots=True)
class Operation:
    """All that goes one way over one channel."""

    action: str
    channel: str
    raw: dict[str, Any]
    pointer: str
    messages: dict[str, Message] = field(default_factory=dict)
    reply: dict[str, Message] = field(default_factory=dict)
    reply_to: str = ""


class EventView:
    """One AsyncAPI tree, whichever version."""

    def __init__(self, tree: dict[str, Any], source: SchemaSource) -> None:
        self.tree = tree
        self.source = source
        self.content_type = str(tree.get("defaultContentType") or "application/json")
        self.channels: dict[str, Channel] = {}
        self.operations: dict[tuple[str, str], Operation] = {}
        self.loose: dict[str, Message] = {}
        if str(tree.get("asyncapi", "2")).startswith("3") or "operations" in tree:
            self._read_owner_view()
        else:
            self._read_consumer_view()
        self._read_loose()

    def resolve(self, raw: Any, pointer: str) -> Place | None:
        for _ in range(32):
            if not isinstance(raw, dict):
                return None
            ref = raw.get("$ref")
            if not isinstance(ref, str):
                return Place(raw, pointer)
            target = self.source.resolve(ref)
            if target is None:
                return None
            raw, pointer = target.raw, target.pointer
        return None

    def _section(self, name: str) -> Iterator[tuple[str, Place]]:
        section = self.tree.get(name)
        for key, raw in section.items() if isinstance(section, dict) else ():
            place = self.resolve(raw, join("", name, key))
            if place is not None:
                yield str(key), place

    def _message(self, raw: Any, pointer: str, name: str) -> Message | None:
        ref = raw.get("$ref") if isinstance(raw, dict) else None
        place = self.resolve(raw, pointer)
        if place is None:
            return None
        merged = dict(place.raw)
        for index, trait in enumerate(merged.get("traits") or ()):
            found = self.resolve(trait, join(place.pointer, "traits", index))
            for key, value in found.raw.items() if found is not None else ():
                merged.setdefault(key, value)
        own = merged.get("messageId") or merged.get("name") or (ref.rsplit("/", 1)[-1] if isinstance(ref, str) else "") or name
        content = str(merged.get("contentType") or self.content_type)
        return Message(str(own), merged, place.pointer, content)

    def _read_consumer_view(self) -> None:
        for address, place in self._section("channels"):
            channel = Channel(address, address, place.raw, place.pointer)
            self.channels[address] = channel
            for word, action in _FROM_CONSUMER.items():
                found = self.resolve(place.raw.get(word), join(place.pointer, word))
                if found is None:
                    continue
                operation = Operation(action, address, found.raw, found.pointer)
                raw, pointer = found.raw.get("message"), join(found.pointer, "message")
                listed = raw.get("oneOf") if isinstance(raw, dict) else None
                entries = (
                    [(item, join(pointer, "oneOf", index)) for index, item in enumerate(listed)]
                    if isinstance(listed, list)
                    else [(raw, pointer)]
                )
                for index, (item, at) in enumerate(entries):
                    message = self._message(item, at, f"message {index + 1}" if len(entries) > 1 else "message")
                    if message is not None:
                        operation.messages[message.name] = message
                        channel.messages[message.name] = message
                self.operations[action, address] = operation

    def _read_owner_view(self) -> None:
        by_pointer: dict[str, str] = {}
        for key, place in self._section("channels"):
            address = place.raw.get("address", key)
            channel = Channel(key, None if address is None else str(address), place.raw, place.pointer)
            for name, raw in (place.raw.get("messages") or {}).items():
                found = self._message(raw, join(place.pointer, "messages", name), str(name))
                if found is not None:
                    channel.messages[str(name)] = found
            self.channels[key] = channel
            by_pointer[place.pointer] = key
        for _, place in self._section("operations"):
            action = str(place.raw.get("action", ""))
            home = self.resolve(place.raw.get("channel"), join(place.pointer, "channel"))
            key = by_pointer.get(home.pointer, "") if home is not None else ""
            if action not in _OPPOSITE or not key:
                continue
            operation = self.operations.setdefault((action, key), Operation(action, key, place.raw, place.pointer))
            operation.messages.update(self._chosen(place.raw.get("messages"), self.channels[key]))
            self._reply(operation, place, by_pointer)

    def _chosen(self, listed: Any, channel: Channel) -> dict[str, Message]:
        """The messages that an operation names, or all of its channel."""
        if not isinstance(listed, list):
            return dict(channel.messages)
        names = [str(item["$ref"]).rsplit("/", 1)[-1] for item in listed if isinstance(item, dict) and "$ref" in item]
        return {name: channel.messages[name] for name in names if name in channel.messages}

    def _reply(self, operation: Operation, place: Place, by_pointer: dict[str, str]) -> None:
        reply = self.resolve(place.raw.get("reply"), join(place.pointer, "reply"))
        if reply is None:
            return
        home = self.resolve(reply.raw.get("channel"), join(reply.pointer, "channel"))
        address = self.resolve(reply.raw.get("address"), join(reply.pointer, "address"))
        key = by_pointer.get(home.pointer, "") if home is not None else ""
        location = str(address.raw.get("location", "")) if address is not None else ""
        channel = self.channels.get(key)
        operation.reply_to = f"{channel.label if channel else ''} {location}".strip()
        if channel is not None:
            operation.reply.update(self._chosen(reply.raw.get("messages"), channel))

    def _read_loose(self) -> None:
        """Messages of the components (and channels) that no operation carries."""
        used = {message.pointer for operation in self.operations.values() for message in operation.messages.values()}
        used |= {message.pointer for operation in self.operations.values() for message in operation.reply.values()}
        carried = {key for _, key in self.operations}
        for channel in self.channels.values():
            if channel.id not in carried:
                for name, message in channel.messages.items():
                    if message.pointer not in used:
                        self.loose.setdefault(f"{channel.id} {name}", message)
                        used.add(message.pointer)
        components = self.tree.get("components")
        listed = components.get("messages") if isinstance(components, dict) else None
        for name, raw in listed.items() if isinstance(listed, dict) else ():
            message = self._message(raw, join("", "components", "messages", name), str(name))
            if message is not None and message.pointer not in used:
                self.loose.setdefault(str(name), message)


class EventComparison:
    """Two AsyncAPI views against each other."""

    def __init__(self, old: EventView, new: EventView, diff: SchemaDiff, report: Report) -> None:
        self.old, self.new = old, new
        self.diff = diff
        self.report = report

    def run(self) -> None:
        pairs = self._channels()
        for before, after in pairs:
            self._operations(before, after)
        for name, message in self.old.loose.items():
            found = self.new.loose.get(name)
            if found is not None:
                for action in (SEND, RECEIVE):
                    self._message(message, found, action, Where(f"message {name}", name, message.pointer, found.pointer))
        self._servers()

    def _channels(self) -> list[tuple[Channel, Channel]]:
        pairs: list[tuple[Channel, Channel]] = []
        left, right = dict(self.old.channels), dict(self.new.channels)
        for test in (lambda one, other: one.id == other.id, lambda one, other: _shape(one) == _shape(other)):
            for key, before in list(left.items()):
                found = next((name for name, after in right.items() if test(before, after)), None)
                if found is not None:
                    pairs.append((before, right.pop(found)))
                    del left[key]
        for before in left.values():
            where = Where(before.label, before.label, before.pointer, None)
            self.report.say("channel-removed", f"The channel {before.label} was removed.", where=where, old=before.label)
        for after in right.values():
            where = Where(after.label, after.label, None, after.pointer)
            self.report.say("channel-added", f"The channel {after.label} was added.", where=where, new=after.label)
        for before, after in pairs:
            self._channel(before, after)
        return pairs

    def _channel(self, before: Channel, after: Channel) -> None:
        where = Where(after.label, after.label, before.pointer, after.pointer)
        if _shape(before) != _shape(after):
            text = f"The address of channel {after.id} changed from {before.address} to {after.address}."
            self.report.say("channel-address-changed", text, where=where, old=before.address, new=after.address)
        old, new = before.raw.get("parameters") or {}, after.raw.get("parameters") or {}
        for name, raw in old.items():
            one = self.old.resolve(raw, join(before.pointer, "parameters", name))
            other = self.new.resolve(new.get(name), join(after.pointer, "parameters", name))
            if one is None or other is None:
                continue
            left, right = _parameter(one), _parameter(other)
            for flow in (Flow("event-send", text=True), Flow("event-receive", text=True)):
                self.report.use(self.diff.link(left, right, flow), "property", where)
        self._bindings(before.raw, after.raw, where)

    def _operations(self, before: Channel, after: Channel) -> None:
        for action in (SEND, RECEIVE):
            one, other = self.old.operations.get((action, before.id)), self.new.operations.get((action, after.id))
            label = f"{action} {after.label}"
            if one is None and other is None:
                continue
            if one is None or other is None:
                self._lonely(action, before, after, one, other)
                continue
            where = Where(label, after.label, one.pointer, other.pointer)
            self._messages(one.messages, other.messages, action, where)
            self._messages(one.reply, other.reply, _OPPOSITE[action], where)
            if one.reply_to != other.reply_to:
                text = f"Answers to {label} go to {other.reply_to or 'nowhere'} instead of {one.reply_to or 'nowhere'}."
                level = None if one.reply_to else "info"
                self.report.say("event-reply-changed", text, where=where, old=one.reply_to, new=other.reply_to, level=level)
            self._bindings(one.raw, other.raw, where)
            if signature(one.raw.get("security")) != signature(other.raw.get("security")):
                self.report.say("event-security-changed", f"The security of {label} changed.", where=where)

    def _lonely(self, action: str, before: Channel, after: Channel, one: Operation | None, other: Operation | None) -> None:
        opposite = _OPPOSITE[action]
        turned = (opposite, after.id) in self.new.operations and (opposite, before.id) not in self.old.operations
        label = f"{action} {after.label}"
        if one is not None:
            where = Where(label, after.label, one.pointer, after.pointer)
            if turned:
                text = f"The channel {after.label} changed its direction from {action} to {opposite}."
                self.report.say("event-operation-direction-changed", text, where=where, old=action, new=opposite)
            else:
                self.report.say("event-operation-removed", f"The operation {label} was removed.", where=where, old=action)
        elif (other is not None and (opposite, after.id) in self.new.operations) or (
            other is not None and (opposite, before.id) not in self.old.operations
        ):
            where = Where(label, after.label, before.pointer, other.pointer)
            self.report.say("event-operation-added", f"The operation {label} was added.", where=where, new=action)

    def _messages(self, old: dict[str, Message], new: dict[str, Message], action: str, where: Where) -> None:
        left, right = dict(old), dict(new)
        for name in [name for name in left if name in right]:
            self._message(left.pop(name), right.pop(name), action, where)
        if len(left) == len(right) == 1:
            # One message left on each side: a changed name, not one message gone and another one come.
            before, after = next(iter(left.values())), next(iter(right.values()))
            alone = len(old) == len(new) == 1
            if alone or not self._differ(before, after):
                anonymous = before.name.startswith("message") or after.name.startswith("message")
                if before.name != after.name and not anonymous:
                    text = f"The message {before.name} is now called {after.name}."
                    place = where._replace(old=before.pointer, new=after.pointer)
                    self.report.say("event-message-renamed", text, where=place, old=before.name, new=after.name)
                self._message(before, after, action, where)
                return
        for name, before in left.items():
            rule = "event-message-removed" if action == RECEIVE else "event-message-no-longer-sent"
            verb = "accepted" if action == RECEIVE else "sent"
            self.report.say(
                rule, f"The message {name} is no longer {verb}.", where=where, old=name, base=before.pointer, revision=where.new
            )
        for name, after in right.items():
            rule = "event-message-added" if action == RECEIVE else "event-message-newly-sent"
            verb = "accepted" if action == RECEIVE else "sent"
            self.report.say(
                rule, f"The message {name} is now {verb} too.", where=where, new=name, base=where.old, revision=after.pointer
            )

    def _differ(self, before: Message, after: Message) -> bool:
        flow = Flow("event-send")
        return bool(self.diff.relation(self.diff.link(before.payload or (), after.payload or (), flow)))

    def _message(self, before: Message, after: Message, action: str, where: Where) -> None:
        flow = Flow("event-send" if action == SEND else "event-receive")
        places = {"base": before.pointer, "revision": after.pointer}
        say = self.report.say
        if before.content_type.lower() != after.content_type.lower():
            text = f"The content type of {after.name} changed from {before.content_type} to {after.content_type}."
            say("event-content-type-changed", text, where=where, old=before.content_type, new=after.content_type, **places)
        self._payload(before, after, flow, where)
        old, new = before.raw.get("headers"), after.raw.get("headers")
        if old is not None and new is not None:
            left, right = (Part(old, join(before.pointer, "headers")),), (Part(new, join(after.pointer, "headers")),)
            self.report.use(self.diff.link(left, right, flow), "property", where)
        elif old is not None or new is not None:
            dropped = new is None
            harmful = dropped == (action == SEND)
            text = f"The headers schema of {after.name} was {'dropped' if dropped else 'added'}."
            say("event-headers-schema-changed", text, where=where, level=None if harmful else "info", **places)
        self._correlation(before, after, where)
        self._bindings(before.raw, after.raw, where)

    def _payload(self, before: Message, after: Message, flow: Flow, where: Where) -> None:
        left, right = before.payload, after.payload
        say = self.report.say
        places = {"base": join(before.pointer, "payload"), "revision": join(after.pointer, "payload")}
        if left is None and right is None:
            return
        if left is None or right is None:
            rule = "event-payload-schema-added" if left is None else "event-payload-schema-removed"
            harmful = (left is None) == (flow.direction == "event-receive")
            text = f"The payload schema of {after.name} was {'added' if left is None else 'dropped'}."
            say(rule, text, where=where, level=None if harmful else "info", **places)
        elif before.readable and after.readable:
            self.report.use(self.diff.link(left, right, flow), "payload", where)
        elif before.format.split(";")[0] != after.format.split(";")[0]:
            text = f"The payload of {after.name} is described in {after.format} instead of {before.format}."
            say("event-payload-format-changed", text, where=where, old=before.format, new=after.format, **places)
        elif before.format != after.format or signature(left[0].raw) != signature(right[0].raw):
            text = f"The payload of {after.name} changed; {after.format} is not judged. Not decided: read the change yourself."
            say("event-payload-undecided", text, where=where, **places)

    def _correlation(self, before: Message, after: Message, where: Where) -> None:
        one = self.old.resolve(before.raw.get("correlationId"), before.pointer)
        other = self.new.resolve(after.raw.get("correlationId"), after.pointer)
        old, new = one and one.raw.get("location"), other and other.raw.get("location")
        if old != new:
            text = f"The correlation id of {after.name} is at {new or 'no place'} instead of {old or 'no place'}."
            self.report.say(
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
                self.report.say("event-key-changed", text, where=where, old=keys[0], new=keys[1])
            rest = [
                {key: item for key, item in (side or {}).items() if key != "key"} if isinstance(side, dict) else side
                for side in (one, other)
            ]
            if signature(rest[0]) != signature(rest[1]):
                self.report.say(
                    "event-binding-changed", f"The {protocol} binding changed.", where=where, old=rest[0], new=rest[1]
                )

    def _key_differs(self, old: Any, new: Any) -> bool:
        if old is None or new is None:
            return True
        return bool(self.diff.relation(self.diff.link((Part(old, ""),), (Part(new, ""),), Flow("event-send"))))

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
                text = f"The server {name} is {after or 'gone'} instead of {before}."
                self.report.say("event-server-changed", text, old=before, new=after or None, **places)
            elif one is not None and other is not None:
                if signature(one.raw.get("security")) != signature(other.raw.get("security")):
                    self.report.say("event-security-changed", f"The security of server {name} changed.", **places)
                where = Where("", "", *places.values())
                self._bindings(one.raw, other.raw, where)


def _shape(channel: Channel) -> str:
    return shape_of(channel.address) if channel.address is not None else f"?{channel.id}"


def _address(server: Place | None) -> str:
    """Protocol and address of a server: `url` in version 2, `host` and `pathname` in version 3."""
    if server is None:
        return ""
    raw = server.raw
    place = str(raw.get("url") or f"{raw.get('host', '')}{raw.get('pathname', '')}")
    place = place.split("://", 1)[-1].rstrip("/")
    return f"{raw.get('protocol', '')}://{place}"


def _parameter(place: Place) -> Parts:
    """Values of a channel variable: a schema in version 2, `enum` and `default` themselves in version 3."""
    if isinstance(place.raw.get("schema"), dict | bool):
        return (Part(place.raw["schema"], join(place.pointer, "schema")),)
    return (Part(place.raw, place.pointer),)
