"""Avro and Protobuf payloads of events: a labelled pair gets its verdict, received and sent, in AsyncAPI 2 and 3."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tillgate_contracts.compare import ComparisonReport, compare
from tillgate_contracts.messages import check_documents
from tillgate_contracts.reading import read

FORMATS = {"avro": "application/vnd.apache.avro;version=1.9.0", "protobuf": "application/vnd.google.protobuf;version=3"}
PAIRS = [
    (name, row)
    for name in FORMATS
    for row in tomllib.loads(Path(__file__).with_name("pairs").joinpath(f"{name}.toml").read_text())["pair"]
]


def event(name: str, payload: str, action: str, version: int = 3) -> bytes:
    """An event description whose owner sends or receives one message."""
    schema: Any = json.loads(payload) if name == "avro" and payload[:1] == "{" else payload
    info = {"title": "Events", "version": "1.0.0"}
    if version == 2:
        message = {"name": "M", "schemaFormat": FORMATS[name], "payload": schema}
        verb = "subscribe" if action == "send" else "publish"
        return json.dumps({"asyncapi": "2.6.0", "info": info, "channels": {"c": {verb: {"message": message}}}}).encode()
    message = {"name": "M", "payload": {"schemaFormat": FORMATS[name], "schema": schema}}
    tree = {
        "asyncapi": "3.0.0",
        "info": info,
        "channels": {"c": {"address": "c", "messages": {"M": message}}},
        "operations": {"o": {"action": action, "channel": {"$ref": "#/channels/c"}}},
    }
    return json.dumps(tree).encode()


def told(name: str, before: str, after: str, action: str, version: int = 3) -> ComparisonReport:
    return compare(*(read(event(name, text, action, version)) for text in (before, after)))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("action", ["receive", "send"])
@pytest.mark.parametrize(("name", "row"), PAIRS, ids=[f"{name} {row['section']}" for name, row in PAIRS])
def test_a_pair_is_judged_as_the_standard_says(name, row, action, version):
    found = told(name, row["before"], row["after"], action, version)
    mine = {f.rule for f in found.findings if not f.rule.startswith("api-")}
    assert found.verdict == row[action], found.findings
    wanted = f"event-{action}-{name}-{row['kind']}"
    assert not row["kind"] or wanted in mine or f"event-{action}-avro-loosened" in mine, mine
    assert all(f.operations == (f"{action} c",) for f in found.findings if f.rule in mine)


@pytest.mark.parametrize(("name", "broken"), [("avro", '{"type": "record"}'), ("protobuf", "message M {")])
def test_a_payload_that_cannot_be_read_is_warned_about_as_before(name, broken):
    good = next(row["before"] for word, row in PAIRS if word == name)
    found = told(name, good, broken, "receive")
    assert [(f.rule, f.level) for f in found.findings] == [("event-payload-undecided", "warning")]


def test_what_the_payload_does_not_reach_is_no_part_of_it_where_the_event_names_its_message():
    text = "syntax = 'proto3'; message M { int32 a = 1; } message Other { int32 b = 1; }"
    found = told("protobuf", text, text.replace("int32 b", "string b"), "receive")
    assert [(f.rule, f.level) for f in found.findings] == [("event-receive-protobuf-words-changed", "info")]


def test_a_change_of_a_message_that_may_be_the_payload_is_not_agreed_to_in_silence():
    text = "syntax = 'proto3'; message First { int32 a = 1; } message Other { int32 b = 1; }"
    found = told("protobuf", text, text.replace("int32 b", "string b"), "receive")
    assert [(f.rule, f.level) for f in found.findings] == [("event-receive-protobuf-payload-unnamed", "warning")]
    assert told("protobuf", text, text.replace("int32 a", "/* */ int32 a"), "receive").verdict == "none"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("message M { extensions 100 to 199; int32 a = 1; }", "message M { extensions 100 to 150; int32 a = 1; }"),
        ("message M { int32 a = 1; }", "message M { option message_set_wire_format = true; int32 a = 1; }"),
        ("message M { int32 a = 1; }", "message M { int32 a = 1 [features.field_presence = IMPLICIT]; }"),
        ("message M { int32 a = 1; }", "option features.field_presence = IMPLICIT; message M { int32 a = 1; }"),
        ("message M { int32 a = 1; }", "message M { int32 a = 1; } extend M { int32 b = 100; }"),
        (
            "message M { E e = 1; enum E { A = 0; } }",
            "message M { E e = 1; enum E { option features.enum_type = CLOSED; A = 0; } }",
        ),
    ],
)
def test_options_and_extensions_that_may_change_the_bytes_are_not_decided(before, after):
    for pair in ((before, after), (after, before)):
        found = told("protobuf", *(f'syntax = "proto2"; {text}' for text in pair), "receive")
        assert found.verdict == "warning", found.findings
        assert "event-receive-protobuf-options-changed" in {f.rule for f in found.findings}


def test_options_that_only_name_generated_code_say_nothing_of_the_bytes():
    text = 'syntax = "proto3"; option java_package = "{}"; message M {{ int32 a = 1 [json_name = "{}"]; }}'
    assert told("protobuf", text.format("a", "x"), text.format("b", "x"), "send").verdict == "none"
    found = told("protobuf", text.format("a", "x"), text.format("a", "y"), "send")
    assert [f.rule for f in found.findings] == ["event-send-protobuf-field-renamed"]


@pytest.mark.parametrize(("name", "row"), PAIRS, ids=[f"{name} {row['section']}" for name, row in PAIRS])
def test_compatibility_modes_judge_such_payloads_by_their_own_rules(name, row):
    documents = [read(event(name, row[side], "send")) for side in ("before", "after")]
    wanted = {"breaking": False, "warning": None, "compatible": True, "none": True}
    for direction, side in (("backward", "receive"), ("forward", "send")):
        found = check_documents(documents, direction=direction, content_model="tolerant")
        assert found.compatible is wanted[row[side]], found.findings


def test_payloads_of_other_formats_are_read_as_data():
    """`items` and `default` of an Avro schema are no keywords of JSON Schema, and a text is no schema that is wrong."""
    payload = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "int"}}]}'
    for version in (2, 3):
        document = read(event("avro", payload, "send", version))
        assert not document.problems
        assert '"items":"int"' in document.canonical.decode()
        assert not read(event("protobuf", 'syntax = "proto3"; message M { }', "send", version)).problems
