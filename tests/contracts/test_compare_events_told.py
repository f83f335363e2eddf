"""What an event contract says in traits, by reference or of its servers is compared like what it says in place."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules

BASE: dict[str, Any] = {
    "asyncapi": "3.0.0",
    "info": {"title": "Orders", "version": "1.0.0"},
    "servers": {
        "main": {
            "host": "{stage}.example.com",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "variables": {"stage": {"default": "live", "enum": ["live", "test"]}},
            "security": [{"$ref": "#/components/securitySchemes/login"}],
        }
    },
    "channels": {"orders": {"address": "shop.orders", "messages": {"placed": {"name": "OrderPlaced", "payload": {}}}}},
    "operations": {
        "onOrder": {
            "action": "send",
            "channel": {"$ref": "#/channels/orders"},
            "bindings": {"amqp": {"ack": True}},
            "security": [{"$ref": "#/components/securitySchemes/login"}],
        }
    },
    "components": {"securitySchemes": {"login": {"type": "plain"}}},
}
OLD: dict[str, Any] = {
    "asyncapi": "2.6.0",
    "info": {"title": "Orders", "version": "1.0.0"},
    "servers": {"main": {"url": "{v}.example.com", "protocol": "kafka", "security": [{"login": []}]}},
    "channels": {"orders": {"subscribe": {"message": {"payload": {}}}}},
    "components": {"securitySchemes": {"login": {"type": "httpApiKey", "name": "k", "in": "header"}}},
}


def changed(base: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    made = copy.deepcopy(base)
    place = made
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = to
    return made


@pytest.mark.parametrize(
    ("revision", "rule"),
    [
        (
            changed(BASE, "operations", "onOrder", "traits", to=[{"bindings": {"kafka": {"groupId": {}}}}]),
            "event-binding",
        ),
        (changed(BASE, "servers", "main", "protocolVersion", to="1.0"), "event-server-changed"),
        (
            changed(BASE, "servers", "main", "variables", "stage", "default", to="test"),
            "event-server-variables-changed",
        ),
        (changed(BASE, "servers", "main", "variables", "stage", "enum", to=["live"]), "event-server-variables-changed"),
        (changed(BASE, "components", "securitySchemes", "login", "type", to="scramSha256"), "event-security-changed"),
        (changed(BASE, "channels", "orders", "messages", "placed", "name", to="Placed"), "event-message-renamed"),
    ],
)
def test_what_is_said_elsewhere_is_told(revision: dict[str, Any], rule: str) -> None:
    found = judge(BASE, revision)
    assert found.verdict in ("warning", "breaking")
    assert any(rule in name for name in rules(found)), rules(found)
    assert judge(revision, revision).verdict == "none"


def test_security_of_a_trait_is_that_of_the_operation() -> None:
    plain = changed(BASE, "operations", "onOrder", "security", to=[])
    del plain["operations"]["onOrder"]["security"]
    scheme = [{"$ref": "#/components/securitySchemes/login"}]
    by_trait = changed(plain, "operations", "onOrder", "traits", to=[{"security": scheme}])
    assert "event-security-changed" in rules(judge(plain, by_trait))
    assert judge(BASE, by_trait).verdict == "none", "the same, written in a trait"


@pytest.mark.parametrize(
    ("path", "value"), [("in", "query"), ("type", "plain"), ("name", "other")], ids=lambda value: str(value)
)
def test_a_scheme_of_version_2_is_what_its_name_declares(path: str, value: str) -> None:
    found = judge(OLD, changed(OLD, "components", "securitySchemes", "login", path, to=value))
    assert "event-security-changed" in rules(found)
    words = changed(OLD, "components", "securitySchemes", "login", "description", to="Ask us")
    assert "event-security-changed" not in rules(judge(OLD, words))


def test_variables_of_a_server_of_version_2_are_told() -> None:
    one = changed(OLD, "servers", "main", "variables", to={"v": {"default": "1"}})
    other = changed(OLD, "servers", "main", "variables", to={"v": {"default": "2"}})
    assert judge(one, other).verdict == "warning"


def test_a_channel_without_an_address_has_none_that_is_known() -> None:
    absent = changed(BASE, "channels", "orders", to={"messages": {"placed": {"name": "OrderPlaced", "payload": {}}}})
    unknown = changed(absent, "channels", "orders", "address", to=None)
    named = changed(absent, "channels", "orders", "address", to="orders")
    assert judge(absent, unknown).verdict == "none"
    assert judge(absent, named).verdict == judge(unknown, named).verdict != "none"


@pytest.mark.parametrize("reply", [{"address": {"location": "$message.header#/to"}}, {"messages": []}])
def test_an_answer_that_receivers_have_to_give_from_now_on_is_told(reply: Any) -> None:
    """AsyncAPI 3.0.0, Operation Reply Object: of an operation that sends, those who receive it answer."""
    with_reply = copy.deepcopy(BASE)
    with_reply["channels"]["answers"] = {"address": "a", "messages": {"done": {"payload": {}}}}
    before = copy.deepcopy(with_reply)
    with_reply["operations"]["onOrder"]["reply"] = {"channel": {"$ref": "#/channels/answers"}, **reply}
    result = judge(before, with_reply)
    assert "event-reply-demanded" in rules(result, "warning"), rules(result)
    for one in (before, with_reply):
        one["operations"]["onOrder"]["action"] = "receive"
    assert "event-reply-demanded" not in rules(judge(before, with_reply))
