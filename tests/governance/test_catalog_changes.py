"""Changes of the catalog: checked, decided, carried out by `catalog.services.publication` in the planned window."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from catalog.models import Api
from catalog.selectors import boundaries, versions
from catalog.services import version_changes
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.services import applying, changes, checks, policies, reviews, waivers
from governance.services.catalog import subject_facts
from kernel import clock
from kernel.errors import Forbidden, NotApproved
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.raw_sql import beneath_guards, run

pytestmark = pytest.mark.django_db
POLICY: dict[str, Any] = {
    "rights_rest_hours": 0,
    "rules": [
        {"id": "owner", "why": "The owner agrees.", "slots": {"owner": 1}},
        {"id": "architect", "why": "Somebody looks at the whole.", "slots": {"architect": 1}},
        {
            "id": "consumers",
            "why": "Whoever breaks is asked.",
            "when": {"breaking": True},
            "slots": {"consumer_owner": 1},
        },
    ],
}


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)


def asked(kind: str, subject: Subject, *, by: str = "piet", **parameters: Any) -> ChangeRequest:
    change = changes.open_change(
        author=catalog.person(by),
        kind=kind,
        subjects=[subject],
        environment="production",
        title=f"{kind} {subject.id}",
        justification="It is time.",
        rollback_plan="The previous state is put back by a change.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=30),
        parameters=parameters,
    )
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def words(change: ChangeRequest) -> dict[str, str]:
    return {row.check_id: row.status for row in change.check_results.filter(revision=change.revision)}


def settle(change: ChangeRequest) -> None:
    """What the small estate's contracts leave open is no matter of these tests: those checks pass from now on."""
    _pass(change, set(change.check_results.filter(status__in=["failed", "not_run"]).values_list("check_id", flat=True)))


def settle_but(change: ChangeRequest, check: str) -> None:
    """Settle every check but this one."""
    _pass(change, set(change.check_results.exclude(check_id=check).values_list("check_id", flat=True)))


def _pass(change: ChangeRequest, named: set[str]) -> None:
    make.quiet(change.kind, named)
    for row in change.check_results.filter(revision=change.revision, check_id__in=named):
        row.status, row.findings, row.why = "passed", [], "settled by the test"
        row.save()


def decided(change: ChangeRequest, *people: str) -> ChangeRequest:
    for name in people:
        change.refresh_from_db()
        reviews.approve(change, actor=catalog.person(name), seen=reviews.Seen.of(change))
    change.refresh_from_db()
    return change


def version(reference: str) -> Subject:
    found = versions.by_reference(reference)
    assert found is not None
    assert found.contract_digest
    return Subject("version", reference, found.contract_digest)


def test_a_draft_is_published_by_its_approved_change(django_assert_max_num_queries: Any):
    change = asked("version.publish", version("price-api@v3"))
    assert versions.by_reference("price-api@v3").state == "in_review"
    said = words(change)
    assert said["contract.readable"] == "passed"
    assert said["contract.comparison"] == "passed", "v2 lives on beside it"
    assert said["data.security"] == "not_applicable"
    assert said["tier.coherence"] == "passed"
    assert said["sor.direction"] == "passed"
    assert change.difference["counts"]["breaking"] is not None
    settle(change)
    decided(change, "paula", "ada", "stan")
    assert change.state == "approved"
    applying.apply_due()
    change.refresh_from_db()
    found = versions.by_reference("price-api@v3")
    assert (change.state, found.state) == ("applied", "published")
    assert found.approval_id == change.approvals.get().pk


def test_the_checks_page_leads_to_every_place_of_a_contract_rule():
    Api.objects.filter(slug="price-api").update(data_class="internal", third_party=False)
    paths = {f"/p{n}": {"get": {"responses": {"200": {"description": "x"}}}} for n in range(30)}
    content = json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}).encode()
    for reference, kind, end in (
        ("price-api@v3", "version.publish", ""),
        ("price-api@v2", "contract.change", "&amp;contract=proposed"),
    ):
        version_changes.revise_contract(
            actor=catalog.person("piet"), reference=reference, content=content, file_name="p.json"
        )
        content = content.replace(b'"t"', b'"u"')
        facts = versions.by_reference(reference)
        assert facts
        change = asked(kind, Subject("version", reference, facts.proposed_digest or facts.contract_digest or ""))
        text = catalog.client("piet").get(f"/changes/{change.pk}/checks/").content.decode()
        label = reference.partition("@")[2]
        link = f"/catalog/apis/price-api/versions/{label}/rules/?rule=security-required{end}"
        assert link in text
        page = catalog.client("piet").get(link.replace("&amp;", "&"))
        assert len(page.context["findings"]) == 30


