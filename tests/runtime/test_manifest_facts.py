"""Whom an approval is asked of follows from the manifest and the catalog: facts that somebody writes beside them, which
ask for fewer people and checks, seal nothing, and so no message leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from catalog.models import Api, BusinessEntity, Domain
from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest
from governance.services.builtin_checks import BUILT_IN
from runtime.models import Release
from runtime.services import integrations
from runtime.services.change_kinds import DEPLOY_CHECKS
from tests.governance.forging import Forger, as_serving
from tests.governance.make import person, team
from tests.governance.raw_sql import run
from tests.runtime.test_destination_changes import decide, people, release_manifest, under_way
from tests.runtime.test_destinations import FEED, permitted, release

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["people", "release"]
LESS: dict[str, tuple[str, dict[str, Any]]] = {
    "a tier of less weight": ("tier", {"tier": 3}),
    "data that are public": ("data class", {"data_class": "public"}),
    "another domain": ("domain orders", {"domain": "price", "domains": ["price"]}),
    "no domain": ("domain orders", {"domain": None, "domains": []}),
    "another entity": ("entity", {"entities": ["none"]}),
    "no owner of record": ("owner_of_record", {"teams": {"owner_of_record": [], "consumer_owner": []}}),
}


@pytest.fixture
def change(release: Release) -> ChangeRequest:
    Api.objects.update(data_class="personal")
    return under_way()


def less(change: ChangeRequest) -> str | None:
    said: str | None = run("select runtime_asks_for_less(%s)", change.pk)[0][0]
    return said


def test_the_database_derives_the_facts_that_the_product_stores(change: ChangeRequest) -> None:
    assert less(change) is None
    derived = json.loads(run("select runtime_facts_of(%s)::text", json.dumps(release_manifest()))[0][0])
    stored = change.facts
    names = ("tier", "data_class", "domain", "consumers")
    assert {name: derived[name] for name in names} == {name: stored[name] for name in names}
    assert stored["data_class"] == "personal"
    assert sorted(derived["entities"]) == sorted(stored["entities"]) != []
    assert sorted(derived["owner_of_record"]) == sorted(stored["teams"]["owner_of_record"]) != []
    assert derived["owner"] in change.owner_team_ids


def test_the_database_knows_each_check_that_a_deployment_has() -> None:
    known = run("select runtime_checks_of_deployments()")[0][0]
    assert sorted(known) == sorted(check.id for check in (*DEPLOY_CHECKS, *BUILT_IN))


@pytest.mark.parametrize("how", LESS)
def test_facts_that_ask_for_less_seal_nothing_and_are_derived_anew(change: ChangeRequest, how: str) -> None:
    says, facts = LESS[how]
    with as_serving():
        run(
            "update governance_changerequest set facts = facts || %s::jsonb where id = %s", json.dumps(facts), change.pk
        )
    assert says in (less(change) or "")
    before = change.revision
    decide(change, "olaf", "sue", "archie")
    assert (change.state, change.revision) == ("in_review", before + 1)
    assert not Approval.objects.filter(change=change).exists()
    assert less(change) is None
    assert change.facts["data_class"] == "personal"


def test_unknown_facts_ask_for_more_and_are_no_lie(change: ChangeRequest) -> None:
    run(
        """update governance_changerequest set facts = facts || '{"tier": null, "data_class": null, "entities": [],
           "consumers": null}' where id = %s""",
        change.pk,
    )
    assert less(change) is None


def forger(**more: Any) -> Forger:
    made = integrations.register({**release_manifest(), "note": "forged"}, actor=None)
    owners, architects = team("order-team").pk, team("architects").pk
    teams = {"owner_of_record": [owners], "consumer_owner": []}
    facts = {"tier": 2, "domain": "orders", "domains": ["orders"], "entities": ["none"], "consumers": 0, "breaking": 0}
    return replace(
        Forger(
            author=person("ada"),
            subject=Subject("integration", FEED, made.digest),
            people=(person("olaf"), person("archie")),
            slots=(("owner", (owners,)), ("architect", (architects,))),
            checks=("subject.present",),
            facts=facts | {"data_class": "public", "teams": teams},
            levels=("organisation", "domain:orders", "team:order-team"),
            owners=(owners,),
            kind="integration.deploy",
            recorded=True,
        ),
        **more,
    )


def test_who_writes_a_whole_approval_by_hand_asks_whom_the_manifest_asks_for(release: Release) -> None:
    Api.objects.update(data_class="personal")
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), as_serving():
        forger().forge()
    assert caught.value.__cause__.diag.constraint_name == "approval_fits_manifest", str(caught.value)
    for name in ("data class", "entity", "check integration.direction", "check change.rollback_plan"):
        assert name in str(caught.value)
    assert (permitted(), Approval.objects.filter(subject_id=FEED, origin="review", change__gt=0).count()) == (1, 1)


def test_each_owner_of_what_is_written_is_an_owner_of_record(release: Release) -> None:
    entity = release_manifest()["targets"][0]["writes"][0]["entity"]
    owner = team("finance")
    domain = Domain.objects.create(key="finance", name="Finance", owner_team=owner)
    BusinessEntity.objects.filter(key=entity).update(domain=domain)
    derived = json.loads(run("select runtime_facts_of(%s)::text", json.dumps(release_manifest()))[0][0])
    assert owner.pk in derived["owner_of_record"]
    owner.retired_at = "2026-01-01T00:00Z"
    owner.save()
    derived = json.loads(run("select runtime_facts_of(%s)::text", json.dumps(release_manifest()))[0][0])
    assert owner.pk not in derived["owner_of_record"]
