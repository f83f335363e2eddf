"""Reading AsyncAPI 2 and 3 into one view, from the owner's side.

Version 2 speaks from the consumer's side (`publish`: the consumer sends, the owner receives), version 3 from the
owner's. Both end in the same view, so that a contract that moves from 2 to 3 can be compared as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tillgate_contracts.compare.schema.source import Part, Parts, SchemaSource, join
from tillgate_contracts.compare.schema.values import as_list, as_mapping
from tillgate_contracts.compare.unread import LocatedObject, Resolver
from tillgate_contracts.reading.detect import is_json_payload

SEND, RECEIVE = "send", "receive"
OPPOSITE = {SEND: RECEIVE, RECEIVE: SEND}
_FROM_CONSUMER = {"publish": RECEIVE, "subscribe": SEND}


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One message as sent or received: its own fields over those of its traits."""

    name: str
    raw: dict[str, Any]
    pointer: str
    content_type: str
    #: Some trait was not read, so what it does not say may stand there.
    partial: bool = False

    @property
    def format(self) -> str:
        payload = self.raw.get("payload")
        written = (
            payload.get("schemaFormat") if self.wrapped and isinstance(payload, dict) else self.raw.get("schemaFormat")
        )
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
        return is_json_payload(self.format)


@dataclass(slots=True)
class Channel:
    """One channel: id, address (None: unknown until runtime) and messages by name."""

    id: str
    address: str | None
    raw: dict[str, Any]
    pointer: str
    messages: dict[str, EventMessage] = field(default_factory=dict)
    #: Some message was not read.
    unread: bool = False

    @property
    def label(self) -> str:
        return self.address or self.id


@dataclass(slots=True)
class ChannelOperation:
    """Everything that is sent, or everything that is received, over one channel."""

    action: str
    channel: str
    raw: dict[str, Any]
    pointer: str
    messages: dict[str, EventMessage] = field(default_factory=dict)
    reply: dict[str, EventMessage] = field(default_factory=dict)
    reply_to: str = ""
    #: Some message (or reply) was not read, so its name is unknown.
    unread: bool = False
    unread_reply: bool = False


