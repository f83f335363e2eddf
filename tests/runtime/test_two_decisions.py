"""Of two decisions about one case at the same time one counts, and only what that one says happens."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from bench.order_server import order
from kernel.errors import Conflict
from runtime.ledger.append import Appended
from runtime.ledger.connections import connected
from runtime.models import ConflictCase, Message, RejectedMessage
from runtime.services import cases, intake, rejudging, resubmitting
from tests.runtime.test_resubmitting import BY_ARRIVAL
from tests.runtime.test_services import FEED, catalog, deployed

__all__ = ["catalog"]
pytestmark = pytest.mark.django_db(transaction=True)
FACT = {"name": "order.placed", "meaning": "fact", "key": "/number"}


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: Any, decision: Any) -> None:
    """Somebody else decides while the append of this module waits for the lane."""
    real = module.append

    def slow(*args: Any, **more: Any) -> Any:
        decision()
        return real(*args, **more)

    monkeypatch.setattr(module, "append", slow)


def test_a_conflict_that_somebody_keeps_meanwhile_is_not_corrected(
    catalog: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(event=FACT)
    intake.accept(FEED, "production", [order(1), {**order(1), "total": 5}])
    case = ConflictCase.objects.get()
    keep = lambda: cases.settle_conflict(case.pk, keep=True, actor=None, note="first")  # noqa: E731
    meanwhile(monkeypatch, cases, keep)
    with pytest.raises(Conflict, match="meanwhile"):
        cases.settle_conflict(case.pk, keep=False, actor=None, note="second")
    case.refresh_from_db()
    assert (case.state, case.note, Message.objects.count()) == ("kept", "first", 1)


def test_several_corrections_of_one_key_have_names_of_their_own_and_are_no_new_case(catalog: None) -> None:
    deployed(event=FACT)
    intake.accept(FEED, "production", [order(1), {**order(1), "total": 5}, {**order(1), "total": 6}])
    for case in ConflictCase.objects.order_by("id"):
        cases.settle_conflict(case.pk, keep=False, actor=None, note="corrected")
    assert not ConflictCase.objects.exclude(state="replaced").exists()
    keys = sorted(Message.objects.values_list("key", flat=True))
    assert [key.partition("#")[2] for key in keys] == ["", "2", "3"]


def test_a_correction_whose_connection_ends_says_that_the_database_is_away(
    catalog: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(event=FACT)
    intake.accept(FEED, "production", [order(1), {**order(1), "total": 5}])
    real = cases.append

    def ended_after(conn: psycopg.Connection[Any], *args: Any) -> Any:
        real(conn, *args)
        with connected(name="tillgate-other") as other:
            other.execute("select pg_terminate_backend(%s, 5000)", (conn.info.backend_pid,))
        return Appended()

    monkeypatch.setattr(cases, "append", ended_after)
    with pytest.raises(psycopg.OperationalError):
        cases.settle_conflict(ConflictCase.objects.get().pk, keep=False, actor=None, note="corrected")
    assert ConflictCase.objects.get().state == "open"


@pytest.fixture
def rejected(catalog: None) -> RejectedMessage:
    deployed(event=BY_ARRIVAL)
    intake.accept(FEED, "production", [{**order(1), "status": "lost"}])
    return RejectedMessage.objects.get()


def test_a_rejected_message_that_somebody_dismisses_meanwhile_is_not_handed_in(
    rejected: RejectedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    dismiss = lambda: cases.dismiss_rejected(rejected.pk, actor=None, note="not needed")  # noqa: E731
    meanwhile(monkeypatch, resubmitting, dismiss)
    with pytest.raises(Conflict, match="meanwhile"):
        resubmitting.resubmit_rejected(rejected.pk, payload=order(1), actor=None, note="corrected")
    rejected.refresh_from_db()
    assert (rejected.state, Message.objects.count()) == ("dismissed", 0)


def test_a_rejected_message_that_somebody_dismisses_meanwhile_is_not_stored_by_judging_again(
    rejected: RejectedMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(event=BY_ARRIVAL, sources=[{"name": "orders", "system": "shop"}])
    real = rejudging.load_stream

    def slow(*args: Any) -> Any:
        cases.dismiss_rejected(rejected.pk, actor=None, note="not needed")
        return real(*args)

    monkeypatch.setattr(rejudging, "load_stream", slow)
    rejudging.judge_again(FEED, "production", dry_run=False, actor=None, reason="again")
    rejected.refresh_from_db()
    assert (rejected.state, Message.objects.count()) == ("dismissed", 0)