def test_rejecting_and_withdrawing_tell_the_catalog():
    change = asked("version.publish", version("price-api@v3"))
    changes.withdraw(change, actor=catalog.person("piet"))
    assert versions.by_reference("price-api@v3").state == "draft"
    again = asked("version.publish", version("price-api@v3"))
    reviews.reject(again, actor=catalog.person("ada"), seen=reviews.Seen.of(again), note="Not like this.")
    assert versions.by_reference("price-api@v3").state == "rejected"


def test_a_deprecation_without_notice_successor_or_guide_is_refused_by_its_check():
    soon = (clock.now() + timedelta(days=20)).isoformat()
    change = asked("version.deprecate", version("price-api@v2"), sunset_at=soon)
    row = change.check_results.get(check_id="deprecation.notice")
    assert row.status == "failed"
    assert {f["rule"] for f in row.findings} >= {"deprecation.notice", "deprecation.successor", "deprecation.guide"}
    assert row.fix
    assert decided(change, "paula", "ada").state == "in_review"
    assert ChangeRequest.objects.get(pk=change.pk).impact == [
        {"application": "till", "environment": "production", "state": "active"}
    ]


def test_the_parameters_are_bound_by_the_decision():
    change = asked(
        "version.deprecate", version("price-api@v2"), sunset_at=(clock.now() + timedelta(days=400)).isoformat()
    )
    settle(change)
    assert decided(change, "paula", "ada").state == "approved"
    changes.amend(
        change, actor=catalog.person("piet"), parameters={"sunset_at": (clock.now() + timedelta(days=1)).isoformat()}
    )
    change.refresh_from_db()
    assert change.state == "in_review"
    with pytest.raises(NotApproved):
        applying.apply(change)


def test_a_deprecation_takes_effect_with_its_dates():
    sunset = clock.now().replace(microsecond=0) + timedelta(days=400)
    change = asked(
        "version.deprecate", version("price-api@v2"), sunset_at=sunset.isoformat(), guide="https://example.test/guide"
    )
    settle(change)
    decided(change, "paula", "ada")
    applying.apply(change, actor=catalog.person("stan"))
    found = versions.by_reference("price-api@v2")
    assert (found.state, found.sunset_at) == ("deprecated", sunset)


def test_an_earlier_sunset_takes_a_release_manager_and_each_consumer_though_no_policy_asks_for_them():
    soon = (clock.now() + timedelta(days=20)).isoformat()
    change = asked("version.deprecate", version("price-api@v2"), sunset_at=soon)
    assert {s.key for s in change.slots.all()} == {"team:pricing", "architect"}
    change = asked("version.deprecate", version("price-api@v2"), sunset_at=soon, earlier=True)
    assert {s.key for s in change.slots.all()} == {"team:pricing", "architect", "release_manager", "team:store-systems"}


def test_retiring_with_a_live_consumer_fails_its_check_and_a_refused_step_is_told():
    change = asked("version.retire", version("price-api@v2"))
    said = words(change)
    assert (said["retire.consumers"], said["retire.sunset"]) == ("failed", "failed")
    settle(change)
    decided(change, "paula", "ada")
    assert applying.apply_due() == 0
    change.refresh_from_db()
    assert change.state == "approved"
    assert "cannot become retired" in change.apply_error
    assert change.events.filter(kind="not_applied").count() == 1
    applying.apply_due()
    assert change.events.filter(kind="not_applied").count() == 1


def test_a_system_of_record_moves_by_its_approved_change_and_not_if_it_moved_meanwhile():
    identifier = subject_facts.boundary_id("price", "base", {})
    subject = Subject("boundary", identifier, subject_facts.boundary_digest(identifier))
    start = clock.now() + timedelta(days=3)
    change = asked("boundary.move", subject, system="erp", valid_from=start.isoformat())
    assert words(change)["boundary.move"] == "passed"
    settle(change)
    assert decided(change, "paula", "ada").state == "approved"
    applying.apply(change, actor=catalog.person("stan"))
    moved = boundaries.record_of("price", "base", {}, start + timedelta(days=1))
    assert moved is not None
    assert moved.key == "erp"
    stale = Subject("boundary", identifier, "sha256:" + "1" * 64)
    assert (
        words(asked("boundary.move", stale, by="stan", system="pos", valid_from=start.isoformat()))["subject.present"]
        == "failed"
    )


