"""What a person asks now is asked now, also under an open circuit breaker; else it is said at once why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel import clock
from runtime.ledger.connections import Connection
from runtime.models import VendorState
from runtime.selectors import why_waits
from runtime.services import dead_letters, vendor_limits
from runtime.services.dead_letters import DeadLetterFilter
from runtime.worker.delivery import serve_one
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import RIGHT, Site

pytestmark = pytest.mark.django_db(transaction=True)


class Half(Site):
    """A system that loses writes, and whose questions fail until `answers`."""

    answers = False

    def _answer(self, seen: Any) -> Any:
        if seen.path == "/lookup" and not self.answers:
            return 500, {}, {"message": "out of order"}
        return super()._answer(seen)

    @property
    def subscription(self) -> int:
        return int(self.conn.execute("select id from runtime_subscription").fetchone()[0])  # type: ignore[index]

    @property
    def place(self) -> DeadLetterFilter:
        return DeadLetterFilter(self.subscription, addresses=((0, 1),))

    def serve(self) -> None:
        serve_one(self.conn, self.clients, owner="w")


@pytest.fixture
def half(ledger: Connection, tmp_path: Path) -> Iterator[Half]:
    """`a` has no answer, the circuit breaker is open for an hour, and `b` waits in the lane."""
    with Server(None) as server:
        one = Half(ledger, server, tmp_path)
        one.deployed(RIGHT)
        ledger.execute("update runtime_subscription set settle = 0")
        one.lost = {"a"}
        one.put("a")
        one.rounds(10)
        one.put("b")
        ledger.execute("update runtime_vendorstate set open_until = clock_timestamp() + interval '1 hour'")
        ledger.execute("update runtime_progress set owner = null, not_before = 'epoch'")
        assert one.waiting() == [("a", "sending", "unanswered")]
        assert one.vendor_state()[0] == "open"
        one.answers = True
        one.serve()
        assert (one.asked, one.journal) == ([], ["a"]), "the breaker is open: nothing is called"
        yield one
        one.clients.close()


def test_the_question_of_a_person_is_the_call_that_tries_an_open_circuit_breaker(half: Half) -> None:
    dead_letters.redrive(half.place, actor=None)
    assert "the next call decides" in why_waits.said([half.subscription], asking=True)
    half.serve()
    assert (half.asked, half.journal) == ([("/lookup", ["a"])], ["a"]), "asked before anything is sent"
    assert (half.waiting(), half.vendor_state()[0]) == ([], "closed")
    half.serve()
    assert half.journal == ["a", "b"]


def test_where_that_question_fails_too_nothing_is_sent_and_the_breaker_stays_open(half: Half) -> None:
    half.answers = False
    dead_letters.redrive(half.place, actor=None)
    half.serve()
    half.serve()
    assert (half.journal, half.vendor_state()[0], half.waiting()) == (["a"], "open", [("a", "sending", "unanswered")])
    assert "next attempt" in why_waits.said([half.subscription], asking=True)


def test_a_breaker_that_a_person_has_opened_stays_open_and_the_answer_says_until_when(half: Half) -> None:
    vendor = VendorState.objects.get(subscriptions=half.subscription)
    until = clock.now() + timedelta(hours=2)
    vendor_limits.open_breaker(vendor.pk, until=until, actor=None, reason="they migrate")
    dead_letters.redrive(half.place, actor=None)
    half.serve()
    assert half.asked == []
    assert "next attempt in" in why_waits.said([half.subscription], asking=True)
    vendor.refresh_from_db()
    assert vendor.open_until == until


def test_under_a_closed_gate_the_answer_says_what_keeps_the_question(half: Half) -> None:
    half.conn.execute("update runtime_deployment set paused = true, pause_reason = 'stock-take' where active")
    dead_letters.redrive(half.place, actor=None)
    half.serve()
    assert half.asked == []
    assert "No call tries the circuit breaker under a closed gate" in why_waits.said([half.subscription], asking=True)
    half.conn.execute("update runtime_vendorstate set breaker = 'closed'")
    half.serve()
    assert (half.asked, half.journal, half.waiting()) == ([("/lookup", ["a"])], ["a"], [])


def test_a_vendor_that_asked_to_be_left_alone_is_left_alone_and_the_answer_says_so(half: Half) -> None:
    half.conn.execute("update runtime_vendorstate set not_before = clock_timestamp() + interval '10 minutes'")
    dead_letters.redrive(half.place, actor=None)
    half.serve()
    assert half.asked == []
    assert "asked to wait until" in why_waits.said([half.subscription], asking=True)


def test_a_probe_that_is_kept_for_a_question_is_anybodys_after_a_while(half: Half) -> None:
    dead_letters.redrive(half.place, actor=None)
    dead_letters.discard(half.place, actor=None, reason="cancelled there")
    half.serve()
    assert half.journal == ["a"]
    half.conn.execute("update runtime_vendorstate set open_until = open_until - interval '16 seconds'")
    half.serve()
    assert (half.journal, half.vendor_state()[0]) == (["a", "b"], "closed")


@pytest.mark.parametrize("decision", ["redrive", "twice"])
def test_two_people_who_ask_at_once_make_one_question(half: Half, decision: str) -> None:
    asks: Callable[[], Any] = lambda: dead_letters.redrive(half.place, actor=None)  # noqa: E731
    asks()
    if decision == "twice":
        asks()
    for _ in range(3):
        half.serve()
    assert half.asked == [("/lookup", ["a"])]
