"""The gated moves, each with its approval."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog.selectors import consumers, lifecycle_headers, versions
from catalog.services import publication, registration, version_changes
from kernel import clock
from kernel.errors import Conflict, Invalid
from kernel.models import AuditEntry, OutboxEvent
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def test_a_draft_is_published_for_exactly_the_approved_contract():
    facts = versions.by_reference("price-api@v3")
    assert publication.submit_for_review(facts.id).state == "in_review"
    with pytest.raises(Conflict) as caught:
        publication.publish(facts.id, contract_digest="sha256:" + "0" * 64, approval_id=9, actor=None)
    assert caught.value.code == "version.digest_changed"
    done = publication.publish(facts.id, contract_digest=facts.contract_digest, approval_id=9, actor=None)
    assert (done.state, done.approval_id) == ("published", 9)
    assert done.published_at is not None
    assert list(AuditEntry.objects.filter(subject_id="price-api@v3").order_by("id").values_list("verb", flat=True)) == [
        "catalog.version_declared",
        "catalog.version_submitted",
        "catalog.version_published",
    ]
    assert OutboxEvent.objects.filter(topic="catalog.version_published", key="price-api@v3").exists()


def test_a_contract_changed_under_review_is_told_and_blocks_the_old_approval():
    facts = versions.by_reference("price-api@v3")
    publication.submit_for_review(facts.id)
    changed = version_changes.revise_contract(
        actor=make.person("piet"), reference="price-api@v3", content=make.contract("price-v3.yaml") + b"x-note: 1\n"
    )
    assert changed.contract_digest != facts.contract_digest
    event = OutboxEvent.objects.get(topic="catalog.version_contract_changed")
    assert event.payload["old"] == facts.contract_digest
    with pytest.raises(Conflict):
        publication.publish(facts.id, contract_digest=facts.contract_digest, approval_id=9, actor=None)


def test_a_published_contract_waits_as_a_revision_until_it_is_approved():
    before = versions.by_reference("price-api@v2")
    proposed = version_changes.revise_contract(
        actor=make.person("piet"), reference="price-api@v2", content=make.contract("price-v2.yaml") + b"x-note: 1\n"
    )
    assert proposed.contract_digest == before.contract_digest
    assert proposed.proposed_digest not in (None, before.contract_digest)
    with pytest.raises(Conflict):
        publication.change_contract(before.id, contract_digest=before.contract_digest, approval_id=4, actor=None)
    done = publication.change_contract(before.id, contract_digest=proposed.proposed_digest, approval_id=4, actor=None)
    assert done.contract_digest == proposed.proposed_digest
    assert done.proposed_digest is None


def test_deprecation_keeps_the_notice_of_the_tier_and_a_sunset_is_a_promise():
    facts = versions.by_reference("price-api@v2")
    now = clock.now()
    with pytest.raises(Invalid) as caught:
        publication.deprecate(
            facts.id, sunset_at=now + timedelta(days=30), successor=None, guide="", approval_id=2, actor=None
        )
    assert caught.value.code == "version.notice_too_short"
    done = publication.deprecate(
        facts.id,
        sunset_at=now + timedelta(days=400),
        successor="price-api@v3",
        guide="Send the currency.",
        approval_id=2,
        actor=None,
    )
    assert (done.state, done.successor_reference) == ("deprecated", "price-api@v3")
    with pytest.raises(Conflict) as caught:
        publication.deprecate(
            facts.id, sunset_at=now + timedelta(days=300), successor=None, guide="", approval_id=3, actor=None
        )
    assert caught.value.code == "version.sunset_earlier"
    said = lifecycle_headers.headers_of(versions.facts(facts.id))
    assert said["Deprecation"] == f"@{int(done.deprecated_at.timestamp())}"
    assert said["Sunset"].endswith("GMT")
    assert 'rel="successor-version"' in said["Link"]


def test_a_version_with_consumers_does_not_retire_before_they_have_gone():
    facts = versions.by_reference("price-api@v2")
    now = clock.now()
    publication.deprecate(
        facts.id, sunset_at=now + timedelta(days=400), successor=None, guide="", approval_id=2, actor=None
    )
    with pytest.raises(Conflict) as caught:
        publication.retire(facts.id, approval_id=3, actor=None)
    assert caught.value.code == "version.before_sunset"
    with clock.frozen(now + timedelta(days=401)):
        with pytest.raises(Conflict) as caught:
            publication.retire(facts.id, approval_id=3, actor=None)
        assert caught.value.data["consumers"] == ["till"]
        done = publication.retire(facts.id, approval_id=3, actor=None, waived_applications=frozenset({"till"}))
    assert done.state == "retired"
    assert consumers.of_version(facts.id)[0].application_key == "till"


def test_a_rejected_version_ends_and_its_contract_may_be_proposed_again():
    facts = versions.by_reference("price-api@v3")
    publication.submit_for_review(facts.id)
    publication.reject(facts.id, reason="No.")
    with pytest.raises(Conflict):
        publication.submit_for_review(facts.id)
    again = registration.add_version(
        actor=make.person("piet"), slug="price-api", content=make.contract("price-v3.yaml"), label="v3b"
    )
    assert versions.neighbour_before(again.id).label == "v2"


def test_another_tier_is_a_gated_move_with_its_approval_in_the_ledger():
    publication.change_tier("price-api", tier=1, approval_id=8, actor=None)
    assert versions.by_reference("price-api@v2").tier == 1
    assert AuditEntry.objects.get(verb="catalog.tier_changed").after["approval"] == 8


def test_the_verdict_between_neighbours_is_kept_after_a_version_was_added():
    from catalog import tasks
    from catalog.models import ContractComparison

    facts = versions.by_reference("price-api@v2")
    tasks.version_added({"payload": {"version_id": facts.id}})
    kept = ContractComparison.objects.get(new_id=facts.contract_digest)
    before = versions.neighbour_before(facts.id)
    assert (kept.old_id, kept.verdict) == (before.contract_digest, "compatible")
    tasks.version_added({"payload": {"version_id": facts.id}})
    assert ContractComparison.objects.count() == 1


def test_contracts_that_have_nothing_in_common_are_kept_as_not_comparable():
    from catalog.services import comparisons

    piet = make.person("piet")
    schema = registration.add_version(
        actor=piet,
        slug="price-api",
        content=b'{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}',
        label="v9",
    )
    kept = comparisons.compare_with_neighbour(schema.id)
    assert kept.verdict == "impossible"
    assert "cannot be compared" in kept.reason
    assert make.client("piet").get("/catalog/apis/price-api/versions/").status_code == 200
    assert make.client("piet").get("/catalog/apis/price-api/compare/?from=v3&to=v9").status_code == 422
