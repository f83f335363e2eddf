"""The JSON Schema of settings says what is read: whatever it takes, the connector takes, and what it refuses is refused
at the same place."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command

from kernel.errors import Invalid
from runtime import profiles
from runtime.connectors import registry
from runtime.connectors.settings_schema import REGISTERED, settings_schema
from runtime.selectors import connectors

EVERY = [(protocol, role) for protocol in registry.names() for role in registry.roles(protocol)]


@pytest.mark.parametrize(("protocol", "role"), EVERY)
def test_every_connector_tells_the_schema_of_its_settings_and_each_is_one(protocol: str, role: str) -> None:
    schema = settings_schema(protocol, role)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]
    assert schema["additionalProperties"] is False
    assert not set(REGISTERED) & set(schema["properties"])
    json.dumps(schema)


@pytest.mark.parametrize("name", [n for n, one in profiles.profiles().items() if one.protocol == "rest"])
def test_the_settings_of_every_profile_are_valid_by_the_schema_of_its_role(name: str) -> None:
    one = profiles.profile(name)
    role = "source" if one.settings.get("key_fields") else "sink"
    jsonschema.Draft202012Validator(settings_schema("rest", role)).validate(dict(one.settings))


SOURCE: dict[str, Any] = {"path": "/rows", "items": "data", "key_fields": ["id"]}
WRONG = [
    ({"pagign": {}}, "/pagign"),
    ({"paging": {"strategy": "sideways"}}, "/paging/strategy"),
    ({"paging": {"strategy": "offset", "size": "ten"}}, "/paging/size"),
    ({"changes": {"param": "since"}}, "/changes"),
    ({"changes": {"param": "since", "field": 'a"b'}}, "/changes/field"),
    ({"key_fields": "id"}, "/key_fields"),
]
TOGETHER = [
    ("source", {"path": "/rows"}, "/key_fields"),
    ("source", SOURCE | {"changes": {"param": "since", "field": "at", "value": "{when}"}}, "/changes/value"),
    ("sink", {"path": "/rows", "idempotency": "K"}, "/idempotency"),
    ("sink", {"path": "/rows", "idempotency": "L"}, "/lookup"),
    ("sink", {"path": "/rows", "lookup": {"path": "/l", "references": "r"}}, "/lookup/references"),
    ("sink", {"path": "/rows", "job": {}, "batch": {}}, "/job"),
]


@pytest.mark.parametrize(("more", "pointer"), WRONG)
def test_what_the_schema_refuses_the_connector_refuses_with_a_pointer(more: dict[str, Any], pointer: str) -> None:
    given = SOURCE | more
    assert not jsonschema.Draft202012Validator(settings_schema("rest", "source")).is_valid(given)
    with pytest.raises(Invalid) as refused:
        registry.open_source("rest", {"base_url": "http://127.0.0.1:1", **given})
    assert refused.value.findings[0]["pointer"] == pointer


@pytest.mark.parametrize(("role", "given", "pointer"), TOGETHER)
def test_what_does_not_go_together_is_refused_with_a_pointer(role: str, given: dict[str, Any], pointer: str) -> None:
    opener = registry.open_source if role == "source" else registry.open_sink
    with pytest.raises(Invalid) as refused:
        opener("rest", {"base_url": "http://127.0.0.1:1", **given})
    assert [one["pointer"] for one in refused.value.findings] == [pointer]


def test_paging_is_a_union_by_its_strategy_and_each_way_has_its_own_members() -> None:
    ways = {one["title"]: one for one in settings_schema("rest", "source")["$defs"]["Paging"]["oneOf"]}
    assert {"none", "link", "next", "offset", "cursor", "page"} <= set(ways)
    assert "offset_param" in ways["offset"]["properties"]
    assert "offset_param" not in ways["cursor"]["properties"]
    assert "size" in ways["cursor"]["properties"]


def test_a_member_is_told_with_the_words_of_its_docstring() -> None:
    paging = settings_schema("rest", "source")["$defs"]["Paging"]["oneOf"][-1]["properties"]
    assert paging["whole"]["description"].startswith("the last page is the last one")


def test_what_serves_another_role_alone_says_so() -> None:
    source, sink = (settings_schema("rest", role)["properties"] for role in ("source", "sink"))
    assert source["batch"]["x-roles"] == ["sink"]
    assert sink["paging"]["x-roles"] == ["source"]
    assert "x-roles" not in source["paging"]
    assert "x-roles" not in source["path"]


def test_what_a_profile_says_is_not_required_of_a_manifest() -> None:
    assert settings_schema("rest", "source")["required"] == ["path"]
    assert connectors.schema("rest", "source", profile="klaviyo")["required"] == []


@pytest.mark.parametrize(
    ("protocol", "role", "profile"),
    [("gopher", "source", ""), ("rest", "king", ""), ("file_drop", "sink", ""), ("rest", "source", "poslog-drop")],
)
def test_what_there_is_not_is_refused_in_words(protocol: str, role: str, profile: str) -> None:
    with pytest.raises(Invalid):
        connectors.schema(protocol, role, profile=profile)
    with pytest.raises(CommandError):
        call_command("connector_schema", protocol, role, profile=profile)


def test_the_command_prints_the_schema_and_without_a_name_what_there_is() -> None:
    out = io.StringIO()
    call_command("connector_schema", "rest", "source", profile="klaviyo", stdout=out)
    assert json.loads(out.getvalue()) == connectors.schema("rest", "source", profile="klaviyo")
    out = io.StringIO()
    call_command("connector_schema", stdout=out)
    assert "rest         source, sink, decision" in out.getvalue()


@pytest.mark.parametrize("protocol", ["rest", "graphql", "job", "query", "amqp", "kafka", "soap"])
def test_the_page_of_the_reference_is_what_the_command_prints_now(protocol: str) -> None:
    out = io.StringIO()
    call_command("connector_schema", protocol, markdown=True, stdout=out)
    page = Path(__file__).parents[3] / "docs" / "reference" / f"{protocol}-settings.md"
    assert page.read_text() == out.getvalue(), (
        f"manage.py connector_schema {protocol} --markdown > docs/reference/{protocol}-settings.md"
    )
