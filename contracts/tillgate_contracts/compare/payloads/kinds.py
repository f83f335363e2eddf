"""Kinds of change of Avro and Protobuf payloads, with a level where the owner receives and where it sends."""

from __future__ import annotations

from typing import Any, NamedTuple

from tillgate_contracts.compare.rule import ComparisonRule

B, W, OK = "breaking", "warning", "info"
DIRECTIONS = ("event-receive", "event-send")


class PayloadKind(NamedTuple):
    """`receive`: old writers, the new reader. `send`: the new writer, old readers."""

    receive: str
    send: str
    title: str
    why: str


class PayloadChange(NamedTuple):
    """One change: its kind, a sentence, and what stood and stands there."""

    kind: str
    text: str
    old: Any = None
    new: Any = None


_READS = "The reader resolves what the writer wrote (Avro specification, Schema Resolution)."
#: Avro: the kinds that resolution refuses are levelled by the direction in which they arise, see avro.py.
AVRO_KINDS: dict[str, PayloadKind] = {
    "type-unreadable": PayloadKind(B, B, "a value of one type is read as another one", _READS),
    "name-unreadable": PayloadKind(B, B, "a record, enum or fixed has another name, and no alias for it", _READS),
    "field-without-default": PayloadKind(
        B, B, "the reader has a field that the writer lacks, without a default", _READS
    ),
    "symbol-unreadable": PayloadKind(
        B, B, "the writer has a symbol that the reader's enum lacks, without a default", _READS
    ),
    "symbol-becomes-default": PayloadKind(
        W, W, "a symbol that the reader does not know is read as its default", _READS
    ),
    "size-unreadable": PayloadKind(B, B, "a fixed has another size", _READS),
    "branch-unreadable": PayloadKind(B, B, "the writer's union has a branch that the reader lacks", _READS),
    "decimal-unreadable": PayloadKind(B, B, "a decimal has another scale or precision", _READS),
    "logical-type-changed": PayloadKind(W, W, "a value is read, and means something else", "Its logical type changed."),
    "field-added": PayloadKind(OK, OK, "a field was added", "Readers pass over it, or fill in its default."),
    "field-removed": PayloadKind(
        OK, W, "a field was removed", "Readers that have a default for it no longer get a value."
    ),
    "default-changed": PayloadKind(
        W, OK, "the default of a field changed", "Values without the field mean something else."
    ),
    "loosened": PayloadKind(
        OK, OK, "what was refused is readable now, or only in the direction that nobody reads", _READS
    ),
    "unresolved": PayloadKind(W, W, "a type is named that the schema does not define: not compared", "It is unknown."),
    "words-changed": PayloadKind(
        OK, OK, "the schema is written otherwise, with the same meaning to readers", "Nothing on the wire."
    ),
}
_UPDATING = "See 'Updating A Message Type' in the guide of Protocol Buffers."
PROTOBUF_KINDS: dict[str, PayloadKind] = {
    "field-added": PayloadKind(
        OK, OK, "a field was added", "Old readers keep it as unknown, new ones see its default."
    ),
    "required-field-added": PayloadKind(
        B, OK, "a required field was added", "Old writers leave it out; parsing fails."
    ),
    "field-removed": PayloadKind(W, W, "a field was removed, and its number reserved", "Readers see its default."),
    "field-removed-unreserved": PayloadKind(
        W, W, "a field was removed, and its number may be used again", "A later field with it would be misread."
    ),
    "required-field-removed": PayloadKind(
        W, B, "a required field was removed", "Old readers refuse messages without it."
    ),
    "field-number-changed": PayloadKind(B, B, "a field has another number", "The number is what is on the wire."),
    "field-renamed": PayloadKind(W, W, "a field has another name", "Nothing in binary; in JSON and in code it breaks."),
    "field-type-changed": PayloadKind(B, B, "a field has a type of another wire format", _UPDATING),
    "field-type-widened": PayloadKind(OK, W, "a field has a wider type of the same wire format", _UPDATING),
    "field-type-narrowed": PayloadKind(W, OK, "a field has a narrower type of the same wire format", _UPDATING),
    "field-type-compatible": PayloadKind(
        W, W, "a field has a type that is read, and may mean something else", _UPDATING
    ),
    "field-repeated-changed": PayloadKind(W, W, "a string, bytes or message became repeated or single", _UPDATING),
    "numeric-repeated-changed": PayloadKind(B, B, "a number became repeated or single", _UPDATING),
    "field-packed-changed": PayloadKind(OK, OK, "a repeated number is packed, or no longer", "Parsers read both."),
    "field-became-required": PayloadKind(B, OK, "a field became required", "Old writers may leave it out."),
    "field-became-optional": PayloadKind(
        OK, B, "a field is no longer required", "Old readers refuse messages without it."
    ),
    "field-presence-changed": PayloadKind(
        W, W, "a field tells whether it was set, or no longer", "Zero and absent differ."
    ),
    "field-default-changed": PayloadKind(
        W, W, "the default of a field changed", "Messages without it mean something else."
    ),
    "oneof-entered": PayloadKind(W, W, "a field moved into a new oneof", _UPDATING),
    "oneof-entered-unsafe": PayloadKind(B, B, "fields moved into one oneof", "Setting one clears the other."),
    "oneof-left": PayloadKind(W, W, "a field left its oneof", "Readers may get several of its fields."),
    "reserved-reused": PayloadKind(B, B, "a reserved number or name is used", "Old messages are misread."),
    "reserved-dropped": PayloadKind(W, W, "a number or name is no longer reserved", "It may be used again."),
    "enum-value-added": PayloadKind(OK, W, "an enum has a new value", "Old readers do not know it."),
    "enum-value-removed": PayloadKind(W, OK, "an enum lost a value", "Old writers still send it."),
    "enum-number-changed": PayloadKind(B, B, "a value of an enum has another number", "The number is on the wire."),
    "enum-value-renamed": PayloadKind(
        W, W, "a value of an enum has another name", "Nothing in binary; in JSON it breaks."
    ),
    "enum-default-changed": PayloadKind(
        B, B, "the first value of an enum is another one", "It is what an absent field means."
    ),
    "message-renamed": PayloadKind(
        W, W, "a message has another name", "Nothing in the bytes; Any and JSON tools name it."
    ),
    "reserved-added": PayloadKind(
        OK, OK, "a number or name is reserved now", "No field has it, so nothing is on the wire."
    ),
    "type-moved": PayloadKind(
        OK, OK, "the type of a field has another name or place", "Names of types are not in the bytes; Any names them."
    ),
    "words-changed": PayloadKind(OK, OK, "the text is written otherwise", "Nothing of it is in the bytes."),
    "payload-unnamed": PayloadKind(
        W, W, "another message of the text changed, and none has the event's name", "It may be the payload."
    ),
    "options-changed": PayloadKind(
        W, W, "options or extensions changed: not compared", "They may change what is in the bytes."
    ),
    "syntax-changed": PayloadKind(W, W, "the syntax changed", "Presence, closed enums and packing differ."),
    "unresolved": PayloadKind(W, W, "a type is named that the text does not define: not compared", "It is unknown."),
}


def _rules() -> tuple[ComparisonRule, ...]:
    found = []
    for word, kinds in (("avro", AVRO_KINDS), ("protobuf", PROTOBUF_KINDS)):
        for name, kind in kinds.items():
            for direction, level in zip(DIRECTIONS, (kind.receive, kind.send), strict=True):
                rule_id = f"{direction}-{word}-{name}"
                found.append(ComparisonRule(rule_id, level, f"{word} payloads", direction, kind.title, kind.why))
    return tuple(found)


#: Every rule about such payloads.
PAYLOAD_RULES = _rules()
