"""Builders: an estate whose till asks the gate, connections to an emulated code host, and webhooks to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from django.urls import reverse

from governance.models import PipelineConnection, PipelineMapping, PipelineReview
from governance.services import pipeline_connections, pipeline_reviews, policies, verdicts
from kernel.models import User
from kernel.viewer import Viewer
from sandbox import forge_webhooks
from tests import kept_rows
from tests.catalog import make as catalog
from tests.governance import make

SECRET = "a-secret-of-webhooks-that-is-long"
TOKEN = "glpat-sandbox"
SHA, OTHER_SHA = "141be9714669a4c1ccaa013c6a7f3e462ff2a40f", "0" * 39 + "1"
REPOSITORY, REPOSITORY_ID, RUN = "retail/web-shop", 321, 5001
PROJECT, MERGE_REQUEST, CHECK = 6, 4, 1
ALLOWED = ["price-api@v2"]  # of the estate: the till subscribes to it
DENIED = ["price-api@v1"]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


@dataclass
class Estate:
    robot: User  # the account of the till's pipeline
    owner: User  # of the till's team
    rita: User  # release manager
    ralf: User  # another one
    stranger: User
    outsider: User  # a pipeline of another team


@kept_rows.once
def _people() -> Estate:
    policies.install(level="organisation", document=make.POLICY, actor=None)
    for key in make.ROLES:
        make.team(key, kind="role")
    return Estate(
        robot=catalog.person("robot"),
        owner=make.person("olga", catalog_team()),
        rita=make.person("rita", "release-managers"),
        ralf=make.person("ralf", "release-managers"),
        stranger=make.person("zoe", "strangers"),
        outsider=make.person("outbot", "strangers", kind="service"),
    )


def catalog_team() -> str:
    """The key of the till's team."""
    from catalog.models import Application

    team = Application.objects.get(key="till").team
    return team.key


def estate() -> Estate:
    catalog.estate()
    return _people()


def connection(people: Estate, api_url: str, provider: str = "github", **more: Any) -> PipelineConnection:
    """Proposed by the owner team, confirmed by a release manager."""
    values = {
        "key": f"{provider}-retail",
        "name": f"Retail at {provider}",
        "provider": provider,
        "api_url": api_url if provider == "github" else f"{api_url}/api/v4",
        "app_id": "Iv1.retail",
        "webhook_secret_ref": "env:TILLGATE_PIPELINE_WEBHOOK",
        "credential_ref": f"env:TILLGATE_PIPELINE_{provider.upper()}",
        "owner_team": catalog_team(),
        **more,
    }
    made = pipeline_connections.propose(values, actor=people.owner)
    return pipeline_connections.confirm(made.key, actor=people.rita)


def mapping(people: Estate, row: PipelineConnection, **more: Any) -> PipelineMapping:
    github = row.provider == "github"
    values = {
        "repository_id": REPOSITORY_ID if github else PROJECT,
        "repository": REPOSITORY,
        "place": "production" if github else "main",
        "application": "till",
        "environment": "production",
        **more,
    }
    made = pipeline_connections.propose_mapping(row.key, values, actor=people.owner)
    return pipeline_connections.confirm_mapping(row.key, made.pk, actor=people.rita)


def ask(user: User, consumes: list[str] | None = None, *, sha: str = SHA, **more: Any) -> int:
    """A question of a pipeline, as `tillgate check` sends it. Returns the number of the verdict."""
    question = {
        "application": "till",
        "version": sha,
        "environment": "production",
        "consumes": ALLOWED if consumes is None else consumes,
        **more,
    }
    return verdicts.ask(question, viewer=Viewer.of(User.objects.get(pk=user.pk))).id


def github_payload(api_url: str, **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "api_url": api_url,
        "repository": REPOSITORY,
        "repository_id": REPOSITORY_ID,
        "run": RUN,
        "environment": "production",
        "sha": SHA,
        **more,
    }
    return forge_webhooks.github(**values)


def gitlab_payload(**more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"project": PROJECT, "repository": REPOSITORY, "iid": MERGE_REQUEST, "sha": SHA, **more}
    return forge_webhooks.gitlab(**values)


def send(row: PipelineConnection, payload: dict[str, Any] | bytes, secret: str = SECRET, **headers: str) -> Any:
    """The webhook to the product, as the provider signs it; `headers` replace, an empty one leaves out."""
    body, made = forge_webhooks.signed(row.provider, secret, payload)
    sent = {name: text for name, text in {**made, **headers}.items() if text}
    media_type = sent.pop("Content-Type", "application/json")
    url = reverse("governance-api:pipeline-events", args=[row.key])
    return Client().post(url, body, content_type=media_type, headers=sent)


def due() -> None:
    """No waiting in tests: what would be due later is due now."""
    PipelineReview.objects.filter(state__in=["open", "waiting"]).update(next_at="2000-01-01T00:00:00Z")


def answer() -> int:
    due()
    return pipeline_reviews.answer_due()


def effects(control: Any, since: int = 0) -> list[str]:
    """What really happened at the code host."""
    return [entry.effect for entry in control.journal(since)]


def comment(control: Any) -> str:
    return json.loads(json.dumps(control.journal()[-1].data))["comment"]
