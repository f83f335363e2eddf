"""The reference of manifests and the schema that editors get are made from what refuses a manifest."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from catalog.services import endpoints
from kernel import tokens
from kernel.errors import Invalid
from runtime.connectors.auth_settings import Kind
from runtime.domain import manifest as manifests
from runtime.domain.manifest_words import WORDS
from runtime.selectors import manifest_schema
from runtime.services.system_connections import NAMES_OF_PARTS
from tests.catalog import make as catalog
from tests.runtime import scene, scene_manifests

ROOT = Path(__file__).resolve().parents[2]
DEMO = sorted((ROOT / "deploy" / "demo" / "integrations").glob("*.yaml"))
SMALL: dict[str, Any] = {
    "integration": "names",
    "title": "Names",
    "domain": "product",
    "owner": "integration",
    "tier": 3,
    "sources": [
        {
            "name": "a",
            "system": "a",
            "connection": {"protocol": "rest", "settings": {"path": "/a", "key_fields": ["i"]}},
        }
    ],
    "event": {"name": "a.b", "meaning": "state"},
    "targets": [
        {
            "name": "b",
            "system": "b",
            "api": "b@v1",
            "contract": "current",
            "connection": {"protocol": "rest", "profile": "store-server"},
            "mapping": {"mapping": "m", "version": 1, "fields": []},
            "idempotency": "N",
            "writes": [{"entity": "product", "kind": "replica"}],
        }
    ],
}


def members() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for _, kind, part in manifest_schema.parts(manifest_schema.described()):
        found += [(f"{kind.__name__}.{name}", member) for name, member in part["properties"].items()]
    return found


def test_every_member_has_words_and_no_words_are_left_over() -> None:
    assert {name for name, _ in members()} == set(WORDS)
    assert all(member["description"] for _, member in members())


@pytest.mark.parametrize(("name", "member"), members())
def test_examples_and_defaults_are_valid(name: str, member: dict[str, Any]) -> None:
    judge = jsonschema.Draft202012Validator(member)
    for example in member["examples"]:
        judge.validate(example)
    if "default" in member:
        judge.validate(member["default"])


def test_what_the_schema_says_is_left_out_the_types_take_as_its_default() -> None:
    read = manifests.load(SMALL | {"targets": [SMALL["targets"][0] | {"contract": "sha256:" + "0" * 64}]})
    said = {name: member["default"] for name, member in members() if "default" in member}
    assert said["Manifest.lanes"] == read.lanes
    assert said["ManifestTarget.batch"] == read.targets[0].batch
    assert said["ManifestSource.rejected_limit"] == msgspec.to_builtins(read.sources[0].rejected_limit)


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_the_manifests_of_the_demo_are_valid_for_an_editor(path: Path) -> None:
    judge = jsonschema.Draft202012Validator(manifest_schema.for_editors())
    assert [error.message for error in judge.iter_errors(yaml.safe_load(path.read_text()))] == []


WRONG = [
    ("/sources/0/connection/protocol", "gopher"),
    ("/sources/0/connection/settings/pagign", {}),
    ("/sources/0/connection/settings/paging", {"strategy": "sideways"}),
    ("/sources/0/connection/settings/key_fields", "i"),
    ("/targets/0/connection/profile", "no-such-profile"),
    ("/targets/0/contract", "latest"),
    ("/targets/0/bacth", 3),
    ("/lanes", 0),
]


def placed(pointer: str, value: Any) -> dict[str, Any]:
    made: Any = json.loads(json.dumps(SMALL))
    at = made
    *steps, last = pointer.strip("/").split("/")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] = value
    return dict(made)


@pytest.mark.parametrize(("pointer", "value"), WRONG)
def test_an_editor_underlines_what_is_wrong(pointer: str, value: Any) -> None:
    judge = jsonschema.Draft202012Validator(manifest_schema.for_editors())
    judge.validate(SMALL)
    assert not judge.is_valid(placed(pointer, value)), pointer


def test_settings_that_a_profile_says_are_not_asked_for_again_and_others_are() -> None:
    judge = jsonschema.Draft202012Validator(manifest_schema.for_editors())
    bare = placed("/sources/0/connection", {"protocol": "rest"})
    assert not judge.is_valid(bare)
    judge.validate(placed("/sources/0/connection", {"protocol": "rest", "profile": "klaviyo"}))


def test_the_place_of_a_schema_is_no_part_of_the_manifest_and_leaves_its_digest() -> None:
    plain = scene_manifests.SALES
    with_schema = {"$schema": "manifest.schema.json"} | plain
    assert manifests.parse(with_schema).digest == manifests.parse(plain).digest
    assert "$schema" not in manifests.parse(with_schema).data
    with pytest.raises(Invalid) as refused:
        manifests.parse({"$schema": 7} | plain)
    assert refused.value.findings[0]["pointer"] in ("", "/$schema")


def test_the_page_of_the_reference_is_what_the_command_prints_now() -> None:
    out = io.StringIO()
    call_command("manifest_schema", markdown=True, stdout=out)
    page = ROOT / "docs" / "reference" / "manifest.md"
    assert page.read_text() == out.getvalue(), "manage.py manifest_schema --markdown > docs/reference/manifest.md"


@pytest.mark.django_db
def test_the_command_prints_what_the_api_answers() -> None:
    scene.estate()
    out = io.StringIO()
    call_command("manifest_schema", stdout=out)
    _, secret = tokens.issue(actor=None, user=catalog.person("rita"), name="ci", scopes=["runtime:read"])
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/manifest-schema")
    assert answer.status_code == 200, answer.content
    assert json.loads(out.getvalue()) == answer.json()
    jsonschema.Draft202012Validator.check_schema(answer.json())


def test_the_reference_of_connections_has_every_field_of_an_endpoint_and_every_kind_of_sign_in() -> None:
    page = (ROOT / "docs" / "reference" / "connections.md").read_text()
    cells = {cell.strip(" `") for line in page.splitlines() if line.startswith("|") for cell in line.split("|")[1:2]}
    cells |= {word.strip(" `") for cell in cells for word in cell.split(",")}
    for name in endpoints.FIELDS:
        assert name in cells, f"the endpoint's {name} is not told"
    for kind in get_args(Kind):
        assert kind in cells or kind == "none", f"the sign-in {kind} is not told"
    for kind, names in NAMES_OF_PARTS.items():
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{kind}`" in line.split("|")[1])
        assert [word.strip(" `") for word in row.split("|")[2].split(",")] == list(names), row
