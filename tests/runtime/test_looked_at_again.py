"""What was approved takes effect later than it was looked at: what changed meanwhile counts, whoever told of it or
did not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from catalog.models import Api
from catalog.selectors import versions
from governance.domain import kinds
from governance.domain.checks import failed, finding
from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest
from governance.services import applying, approvals, changes, checks, reviews
from kernel import clock
from kernel.errors import NotApproved
from runtime.models import Deployment, Release
from runtime.services import deployments, integrations
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.forging import as_serving
from tests.governance.raw_sql import run
from tests.runtime import scene
from tests.runtime.test_field_readers import (
    OFFER,
    contract,
    deploy,
    everything_told,
    found,
    manifest,
    policies_and_contract,
    proposed,
    without,
)

pytestmark = pytest.mark.django_db(transaction=True)
FLOW = "prices-to-stores"


@pytest.fixture(autouse=True)
def estate() -> Iterator[None]:
    before = {kind.key: kind for kind in kinds.all_kinds()}
    policies_and_contract()
    yield
    for kind in before.values():
        kinds.register(kind)


def approved(change: ChangeRequest, *people: str) -> ChangeRequest:
    """Decided by these people; what the small estate leaves open beside the readers of fields passes."""
    rows = change.check_results.filter(revision=change.revision)
    make.quiet(change.kind, set(rows.values_list("check_id", flat=True)) - {"flow.readers"})
    checks.run_checks(change.pk)
    for name in people or ("paula", "ada"):
        change.refresh_from_db()
        reviews.approve(change, actor=catalog.person(name), seen=reviews.Seen.of(change))
    change.refresh_from_db()
    assert change.state == "approved", [(r.check_id, r.status, r.why) for r in rows]
    return change


def without_sku() -> ChangeRequest:
    return approved(proposed(contract(without("sku"), Offer=OFFER)))


def is_in_force(change: ChangeRequest) -> bool:
    version = versions.by_reference("price-api@v2")
    assert version is not None
    return version.contract_digest == change.subjects.get().digest


def test_a_flow_that_nobody_told_of_stops_the_contract_that_would_break_it():
    change = without_sku()
    deploy(manifest())
    with pytest.raises(NotApproved, match=r"flow\.readers failed") as refused:
        applying.apply(change)
    assert [one["code"] for one in refused.value.data["unmet"]] == ["check.blocking"]
    change.refresh_from_db()
    assert (change.state, is_in_force(change), found(change)[0]) == ("in_review", False, "failed")
    assert Approval.objects.get(change=change).void_reason == "check flow.readers no longer passes"
    assert applying.apply_due() == 0


def test_a_deployment_takes_an_approval_that_waits_for_its_window_back_into_review_and_its_end_brings_it_back():
    change = proposed(contract(without("sku"), Offer=OFFER))
    later = clock.now() + timedelta(days=2)
    changes.amend(change, actor=change.author, planned_from=later, planned_until=later + timedelta(days=1))
    change = approved(change)
    everything_told()
    release = integrations.register(integrations.pinned(manifest()), actor=None)
    scene.approve(FLOW, release.digest)
    approval = approvals.require(Subject("integration", FLOW, release.digest), release.digest, "production")
    deployments.deploy(FLOW, approval=approval, actor=None)
    everything_told()
    change.refresh_from_db()
    assert (change.state, found(change)[0]) == ("in_review", "failed")
    deployments.retire(FLOW, "production", reason="The stores are closed.", actor=None)
    everything_told()
    change.refresh_from_db()
    assert change.state == "approved", "nobody has to decide anew on the same proposal"
    assert applying.apply_due(at=later + timedelta(minutes=1)) == 1
    assert is_in_force(change)


def test_a_result_of_a_check_that_somebody_wrote_by_hand_puts_nothing_into_effect():
    deploy(manifest())
    change = proposed(contract(without("sku"), Offer=OFFER))
    make.quiet(change.kind, set(change.check_results.values_list("check_id", flat=True)) - {"flow.readers"})
    checks.run_checks(change.pk)
    with as_serving():
        run(
            "update governance_checkresult set status = 'passed', findings = '[]' where change_id = %s and "
            "check_id = 'flow.readers'",
            change.pk,
        )
    for name in ("paula", "ada"):
        change.refresh_from_db()
        reviews.approve(change, actor=catalog.person(name), seen=reviews.Seen.of(change))
    change.refresh_from_db()
    assert change.state == "approved"
    with pytest.raises(NotApproved):
        applying.apply(change)
    change.refresh_from_db()
    assert (change.state, is_in_force(change)) == ("in_review", False)


# -- deployments -------------------------------------------------------------------------------------------------------
def approved_deployment() -> tuple[Release, ChangeRequest]:
    release = integrations.register(integrations.pinned(manifest()), actor=None)
    change = changes.open_change(
        author=catalog.person("piet"),
        kind="integration.deploy",
        subjects=[Subject("integration", FLOW, release.digest)],
        environment="production",
        title="Prices to stores",
        justification="It is time.",
        rollback_plan="The deployment is ended again.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=30),
    )
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    return release, approved(change)


def deployed(release: Release) -> bool:
    approval = approvals.require(Subject("integration", FLOW, release.digest), release.digest, "production")
    deployments.deploy(FLOW, approval=approval, actor=None)
    return Deployment.objects.filter(release=release, active=True).exists()


def test_an_approved_release_is_deployed_where_nothing_changed():
    release, change = approved_deployment()
    assert deployed(release)
    change.refresh_from_db()
    assert change.state == "applied"


def test_a_release_whose_api_became_personal_asks_security_before_it_is_deployed():
    make.person("sue", "security")
    Api.objects.filter(slug="price-api").update(data_class="internal")
    release, change = approved_deployment()
    Api.objects.filter(slug="price-api").update(data_class="personal")
    with pytest.raises(NotApproved):
        deployed(release)
    change.refresh_from_db()
    assert (change.state, change.revision) == ("in_review", 2)
    assert "security" in set(change.slots.filter(revision=2).values_list("key", flat=True))
    assert not Deployment.objects.exists()


def test_a_check_of_a_deployment_that_fails_by_now_keeps_it_out():
    release, change = approved_deployment()
    late = failed("The vendor forgets its keys.", [finding("integration.safety", "/targets/0", "It forgets its keys.")])
    make.quiet(change.kind, {"integration.safety"}, late)
    with pytest.raises(NotApproved):
        deployed(release)
    change.refresh_from_db()
    assert (change.state, Deployment.objects.count()) == ("in_review", 0)
