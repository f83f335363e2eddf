"""The schema of an event is part of what is approved, so it is whole in itself: registering a manifest, and taking
messages, read nothing for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from kernel.errors import Conflict
from runtime.domain import manifest as manifests
from runtime.services import intake, message_checks
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "only-this-machine-knows-it"


def manifest(schema: dict[str, Any]) -> dict[str, Any]:
    return {**scene.SALES, "event": {"name": "sale", "meaning": "fact", "key": "/id", "schema": schema}}


def test_a_manifest_reads_no_file_of_the_server(client: Any, tmp_path: Path) -> None:
    people = scene.estate()
    client.force_login(people.sofia)
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"postgres": SECRET}))
    for name in (f"{file.as_uri()}#/postgres", "file:///etc/passwd", "http://169.254.169.254/a"):
        answer = client.post(
            reverse("runtime-api:integrations"), {"manifest": manifest({"$ref": name})}, content_type="application/json"
        )
        assert answer.status_code == 422, answer.content
        [found] = [one for one in answer.json()["findings"] if one["pointer"] == "/event/schema"]
        assert found["message"].endswith("which is not inside it, and nothing is fetched; put that below $defs")
        assert SECRET not in answer.text
        assert "os error" not in answer.text


def test_a_manifest_of_before_with_such_a_schema_takes_nothing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = scene.estate()
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object"}')
    with monkeypatch.context() as before:
        before.setattr(manifests, "schema_validator", lambda schema: None)
        scene.Site(manifest({"$ref": file.as_uri()}), people.groups["sales-finance"])
    with pytest.raises(Conflict, match=r"The schema of the event cannot be used: it refers to .* Nothing was taken\."):
        intake.accept("sales", "production", [{"id": "1"}])


def test_a_contract_that_refers_elsewhere_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Conflict, match=r"The schema of the contract sha256:1 cannot be used"):
        message_checks._usable({"$ref": "https://example.com/a.json"}, "the contract sha256:1")
