"""Connectors over HTTP: what is spoken, and the schema of settings."""

from __future__ import annotations

import jsonschema
import pytest
from django.test import Client

from kernel import tokens
from tests.catalog import make as catalog
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people() -> None:
    scene.estate()


def asked(path: str, status: int = 200):
    _, secret = tokens.issue(actor=None, user=catalog.person("rita"), name="ci", scopes=["runtime:read"])
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


def test_the_protocols_are_listed_with_their_roles_and_profiles():
    rest = next(one for one in asked("connectors") if one["protocol"] == "rest")
    assert rest["roles"] == ["source", "sink", "decision"]
    assert "klaviyo" in rest["profiles"]


def test_the_schema_of_settings_is_served_and_is_one():
    schema = asked("connectors/rest/source/schema?profile=klaviyo")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == []


@pytest.mark.parametrize(
    "path",
    [
        "connectors/gopher/source/schema",
        "connectors/rest/king/schema",
        "connectors/rest/source/schema?profile=nobody",
        "connectors/rest/source/schema?profile=poslog-drop",
    ],
)
def test_what_there_is_not_is_422_in_words(path):
    assert "There" in asked(path, 422)["detail"] or "speaks" in asked(path, 422)["detail"]


def test_without_a_token_nothing_is_told():
    assert Client().get("/api/v1/connectors").status_code in (401, 403)
