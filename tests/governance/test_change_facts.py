"""Whom a change is asked of follows from the catalog, for each kind of change: facts that somebody writes beside it,
which ask for fewer people and checks, seal nothing. What the database derives and what the product derives agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from catalog.models import Api, ApiVersion, Team
from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest
from governance.services import freezes, policies, waivers
from governance.services.builtin_checks import BUILT_IN
from governance.services.catalog import subject_facts
from kernel import clock
from tests.catalog import make as catalog
from tests.governance.forging import Forger, as_serving
from tests.governance.raw_sql import run
from tests.governance.test_catalog_changes import POLICY, asked, decided, settle, version

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    Api.objects.filter(slug="price-api").update(data_class="personal")


def _publish() -> ChangeRequest:
    return asked("version.publish", version("price-api@v3"))


def _deprecate() -> ChangeRequest:
    soon = (clock.now() + timedelta(days=20)).isoformat()
    return asked("version.deprecate", version("price-api@v2"), sunset_at=soon, earlier=True)


def _retire() -> ChangeRequest:
    return asked("version.retire", version("price-api@v2"))


def _tier() -> ChangeRequest:
    digest = subject_facts.api_digest("price-api")
    assert digest
    return asked("tier.change", Subject("api", "price-api", digest), tier=2)


def _boundary() -> ChangeRequest:
    place = subject_facts.boundary_id("price", "base", {})
    start = (clock.now() + timedelta(days=3)).isoformat()
    subject = Subject("boundary", place, subject_facts.boundary_digest(place))
    return asked("boundary.move", subject, system="loyalty-engine", valid_from=start)


def _first_record() -> ChangeRequest:
    catalog.build({"blueprint": 1, "entities": [{"key": "gift-card", "name": "Gift card", "domain": "loyalty"}]})
    start = (clock.now() + timedelta(days=3)).isoformat()
    subject = Subject("boundary", "gift-card", subject_facts.boundary_digest("gift-card"))
    return asked("boundary.move", subject, system="pos", valid_from=start)


def test_where_no_system_is_right_yet_the_owner_of_the_domain_is_the_owner_of_record() -> None:
    change = _first_record()
    change.refresh_from_db()
    owner = Team.objects.get(key="loyalty").pk
    assert change.facts["teams"]["owner_of_record"] == [owner]
    assert derived(change)["owner_of_record"] == [owner]
    assert less(change) is None
    with as_serving():
        lower = json.dumps(LOWER["owner_of_record"])
        run("update governance_changerequest set facts = facts || %s::jsonb where id = %s", lower, change.pk)
    assert "owner_of_record" in (less(change) or "")


def _freeze() -> ChangeRequest:
    now = clock.now()
    calendar = {"kind": "once", "zone": "UTC", "from": f"{now:%Y-%m-%dT%H:%M}", "until": f"{now.year + 1}-12-01T00:00"}
    window = freezes.plan(actor=None, name="Peak", calendar=calendar, environment="production", domain="price")
    return asked("freeze.end", Subject("freeze", str(window.pk), freezes.digest_of_window(window)))


def _waiver() -> ChangeRequest:
    return waivers.propose(
        actor=catalog.person("piet"),
        rule="version.past_sunset",
        pointer="/consumed/items/price-api@v2",
        subject=version("price-api@v2"),
        environment="production",
        application="till",
        reason="The kiosks are frozen until then.",
        expires_at=clock.now() + timedelta(days=5),
    )


def _policy() -> ChangeRequest:
    draft = policies.write(level="domain:price", document=POLICY, author=catalog.person("piet"))
    return asked("policy.change", Subject("policy", draft.level, draft.digest))


def _hand_over() -> ChangeRequest:
    thing = kinds.kind("api.hand_over").facts(Subject("api", "price-api", ""))
    assert thing
    assert thing.digest
    return asked("api.hand_over", Subject("api", "price-api", thing.digest), team="loyalty")


def _give() -> ChangeRequest:
    thing = kinds.kind("application.hand_over").facts(Subject("application", "till", ""))
    assert thing
    assert thing.digest
    return asked("application.hand_over", Subject("application", "till", thing.digest), by="stan", team="loyalty")


KINDS: dict[str, Callable[[], ChangeRequest]] = {
    "version.publish": _publish,
    "version.deprecate": _deprecate,
    "version.retire": _retire,
    "tier.change": _tier,
    "boundary.move": _boundary,
    "freeze.end": _freeze,
    "waiver.grant": _waiver,
    "policy.change": _policy,
    "api.hand_over": _hand_over,
    "application.hand_over": _give,
}
LOWER: dict[str, dict[str, Any]] = {
    "tier": {"tier": 3},
    "data class": {"data_class": "public"},
    "domain": {"domain": "loyalty", "domains": ["loyalty"]},
    "entity": {"entities": ["none"]},
    "consumers": {"consumers": 0},
    "owner_of_record": {"teams": {"owner_of_record": [], "consumer_owner": []}},
}


def less(change: ChangeRequest) -> str | None:
    said: str | None = run("select governance_asks_for_less(%s)", change.pk)[0][0]
    return said


def derived(change: ChangeRequest) -> dict[str, Any]:
    (subject,) = change.subjects.all()
    found = run(
        "select governance_facts_of(%s, %s, %s, %s)::text",
        *(change.kind, subject.kind, subject.subject_id, json.dumps(change.parameters)),
    )[0][0]
    return dict(json.loads(found))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_product_stores_asks_for_no_less_than_what_the_database_derives(kind: str):
    change = KINDS[kind]()
    change.refresh_from_db()
    assert less(change) is None, (derived(change), change.facts)


@pytest.mark.parametrize(("kind", "what"), [(kind, what) for kind in KINDS for what in LOWER])
def test_facts_that_ask_for_less_are_told_apart_in_every_kind(kind: str, what: str):
    """Where the kind has such a fact at all."""
    change = KINDS[kind]()
    change.refresh_from_db()
    found = derived(change)
    has = {
        "tier": found.get("tier", 9) in (0, 1, 2),
        "data class": found.get("data_class", "public") != "public",
        "domain": bool(found.get("domain")),
        "entity": bool(found["entities"]),
        "consumers": bool(found["consumers"]),
        "owner_of_record": bool(found["owner_of_record"]),
    }[what]
    with as_serving():
        run(
            "update governance_changerequest set facts = facts || %s::jsonb where id = %s",
            json.dumps(LOWER[what]),
            change.pk,
        )
    assert (what in (less(change) or "")) is has, (less(change), found)


@pytest.mark.parametrize("what", ["tier", "data class", "domain", "entity"])
def test_an_approval_by_such_facts_is_not_sealed_and_the_change_is_judged_anew(what: str):
    change = _publish()
    settle(change)
    with as_serving():
        run(
            "update governance_changerequest set facts = facts || %s::jsonb where id = %s",
            json.dumps(LOWER[what]),
            change.pk,
        )
    assert what in (less(change) or "")
    before = change.revision
    decided(change, "paula", "ada", "stan")
    assert (change.state, change.revision) == ("in_review", before + 1)
    assert not Approval.objects.exists()
    assert less(change) is None


def test_owners_that_somebody_took_away_seal_nothing():
    change = _publish()
    settle(change)
    with as_serving():
        run("update governance_changerequest set owner_team_ids = '{}' where id = %s", change.pk)
    assert "owner" in (less(change) or "")


def test_breaking_findings_that_approvers_are_shown_count():
    change = _publish()
    run(
        """update governance_changerequest set difference = jsonb_set(difference, '{counts,breaking}', '2'),
           facts = facts || '{"breaking": 0}' where id = %s""",
        change.pk,
    )
    assert "breaking" in (less(change) or "")


def test_unknown_facts_ask_for_more_and_are_no_lie():
    change = _publish()
    unknown = '{"tier": null, "data_class": null, "entities": [], "consumers": null, "breaking": null}'
    run("update governance_changerequest set facts = facts || %s::jsonb where id = %s", unknown, change.pk)
    assert less(change) is None


def _forger(**more: Any) -> Forger:
    owner = catalog.person("paula").groups.get(team__key="pricing").pk
    architects = catalog.person("ada").groups.get(team__key="architects").pk
    facts = {"tier": 3, "domain": "price", "domains": ["price"], "entities": ["none"], "consumers": 0, "breaking": 0}
    teams = {"owner_of_record": [], "consumer_owner": []}
    found = ApiVersion.objects.get(api__slug="price-api", label="v3")
    return Forger(
        author=catalog.person("piet"),
        subject=Subject("version", "price-api@v3", str(found.contract_id)),
        people=(catalog.person("paula"), catalog.person("ada")),
        slots=(("owner", (owner,)), ("architect", (architects,))),
        checks=("subject.present",),
        facts=facts | {"data_class": "public", "teams": teams},
        levels=("organisation",),
        owners=(owner,),
        kind=more.pop("kind", "version.publish"),
        recorded=True,
    )


def test_who_writes_a_whole_approval_by_hand_asks_whom_the_catalog_asks_for():
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), as_serving():
        _forger().forge()
    assert caught.value.__cause__.diag.constraint_name == "approval_fits_facts", str(caught.value)
    for name in ("tier", "data class", "entity", "check contract.comparison", "check change.rollback_plan"):
        assert name in str(caught.value)
    assert not Approval.objects.exists()


@pytest.mark.parametrize("kind", [k for k in KINDS if kinds.kind(k).quorum is not None])
def test_the_slots_that_a_kind_always_asks_for_are_counted_by_the_database(kind: str):
    change = KINDS[kind]()
    settle(change)
    asked_for = run("select governance_quorum_of(%s, %s)", kind, json.dumps(change.parameters))[0][0]
    wanted = kinds.kind(kind).quorum
    assert wanted is not None
    assert json.loads(asked_for) if isinstance(asked_for, str) else asked_for == dict(wanted(change.parameters))
    assert run("select governance_lacks(%s)", change.pk)[0][0] is None


def test_the_database_knows_the_checks_and_slots_of_each_kind():
    """Those of integrations and of what is sent or read again are the runtime's."""
    known = {name: set(checks) for name, checks in run("select kind, checks from governance_checks_of_kinds()")}
    listed = {kind.key: {check.id for check in (*kind.checks, *BUILT_IN)} for kind in kinds.all_kinds()}
    of_runtime = ("integration.", "replay.", "reading.", "system.", "test.")
    assert known == {key: checks for key, checks in listed.items() if not key.startswith(of_runtime)}
    for kind in kinds.all_kinds():
        if kind.quorum is not None and not kind.key.startswith(of_runtime):
            for given in ({}, {"earlier": True}):
                found = run("select governance_quorum_of(%s, %s)::text", kind.key, json.dumps(given))[0][0]
                assert json.loads(found) == dict(kind.quorum(given)), kind.key
