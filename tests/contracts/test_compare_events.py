"""Events: who sends decides which way a message may change, in AsyncAPI 2 and 3."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules, with_event

LOOSE = {"type": "object", "properties": {"id": {"type": "number"}}}
TIGHT = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


def version_2(schema: Any, *, word: str = "subscribe", **message: Any) -> dict[str, Any]:
    payload = {"name": "OrderPlaced", "payload": schema, **message}
    return {
        "asyncapi": "2.6.0",
        "info": {"title": "Orders", "version": "1.0.0"},
        "channels": {"shop.orders": {word: {"message": payload}}},
    }


@pytest.mark.parametrize(("document", "action"), [(version_2, "publish"), (with_event, "receive")])
def test_what_the_owner_receives_may_only_widen(document: Any, action: str) -> None:
    key = "word" if document is version_2 else "action"
    assert judge(document(LOOSE, **{key: action}), document(TIGHT, **{key: action})).verdict == "breaking"
    assert judge(document(TIGHT, **{key: action}), document(LOOSE, **{key: action})).verdict == "compatible"


@pytest.mark.parametrize(("document", "action"), [(version_2, "subscribe"), (with_event, "send")])
def test_what_the_owner_sends_may_only_narrow(document: Any, action: str) -> None:
    key = "word" if document is version_2 else "action"
    assert judge(document(TIGHT, **{key: action}), document(LOOSE, **{key: action})).verdict == "breaking"
    assert judge(document(LOOSE, **{key: action}), document(TIGHT, **{key: action})).verdict == "compatible"


def test_a_message_that_no_operation_carries_must_hold_both_ways() -> None:
    one, other = with_event(LOOSE), with_event(TIGHT)
    del one["operations"], other["operations"]
    assert judge(one, other).verdict == "breaking"
    assert judge(other, one).verdict == "breaking"


def test_the_move_from_version_2_to_3_is_no_change() -> None:
    assert judge(version_2(TIGHT, word="subscribe"), with_event(TIGHT, action="send")).verdict in {"none", "compatible"}
    assert judge(version_2(TIGHT, word="publish"), with_event(TIGHT, action="send")).verdict == "breaking"


def edited(path: list[str], value: Any) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(FULL)
    node: Any = found
    for step in path[:-1]:
        node = node[step]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return found


FULL: dict[str, Any] = {
    "asyncapi": "3.0.0",
    "info": {"title": "Orders", "version": "1.0.0"},
    "servers": {"main": {"host": "kafka.example:9092", "protocol": "kafka"}},
    "channels": {
        "orders": {
            "address": "shop.{region}.orders",
            "parameters": {"region": {"enum": ["eu", "us"]}},
            "messages": {
                "OrderPlaced": {
                    "contentType": "application/json",
                    "payload": TIGHT,
                    "headers": {"type": "object", "properties": {"trace": {"type": "string"}}, "required": ["trace"]},
                    "correlationId": {"location": "$message.header#/trace"},
                    "bindings": {"kafka": {"key": {"type": "string"}}},
                },
                "OrderCancelled": {"payload": TIGHT},
            },
        },
        "answers": {"address": "shop.answers", "messages": {"Done": {"payload": TIGHT}}},
    },
    "operations": {
        "announce": {"action": "send", "channel": {"$ref": "#/channels/orders"}},
        "ask": {
            "action": "receive",
            "channel": {"$ref": "#/channels/orders"},
            "messages": [{"$ref": "#/channels/orders/messages/OrderCancelled"}],
            "reply": {"channel": {"$ref": "#/channels/answers"}},
        },
    },
}
PLACED = ["channels", "orders", "messages", "OrderPlaced"]
ENVELOPE = [
    (["channels", "orders", "address"], "shop.{region}.purchases", "channel-address-changed", "breaking"),
    (["channels", "orders", "address"], "shop.{zone}.orders", "", "none"),
    (["channels", "orders"], None, "channel-removed", "breaking"),
    (
        ["channels", "orders", "parameters", "region", "enum"],
        ["eu"],
        "event-receive-property-enum-value-removed",
        "breaking",
    ),
    ([*PLACED, "contentType"], "application/xml", "event-content-type-changed", "breaking"),
    ([*PLACED, "correlationId", "location"], "$message.header#/id", "event-correlation-changed", "breaking"),
    ([*PLACED, "bindings", "kafka", "key"], {"type": "integer"}, "event-key-changed", "breaking"),
    ([*PLACED, "headers", "required"], [], "event-send-property-became-optional", "breaking"),
    (PLACED, None, "event-message-no-longer-sent", "breaking"),
    (["operations", "announce"], None, "event-operation-removed", "breaking"),
    (["operations", "announce", "action"], "receive", "event-operation-removed", "breaking"),
    (["operations", "ask", "reply"], None, "event-reply-changed", "breaking"),
    (["servers", "main", "host"], "other.example:9092", "event-server-changed", "warning"),
    (["channels", "new"], {"address": "shop.new"}, "channel-added", "compatible"),
]


@pytest.mark.parametrize(("path", "value", "rule", "verdict"), ENVELOPE, ids=[f"{row[2]} {row[3]}" for row in ENVELOPE])
def test_the_envelope_of_events(path: list[str], value: Any, rule: str, verdict: str) -> None:
    result = judge(FULL, edited(path, value))
    assert result.verdict == verdict
    assert not rule or rule in rules(result)
    assert judge(FULL, copy.deepcopy(FULL)).findings == []


def test_what_a_reply_carries_flows_against_its_request() -> None:
    loose = edited(["channels", "answers", "messages", "Done", "payload"], LOOSE)
    assert judge(FULL, loose).verdict == "breaking"
    assert judge(loose, FULL).verdict == "compatible"


def test_a_payload_in_another_language_is_a_warning_with_its_reason() -> None:
    def avro(field: str) -> dict[str, Any]:
        payload = {
            "schemaFormat": "application/vnd.apache.avro;version=1.9.0",
            "schema": {"type": "record", "name": field},
        }
        return edited([*PLACED, "payload"], payload)

    result = judge(avro("A"), avro("B"))
    assert rules(result, "warning") == {"event-payload-undecided"}
    assert "cannot be compared automatically" in result.findings[0].message


def test_a_bare_json_schema_must_hold_both_ways() -> None:
    one, other = ({"$schema": "http://json-schema.org/draft-07/schema#", **schema} for schema in (LOOSE, TIGHT))
    assert judge(one, other).verdict == "breaking"
    assert judge(other, one).verdict == "breaking"
    assert judge(one, {**one, "title": "x"}).verdict == "none"
