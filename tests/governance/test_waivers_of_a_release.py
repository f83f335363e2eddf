"""A waiver of an integration opens the release that its approvers saw."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from governance.domain.subject import Subject
from governance.models import Waiver
from governance.services import waivers
from kernel import clock
from kernel.digest import digest_of
from kernel.errors import Invalid
from kernel.models import User
from tests.governance import gate_estate
from tests.governance.gate_estate import FEED, beneath

pytestmark = pytest.mark.django_db


def _waived(**more: Any) -> Waiver:
    change = waivers.propose(
        actor=User.objects.get(username="otto"),
        rule="approval.missing",
        pointer=f"/integrations/items/{FEED}",
        subject=Subject("integration", FEED, more.pop("digest", "")),
        environment="test",
        reason="The test system is empty.",
        expires_at=clock.now() + timedelta(days=5),
        application="order-hub",
        submit=False,
        **more,
    )
    return Waiver.objects.get(pk=int(change.subjects.get().subject_id))


def test_a_waiver_of_an_integration_is_for_one_release():
    gate_estate.build()
    assert _waived().subject_digest == gate_estate.digest()
    assert _waived(digest=gate_estate.digest()).subject_digest == gate_estate.digest()
    with pytest.raises(Invalid) as caught:
        _waived(digest="sha256:" + "0" * 64)
    assert [f["pointer"] for f in caught.value.findings] == ["/subject_digest"]


@pytest.mark.parametrize("bound", ["this", "another", "nothing"])
def test_a_waiver_of_an_integration_opens_that_release_alone(bound: str):
    gate_estate.build()
    waiver = _waived()
    waiver.subject_digest = {"this": waiver.subject_digest, "another": "sha256:" + "0" * 64, "nothing": None}[bound]
    digest = f"'{waiver.subject_digest}'" if waiver.subject_digest else "null"
    beneath(
        f"update governance_waiver set state = 'granted', granted_at = now(), subject_digest = {digest},"
        f" digest = '{digest_of(waivers.document(waiver))}' where id = {waiver.pk}"
    )
    body = {"version": "2", "environment": "test", "consumes": [], **gate_estate.brings()}
    answer = gate_estate.client().post("/api/v1/gate/verdicts", body, content_type="application/json").json()
    (found,) = [one for one in answer["reasons"] if one["code"] == "approval.missing"]
    assert (found["waived_by"] is not None) is (bound == "this")