class EventView(Resolver):
    """One AsyncAPI tree of version 2 or 3."""

    def __init__(self, tree: dict[str, Any], source: SchemaSource) -> None:
        super().__init__(source)
        self.tree = tree
        self.content_type = str(tree.get("defaultContentType") or "application/json")
        self.channels: dict[str, Channel] = {}
        self.operations: dict[tuple[str, str], ChannelOperation] = {}
        self.loose: dict[str, EventMessage] = {}
        #: Channels that were not read, by key; and whether some operation was not.
        self.unread_channels: set[str] = set()
        self.unread_operations = False
        if str(tree.get("asyncapi", "2")).startswith("3") or "operations" in tree:
            self._read_owner_view()
        else:
            self._read_consumer_view()
        self._read_loose()

    def servers_of(self, channel: Channel) -> list[str]:
        """Names of the servers that a channel is on: those that it lists, else all of the document (AsyncAPI 2.6
        "Channel Item Object", 3.0 "Channel Object")."""
        known = [str(name) for name in as_mapping(self.tree.get("servers"))]
        listed = as_list(channel.raw.get("servers"))
        names = [
            str(item.get("$ref", "")).rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
            if isinstance(item, dict)
            else str(item)
            for item in listed
        ]
        return names or known

    def _section(self, name: str) -> Iterator[tuple[str, LocatedObject]]:
        section = self.tree.get(name)
        for key, raw in section.items() if isinstance(section, dict) else ():
            place = self.resolve(raw, join("", name, key))
            if place is not None:
                yield str(key), place
            elif name == "channels":
                self.unread_channels.add(str(key))
            else:
                self.unread_operations = True

    def _message(self, raw: Any, pointer: str, name: str) -> EventMessage | None:
        ref = raw.get("$ref") if isinstance(raw, dict) else None
        place = self.resolve(raw, pointer)
        if place is None:
            return None
        merged, partial = self._with_traits(place)
        own = (
            merged.get("messageId")
            or merged.get("name")
            or (ref.rsplit("/", 1)[-1] if isinstance(ref, str) else "")
            or name
        )
        content = str(merged.get("contentType") or self.content_type)
        return EventMessage(str(own), merged, place.pointer, content, partial)

    def _with_traits(self, place: LocatedObject) -> tuple[dict[str, Any], bool]:
        """A message or an operation over its traits; and whether one of these was not read."""
        merged, partial = dict(place.raw), False
        for index, trait in enumerate(as_list(merged.get("traits"))):
            found = self.resolve(trait, join(place.pointer, "traits", index))
            partial = partial or (found is None and isinstance(trait, dict))
            for key, value in found.raw.items() if found is not None else ():
                own = merged.get(key)
                if key == "bindings" and isinstance(own, dict) and isinstance(value, dict):
                    merged[key] = {**value, **own}
                else:
                    merged.setdefault(key, value)
        return merged, partial

    def security_of(self, raw: Any, pointer: str) -> list[Any]:
        """The schemes that a server or an operation demands, as they are: by reference in version 3, by name with
        scopes in version 2."""
        declared = as_mapping(as_mapping(self.tree.get("components")).get("securitySchemes"))
        found: list[Any] = []
        for index, entry in enumerate(as_list(as_mapping(raw).get("security"))):
            entry = as_mapping(entry)
            if "$ref" in entry or "type" in entry:
                scheme = self.resolve(entry, join(pointer, "security", index))
                found.append(_meant(scheme))
                continue
            named = {
                name: self.resolve(declared.get(name), join("", "components", "securitySchemes", name))
                for name in entry
            }
            found.append({name: [_meant(scheme), entry[name]] for name, scheme in named.items()})
        return found

    def _read_consumer_view(self) -> None:
        for address, place in self._section("channels"):
            channel = Channel(address, address, place.raw, place.pointer)
            self.channels[address] = channel
            for word, action in _FROM_CONSUMER.items():
                found = self.resolve(place.raw.get(word), join(place.pointer, word))
                if found is None:
                    continue
                operation = ChannelOperation(action, address, self._with_traits(found)[0], found.pointer)
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
                    elif isinstance(item, dict):
                        operation.unread = channel.unread = True
                self.operations[action, address] = operation

    def _read_owner_view(self) -> None:
        by_pointer: dict[str, str] = {}
        for key, place in self._section("channels"):
            address = place.raw.get("address")  # absent: not known before runtime (AsyncAPI 3.0 Channel Object)
            channel = Channel(key, None if address is None else str(address), place.raw, place.pointer)
            for name, raw in as_mapping(place.raw.get("messages")).items():
                found = self._message(raw, join(place.pointer, "messages", name), str(name))
                if found is not None:
                    channel.messages[str(name)] = found
                elif isinstance(raw, dict):
                    channel.unread = True
            self.channels[key] = channel
            by_pointer[place.pointer] = key
        for _, place in self._section("operations"):
            action = str(place.raw.get("action", ""))
            home = self.resolve(place.raw.get("channel"), join(place.pointer, "channel"))
            key = by_pointer.get(home.pointer, "") if home is not None else ""
            if action in OPPOSITE and not key:
                self._note_channel(place.raw.get("channel"), join(place.pointer, "channel"))
                self.unread_operations = True
            if action not in OPPOSITE or not key:
                continue
            operation = self.operations.setdefault(
                (action, key), ChannelOperation(action, key, self._with_traits(place)[0], place.pointer)
            )
            operation.messages.update(
                self._chosen(place.raw.get("messages"), self.channels[key], join(place.pointer, "messages"))
            )
            operation.unread = operation.unread or self.channels[key].unread
            self._reply(operation, place, by_pointer)

    def _note_channel(self, raw: Any, pointer: str) -> None:
        """An operation whose channel is none of the document's: what it carries is unknown."""
        ref = raw.get("$ref") if isinstance(raw, dict) else None
        self.note(pointer, ref if isinstance(ref, str) else "its channel")

    def _chosen(self, listed: Any, channel: Channel, pointer: str) -> dict[str, EventMessage]:
        """The messages that an operation names, or all of its channel."""
        if not isinstance(listed, list):
            return dict(channel.messages)
        found = {}
        for index, item in enumerate(listed):
            ref = item.get("$ref") if isinstance(item, dict) else None
            if not isinstance(ref, str):
                continue
            name = ref.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
            if name in channel.messages:
                found[name] = channel.messages[name]
            else:
                self.note(join(pointer, index), ref)
        return found

    def _reply(self, operation: ChannelOperation, place: LocatedObject, by_pointer: dict[str, str]) -> None:
        reply = self.resolve(place.raw.get("reply"), join(place.pointer, "reply"))
        if reply is None:
            operation.unread_reply = isinstance(place.raw.get("reply"), dict)
            return
        home = self.resolve(reply.raw.get("channel"), join(reply.pointer, "channel"))
        address = self.resolve(reply.raw.get("address"), join(reply.pointer, "address"))
        key = by_pointer.get(home.pointer, "") if home is not None else ""
        location = str(address.raw.get("location", "")) if address is not None else ""
        channel = self.channels.get(key)
        operation.reply_to = f"{channel.label if channel else ''} {location}".strip()
        if channel is not None:
            listed = reply.raw.get("messages")
            operation.reply.update(self._chosen(listed, channel, join(reply.pointer, "messages")))
            operation.unread_reply = operation.unread_reply or channel.unread
        elif home is None and isinstance(reply.raw.get("channel"), dict):
            operation.unread_reply = True

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
            own = self._message(raw, join("", "components", "messages", name), str(name))
            if own is not None and own.pointer not in used:
                self.loose.setdefault(str(name), own)


def _meant(scheme: LocatedObject | None) -> Any:
    """What a security scheme is on the wire; None where it is not declared."""
    if scheme is None:
        return None
    return {key: value for key, value in scheme.raw.items() if key != "description" and not key.startswith("x-")}
