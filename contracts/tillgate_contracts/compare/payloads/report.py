"""Which comparison a payload of another format gets, and whether it could be compared at all."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.payloads.avro import AvroError, AvroSchema, compare_avro
from tillgate_contracts.compare.payloads.kinds import AVRO_KINDS, PROTOBUF_KINDS, PayloadChange
from tillgate_contracts.compare.payloads.proto_text import ProtoError, read_proto
from tillgate_contracts.compare.payloads.protobuf import compare_protobuf

_LEVELS = {"avro": AVRO_KINDS, "protobuf": PROTOBUF_KINDS}


def language(schema_format: str) -> str:
    """`avro` or `protobuf`, "" for every other format."""
    for word, names in (("avro", ("vnd.apache.avro",)), ("protobuf", ("vnd.google.protobuf", "x-protobuf"))):
        if any(name in schema_format for name in names):
            return word
    return ""


def compare_payloads(word: str, old: Any, new: Any, direction: str, name: str) -> list[PayloadChange] | None:
    """Changes of a payload in a direction (`event-receive`, `event-send`); None where it is not decided."""
    try:
        if word == "avro":
            found = compare_avro(old, new, direction)
            if not found and not AvroSchema(old).same_as(AvroSchema(new)):
                found = [PayloadChange("words-changed", "The schema is written otherwise; every reader reads on.")]
            return found
        if not isinstance(old, str) or not isinstance(new, str):
            return None
        found = compare_protobuf(old, new, name)
        if not found and read_proto(old) != read_proto(new):
            text = "The text is written otherwise, or what this message does not reach changed; its bytes are the same."
            found = [PayloadChange("words-changed", text)]
        return found
    except (AvroError, ProtoError, RecursionError):
        return None


def payload_level(word: str, kind: str, direction: str) -> str:
    """Level of a kind of change before the policy's own list."""
    known = _LEVELS[word][kind]
    return known.receive if direction == "event-receive" else known.send
