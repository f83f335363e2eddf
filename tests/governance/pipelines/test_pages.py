"""The pages of pipeline connections: who sees them, two people, what came and what was answered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from governance.models import PipelineConnection, PipelineReview
from governance.selectors import sight
from governance.services import pipeline_connections, pipeline_secrets
from kernel import tokens
from kernel.errors import Forbidden, Invalid, Unavailable
from kernel.models import AuditEntry
from kernel.viewer import Viewer
from tests.catalog.make import shown
from tests.governance import make as house
from tests.governance.pipelines import make

pytestmark = pytest.mark.django_db
API = "https://api.github.com"
LIST = "/pipelines/"


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form(**more: object) -> dict[str, object]:
    return {
        "name": "Retail at GitHub",
        "key": "github-retail",
        "provider": "github",
        "api_url": "https://api.github.com/",
        "app_id": "Iv1.retail",
        "webhook_secret_ref": "env:TILLGATE_PIPELINE_WEBHOOK",
        "credential_ref": "env:TILLGATE_PIPELINE_GITHUB",
        "owner_team": make.catalog_team(),
        "wait_minutes": "30",
        "at_the_end": "reject",
        "tells_reasons": "on",
        **more,
    }


MAPPING = {
    "repository": make.REPOSITORY,
    "repository_id": make.REPOSITORY_ID,
    "place": "production",
    "application": "till",
    "environment": "production",
}


def test_one_proposes_another_confirms_and_the_first_may_not(people):
    owner, rita, ralf = signed_in(people.owner), signed_in(people.rita), signed_in(people.ralf)
    assert owner.post(LIST, form()).status_code == 302
    page = reverse("governance:pipeline", args=["github-retail"])
    assert "A second person confirms it" in shown(owner.get(page))
    assert owner.post(page + "confirm/").status_code == 403
    assert rita.post(page, MAPPING).status_code == 302
    mapping = f"{page}mappings/{PipelineConnection.objects.get().mappings.get().pk}/"
    assert rita.post(page + "confirm/").status_code == 302
    assert rita.post(mapping + "confirm/").status_code == 403, "it is her own mapping"
    assert ralf.post(mapping + "confirm/").status_code == 302
    text = shown(owner.get(page))
    assert "/api/v1/pipelines/github-retail/events" in text
    assert "Counts" in text
    assert owner.post(mapping + "end/").status_code == 302
    assert owner.post(page + "end/").status_code == 302
    assert "Ended" in shown(owner.get(page))


def test_what_cannot_be_proposed_comes_back_beside_its_field(people):
    owner = signed_in(people.owner)
    wrong: list[tuple[dict[str, object], str]] = [
        ({"api_url": "http://api.github.com"}, "https address"),
        ({"api_url": "https://user:word@api.github.com"}, "https address"),
        ({"provider": "gitlab"}, "/api/v4"),
        ({"webhook_secret_ref": "env:SECRET_KEY"}, "name of a secret"),
        ({"credential_ref": "file:/etc/passwd"}, "name of a secret"),
        ({"credential_ref": "file:../key"}, "name of a secret"),
        ({"credential_ref": "ghp_0123456789abcdef"}, "name of a secret"),
        ({"key": "Not A Key"}, "small letters"),
        ({"app_id": ""}, "client ID"),
        ({"wait_minutes": "0"}, "number from 1"),
        ({"wait_minutes": "99999999"}, "number from 1"),
        ({"owner_team": "architects"}, "Select a valid choice"),
    ]
    for change, says in wrong:
        answer = owner.post(LIST, form(**change))
        assert (answer.status_code, says in shown(answer)) == (422, True), change
    assert not PipelineConnection.objects.exists()
    owner.post(LIST, form())
    assert owner.post(LIST, form()).status_code == 409


def test_a_mapping_to_what_does_not_exist_is_refused_with_what_is_near(people):
    row = make.connection(people, API)
    owner, page = signed_in(people.owner), reverse("governance:pipeline", args=[row.key])
    for change, says in (
        ({"application": "tiil"}, "Did you mean till"),
        ({"environment": "prod"}, "There is no environment prod"),
        ({"repository": "../etc"}, "path of a repository"),
        ({"repository_id": "-1"}, "above 0"),
    ):
        answer = owner.post(page, MAPPING | change)
        assert (answer.status_code, says in shown(answer)) == (422, True), change
    owner.post(page, MAPPING)
    assert owner.post(page, MAPPING).status_code == 409


def test_others_see_no_connection_and_may_do_nothing_with_it(people):
    row = make.connection(people, API)
    stranger, page = signed_in(people.stranger), reverse("governance:pipeline", args=[row.key])
    assert row.name not in shown(stranger.get(LIST))
    assert stranger.get(page).status_code == 404
    for address in (page, page + "confirm/", page + "end/"):
        assert stranger.post(address, MAPPING).status_code == 404
    assert Client().get(page).status_code == 302
    entries = AuditEntry.objects.filter(subject_kind="pipeline_connection")
    assert entries.exists()
    assert not sight.ledger(entries, Viewer.of(people.stranger)).exists()
    assert sight.ledger(entries, Viewer.of(people.owner)).count() == entries.count()
    with pytest.raises(Forbidden):
        pipeline_connections.propose({**form(), "wait_minutes": 30, "key": "mine"}, actor=people.stranger)


def test_what_was_asked_leads_to_its_verdict_and_can_be_asked_again(people):
    row = make.connection(people, API)
    make.mapping(people, row)
    make.send(row, make.github_payload(API))
    make.send(row, {"zen": "Keep it logically awesome."}, **{"X-GitHub-Event": "ping"})
    number = make.ask(people.robot)
    PipelineReview.objects.update(state="failed", word="passed", verdict_ids=[number], why="It may go there now.")
    owner, page = signed_in(people.owner), reverse("governance:pipeline", args=[row.key])
    text = shown(owner.get(page))
    assert reverse("governance:verdict", args=[number]) in text
    assert "ping" in text
    assert "Not answered" in text
    review = PipelineReview.objects.get()
    assert owner.post(f"{page}reviews/{review.pk}/ask/").status_code == 302
    assert owner.get(page + "?state=Not%20answered&page=99").status_code == 200
    review.refresh_from_db()
    assert review.state == "open"
    assert owner.post(f"{page}reviews/999999/ask/").status_code == 404


def test_the_database_itself_wants_two_people_and_rewrites_nothing(people):
    row = make.connection(people, API)
    mapping = make.mapping(people, row)
    for rows, values in (
        (PipelineConnection.objects.filter(pk=row.pk), {"api_url": "https://evil.example"}),
        (PipelineConnection.objects.filter(pk=row.pk), {"credential_ref": "env:TILLGATE_PIPELINE_OTHER"}),
        (PipelineConnection.objects.filter(pk=row.pk), {"confirmed_by": row.proposed_by}),
        (type(mapping).objects.filter(pk=mapping.pk), {"environment": "test"}),
        (type(mapping).objects.filter(pk=mapping.pk), {"confirmed_by": mapping.proposed_by}),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**values)


def test_a_token_neither_confirms_nor_ends(people):
    row = make.connection(people, API)
    _, secret = tokens.issue(actor=None, user=people.ralf, name="ci", scopes=["governance:read", "governance:write"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    base = f"/api/v1/pipelines/{row.key}"
    assert client.get(base).json()["webhook_secret_ref"] == "env:TILLGATE_PIPELINE_WEBHOOK"
    made = client.post(f"{base}/mappings", MAPPING, content_type="application/json")
    assert made.status_code == 201
    for address in ("/confirm", "/end", f"/mappings/{made.json()['id']}/confirm", f"/mappings/{made.json()['id']}/end"):
        assert client.post(base + address).json()["code"] == "decision.by_token"
    assert client.get(f"{base}/reviews").json()["results"] == []
    refused = client.post("/api/v1/pipelines", {"key": "x"}, content_type="application/json")
    assert refused.status_code == 422


def test_secrets_are_read_from_their_folder_and_from_nowhere_else(people, tmp_path, settings):
    (tmp_path / "key.pem").write_text("a key\n")
    for reference in ("file:key.pem", "env:SECRET_KEY", "env:PATH", "file:/etc/passwd", "file:../x", "key.pem"):
        with pytest.raises(Unavailable):
            pipeline_secrets.read(reference)
    settings.PIPELINE_SECRETS = str(tmp_path)
    assert pipeline_secrets.read("file:key.pem") == "a key"
    with pytest.raises(Unavailable):
        pipeline_secrets.read("file:other.pem")
    with pytest.raises(Invalid):
        pipeline_connections.propose({"key": "x"}, actor=people.owner)


def test_the_calls_of_the_how_to_are_taken_as_they_stand_there(people):
    page = Path(__file__).parents[3] / "docs" / "how-to" / "connect-a-pipeline.md"
    text = page.read_text(encoding="utf-8")
    proposed = json.loads(re.findall(r"-d '(\{.*?\})'", text, re.DOTALL)[0])
    mapping = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    house.team("platform")
    house.person("rita", "platform")
    rita = signed_in(people.rita)
    assert rita.post("/api/v1/pipelines", proposed, content_type="application/json").status_code == 201
    made = rita.post("/api/v1/pipelines/github-retail/mappings", mapping, content_type="application/json")
    assert (made.status_code, made.json()["confirmed_at"]) == (201, None)
