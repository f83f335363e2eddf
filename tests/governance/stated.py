"""An installation that signs statements, and `tillgate verify` at its files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.test import Client
from securesystemslib.dsse import Envelope

from governance.domain import statement_keys
from governance.models import Verdict
from governance.services import policies
from kernel import tokens
from tests.catalog import make as catalog
from tests.governance import make
from tillgate.main import main

OURS, THEIRS = (Ed25519PrivateKey.generate() for _ in range(2))
URL = "https://tillgate.example"
ABOUT = ["--application", "till", "--version", "7.1", "--environment", "production"]


def private(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(name="client")
def signing(settings, tmp_path, monkeypatch) -> Client:
    """A client with a token, of an installation with keys, in an estate."""
    settings.STATEMENT_KEYS, settings.PUBLIC_URL = private(OURS), URL
    monkeypatch.chdir(tmp_path)
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    scopes = ["gate:ask", "governance:read"]
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def asked(client: Client, consumes: str = "price-api@v2", **more: Any) -> Verdict:
    """A verdict, and its statement for `argo` in a file beside the published keys."""
    question = {"application": "till", "version": "7.1", "environment": "production", "consumes": [consumes], **more}
    sent = client.post("/api/v1/gate/verdicts", json.dumps(question), content_type="application/json")
    row = Verdict.objects.get(pk=sent.headers["Verdict-Id"])
    fetch(client, f"/api/v1/gate/verdicts/{row.pk}/statement?audience=argo")
    return row


def fetch(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"] == "application/vnd.dsse+json"
    Path("statement.json").write_bytes(answer.content)
    Path("keys.json").write_bytes(Client().get("/.well-known/tillgate-keys.json").content)


def verify(*more: str, audience: str = "argo", about: list[str] = ABOUT) -> int:
    return main(["verify", "statement.json", "--keys", "keys.json", "--audience", audience, *about, *more])


def signed_as(made: dict[str, Any]) -> None:
    """The file has this statement, with a signature that is as good as ours."""
    envelope = Envelope(json.dumps(made).encode(), "application/vnd.in-toto+json", {})
    envelope.sign(statement_keys.read(private(OURS))[0])
    write("statement.json", envelope.to_dict())


def payload() -> dict[str, Any]:
    return json.loads(base64.b64decode(json.loads(Path("statement.json").read_text())["payload"]))


def write(name: str, document: Any) -> None:
    Path(name).write_text(json.dumps(document))
