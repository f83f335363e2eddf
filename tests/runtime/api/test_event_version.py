"""States that are pushed carry their version: an older one is answered `older` and never replaces a newer one."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from kernel import clock, tokens
from kernel.errors import Invalid
from kernel.viewer import Viewer
from runtime.domain import manifest as manifests
from runtime.models import Deployment, Message, RejectedMessage
from runtime.selectors import traces
from runtime.services import change_kinds, intake, manifest_checks
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = {
    "name": "price",
    "meaning": "state",
    "key": "/id",
    "version": "/meta/changedAt",
    "time": "/meta/at",
    "schema": {"type": "object"},
}


def manifest(**event: Any) -> dict[str, Any]:
    kept = {name: value for name, value in (EVENT | event).items() if value}
    return {**scene.SALES, "event": kept}


def price(amount: float, changed: Any, **more: Any) -> dict[str, Any]:
    return {"id": "milk", "price": amount, "meta": {"changedAt": changed, **more}}


@pytest.fixture
def site(db: Any) -> scene.Site:
    return scene.Site(manifest(), scene.estate().groups["sales-finance"])


def push(*documents: Any) -> list[str]:
    return [receipt.status for receipt in intake.accept("sales", "production", documents)]


def stored() -> list[Any]:
    return [message.payload["price"] for message in Message.objects.order_by("received_at", "position")]


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (2000, 1000),
        ("2026-11-18T10:00:00+01:00", "2026-11-18T08:59:59Z"),
        ("2026-11-18T10:00:00.000002Z", "2026-11-18T10:00:00.000001Z"),
        ("10", "9"),
        (0, -1),
    ],
)
def test_an_older_state_is_answered_older_and_never_applied(site, newer, older):
    assert push(price(10, newer), price(12, older)) == ["accepted", "older"]
    assert push(price(12, older), price(10, newer)) == ["older", "duplicate"]
    assert stored() == [10]


def test_the_same_version_with_other_content_is_a_change_the_last_to_arrive_counts(site):
    assert push(price(10, 5), price(11, 5), price(11.0, 5)) == ["accepted", "accepted", "duplicate"]
    assert stored() == [10, 11]


@pytest.mark.parametrize(
    "version", [None, "", "yesterday", 1.5, True, [], {}, 2**63, "9" * 30, "0001-01-01T00:00+14:00"]
)
def test_a_state_whose_version_cannot_be_read_is_refused_with_its_place(site, version):
    receipts = intake.accept("sales", "production", [price(1, version), price(2, 7)])
    expected = "accepted" if version == "0001-01-01T00:00+14:00" else "refused"
    assert [receipt.status for receipt in receipts] == [expected, "accepted"]
    if expected == "refused":
        assert receipts[0].pointer == "/meta/changedAt"
        assert RejectedMessage.objects.get().reason_class == "version"


def test_without_a_version_the_last_to_arrive_counts_also_after_a_release_that_had_one(site):
    push(price(10, 2000))
    release = site.register(manifest(version=""))
    Deployment.objects.filter(pk=site.deployment.pk).update(active=False, ended_at=clock.now())
    approval = scene.approve("sales", release.digest)
    Deployment.objects.create(
        integration=site.integration, release=release, environment="production", approval_id=approval
    )
    assert push(price(12, 1000), price(12, 1000)) == ["accepted", "duplicate"]
    assert stored() == [10, 12]


def test_a_retry_of_an_older_batch_gets_the_same_answers_and_changes_nothing(site):
    first = [price(n, n) for n in range(1, 6)]
    assert push(*first) == ["accepted"] * 5
    assert push(*first) == ["older"] * 4 + ["duplicate"]
    assert push(*first) == ["older"] * 4 + ["duplicate"]
    assert stored() == [1, 2, 3, 4, 5]


def test_states_of_one_version_that_come_again_in_their_order_end_as_before(site):
    both = price(10, 1), price(12, 1)
    assert push(*both) == ["accepted", "accepted"]
    assert push(*both) == ["accepted", "accepted"]
    assert stored() == [10, 12, 10, 12]
    assert push(both[1]) == ["duplicate"]


def test_over_http_older_is_an_answer_and_no_failure(site, client):
    sofia = site.group.user_set.get(username="sofia")
    _, secret = tokens.issue(actor=sofia, user=sofia, name="feed", scopes=["runtime:write"])
    answer = client.post(
        reverse("runtime-api:intake", args=["sales"]),
        {"items": [price(10, 2), price(9, 1)]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert (answer.status_code, answer.json()["older"]) == (202, 1)
    assert "newer state" in answer.json()["receipts"][1]["reason"]


def test_the_trace_says_when_it_happened(site):
    push(price(10, 2, at="2026-11-18T10:15:00Z"))
    found = traces.search(Viewer(system=True), "milk")[0]
    assert traces.trace(found).happened == "2026-11-18T10:15:00Z"


# -- manifest ----------------------------------------------------------------------------------------------------------


def test_states_by_intake_without_a_version_are_warned_of_and_not_refused():
    def told(document):
        found = manifest_checks.warnings(manifests.parse(document).manifest)
        return [one["pointer"] for one in found if one["code"] == "event.by_arrival"]

    assert told(manifest(version="")) == ["/event/version"]
    assert told(manifest()) == []
    assert told(scene.SALES) == []  # facts
    assert told(scene.PRICES) == []  # read by a connection


def test_the_check_of_a_change_passes_with_the_warning(site):
    from governance.domain.checks import CheckContext
    from governance.domain.subject import Subject

    release = site.register(manifest(version=""))
    context = CheckContext(
        change=None,  # type: ignore[arg-type]
        subject=Subject("integration", "sales", release.digest),
        environment="production",
        as_of=clock.now(),
        subject_facts=None,
    )
    safety = next(check for check in change_kinds.DEPLOY_CHECKS if check.id == "integration.safety")
    outcome = safety.run(context)
    assert [one["level"] for one in outcome.findings if one["rule"] == "event.by_arrival"] == ["warning"]


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({"version": "changedAt"}, "/event/version"),
        ({"time": "at"}, "/event/time"),
        ({"meaning": "fact"}, "/event/version"),
    ],
)
def test_a_pointer_that_cannot_be_meant_is_refused(event, pointer):
    with pytest.raises(Invalid) as refused:
        manifests.parse(manifest(**event))
    assert [found["pointer"] for found in refused.value.findings] == [pointer]


def test_a_manifest_that_uses_none_of_it_keeps_its_digest():
    assert manifests.parse(scene.SALES).digest == (
        "sha256:44ceb6c8f6f4b1063c79adbe1e6b45f80a48f138d1d44ccf5a35d0d76d7dd167"
    )
