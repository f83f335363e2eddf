"""A system moves by a change of its own, which its owner and security approve: what ran for the old destination then
goes on, and nothing that waited is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from catalog.models import SystemEndpoint
from catalog.services import endpoints
from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest
from governance.services import applying, approvals, changes, checks, reviews
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid, NotApproved
from kernel.models import AuditEntry
from runtime.models import ApprovedDestination, Release
from runtime.services import deployments, destination_kind, integrations
from tests.governance.make import ROLES, person, team
from tests.governance.raw_sql import run
from tests.runtime.test_destinations import ELSEWHERE, FEED, permitted, release, shop

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["release"]
PLACE, OLD = "shop/production", "http://127.0.0.1:9"
NOBODY = "sha256:" + "0" * 64


@pytest.fixture(autouse=True)
def people(release: Release) -> None:
    for key in ROLES:
        team(key, kind="role")
    for name, of in (("ada", "order-team"), ("olaf", "order-team"), ("sue", "security"), ("archie", "architects")):
        person(name, of)


def proposed(*, submit: bool = True, **parameters: Any) -> ChangeRequest:
    change = changes.open_change(
        author=person("ada"),
        kind=destination_kind.KEY,
        subjects=[Subject("destination", PLACE, NOBODY)],
        environment="production",
        title="The shop moves",
        justification="It moves to another hall.",
        rollback_plan="The old address is put back by a change.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=1),
        parameters=parameters or {"base_url": ELSEWHERE, "secret_ref": "env:TILLGATE_SECRET_NEW_SHOP"},
    )
    if submit:
        changes.submit(change, actor=change.author)
        checks.run_checks(change.pk)
        change.refresh_from_db()
    return change


def decide(change: ChangeRequest, *people: str) -> ChangeRequest:
    for name in people:
        change.refresh_from_db()
        reviews.approve(change, actor=person(name), seen=reviews.Seen.of(change))
    change.refresh_from_db()
    return change


def moved(**parameters: Any) -> ChangeRequest:
    change = decide(proposed(**parameters), "olaf", "sue", "archie")
    applying.apply(change)
    return change


def test_an_approved_move_takes_along_what_was_approved_for_the_old_destination(release: Release):
    moved()
    assert (shop().base_url, shop().secret_ref, permitted()) == (ELSEWHERE, "env:TILLGATE_SECRET_NEW_SHOP", 1)
    (bound,) = ApprovedDestination.objects.all()
    assert (bound.digest, bound.moved_by) == (shop().destination, Approval.objects.get(subject_kind="destination"))
    SystemEndpoint.objects.update(base_url="http://127.0.0.1:9")
    assert permitted() == 0, "the destination of before is not approved any more"


def test_what_somebody_moved_without_approval_goes_on_after_the_approval_of_where_it_is_now(release: Release):
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    change = proposed(base_url=ELSEWHERE)
    differences = [found["message"] for found in change.difference["parts"][0]["findings"]]
    assert any("http://127.0.0.1:9`" in said and ELSEWHERE in said for said in differences), differences
    decide(change, "olaf", "sue", "archie")
    applying.apply(change)
    assert permitted() == 1


def test_the_owner_and_security_are_asked_and_the_author_is_neither(release: Release):
    change = proposed()
    asked = {slot.group_ids[0] for slot in change.slots.filter(revision=change.revision)}
    assert asked >= {team("order-team").pk, team("security").pk}
    with pytest.raises(Forbidden):
        decide(change, "ada")
    decide(change, "olaf", "archie")
    assert change.state == "in_review"
    assert permitted() == 1


def test_the_difference_names_addresses_and_secrets_and_so_does_the_ledger(release: Release):
    change = moved()
    said = " ".join(found["message"] for found in change.difference["parts"][0]["findings"])
    assert ELSEWHERE in said
    assert "env:TILLGATE_SECRET_NEW_SHOP" in said
    entry = AuditEntry.objects.filter(verb="catalog.endpoint_changed").get()
    assert (entry.subject_id, entry.before["base_url"], entry.after["base_url"]) == (PLACE, OLD, ELSEWHERE)
    assert entry.after["secret_ref"] == "env:TILLGATE_SECRET_NEW_SHOP"


def test_another_address_is_another_subject_and_its_decisions_begin_anew(release: Release):
    change = proposed()
    decide(change, "olaf")
    seen = reviews.Seen.of(change)
    changes.amend(change, actor=person("ada"), parameters={"base_url": "http://127.0.0.1:9998"})
    change.refresh_from_db()
    assert change.subject_digest != seen.subject_digest
    assert not change.decisions.filter(voided_at=None).exists()
    with pytest.raises(Conflict, match="edited after you opened it"):
        reviews.approve(change, actor=person("sue"), seen=seen)


def test_a_move_that_was_approved_is_not_put_into_force_when_the_endpoint_changed_meanwhile(release: Release):
    change = decide(proposed(base_url=ELSEWHERE), "olaf", "sue", "archie")
    SystemEndpoint.objects.update(secret_ref="env:OTHER")
    with pytest.raises((Conflict, NotApproved)):
        applying.apply(change)
    assert shop().base_url != ELSEWHERE
    assert permitted() == 0


def test_rights_to_edit_an_endpoint_propose_only_where_something_approved_runs_over_it(release: Release):
    with pytest.raises(Conflict, match="propose it") as refused:
        endpoints.state("shop", "production", {"base_url": ELSEWHERE}, actor=person("ada"))
    assert refused.value.code == "endpoint.in_use"
    deployments.retire(FEED, "production", reason="over", actor=None)
    endpoints.state("shop", "production", {"base_url": ELSEWHERE}, actor=person("ada"))
    assert shop().base_url == ELSEWHERE
    entry = AuditEntry.objects.filter(verb="catalog.endpoint_changed").latest("pk")
    assert (entry.actor, entry.after["base_url"]) == (person("ada"), ELSEWHERE)
    with pytest.raises(Forbidden):
        endpoints.state("shop", "production", {"base_url": "http://h"}, actor=person("zoe"))
    with pytest.raises(Invalid):
        endpoints.state("shop", "production", {"base_url": "http://me:secret@h"}, actor=person("ada"))


@pytest.mark.parametrize(
    ("address", "is_plain"),
    [
        ("postgresql://till.example.com/pos", False),
        ("postgresql://till.example.com/pos?tls=none", True),
        ("sftp://files.example.com/outbound", False),
        ("http://till.example.com", True),
    ],
)
def test_who_approves_an_address_hears_that_it_is_called_without_encryption(
    release: Release, address: str, is_plain: bool
) -> None:
    change = proposed(base_url=address)
    row = change.check_results.get(check_id="destination.sound", revision=change.revision)
    assert row.status == "passed"
    assert any("without encryption" in one["message"] for one in row.findings) == is_plain


def test_a_move_that_changes_nothing_or_is_about_another_environment_fails_its_check(release: Release):
    change = proposed(base_url=shop().base_url)
    row = change.check_results.get(check_id="destination.sound", revision=change.revision)
    assert (row.status, "Nothing of the destination" in row.findings[0]["message"]) == ("failed", True)
    change = proposed(base_url="nowhere", secret_ref="s3cret-itself")
    row = change.check_results.get(check_id="destination.sound", revision=change.revision)
    assert {f["pointer"] for f in row.findings} == {"/parameters/base_url", "/parameters/secret_ref"}


def test_a_void_approval_of_a_move_closes_the_gate_again(release: Release):
    moved()
    approvals.void(Approval.objects.get(subject_kind="destination").pk, actor=None, reason="the host is not ours")
    assert permitted() == 0


def under_way(note: str = "second") -> ChangeRequest:
    """A change that deploys another release of the feed, in review."""
    made = integrations.register({**release_manifest(), "note": note}, actor=None)
    change = changes.open_change(
        author=person("ada"),
        kind="integration.deploy",
        subjects=[Subject("integration", FEED, made.digest)],
        environment="production",
        title="Deploy",
        justification="It is time.",
        rollback_plan="Roll back to the release before.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=1),
    )
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def release_manifest() -> dict[str, Any]:
    manifest: dict[str, Any] = Release.objects.latest("pk").manifest
    return manifest


def test_an_approval_of_a_release_binds_where_its_systems_answer(release: Release):
    change = under_way()
    assert change.difference["parts"][0]["bound"]["shop"]["base_url"] == shop().base_url
    decide(change, "olaf", "archie")
    assert change.state == "approved"
    bound = ApprovedDestination.objects.get(approval__change=change)
    assert (bound.system_key, bound.digest) == ("shop", shop().destination)


@pytest.mark.parametrize("state", ["in_review", "approved"])
def test_what_was_decided_on_a_release_is_void_when_a_system_of_it_moves(release: Release, state: str):
    change = under_way()
    decide(change, "olaf", *(["archie"] if state == "approved" else []))
    assert change.state == state
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    change.refresh_from_db()
    assert (change.state, change.diff_digest) == ("in_review", "")
    assert not change.decisions.filter(voided_at=None).exists()
    assert not change.approvals.filter(voided_at=None).exists()
    before = change.revision
    assert changes.refresh_moved() == 1
    change.refresh_from_db()
    assert change.revision == before + 1
    assert change.difference["parts"][0]["bound"]["shop"]["base_url"] == ELSEWHERE


def test_who_saw_the_old_destination_decides_nothing_about_the_new_one(release: Release):
    change = under_way()
    seen = reviews.Seen.of(change)
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    with pytest.raises(Conflict, match="edited after you opened it"):
        reviews.approve(change, actor=person("olaf"), seen=seen)


def test_a_release_is_not_deployed_where_its_system_has_moved(release: Release):
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    with pytest.raises(NotApproved) as refused:
        approvals.require(Subject("integration", FEED, release.digest), release.digest, "production")
    assert [one["code"] for one in refused.value.unmet] == ["approval.destination_moved"]


def test_an_approval_of_another_kind_of_change_moves_no_system(release: Release):
    moved()
    approval = Approval.objects.get(subject_kind="destination")
    with pytest.raises(DatabaseError), transaction.atomic():
        run("update runtime_approveddestination set digest = %s", NOBODY)
    with transaction.atomic():
        run("set local session_replication_role = replica")
        run("update governance_slot set group_ids = '{1}' where change_id = %s", approval.change_id)
        run("update runtime_approveddestination set digest = '', moved_by_id = null")
    with pytest.raises(DatabaseError, match="moves by an approved change"), transaction.atomic():
        run("update runtime_approveddestination set digest = %s, moved_by_id = %s", approval.digest, approval.pk)
