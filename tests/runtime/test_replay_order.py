"""What takes effect last is the newest state of its key, also while a replay sends older ones again. The vendor has no
versions: the last call wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from kernel.errors import Conflict
from runtime.ledger import connections
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.models import QuarantinedMessage
from runtime.services import dead_letters, replays
from runtime.services.dead_letters import DeadLetterFilter
from runtime.worker.delivery import serve_one
from runtime.worker.target_clients import TargetClients
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import Site

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [{"to": "ref", "from": "key", "type": "string"}, {"to": "v", "from": "version", "type": "integer"}]
Answer = tuple[int, dict[str, str], Any]


class Prices(Site):
    """States of keys at a vendor that keeps the last one. `fates` are the answers to the next calls, after which it
    acts or does not; `meanwhile` runs while a call is under way."""

    def __init__(self, conn: Connection, server: Server, tmp_path: Path) -> None:
        super().__init__(conn, server, tmp_path, idempotency="N", immutable=False)
        self.calls = list[tuple[str, int]]()
        self.held = dict[str, int]()
        self.fates = list[tuple[int, bool]]()
        self.meanwhile: Callable[[], None] | None = None
        self.flow.deploy(self.release({"path": "/lookup"}, fields=FIELDS))
        self.target = self.flow.subscribe(vendor=self.vendor, idempotency="N", batch=1, settle=600.0)

    def release(self, lookup: dict[str, Any], **more: Any) -> dict[str, Any]:
        made = super().release(lookup, **more)
        made["event"] |= {"meaning": "state", "version": "/version"}
        settings = made["targets"][0]["connection"]["settings"]
        settings |= {"idempotency_field": "ref"}
        del settings["lookup"]
        made["targets"][0]["ask_by"] = "key"
        return made

    def _answer(self, seen: Any) -> Answer:
        if seen.path != "/sales":
            return 404, {}, {}
        ref, v = seen.json()["ref"], seen.json()["v"]
        self.calls.append((ref, v))
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        status, acts = self.fates.pop(0) if self.fates else (200, True)
        if acts:
            self.held[ref] = v
        return status, {}, {"id": "V"} if status < 300 else {"message": "no"}

    def state(self, key: str, version: int) -> None:
        append(self.conn, self.flow.ref, [self.flow.item(key, version)])

    def serve(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            serve_one(self.conn, self.clients, owner="w")

    def passes(self) -> None:
        """As if every pause were over."""
        self.flow.expire()
        self.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")

    def replayed(self, upto: int = 1) -> int:
        return replays.open_replay(
            self.target, spans={0: (1, upto)}, dry=False, pace=None, actor=None, reason="the vendor lost it"
        ).pk

    def outcomes(self, subscription: int) -> list[tuple[str, str]]:
        found = "select outcome, detail from runtime_attempt where subscription_id = %s order by id"
        return self.conn.execute(found, (subscription,)).fetchall()


@pytest.fixture
def prices(ledger: Connection, tmp_path: Path) -> Iterator[Prices]:
    """Version 1 of `a` has been delivered."""
    with Server(None) as server:
        made = Prices(ledger, server, tmp_path)
        made.state("a", 1)
        made.serve(2)
        assert made.held == {"a": 1}
        yield made
        made.clients.close()


@pytest.mark.parametrize(("status", "acts"), [(503, False), (503, True), (423, False), (429, False)])
def test_what_a_replay_has_to_send_again_does_not_undo_a_newer_state(prices: Prices, status: int, acts: bool) -> None:
    prices.fates = [(status, acts)] * 3
    again = prices.replayed()
    prices.serve()
    prices.state("a", 2)
    prices.fates = []
    for _ in range(4):
        prices.passes()
        prices.serve()
    assert prices.held == {"a": 2}
    assert prices.calls[-1] == ("a", 2), prices.calls
    assert not QuarantinedMessage.objects.filter(subscription=again).exists()


def test_a_dead_letter_of_a_replay_that_is_redriven_does_not_either_and_says_why(prices: Prices) -> None:
    prices.fates = [(422, False)]
    again = prices.replayed()
    prices.serve()
    prices.state("a", 2)
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 2}
    dead_letters.redrive(DeadLetterFilter(again), actor=None, reason="the vendor is well")
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 2}
    assert ("skipped", "a newer state of this key has come since, which a replay does not undo") in prices.outcomes(
        again
    )


def test_a_newer_state_waits_until_the_call_of_a_replay_is_over(prices: Prices) -> None:
    """The vendor is slow: it acts on the older state at the end of its call. Another worker has nothing to do."""

    def arrives() -> None:
        with connections.connected(name="tillgate-other") as other:
            append(other, prices.flow.ref, [prices.flow.item("a", 2)])
            clients = TargetClients(other)
            while serve_one(other, clients, owner="other") is not None:
                pass
            clients.close()

    prices.meanwhile = arrives
    prices.replayed()
    prices.serve()
    assert prices.held == {"a": 2}, prices.calls


def test_a_newer_state_waits_for_the_time_that_an_unanswered_call_may_still_take(prices: Prices) -> None:
    prices.fates = [(503, False)] * 3
    prices.replayed()
    prices.serve()
    sent = len(prices.calls)
    prices.state("a", 2)
    prices.fates = []
    prices.serve()
    assert len(prices.calls) == sent, "the first call may still take effect"
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 2}


def test_a_replay_waits_while_the_target_itself_sends(prices: Prices) -> None:
    prices.state("b", 1)

    def replays_meanwhile() -> None:
        prices.replayed()
        with connections.connected(name="tillgate-other") as other:
            clients = TargetClients(other)
            serve_one(other, clients, owner="other")
            clients.close()
        connection.close()  # of this thread

    prices.meanwhile = replays_meanwhile
    prices.serve(1)
    assert prices.calls == [("a", 1), ("b", 1)]
    prices.passes()
    prices.serve()
    assert prices.calls == [("a", 1), ("b", 1), ("a", 1)]


def test_the_target_goes_on_at_once_after_a_replay_that_was_answered(prices: Prices) -> None:
    prices.replayed()
    prices.serve(3)
    assert prices.calls == [("a", 1), ("a", 1)]
    prices.state("a", 2)
    prices.serve(2)
    assert prices.held == {"a": 2}


def refused(prices: Prices) -> DeadLetterFilter:
    """Version 1 of `b` is refused for good: the dead letter."""
    prices.fates = [(422, False)]
    prices.state("b", 1)
    prices.serve(2)
    assert prices.waiting() == [("b", "dead", "refused")]
    return DeadLetterFilter(prices.target, addresses=((0, 2),))


def test_a_replay_does_not_undo_what_a_person_has_corrected(prices: Prices) -> None:
    letter = refused(prices)
    corrected = {"key": "b", "version": 10}
    dead_letters.edit_payload(prices.target, 0, 2, payload=corrected, actor=None, reason="the right price")
    dead_letters.redrive(letter, actor=None, reason="corrected")
    prices.serve()
    assert prices.held == {"a": 1, "b": 10}
    prices.replayed(upto=2)
    prices.serve()
    assert prices.held == {"a": 1, "b": 10}
    assert prices.calls[-1] == ("a", 1)


def test_a_replay_does_not_send_what_a_person_has_discarded(prices: Prices) -> None:
    dead_letters.discard(refused(prices), actor=None, reason="a test of the till")
    prices.replayed(upto=2)
    prices.serve()
    assert prices.held == {"a": 1}


def corrected_letter_of_a_replay(prices: Prices) -> int:
    """A replay of what was delivered is refused, and a person corrects the dead letter of the replay."""
    prices.fates = [(422, False)]
    again = prices.replayed()
    prices.serve()
    dead_letters.edit_payload(again, 0, 1, payload={"key": "a", "version": 10}, actor=None, reason="the right price")
    return again


def test_a_second_replay_does_not_undo_what_a_person_has_corrected_at_the_first(prices: Prices) -> None:
    again = corrected_letter_of_a_replay(prices)
    dead_letters.redrive(DeadLetterFilter(again), actor=None, reason="corrected")
    for _ in range(2):
        prices.passes()
        prices.serve()
        prices.conn.execute("update runtime_quarantine set sent_at = sent_at - interval '1 hour'")
    assert prices.held == {"a": 10}
    prices.replayed()
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 10}, prices.calls


def test_a_second_replay_is_refused_for_what_waits_at_the_first(prices: Prices) -> None:
    corrected_letter_of_a_replay(prices)
    with pytest.raises(Conflict, match="in its quarantine"):
        prices.replayed()
    prices.passes()
    prices.serve()
    assert prices.calls == [("a", 1), ("a", 1)]


def test_what_a_person_discards_at_a_replay_is_replayed_by_the_next(prices: Prices) -> None:
    """That person has decided about the delivery again, and not about the message."""
    prices.fates = [(422, False)]
    again = prices.replayed()
    prices.serve()
    dead_letters.discard(DeadLetterFilter(again), actor=None, reason="the vendor has it")
    prices.replayed()
    prices.passes()
    prices.serve()
    assert prices.calls == [("a", 1)] * 3


def test_what_waits_at_one_replay_does_not_undo_what_a_person_has_corrected_at_another(prices: Prices) -> None:
    """Two replays of before this was refused keep it both."""
    second = prices.replayed()
    prices.conn.execute("update runtime_progress set position = upto where subscription_id = %s", (second,))
    first = corrected_letter_of_a_replay(prices)
    prices.conn.execute(
        "insert into runtime_quarantine "
        "(subscription_id, lane, position, key, state, reason_class, fingerprint, reason) "
        "select %s, lane, position, key, state, reason_class, fingerprint, reason "
        "from runtime_quarantine where subscription_id = %s",
        (second, first),
    )
    dead_letters.redrive(DeadLetterFilter(first), actor=None, reason="corrected")
    for _ in range(2):
        prices.passes()
        prices.serve()
        prices.conn.execute("update runtime_quarantine set sent_at = sent_at - interval '1 hour'")
    assert prices.held == {"a": 10}
    dead_letters.redrive(DeadLetterFilter(second), actor=None, reason="the vendor is well")
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 10}, prices.calls
    assert ("skipped", "a person has decided about it at the target since") in prices.outcomes(second)