@pytest.mark.parametrize("place", ["prise/base", "price/bse", "price/base?channel=shop", "price/base?planet=mars"])
def test_a_move_about_what_the_catalog_does_not_know_fails_its_check(place: str):
    subject = Subject("boundary", place, subject_facts.boundary_digest(place))
    change = asked("boundary.move", subject, system="erp", valid_from=clock.now().isoformat())
    row = change.check_results.filter(check_id="boundary.move").latest("pk")
    assert row.status == "failed"
    assert row.findings[0]["rule"] == "boundary.place"


def test_a_move_fails_its_check_where_a_record_that_begins_later_stands_in_the_way():
    catalog.build({"blueprint": 1, "boundaries": [{"entity": "tender", "system": "erp", "from": "2030-01-01"}]})
    subject = Subject("boundary", "tender", subject_facts.boundary_digest("tender"))
    change = asked("boundary.move", subject, system="pos", valid_from=clock.now().isoformat())
    row = change.check_results.filter(check_id="boundary.move").latest("pk")
    assert row.status == "failed"
    assert row.findings[0]["rule"] == "boundary.overlap"
    assert change.facts["domain"] == "loyalty", "the first record goes by the domain of the entity"


def test_a_tier_changes_by_its_approved_change_and_names_what_would_rest_on_less():
    digest = subject_facts.api_digest("price-api")
    assert digest
    change = asked("tier.change", Subject("api", "price-api", digest), tier=3)
    row = change.check_results.get(check_id="tier.coherence")
    assert row.status == "failed"
    assert "relies on it" in row.findings[0]["message"]
    settle(change)
    decided(change, "paula", "ada")
    applying.apply(change, actor=catalog.person("stan"))
    assert versions.by_reference("price-api@v2").tier == 3


def test_a_waiver_is_decided_granted_settles_its_finding_and_expires():
    change = asked("version.retire", version("price-api@v2"))
    until = clock.now() + timedelta(days=20)
    asked_for = waivers.propose(
        actor=catalog.person("piet"),
        rule="retire.live_consumer",
        pointer="/consumers/till",
        subject=Subject("version", "price-api@v2", ""),
        environment="production",
        reason="The tills move in two weeks.",
        expires_at=until,
    )
    checks.run_checks(asked_for.pk)
    settle(asked_for)
    decided(asked_for, "paula", "ada")
    applying.apply_due()
    asked_for.refresh_from_db()
    assert asked_for.state == "applied"
    from governance.selectors import rights

    assert "retire.consumers" not in dict(rights.blocking_checks(change.pk))
    settle_but(change, "retire.consumers")
    decided(change, "paula", "ada")
    approval = change.approvals.get()
    assert waivers.applications_waived(approval.pk) == {"till"}
    with beneath_guards():
        run("update governance_waiver set starts_at = now() - interval '2 days', expires_at = now()")
    assert waivers.applications_waived(approval.pk) == set()


def test_a_contract_that_is_replaced_after_the_approval_takes_the_approval_with_it_and_its_writer_out():
    change = asked("version.publish", version("price-api@v3"))
    settle(change)
    decided(change, "paula", "ada", "stan")
    approval = change.approvals.get()
    content = (catalog.ESTATE / "price-v3.yaml").read_bytes().replace(b"info:", b"x-note: later\ninfo:", 1)
    version_changes.revise_contract(
        actor=catalog.person("paula"), reference="price-api@v3", content=content, file_name="price.yaml"
    )
    with pytest.raises(NotApproved):
        applying.apply(change)
    change.refresh_from_db()
    approval.refresh_from_db()
    found = versions.by_reference("price-api@v3")
    assert found is not None
    assert (change.state, change.subject_digest) == ("in_review", found.contract_digest)
    assert approval.void_reason == "the subject changed"
    with pytest.raises(Forbidden):
        decided(change, "paula")


def test_a_publication_waits_for_its_window():
    change = asked("version.publish", version("price-api@v3"))
    settle(change)
    later: datetime = clock.now() + timedelta(days=2)
    changes.amend(change, actor=catalog.person("piet"), planned_from=later, planned_until=later + timedelta(days=1))
    checks.run_checks(change.pk)
    change.refresh_from_db()
    settle(change)
    decided(change, "paula", "ada", "stan")
    assert change.state == "approved"
    assert applying.apply_due() == 0
    assert applying.apply_due(at=later + timedelta(minutes=1)) == 1
