"""A confirmed break-glass passes freezes for what it carries, at the gate as where it is deployed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from governance.domain.subject import Subject
from governance.services import approvals, breakglass, freezes
from kernel import clock
from kernel.errors import NotApproved
from kernel.models import User
from tests.governance import gate_estate
from tests.governance.gate_estate import FEED

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    """A freeze of everything is open in test, where the feed is not approved."""
    gate_estate.build()
    now = clock.now()
    calendar = {
        "kind": "once",
        "zone": "UTC",
        "from": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        "until": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M}",
    }
    freezes.plan(actor=None, name="Peak", calendar=calendar, environment="test")


def carry() -> None:
    made = breakglass.open_case(
        actor=User.objects.get(username="olga"),
        subject=Subject("integration", FEED, gate_estate.digest()),
        environment="test",
        reason="Orders pile up since the morning.",
    )
    breakglass.confirm(made.pk, actor=User.objects.get(username="ada"))


def ask(**more: Any) -> list[str]:
    body = {"version": "2", "environment": "test", "consumes": [], **gate_estate.brings(), **more}
    answer = gate_estate.client().post("/api/v1/gate/verdicts", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return sorted(reason["code"] for reason in answer.json()["reasons"])


def deployable() -> bool:
    digest = gate_estate.digest()
    try:
        approvals.require(Subject("integration", FEED, digest), digest, "test")
    except NotApproved:
        return False
    return True


def test_gate_and_deployment_give_the_same_answer_in_a_freeze():
    """The gate said deny to what the runtime deployed."""
    assert "freeze.active" in ask()
    assert not deployable()
    carry()
    assert deployable()
    assert "freeze.active" not in ask()


def test_what_no_break_glass_carries_is_frozen_beside_it():
    carry()
    assert "freeze.active" in ask(consumes=["loyalty-api@v1"])
    assert "freeze.active" in ask(application="till", integrations=[], consumes=["loyalty-api@v1"])


def test_without_the_confirmation_of_the_break_glass_the_freeze_counts(monkeypatch: pytest.MonkeyPatch):
    """Nobody knows then whether it is one of two people."""
    carry()
    monkeypatch.setattr("governance.selectors.emergencies.behind", lambda *_: None)
    assert "freeze.active" in ask()
