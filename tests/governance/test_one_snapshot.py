"""The evidence of an answer is of one moment: what others commit while it is read is in none of its parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from catalog.models import Environment, Subscription
from governance.models import Verdict
from governance.selectors import records
from governance.services import freezes, verdicts
from kernel import clock
from kernel.viewer import SYSTEM
from tests.governance import gate_estate
from tests.governance.gate_estate import OLD, beneath

ASKED = {"application": "till", "version": "2", "environment": "production", "consumes": [OLD]}


def beside(work: Callable[[], object]) -> None:
    """In a session of its own, until it is committed."""

    def run() -> None:
        try:
            with transaction.atomic():
                work()
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def everything_moves() -> None:
    """A freeze begins, the subscription ends, and nobody says any more that all that runs is recorded."""
    today = clock.now()
    day = {"kind": "once", "zone": "UTC", "from": f"{today:%Y-%m-%dT00:00}"}
    freezes.plan(actor=None, name="Peak", calendar=day | {"until": f"{today + timedelta(days=2):%Y-%m-%dT00:00}"})
    Subscription.objects.filter(application__key="till").update(state="ended")
    beneath("update catalog_environment set records_complete_since = null")


def evidence(number: int) -> dict[str, Any]:
    found: dict[str, Any] = Verdict.objects.get(pk=number).evidence
    return found


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_while_the_evidence_is_read_is_in_none_of_its_parts(monkeypatch: pytest.MonkeyPatch):
    with transaction.atomic():
        gate_estate.build()
    began = verdicts.ask(ASKED, viewer=SYSTEM)
    assert began.word == "allow", began.document["reasons"]
    own, moved = records.own, []

    def read(*asked: Any) -> records.OwnRecords:
        """The first thing that is read of all."""
        found = own(*asked)
        if not moved:
            moved.append(True)
            beside(everything_moves)
            assert Environment.objects.filter(key="production", records_complete_since=None).count() == 0, (
                "not seen here"
            )
        return found

    monkeypatch.setattr(records, "own", read)
    meanwhile = verdicts.ask(ASKED, viewer=SYSTEM)
    assert moved
    assert meanwhile.word == "allow", meanwhile.document["reasons"]
    before, then = evidence(began.id), evidence(meanwhile.id)
    assert {**then, "as_of": before["as_of"]} == before
    afterwards = verdicts.ask(ASKED, viewer=SYSTEM)
    assert {"freeze.active", "subscription.expired"} <= {reason["code"] for reason in afterwards.document["reasons"]}
