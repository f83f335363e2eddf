"""From a draft to a sealed approval, and everything that stops it on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest, CheckResult, Contributor, Decision, Delegation, Policy
from governance.services import acceptances, applying, approvals, changes, checks, people, policies, reviews, sealing
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid, NotApproved
from kernel.models import AuditEntry, OutboxEvent
from kernel.viewer import SYSTEM
from tests.governance import make
from tests.governance.raw_sql import beneath_guards

pytestmark = pytest.mark.django_db


def test_a_change_is_sealed_when_every_slot_is_filled_and_no_check_blocks(house: make.House):
    subject = make.thing()
    change = make.in_review(house.author, subject)
    assert {(s.key, s.number) for s in change.slots.all()} == {("team:price", 1), ("architect", 1)}
    assert set(change.check_results.values_list("status", flat=True)) == {"passed"}
    make.approve(change, house.owner)
    assert change.state == "in_review"
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, "production")
    assert [u["code"] for u in caught.value.unmet] == ["approval.missing"]
    make.approve(change, house.architect)
    assert change.state == "approved"
    approval = approvals.require(subject, subject.digest, "production")
    assert approval.subject == subject
    assert set(approval.approver_ids) == {house.owner.pk, house.architect.pk}
    with connection.cursor() as cursor:
        cursor.execute(
            "select approval_id, subject_kind, subject_id, digest, environment from governance_valid_approval"
        )
        assert cursor.fetchall() == [(approval.id, "thing", "price-feed", subject.digest, "production")]
    assert AuditEntry.objects.filter(verb="governance.change_approved", subject_id=str(change.pk)).exists()
    assert OutboxEvent.objects.filter(topic="governance.change_approved").count() == 1


def test_it_is_sealed_by_the_checks_too_when_the_people_were_quicker(house: make.House):
    change = make.in_review(house.author, checked=False)
    make.approve(change, house.owner, house.architect)
    assert change.state == "in_review"
    checks.run_checks(change.pk)
    change.refresh_from_db()
    assert change.state == "approved"


@pytest.mark.parametrize("who", ["author", "contributor", "maker", "stranger"])
def test_nobody_decides_on_their_own_change_and_no_stranger_on_any(house: make.House, who: str):
    maker = make.person("mona", "price")
    change = make.in_review(house.author, make.thing(contributors=[maker]))
    contributor = make.person("carl", "price")
    Contributor.objects.create(change=change, person=contributor, how="wrote the mapping")
    actor = {"author": house.author, "contributor": contributor, "maker": maker, "stranger": house.stranger}[who]
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=actor, seen=reviews.Seen.of(change))
    assert not change.decisions.exists()


def test_a_service_account_never_decides(house: make.House):
    robot = make.person("pipeline", "price", kind="service")
    change = make.in_review(house.author)
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=robot, seen=reviews.Seen.of(change))


def test_a_new_digest_voids_decisions_and_approvals_and_says_so(house: make.House):
    change = make.approved(house)
    old = Approval.objects.get(change=change)
    newer = make.thing(content={"fields": ["sku", "amount", "currency"]})
    changes.revise(change, subjects=[newer], actor=house.author)
    change.refresh_from_db()
    old.refresh_from_db()
    assert (change.state, change.revision) == ("in_review", 2)
    assert old.void_reason == "the subject changed"
    assert not change.decisions.filter(voided_at=None).exists()
    with pytest.raises(NotApproved) as caught:
        approvals.require(newer, newer.digest, "production")
    assert {u["code"] for u in caught.value.unmet} == {"approval.stale_digest", "approval.void"}
    event = change.events.filter(kind="revised").get()
    assert event.data["voided_approvals"] == 2
    assert OutboxEvent.objects.filter(topic="governance.approval_voided").count() == 1


def test_open_changes_follow_the_thing_itself_and_its_maker_becomes_a_contributor(house: make.House):
    change = make.approved(house)
    maker = make.person("mona", "price")
    newer = make.thing(content={"fields": ["sku"]})
    assert changes.follow("thing", "price-feed", newer.digest, actor=maker) == [change.pk]
    change.refresh_from_db()
    assert change.state == "in_review"
    assert change.subject_digest == newer.digest
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=maker, seen=reviews.Seen.of(change))


def test_a_stale_page_is_a_conflict_that_says_what_changed(house: make.House):
    change = make.in_review(house.author)
    seen = reviews.Seen.of(change)
    changes.revise(change, subjects=[make.thing(content={"fields": []})], actor=house.author)
    with pytest.raises(Conflict) as caught:
        reviews.approve(change, actor=house.owner, seen=seen)
    assert caught.value.code == "change.stale_page"
    assert caught.value.data["changed"] == ["the subject", "the difference"]
    assert not change.decisions.exists()


def test_a_growing_impact_set_voids_and_a_shrinking_one_does_not(house: make.House):
    till, shop = make.consumer("till"), make.consumer("shop")
    subject = make.thing(consumers=[till, shop])
    change = make.approve(make.in_review(house.author, subject), house.owner)
    make.thing(consumers=[till])
    assert changes.refresh(change.pk) is False
    make.thing(consumers=[till, shop, make.consumer("kiosk")])
    assert changes.refresh(change.pk) is True
    change.refresh_from_db()
    assert change.decisions.get().void_reason == "the impact set grew"
    assert change.events.filter(kind="moved").get().data["reasons"] == ["the change affects more consumers than before"]


def test_a_new_policy_voids_decisions_on_open_changes_in_the_same_transaction(house: make.House):
    change = make.approved(house)
    used = make.approved(house, make.thing("stock-feed"))
    approvals.mark_used(Approval.objects.get(change=used).pk, actor=house.releaser)
    stricter = {
        **make.POLICY,
        "rules": [*make.POLICY["rules"], {"id": "release", "why": "Peak.", "slots": {"release_manager": 1}}],
    }
    policy_change = policies.propose(
        level="organisation",
        document=stricter,
        author=house.author,
        title="Ask release managers",
        justification="Peak is near.",
        environment="test",
    )
    assert [(f.change.pk, f.added_slots) for f in policies.preview("organisation", stricter, viewer=SYSTEM)] == [
        (change.pk, ("Release manager 1",))
    ]
    changes.submit(policy_change, actor=house.author)
    checks.run_checks(policy_change.pk)
    make.approve(policy_change, house.architect, make.person("alma", "architects"))
    assert policy_change.state == "approved"
    applying.apply(policy_change, actor=house.releaser)
    change.refresh_from_db()
    used.refresh_from_db()
    assert (change.state, used.state) == ("in_review", "applied")
    assert Approval.objects.get(change=change).void_reason == "the policy changed"
    assert Approval.objects.get(change=used).voided_at is None
    assert change.slots.filter(revision=change.revision, key="release_manager").exists()
    assert Policy.objects.get(state="active").version == 2


def test_who_left_the_group_cannot_decide_any_more_and_no_longer_vouches(house: make.House):
    change = make.in_review(house.author)
    seen = reviews.Seen.of(change)
    house.owner.groups.clear()
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=house.owner, seen=seen)
    house.owner.groups.add(make.team("price").group)
    make.approve(change, house.owner)
    house.owner.groups.clear()
    make.approve(change, house.architect)
    assert change.state == "in_review", "the slot of the owner is empty again"
    house.owner.groups.add(make.team("price").group)
    assert sealing.try_seal(change.pk)
    subject = changes.subjects_of(change)[0]
    assert approvals.require(subject, subject.digest, "production")
    house.architect.groups.clear()
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, "production")
    assert [u["code"] for u in caught.value.unmet] == ["approval.approver_lost_right"]


def test_the_deployer_is_not_an_approver(house: make.House):
    change = make.approved(house)
    subject = changes.subjects_of(change)[0]
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, "production", actor=house.owner)
    assert [u["code"] for u in caught.value.unmet] == ["approval.deployer_approved"]
    assert approvals.require(subject, subject.digest, "production", actor=house.releaser)


def test_an_approval_is_for_its_window_and_its_environment(house: make.House):
    now = clock.now()
    change = make.approved(house, planned_from=now + timedelta(days=1), planned_until=now + timedelta(days=2))
    subject = changes.subjects_of(change)[0]
    for at, code in ((clock.now(), "approval.before_window"), (now + timedelta(days=2), "approval.after_window")):
        with pytest.raises(NotApproved) as caught:
            approvals.require(subject, subject.digest, "production", at)
        assert [u["code"] for u in caught.value.unmet] == [code]
    assert approvals.require(subject, subject.digest, "production", now + timedelta(hours=30))
    with pytest.raises(NotApproved):
        approvals.require(subject, subject.digest, "staging", now + timedelta(hours=30))


def test_one_person_fills_one_slot_and_the_matching_finds_who_fits_where(house: make.House):
    both = make.person("bob", "price", "architects")
    change = make.approve(make.in_review(house.author), both)
    assert change.state == "in_review"
    make.approve(change, house.owner)
    assert change.state == "approved", "bob gives the owner's slot to olaf and takes the architect's"


def test_a_failed_check_blocks_until_it_is_settled(house: make.House):
    make.THINGS.failing["price-feed"] = [make.breaking()]
    change = make.approve(make.in_review(house.author), house.owner, house.architect)
    assert change.state == "in_review"
    with pytest.raises(Forbidden):
        acceptances.accept_break(
            change, actor=house.owner, rule="thing.sound", pointer="/price", kind="benign", reason="Nobody reads it."
        )
    acceptances.accept_break(
        change, actor=house.architect, rule="thing.sound", pointer="/price", kind="benign", reason="Nobody reads it."
    )
    change.refresh_from_db()
    assert change.state == "approved"


def test_the_four_ways_to_accept_a_break_need_different_people_and_things(house: make.House):
    make.THINGS.failing["price-feed"] = [make.breaking("/a", consumers=["till"]), make.breaking("/b", consumers=[])]
    change = make.in_review(house.author, make.thing(consumers=[make.consumer("till")]))
    arguments = {"rule": "thing.sound", "reason": "It is right."}
    with pytest.raises(Conflict, match="It has consumers"):
        acceptances.accept_break(change, actor=house.architect, pointer="/a", kind="no_consumers", **arguments)
    acceptances.accept_break(change, actor=house.owner, pointer="/b", kind="no_consumers", **arguments)
    with pytest.raises(Invalid):
        acceptances.accept_break(change, actor=house.releaser, pointer="/a", kind="breaking", **arguments)
    soon = (clock.now() + timedelta(days=40)).date()
    with pytest.raises(Forbidden):
        acceptances.accept_break(
            change, actor=house.architect, pointer="/a", kind="breaking", migrate_by=soon, **arguments
        )
    acceptances.accept_break(change, actor=house.releaser, pointer="/a", kind="breaking", migrate_by=soon, **arguments)
    assert make.approve(change, house.owner, house.architect).state == "in_review", (
        "those whom it breaks decide as well"
    )
    assert make.approve(change, house.releaser).state == "in_review"
    with pytest.raises(Invalid):
        acceptances.accept_break(change, actor=house.architect, pointer="/c", kind="benign", **arguments)
    assert make.approve(change, house.stranger).state == "approved"


def test_a_check_that_breaks_or_does_not_exist_is_not_run_and_blocks(
    house: make.House, caplog: pytest.LogCaptureFixture
):
    make.THINGS.failing["price-feed"] = 7  # type: ignore[assignment]
    change = make.in_review(house.author)
    row = CheckResult.objects.get(change=change, check_id="thing.sound")
    assert row.status == "not_run"
    assert "TypeError" in row.why
    assert make.approve(change, house.owner, house.architect).state == "in_review"


@pytest.mark.parametrize(
    ("facts", "check"),
    [
        ({"consumers": None}, "impact.known"),
        ({"owners": ()}, "owner.known"),
        ({"planned_until": None}, "change.window"),
        ({"planned_from": None}, "change.window"),
        ({"rollback_plan": "undo"}, "change.rollback_plan"),
    ],
)
def test_missing_evidence_blocks(house: make.House, facts: dict, check: str):
    more = {key: facts[key] for key in facts if key in ("planned_until", "planned_from", "rollback_plan")}
    subject = make.thing(**{key: value for key, value in facts.items() if key not in more})
    change = make.in_review(house.author, subject, **more)
    row = CheckResult.objects.get(change=change, check_id=check)
    assert row.status in ("not_run", "failed")
    assert row.fix
    for actor in (house.owner, house.architect):
        try:
            reviews.approve(change, actor=actor, seen=reviews.Seen.of(change))
        except Forbidden:
            assert facts == {"owners": ()}
    change.refresh_from_db()
    assert change.state == "in_review"


def test_without_a_document_or_a_policy_nothing_can_be_submitted(house: make.House):
    with pytest.raises(Conflict) as caught:
        changes.submit(
            make.draft(house.author, Subject("thing", "nobody-knows", "sha256:" + "0" * 64)), actor=house.author
        )
    assert caught.value.code == "change.needs_evidence"


def test_a_reject_closes_and_a_request_for_changes_keeps_it_shut_until_a_revision(house: make.House):
    change = make.in_review(house.author)
    with pytest.raises(Invalid):
        reviews.request_changes(change, actor=house.owner, seen=reviews.Seen.of(change), note="  ")
    reviews.request_changes(change, actor=house.owner, seen=reviews.Seen.of(change), note="Keep the old field.")
    second = make.person("otto", "price")
    make.approve(change, second, house.architect)
    assert change.state == "in_review"
    changes.revise(change, subjects=[make.thing(content={"fields": ["sku", "amount", "old"]})], actor=house.author)
    checks.run_checks(change.pk)
    assert make.approve(change, house.owner, house.architect).state == "approved"
    other = make.in_review(house.author, make.thing("other"))
    reviews.reject(other, actor=house.architect, seen=reviews.Seen.of(other), note="No.")
    other.refresh_from_db()
    assert other.state == "rejected"


def test_a_decision_can_be_retracted_and_voids_the_unused_approval_with_it(house: make.House):
    change = make.approved(house)
    reviews.retract(change, actor=house.owner)
    change.refresh_from_db()
    assert change.state == "in_review"
    assert Approval.objects.get(change=change).voided_at is not None
    assert make.approve(change, house.owner).state == "approved"


def test_a_delegate_fills_the_slot_within_the_dates_and_never_for_the_author(house: make.House):
    change = make.in_review(house.author)
    now = changes.database_clock()
    dates = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=1)}
    people.delegate(actor=house.author, to=house.stranger, team_key="price", **dates)
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=house.stranger, seen=reviews.Seen.of(change))
    people.delegate(actor=house.owner, to=house.stranger, team_key="price", **dates)
    make.approve(change, house.stranger, house.architect)
    assert change.state == "approved"
    with beneath_guards():
        late = Delegation.objects.create(
            delegator=house.owner,
            delegate=house.releaser,
            group=make.team("price").group,
            starts_at=now - timedelta(days=3),
            ends_at=now - timedelta(days=2),
        )
    other = make.in_review(house.author, make.thing("other"))
    with pytest.raises(Forbidden):
        reviews.approve(other, actor=late.delegate, seen=reviews.Seen.of(other))


def test_a_change_of_several_subjects_gives_each_its_approval_and_they_fall_together(house: make.House):
    one, two = make.thing("one"), make.thing("two")
    change = make.approved(house, one, two)
    assert Approval.objects.filter(change=change).count() == 2
    assert change.subject_digest not in (one.digest, two.digest)
    changes.revise(change, subjects=[one, make.thing("two", content=[])], actor=house.author)
    assert not Approval.objects.filter(change=change, voided_at=None).exists()


def test_withdrawing_voids_the_approval(house: make.House):
    change = make.approved(house)
    changes.withdraw(change, actor=house.author, reason="Not needed.")
    assert Approval.objects.get(change=change).void_reason == "the change was withdrawn"
    with pytest.raises(Forbidden):
        changes.withdraw(ChangeRequest.objects.get(pk=change.pk), actor=house.author)


def test_bad_input_gets_every_finding_and_writes_nothing(house: make.House):
    with pytest.raises(Invalid) as caught:
        changes.open_change(
            author=house.author,
            kind="test.thing",
            subjects=[Subject("other", "", "x")],
            environment="moon",
            title=" ",
            justification="",
        )
    assert {f["pointer"] for f in caught.value.findings} == {
        "/title",
        "/justification",
        "/environment",
        "/subjects/0/digest",
        "/subjects/0/kind",
        "/subjects/0/id",
    }
    assert not ChangeRequest.objects.exists()


def test_two_architects_at_the_same_slot_are_both_heard_and_one_sits(house: make.House):
    second = make.person("alma", "architects")
    change = make.approve(make.in_review(house.author), house.architect, second)
    assert change.state == "in_review"
    assert len(sealing.filled_slots(change)) == 1
    assert Decision.objects.filter(change=change, voided_at=None).count() == 2
